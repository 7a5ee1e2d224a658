"""LIMINAL_SUPERS -> the folders and files in which a platform team ships its layers."""

import os
import sys
from collections.abc import Iterator, Mapping
from importlib.machinery import ModuleSpec
from pathlib import Path

from liminal.errors import UsageError

VARIABLE = "LIMINAL_SUPERS"


def named_places(environ: Mapping[str, str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each name in the variable, with the folders or the file that it stands for.

    Args:
        environ: the variable in it holds folders, files and packages, separated as in PATH.

    Raises:
        UsageError: a name is none of these.
    """
    for named in filter(None, environ.get(VARIABLE, "").split(os.pathsep)):
        path = _from_home(named, environ)
        places = (path,) if Path(path).exists() else tuple(_package_folders(named))
        if not places:
            raise UsageError(
                f'{VARIABLE} names "{named}", which is no folder or package',
                hint="name folders, or packages installed beside Liminal",
            )
        yield named, places


def no_layer(named: str) -> UsageError:
    """The error about a name under which there is no layer."""
    return UsageError(f'{VARIABLE} names "{named}", which holds no layer')


def _from_home(named: str, environ: Mapping[str, str]) -> str:
    home = environ.get("HOME")
    return home + named[1:] if home and (named == "~" or named.startswith("~/")) else named


def _package_folders(named: str) -> Iterator[str]:
    """Where the package lies. It is found, never imported: YAML is data."""
    parts = named.split(".")
    if not all(part.isidentifier() for part in parts):
        return
    spec = _spec(parts[0])
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        inner = Path(folder, *parts[1:])
        if inner.is_dir():
            yield str(inner)


def _spec(package: str) -> ModuleSpec | None:
    """What Python would import, also of an editable installation, which has a finder of its own."""
    for finder in sys.meta_path:
        find = getattr(finder, "find_spec", None)
        spec: ModuleSpec | None = find(package, None) if find else None
        if spec is not None:
            return spec
    return None
