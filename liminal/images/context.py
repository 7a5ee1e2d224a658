"""Which files of a folder go into an image, and the hash that tells whether any of them changed."""

import hashlib
import os
import stat
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from liminal.errors import BuildError
from liminal.images.dockerignore import BadPattern, Ignores, read_ignores

_CHUNK_BYTES = 1 << 20

NEVER = frozenset(
    {
        ".git", ".hg", ".svn", "__pycache__", "node_modules", ".ipynb_checkpoints", ".tox", ".nox",
        ".mypy_cache", ".pytest_cache", ".ruff_cache", ".eggs",
    }
)  # fmt: skip
"""Folders that no image needs, whatever the .dockerignore says."""

_ENVIRONMENT_MARKS = ("pyvenv.cfg", "conda-meta")
"""What makes a folder a virtual environment, whatever its name."""

SECRETS = ("**/.env", "**/.env.*", "**/.envrc", "**/credentials*", "**/.netrc", "**/.pypirc")
"""Left out unless the .dockerignore takes them in with ``!``."""

_DEFAULTS = ("**/*.pyc", "**/.DS_Store", "**/.liminal.schema.json", *SECRETS)


class Changed(Exception):
    """A file changed between the moment it was hashed and the moment it was copied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One path that goes into an image.

    Attributes:
        path: relative to the folder, with ``/``.
        target: where a link leads, as it is written into the image.
        digest: SHA-256 of a file's content, in hexadecimal.
        size: of a file, in bytes.
    """

    path: str
    kind: Literal["file", "folder", "link"]
    executable: bool = False
    target: str = ""
    digest: str = ""
    size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What goes into an image from one folder.

    Attributes:
        folder: absolute, with symlinks resolved.
        entries: sorted by path, each folder before what is in it.
        digest: SHA-256 over paths, executable bits, link targets and contents.
        special: sockets, FIFOs and devices, which cannot go into an image.
        secrets: what the default rules, not the user's, leave out as secret.
    """

    folder: Path
    entries: tuple[Entry, ...]
    digest: str
    special: tuple[str, ...]
    secrets: tuple[str, ...]

    @property
    def size(self) -> int:
        """Bytes in all the files."""
        return sum(entry.size for entry in self.entries)

    def largest(self, count: int) -> tuple[tuple[str, int], ...]:
        """The largest entries at the top of the folder, with their bytes."""
        sizes: Counter[str] = Counter()
        for entry in self.entries:
            sizes[entry.path.split("/", 1)[0]] += entry.size
        return tuple(sizes.most_common(count))


def read_context(image: str, folder: Path, *, apart: tuple[Path, ...] = ()) -> Context:
    """The files of the folder that go into the image.

    Args:
        image: its name, for messages.
        folder: links in its own path are followed.
        apart: absolute folders that never belong to it, such as ``$LIMINAL_HOME``.

    Raises:
        BuildError: a link leads out of the folder, two names differ in case only, the
            .dockerignore has a line that is no pattern, or something cannot be read.
    """
    root = Path(os.path.realpath(folder))
    walk = _Walk(
        image=image,
        root=str(root),
        ignores=_read_dockerignore(image, root),
        secrets=read_ignores("", SECRETS),
        apart=frozenset(os.path.realpath(path) for path in apart),
        special=[],
        left_out=[],
    )
    try:
        entries = tuple(sorted(walk.entries(), key=lambda entry: entry.path.split("/")))
    except OSError as error:
        raise BuildError(
            f'image "{image}": cannot read "{error.filename}": {error.strerror}',
            hint="make it readable, or leave it out with a line in .dockerignore",
        ) from error
    _check_case(image, entries)
    return Context(
        folder=root,
        entries=entries,
        digest=_digest(entries),
        special=tuple(sorted(walk.special)),
        secrets=tuple(sorted(walk.left_out)),
    )


def hash_file(path: Path, write: Callable[[bytes], object] | None = None) -> str:
    """The SHA-256 of the file's content, in hexadecimal.

    Args:
        path: the file.
        write: called with each piece that was read, so that a copy is of what was hashed.
    """
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while piece := file.read(_CHUNK_BYTES):
            digest.update(piece)
            if write is not None:
                write(piece)
    return digest.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Walk:
    image: str
    root: str
    ignores: Ignores
    secrets: Ignores
    apart: frozenset[str]
    special: list[str]
    left_out: list[str]

    def entries(self, below: str = "", above: tuple[bool, ...] = ()) -> Iterator[Entry]:
        """The entries below the relative path `below`, whose matches were `above`."""
        with os.scandir(f"{self.root}/{below}") as found:
            listed = sorted(found, key=lambda item: item.name)
        for item in listed:
            path = f"{below}/{item.name}" if below else item.name
            matches = self.ignores.match(path, above)
            left_out = self.ignores.leaves_out(matches)
            if item.is_dir(follow_symlinks=False):
                yield from self._folder(item, path, matches, left_out)
            elif not left_out:
                yield from self._leaf(item, path)
            elif self._is_secret(path, matches):
                self.left_out.append(path)

    def _folder(
        self, item: "os.DirEntry[str]", path: str, matches: tuple[bool, ...], left_out: bool
    ) -> Iterator[Entry]:
        if item.name in NEVER or item.path in self.apart or _is_environment(item.path):
            return
        if not left_out:
            yield Entry(path=path, kind="folder")
            yield from self.entries(path, matches)
        elif self.ignores.takes_in:
            # Docker makes the folders above a file that is taken in again.
            inside = list(self.entries(path, matches))
            if inside:
                yield Entry(path=path, kind="folder")
                yield from inside
        elif self._is_secret(path, matches):
            self.left_out.append(path)

    def _leaf(self, item: "os.DirEntry[str]", path: str) -> Iterator[Entry]:
        if item.is_symlink():
            yield Entry(path=path, kind="link", target=self._target(path))
            return
        status = item.stat(follow_symlinks=False)
        if not stat.S_ISREG(status.st_mode):
            self.special.append(path)
            return
        yield Entry(
            path=path,
            kind="file",
            executable=bool(status.st_mode & stat.S_IXUSR),
            digest=hash_file(Path(item.path)),
            size=status.st_size,
        )

    def _target(self, path: str) -> str:
        """Where the link leads, relative to its own folder."""
        place = Path(self.root, path)
        written = str(place.readlink())
        leads_to = os.path.realpath(place)
        if leads_to != self.root and not leads_to.startswith(self.root + os.sep):
            raise BuildError(
                f'image "{self.image}": the link "{path}" leads out of the source, to "{leads_to}"',
                hint="put a copy in its place, or leave it out with a line in .dockerignore",
            )
        # An absolute one would lead from the image back to this folder.
        return os.path.relpath(leads_to, place.parent) if written.startswith("/") else written

    def _is_secret(self, path: str, matches: tuple[bool, ...]) -> bool:
        """Whether only our own rules, not a line of the user's, leave the path out."""
        own = any(matches[len(_DEFAULTS) :])
        return not own and any(self.secrets.match(path))


def _read_dockerignore(image: str, root: Path) -> Ignores:
    path = root / ".dockerignore"
    try:
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
    except FileNotFoundError:
        text = ""
    except OSError as error:
        raise BuildError(
            f'image "{image}": cannot read "{path}": {error.strerror}', hint="make it readable"
        ) from error
    try:
        return read_ignores(text, _DEFAULTS)
    except BadPattern as error:
        raise BuildError(
            f'image "{image}": {path}:{error.line}: {error}', hint="correct the line"
        ) from error


def _is_environment(path: str) -> bool:
    return any(Path(path, mark).exists() for mark in _ENVIRONMENT_MARKS)


def _check_case(image: str, entries: tuple[Entry, ...]) -> None:
    """Refuses what a disk that ignores case could not hold."""
    seen: dict[str, str] = {}
    for entry in entries:
        other = seen.setdefault(entry.path.casefold(), entry.path)
        if other != entry.path:
            raise BuildError(
                f'image "{image}": "{other}" and "{entry.path}" differ in case only',
                hint="rename one, or leave it out with a line in .dockerignore",
            )


def _digest(entries: tuple[Entry, ...]) -> str:
    digest = hashlib.sha256()
    for entry in entries:
        kind = f"{entry.kind} {'x' if entry.executable else '-'} {entry.digest}"
        for part in (kind, entry.path, entry.target):
            digest.update(os.fsencode(part) + b"\0")
    return digest.hexdigest()
