"""Files into a container before it starts, and one out of it after its end, on any engine."""

import contextlib
import io
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from liminal.runners import OUTPUT_LIMIT

FOLDER = "/run/liminal"
"""Ours in a container."""

OUTPUT = f"{FOLDER}/output"
"""Where outputs that somebody reads are written: no volume or temporary file system is there."""

UNREAD_OUTPUT = "/tmp/liminal-output"  # noqa: S108  # inside
"""The same for those that nobody reads. To put a file into a container and to take one out of it
costs the engine a process each, which a short task would feel."""

FILES = f"{FOLDER}/files"

USERS = "/etc/passwd"


@dataclass(frozen=True, slots=True)
class Placed:
    """A file for a container.

    Attributes:
        mode: its permissions; its owner is root and its group 0, which every task is in.
    """

    content: bytes
    mode: int


def archive(files: Mapping[str, Placed]) -> bytes:
    """The files by absolute path, as a tar that is unpacked at ``/``."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        # Only folders of ours are in it: what it has of others would change their permissions.
        tar.addfile(_entry(FOLDER, 0o777, kind=tarfile.DIRTYPE))
        for path, file in sorted(files.items()):
            entry = _entry(path, file.mode)
            entry.size = len(file.content)
            tar.addfile(entry, io.BytesIO(file.content))
    return packed.getvalue()


def with_user(users: bytes, user: str, home: str) -> bytes | None:
    """The content of a /etc/passwd with an entry for that user; None where it needs none.

    Args:
        users: what is there.
        user: ``UID`` or ``UID:GID``; a name is there, or the engine refuses it.
        home: the user's folder.
    """
    uid, _, gid = user.partition(":")
    known = {line.split(b":")[2] for line in users.splitlines() if line.count(b":") > 2}
    if not uid.isdigit() or uid.encode() in known or len(users) > OUTPUT_LIMIT:
        return None
    entry = f"{user_name(uid)}:x:{uid}:{gid if gid.isdigit() else 0}::{home}:/bin/sh\n"
    return b"\n".join((*users.splitlines(), entry.encode()))


def _entry(path: str, mode: int, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(path.lstrip("/"))
    entry.mode, entry.type = mode, kind
    return entry


def first_bytes(pieces: Iterator[bytes]) -> bytes:
    """The begin of the file that the tar of an engine holds, never more than `OUTPUT_LIMIT` + 1.

    The task owns the file, and may have put a link, a pipe or a folder in its place: those have no
    content of their own.
    """
    with (
        contextlib.suppress(tarfile.TarError),
        tarfile.open(fileobj=io.BufferedReader(_Reader(pieces)), mode="r|") as tar,
    ):
        entry = tar.next()
        if entry is not None and entry.isreg() and (file := tar.extractfile(entry)):
            return bytes(file.read(OUTPUT_LIMIT + 1))
    return b""


class _Reader(io.RawIOBase):
    """A file of what comes in pieces."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def readable(self) -> bool:
        """It is for nothing else."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer from one piece, or the rest of one."""
        self._rest = self._rest or next(self._pieces, b"")
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


def user_name(user: str) -> str:
    """What whoever runs a command is called in its container, by number or by name."""
    if not user.isdigit():
        return user
    return "root" if int(user) == 0 else f"user{user}"
