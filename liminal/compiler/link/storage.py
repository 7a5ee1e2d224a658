"""Volumes, secrets, and where tasks and services see them."""

import posixpath
from collections.abc import Iterator
from pathlib import Path

from liminal.compiler.link.context import Context
from liminal.compiler.link.values import frozen
from liminal.compiler.nodes import Map
from liminal.model import Mount, Secret, SecretMount, Volume

_VOLUME_KEYS = ("volume", "local", "claim_name")


def volumes(layer: Map, context: Context) -> Iterator[Volume]:
    """The layer's volumes."""
    for entry in context.unique(layer.sequence("volumes"), "volume"):
        sources = [key for key in entry if key not in _VOLUME_KEYS]
        kinds = [key for key in ("local", "claim_name", *sources) if key in entry]
        if len(kinds) > 1:
            context.error(
                "volume-sources",
                f'volume "{entry.text("volume")}" has several sources: {", ".join(kinds)}',
                entry.at_key(kinds[1]),
                "keep one of them",
            )
        local = entry.mapping("local").string("path")
        yield Volume(
            name=entry.text("volume") or "",
            origin=entry.origin,
            local_path=_on_this_machine(local, entry, context) if local else None,
            claim_name=entry.string("claim_name"),
            source={key: frozen(entry[key]) for key in sources},
        )


def secrets(layer: Map, context: Context) -> Iterator[Secret]:
    """The layer's secrets."""
    for entry in context.unique(layer.sequence("secrets"), "secret"):
        file = entry.string("local_path_file") or ""
        yield Secret(
            name=entry.text("secret") or "",
            local_path_file=_on_this_machine(file, entry, context),
            origin=entry.origin,
        )


def mounts(entry: Map, context: Context) -> tuple[Mount, ...]:
    """The entry's mounts; two at one path, or of an unknown volume, are findings."""
    found = []
    paths: dict[str, str] = {}
    for mount in entry.sequence("mounts").mappings():
        volume, path = mount.string("volume") or "", mount.string("path") or ""
        if volume not in context.volumes:
            context.unknown("volume", volume, context.volumes, mount.at("volume"))
        _claim_path(paths, path, f'volume "{volume}"', mount, "path", context)
        found.append(
            Mount(
                name=mount.text("mount") or volume,
                volume=volume,
                path=path,
                sub_path=_sub_path(mount, context),
                read_only=mount.flag("read_only") or False,
                origin=mount.origin,
            )
        )
    return tuple(found)


def secret_mounts(entry: Map, context: Context) -> tuple[SecretMount, ...]:
    """The entry's secrets; two at one path, or an unknown one, are findings."""
    found = []
    paths: dict[str, str] = {}
    for mount in entry.sequence("secrets").mappings():
        secret, path = mount.string("secret") or "", mount.string("remote_path") or ""
        if secret not in context.secrets:
            context.unknown("secret", secret, context.secrets, mount.at("secret"))
        _claim_path(paths, path, f'secret "{secret}"', mount, "remote_path", context)
        found.append(
            SecretMount(
                secret=secret,
                remote_path=path,
                sub_path=mount.string("sub_path"),
                read_only=True,
                origin=mount.origin,
            )
        )
    return tuple(found)


def _on_this_machine(path: str, entry: Map, context: Context) -> str:
    """The path as it is written if it is absolute or in a home, else from its file's folder."""
    if path.startswith("~"):
        return path
    return str(Path(context.folder_of(entry.origin.file), path))


def _sub_path(mount: Map, context: Context) -> str | None:
    sub_path = mount.string("sub_path")
    if sub_path and (sub_path.startswith("/") or ".." in sub_path.split("/")):
        context.error(
            "sub-path",
            f'"{sub_path}" leaves the volume',
            mount.at("sub_path"),
            "name a folder in it",
        )
    return sub_path


def _claim_path(
    paths: dict[str, str], path: str, what: str, mount: Map, key: str, context: Context
) -> None:
    normal = posixpath.normpath(path)
    if normal in ("/", ".") or normal.startswith(".."):
        context.error("mount-path", f'"{path}" cannot be a mount', mount.at(key), "name a folder")
    if normal in paths:
        context.error(
            "mount-collision", f'{what} and {paths[normal]} are both at "{path}"', mount.at(key)
        )
    paths.setdefault(normal, what)
