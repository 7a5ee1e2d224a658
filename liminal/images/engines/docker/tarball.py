"""The context of a build as one tar: fixed times, owners and order, and only what was hashed."""

import hashlib
import io
import os
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from liminal.images.context import Changed, Context, Entry

EPOCH = 315532800
"""1980-01-01: the first moment that a zip, and so a wheel, can hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One path of a context.

    Attributes:
        path: relative, with ``/``.
        entry: a file, folder or link of `folder`; None for a file of ours with `content`.
        shared: whether group 0 may write to it, as whoever runs an image is in that group.
    """

    path: str
    entry: Entry | None = None
    folder: Path | None = None
    content: bytes = b""
    shared: bool = False

    @property
    def mode(self) -> int:
        """Its permissions: only the executable bit is the user's, as Git keeps it."""
        if self.entry is not None and self.entry.kind == "link":
            return 0o777
        executable = self.entry is not None and (
            self.entry.executable or self.entry.kind == "folder"
        )
        return (0o755 if executable else 0o644) | (0o020 if self.shared else 0)


def pieces_of(context: Context, below: str, *, shared: bool = False) -> Iterator[Piece]:
    """What goes into a folder of the context, with that folder itself; "" is the top."""
    if below:
        yield Piece(path=below, entry=Entry(path="", kind="folder"), shared=shared)
    for entry in context.entries:
        path = f"{below}/{entry.path}" if below else entry.path
        yield Piece(path=path, entry=entry, folder=context.folder, shared=shared)


def written(files: Mapping[str, bytes]) -> Iterator[Piece]:
    """Files of ours, by path."""
    for path, content in sorted(files.items()):
        yield Piece(path=path, content=content)


def digest_of(pieces: Iterable[Piece]) -> str:
    """SHA-256 over paths, modes, link targets and contents, in hexadecimal."""
    digest = hashlib.sha256()
    for piece in pieces:
        entry = piece.entry
        if entry is None:
            parts = ("ours", piece.path, hashlib.sha256(piece.content).hexdigest(), "")
        else:
            kind = f"{entry.kind} {'x' if entry.executable else '-'}"
            parts = (kind, piece.path, entry.digest, entry.target)
        for part in parts:
            digest.update(os.fsencode(part) + b"\0")
    return digest.hexdigest()


def write_tar(pieces: Iterable[Piece], file: BinaryIO) -> None:
    """Writes the tar; the same pieces give the same bytes.

    Raises:
        Changed: a file is no longer what was hashed.
        OSError: something cannot be read or written; its name is with it.
    """
    with tarfile.open(
        fileobj=file, mode="w", format=tarfile.GNU_FORMAT, errors="surrogateescape"
    ) as tar:
        for piece in pieces:
            try:
                _add(tar, piece)
            except FileNotFoundError as error:
                raise Changed(piece.path) from error


def _add(tar: tarfile.TarFile, piece: Piece) -> None:
    entry, info = piece.entry, tarfile.TarInfo(piece.path)
    info.mtime, info.mode = EPOCH, piece.mode
    if entry is None:
        info.size = len(piece.content)
        tar.addfile(info, io.BytesIO(piece.content))
        return
    match entry.kind:
        case "folder":
            info.type = tarfile.DIRTYPE
            tar.addfile(info)
        case "link":
            info.type, info.linkname = tarfile.SYMTYPE, entry.target
            tar.addfile(info)
        case "file":
            _add_file(tar, info, piece.folder or Path(), entry)


def _add_file(tar: tarfile.TarFile, info: tarfile.TarInfo, folder: Path, entry: Entry) -> None:
    info.size = entry.size
    with (folder / entry.path).open("rb", buffering=0) as source:
        reader = _Hashing(source)
        try:
            tar.addfile(info, reader)
        except OSError as error:
            if "unexpected end of data" in str(error):
                raise Changed(entry.path) from error
            raise
        if source.read(1) or reader.digest.hexdigest() != entry.digest:
            raise Changed(entry.path)


class _Hashing(io.RawIOBase):
    """A file that hashes what is read of it."""

    def __init__(self, source: BinaryIO | io.FileIO) -> None:
        self._source = source
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(size) or b""
        self.digest.update(data)
        return data
