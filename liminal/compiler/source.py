"""A path -> the text of every layer under it."""

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from liminal.compiler.document import Refused
from liminal.compiler.supers import named_places, no_layer
from liminal.errors import Diagnostic, UsageError, error, warning
from liminal.origin import Origin

FILE_NAMES = ("liminal.yml", "liminal.yaml")
MAX_BYTES = 32 * 1024 * 1024
"""A larger file is no liminal.yml; refused before it is read."""

_SKIPPED_FOLDERS = frozenset({"node_modules", "__pycache__"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The files that may be layers.

    Attributes:
        root: the folder that was named, or that of the file that was named.
        files: those to compile, as the user would type them, sorted.
        supers: those that are only there to be inherited from.
        findings: what is named like a layer and is none.
    """

    root: str
    files: tuple[str, ...]
    supers: tuple[str, ...]
    findings: tuple[Diagnostic, ...]


def find(path: str, environ: Mapping[str, str]) -> Layout:
    """The layers under a folder, or one file and the layers around it.

    Args:
        path: a folder or a liminal.yml.
        environ: LIMINAL_SUPERS in it names folders and installed packages with more super layers.

    Raises:
        UsageError: there is no such path, or no layer under it; LIMINAL_SUPERS names nothing.
    """
    if not os.path.lexists(path):
        raise UsageError(f'"{path}" does not exist', hint="name a folder or a liminal.yml")
    unread: list[Diagnostic] = []
    shared, findings = _partition(_shared_layers(environ, unread))
    if os.path.isfile(path):
        root = os.path.dirname(path) or "."
        around, more = _partition(_walk(root, unread))
        others = _others((*around, *shared), (path,))
        findings = (*findings, *more, *unread)
        return Layout(root=root, files=(path,), supers=others, findings=findings)
    files, more = _partition(_walk(path, unread))
    if not files and not more and not unread:
        raise UsageError(
            f'no liminal.yml under "{path}"',
            hint='make one with "liminal init", or name its folder',
        )
    others = _others(shared, files)
    findings = (*findings, *more, *unread)
    return Layout(root=path, files=files, supers=others, findings=findings)


def read(file: str) -> str:
    """The file's text.

    Raises:
        Refused: it cannot be read, is too large, or is not UTF-8.
    """
    start = Origin(file, 1, 1)
    try:
        if Path(file).stat().st_size > MAX_BYTES:
            raise Refused(error("too-large", "the file is larger than 32 MB", start))
        data = Path(file).read_bytes()
    except OSError as problem:
        message = f"cannot be read: {problem.strerror}"
        raise Refused(error("unreadable", message, start)) from problem
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data[:2]:
        raise Refused(
            error("not-utf8", "the file is UTF-16", start, "save it as UTF-8 in your editor")
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        before = data[: problem.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        message = f"byte 0x{data[problem.start]:02x} is not UTF-8"
        hint = "save the file as UTF-8 in your editor"
        raise Refused(error("not-utf8", message, Origin(file, line, column), hint)) from problem


def _shared_layers(environ: Mapping[str, str], unread: list[Diagnostic]) -> Iterator[str]:
    for named, places in named_places(environ):
        layers = [
            layer
            for place in places
            for layer in (_walk(place, unread) if Path(place).is_dir() else (place,))
        ]
        if not layers:
            raise no_layer(named)
        yield from layers


def _walk(root: str, unread: list[Diagnostic]) -> Iterator[str]:
    """Everything named like a layer below the folder, sorted; each real folder once.

    A folder that cannot be listed is put among the unread; the data of a database, say, may well
    be closed to us, so that only the folder that was asked for is an error.
    """
    met: set[tuple[int, int]] = set()
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        try:
            status = os.stat(folder)
            if (status.st_dev, status.st_ino) in met:
                continue
            met.add((status.st_dev, status.st_ino))
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except (FileNotFoundError, NotADirectoryError):  # gone since it was listed
            continue
        except OSError as problem:
            tell = error if folder == root else warning
            message = f"the folder cannot be read: {problem.strerror}"
            unread.append(tell("unreadable", message, Origin(_as_typed(root, folder), 1, 1)))
            continue
        if any(entry.name == "pyvenv.cfg" for entry in entries):
            continue
        for entry in entries:
            if entry.name in FILE_NAMES:
                yield _as_typed(root, entry.path)
        waiting += [
            entry.path
            for entry in reversed(entries)
            if not entry.name.startswith(".")
            and entry.name not in _SKIPPED_FOLDERS
            and entry.name not in FILE_NAMES
            and _is_folder(entry)
        ]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a loop of links
        return False


def _as_typed(root: str, path: str) -> str:
    return path.removeprefix("./") if root == "." else path


def _partition(candidates: Iterable[str]) -> tuple[tuple[str, ...], tuple[Diagnostic, ...]]:
    """Regular files apart from folders, pipes and devices, which are told as warnings."""
    files, findings = [], []
    for path in candidates:
        try:
            mode = Path(path).stat().st_mode
        except OSError as problem:
            message = f"cannot be read: {problem.strerror}"
            findings.append(error("unreadable", message, Origin(path, 1, 1)))
            continue
        if stat.S_ISREG(mode):
            files.append(path)
        else:
            kind = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
            message = f"is {kind}, and is skipped"
            findings.append(warning("not-a-file", message, Origin(path, 1, 1)))
    return tuple(sorted(files)), tuple(findings)


def _others(candidates: tuple[str, ...], files: Iterable[str]) -> tuple[str, ...]:
    """Those that are not among the files, each once, however they are written."""
    if not candidates:
        return ()
    met = {os.path.realpath(file) for file in files}
    others = []
    for candidate in candidates:
        real = os.path.realpath(candidate)
        if real not in met:
            met.add(real)
            others.append(candidate)
    return tuple(others)
