"""The keys and the password of the embedded Airflow: made once, readable by their owner only."""

import base64
import json
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from liminal.errors import ServerError
from liminal.files import PRIVATE_FILE, write_atomic
from liminal.server.folder import ServerFolder

USER = "admin"
"""The one user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """What nobody else may know; none of it shows when the value is printed.

    Attributes:
        jwt_secret: signs the tokens by which tasks and users speak to the server.
        fernet_key: encrypts connections and Airflow Variables in the database.
        secret_key: signs the sessions of browsers.
        password: of the user.
    """

    jwt_secret: str = field(repr=False)
    fernet_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    password: str = field(repr=False)


def keep_secrets(folder: ServerFolder) -> Secrets:
    """The keys and the password as they are kept, made where they are missing.

    The password's file is written before Airflow starts: else Airflow makes one up and prints it.

    Raises:
        ServerError: a file is damaged, or cannot be written.
    """
    keys = _kept(folder.secrets, ("fernet_key", "jwt_secret", "secret_key"), _new_keys)
    passwords = _kept(folder.passwords, (USER,), _new_password)
    return Secrets(
        jwt_secret=keys["jwt_secret"],
        fernet_key=keys["fernet_key"],
        secret_key=keys["secret_key"],
        password=passwords[USER],
    )


def read_password(folder: ServerFolder) -> str | None:
    """The user's password; None where there is none yet, or it cannot be read."""
    try:
        return str(json.loads(folder.passwords.read_bytes())[USER])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _kept(
    path: Path, names: tuple[str, ...], make: Callable[[], Mapping[str, str]]
) -> Mapping[str, str]:
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        made = make()
        write_atomic(path, json.dumps(made).encode())
        return made
    try:
        content = json.loads(text)
        kept = {name: content[name] for name in names}
    except (ValueError, KeyError, TypeError):
        kept = {}
    if not kept or not all(isinstance(value, str) and value for value in kept.values()):
        raise ServerError(
            f'"{path}" is damaged',
            hint="move it away, and the next start makes a new one; what Airflow encrypted with "
            "the old keys is lost then",
        )
    if path.stat().st_mode & 0o077:
        path.chmod(PRIVATE_FILE)
    return kept


def _new_keys() -> dict[str, str]:
    return {
        # Source: cryptography 45, Fernet.generate_key: 32 random bytes in URL-safe base64.
        "fernet_key": base64.urlsafe_b64encode(os.urandom(32)).decode(),
        "jwt_secret": secrets.token_urlsafe(48),
        "secret_key": secrets.token_urlsafe(32),
    }


def _new_password() -> dict[str, str]:
    return {USER: secrets.token_urlsafe(12)}
