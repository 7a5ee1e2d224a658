"""What a build may use and an image must not keep: secrets, certificates, pip's configuration."""

import os
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from liminal.files import make_private_folder, remove_tree
from liminal.images.engines.local.environment import SETTINGS
from liminal.images.recipe import Recipe

SECRETS_VARIABLE = "LIMINAL_BUILD_SECRETS"
"""Names the folder with one file for each of `build_secrets`, by its id.

Docker mounts them at /run/secrets, which takes a superuser.
"""


@contextmanager
def lent(recipe: Recipe, scratch: Path, environ: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Makes the scratch folder, and removes it at the end of the block with all that is in it.

    Yields:
        The environment for processes that install.
    """
    remove_tree(scratch)  # a killed build leaves its own
    make_private_folder(scratch)
    kept = dict(environ)
    if recipe.pip_conf is not None:
        # pip takes an index from the environment before the one in a file, and who gives an image
        # a file means that file.
        kept = {name: value for name, value in environ.items() if not SETTINGS.fullmatch(name)}
    try:
        yield {**kept, **_variables(recipe, scratch, environ)}
    finally:
        remove_tree(scratch)


def _variables(recipe: Recipe, scratch: Path, environ: Mapping[str, str]) -> dict[str, str]:
    variables = {}
    if recipe.pip_conf is not None:
        variables["PIP_CONFIG_FILE"] = str(recipe.pip_conf)
    if recipe.ca_bundle is not None:
        bundle = scratch / "certificates.pem"
        _write(bundle, _trusted(environ) + b"\n" + recipe.ca_bundle.read_bytes())
        for name in ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            variables[name] = str(bundle)
    if recipe.build_secrets:
        folder = scratch / "secrets"
        make_private_folder(folder)
        for name, file in recipe.build_secrets.items():
            _write(folder / name, file.read_bytes())
        variables[SECRETS_VARIABLE] = str(folder)
    return variables


def _trusted(environ: Mapping[str, str]) -> bytes:
    """The certificates that this machine trusts already: the image's are extra ones."""
    paths = ssl.get_default_verify_paths()
    named = (environ.get("SSL_CERT_FILE"), environ.get("PIP_CERT"), paths.cafile)
    found = next((Path(path) for path in named if path and Path(path).is_file()), None)
    return b"" if found is None else found.read_bytes()


def _write(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
