"""Where a task or service sees its volumes and secrets: paths that cannot be, or that collide."""

import posixpath
from collections.abc import Iterator
from typing import NamedTuple

from liminal.compiler.link.context import Context
from liminal.compiler.nodes import Map
from liminal.origin import Origin

_MAX_PATH = 4095


class _Claim(NamedTuple):
    """A path that a volume or secret takes."""

    path: str
    what: str
    origin: Origin


def check_mount_paths(entry: Map, context: Context) -> None:
    """Adds a finding for each path that cannot be a mount, or that two of them want."""
    claims: dict[str, _Claim] = {}
    for claim in _claims(entry):
        if _is_no_mount(claim.path):
            message = f'"{claim.path}" cannot be the path of {claim.what}'
            hint = "name a path in the container, absolute or below its working directory"
            context.error("mount-path", message, claim.origin, hint)
            continue
        same = claims.setdefault(claim.path, claim)
        if same is not claim:
            message = f'{claim.what} and {same.what} are both at "{claim.path}"'
            hint = f"the first is at {same.origin}"
            context.error("mount-collision", message, claim.origin, hint)
    for inner in claims.values():
        for above in _above(inner.path):
            if above in claims:
                message = f'{inner.what} at "{inner.path}" lies inside {claims[above].what}'
                hint = "put it beside: not every runner can mount one inside another"
                context.warning("mount-inside", message, inner.origin, hint)


def _above(path: str) -> Iterator[str]:
    """The folders that the path lies in; a relative one never lies in an absolute one."""
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def _claims(entry: Map) -> Iterator[_Claim]:
    for key, name, path in (("mounts", "volume", "path"), ("secrets", "secret", "remote_path")):
        for mount in entry.sequence(key).mappings():
            written = mount.string(path)
            if written and "{{" not in written:  # what is left of a placeholder was told
                what = f'{name} "{mount.text(name)}"'
                yield _Claim(posixpath.normpath(written), what, mount.at(path))


def _is_no_mount(path: str) -> bool:
    """Whether nothing can be mounted there.

    A colon ends the path in Docker's form, and Kubernetes refuses it; nobody expands ``~``. Linux
    takes no path that is longer.
    """
    strange = ":" in path or not path.isprintable() or len(path) > _MAX_PATH
    return path in ("/", "//", ".") or path.split("/")[0] in ("..", "~") or strange
