"""Volumes, secrets, and where tasks and services see them."""

import re
from collections.abc import Iterator
from pathlib import Path

from liminal.compiler.link.context import Context
from liminal.compiler.link.values import frozen
from liminal.compiler.nodes import Map
from liminal.model import Mount, Secret, SecretMount, Volume

_VOLUME_KEYS = ("volume", "local", "claim_name")
# Source: Kubernetes, DNS subdomain names.
_CLAIM_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_MAX_CLAIM_NAME = 253


def volumes(layer: Map, context: Context) -> Iterator[Volume]:
    """The layer's volumes; one without any source is the claim NAME-pvc.

    A folder of this machine may have a claim beside it, as Apache Liminal's examples do: that is
    the name of the claim that Kubernetes gets for the folder.
    """
    for entry in context.unique(layer.sequence("volumes"), "volume"):
        sources = [key for key in entry if key not in _VOLUME_KEYS]
        kinds = [key for key in ("local", "claim_name") if key in entry]
        kinds = [*kinds[:1], *sources] if sources else kinds[:1]
        if len(kinds) > 1:
            context.error(
                "volume-sources",
                f'volume "{entry.text("volume")}" has several sources: {", ".join(kinds)}',
                entry.at_key(kinds[1]),
                "keep one of them",
            )
        _check_claim_name(entry, context)
        local = entry.mapping("local")
        default_claim = None if kinds else f"{entry.text('volume')}-pvc"
        yield Volume(
            name=entry.text("volume") or "",
            origin=entry.origin,
            local_path=_on_this_machine(local, "path", context) if local.string("path") else None,
            claim_name=entry.string("claim_name") or default_claim,
            source={key: frozen(entry[key]) for key in sources},
        )


def secrets(layer: Map, context: Context) -> Iterator[Secret]:
    """The layer's secrets."""
    for entry in context.unique(layer.sequence("secrets"), "secret"):
        yield Secret(
            name=entry.text("secret") or "",
            local_path_file=_on_this_machine(entry, "local_path_file", context),
            origin=entry.origin,
        )


def mounts(entry: Map, context: Context) -> tuple[Mount, ...]:
    """The entry's mounts; one of an unknown volume is a finding."""
    found = []
    for mount in entry.sequence("mounts").mappings():
        volume, path = mount.string("volume") or "", mount.string("path") or ""
        if volume not in context.volumes:
            context.unknown("volume", volume, context.volumes, mount.at("volume"))
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
    """The entry's secrets; an unknown one is a finding."""
    found = []
    for mount in entry.sequence("secrets").mappings():
        secret, path = mount.string("secret") or "", mount.string("remote_path") or ""
        if secret not in context.secrets:
            context.unknown("secret", secret, context.secrets, mount.at("secret"))
        found.append(
            SecretMount(
                secret=secret,
                remote_path=path,
                sub_path=_sub_path(mount, context),
                read_only=True,
                origin=mount.origin,
            )
        )
    return tuple(found)


def _check_claim_name(entry: Map, context: Context) -> None:
    name = entry.string("claim_name")
    if name is None or (_CLAIM_NAME.fullmatch(name) and len(name) <= _MAX_CLAIM_NAME):
        return
    hint = "a claim's name is lower-case letters, digits, - and ."
    message = f'"claim_name" of volume "{entry.text("volume")}" cannot be "{name}"'
    context.error("bad-name", message, entry.at("claim_name"), hint)


def _on_this_machine(entry: Map, key: str, context: Context) -> str:
    """The path as it is written if it is absolute or in a home, else from its file's folder."""
    path = entry.string(key) or ""
    return path if path.startswith("~") else str(Path(context.folder_of(entry.at(key).file), path))


def _sub_path(mount: Map, context: Context) -> str | None:
    sub_path = mount.string("sub_path")
    if sub_path and (sub_path.startswith("/") or ".." in sub_path.split("/")):
        context.error(
            "sub-path",
            f'"{sub_path}" leads out of what is mounted',
            mount.at("sub_path"),
            "name something in it",
        )
    return sub_path
