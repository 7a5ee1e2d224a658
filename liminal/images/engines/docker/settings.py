"""What the user's environment and configuration tell installers, for a build that sees neither."""

import hashlib
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

from liminal.images.engines.local.environment import SETTINGS
from liminal.images.recipe import Recipe

_TRUST = re.compile(r"PIP_TRUSTED_HOST|UV_INSECURE_HOST")
_OF_FILES = re.compile(r"(?:PIP|UV)_(?:CONFIG_FILE|CONSTRAINT|OVERRIDE)")
_ADDRESS = re.compile(r"(?!file:)[a-z][a-z0-9+]*://", re.IGNORECASE)
_USER_INFO = re.compile(r"://[^/@\s]+@")
_CREDENTIAL = re.compile(r"\w*(?:USERNAME|PASSWORD|TOKEN)")

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
"""Docker hands these to a build, in either case, and keeps them out of the image's history."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallerSettings:
    """What a build is told about where packages come from.

    Attributes:
        variables: name -> value, which may hold a password: for a secret, never for a text.
        index: tells indexes apart, without their passwords; "" for the default one.
        with_pip: whether only pip understands what is said.
        local: names of variables that lead to this machine's disk, where a build does not get.
    """

    variables: Mapping[str, str] = field(default_factory=dict)
    index: str = ""
    with_pip: bool = False
    local: tuple[str, ...] = ()

    def script(self) -> bytes:
        """The variables as lines of a shell script."""
        lines = (f"export {name}={shlex.quote(value)}\n" for name, value in self.variables.items())
        return "".join(lines).encode(errors="surrogateescape")


def read_settings(recipe: Recipe, environ: Mapping[str, str]) -> InstallerSettings:
    """What the environment tells the installer of this image.

    A `pip_conf` wins over it: who gives an image a file means that file.

    Raises:
        OSError: the file cannot be read.
    """
    if recipe.pip_conf is not None:
        index = _short_hash([_bare(recipe.pip_conf.read_text("utf-8", "surrogateescape"))])
        return InstallerSettings(index=index, with_pip=True)
    if not recipe.requirements.files:
        return InstallerSettings()
    named = {
        name: environ[name]
        for name in sorted(environ)
        if environ[name] and (SETTINGS.fullmatch(name) or _TRUST.fullmatch(name))
    }
    local = tuple(name for name, value in named.items() if _is_local(name, value))
    variables = {name: value for name, value in named.items() if name not in local}
    if not variables:
        return InstallerSettings(local=local)
    said = [
        f"{name}={_bare(value)}"
        for name, value in variables.items()
        if not _CREDENTIAL.fullmatch(name)
    ]
    return InstallerSettings(
        variables=variables,
        index=_short_hash(said),
        with_pip=any("INDEX" in name for name in variables if name.startswith("PIP_"))
        and not any("INDEX" in name for name in variables if name.startswith("UV_")),
        local=local,
    )


def _is_local(name: str, value: str) -> bool:
    if _OF_FILES.fullmatch(name):
        return True
    return name.endswith("FIND_LINKS") and not any(map(_ADDRESS.match, value.split()))


def _bare(text: str) -> str:
    """The text without the users and passwords in its addresses."""
    return _USER_INFO.sub("://", text)


def _short_hash(parts: list[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode(errors="surrogateescape")).hexdigest()[:12]
