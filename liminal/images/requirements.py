"""What an image has installed: its requirement files and everything that they include."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from liminal.errors import BuildError

_PROJECT_TABLE = re.compile(r"^\s*\[project\]", re.MULTILINE)
_POETRY_TABLE = re.compile(r"^\s*\[tool\.poetry[.\]]", re.MULTILINE)
_INCLUDE = re.compile(r"(?:-r|-c|--requirement|--constraint)(?:\s*=\s*|\s*)(?P<path>\S.*)")
_EDITABLE = re.compile(r"(?:-e|--editable)(?:\s*=\s*|\s+)(?P<path>\S.*)")
_FIND_LINKS = re.compile(r"(?:-f|--find-links)(?:\s*=\s*|\s+)(?P<path>\S.*)")
_FILE_URL = re.compile(r"(?:[\w.\-]+(?:\[[^\]]*\])?\s*@\s*)?file:(?://)?(?P<path>\S+)")
_PLAIN_PATH = re.compile(r"(?P<path>(?:\.{0,2}/|\.{1,2}$|\S+\.(?:whl|zip|tar\.gz|tar\.bz2)\b)\S*)")
_REMOTE = re.compile(r"(?:\w+\+)?(?:https?|ssh|git|hg|svn|ftp)[:+@]")

DEPENDENCIES_SCRIPT = """
import sys
try:
    import tomllib
except ImportError:
    from pip._vendor import tomli as tomllib
with open(sys.argv[1], "rb") as file:
    project = tomllib.load(file)["project"]
if "dependencies" in project.get("dynamic", ()):
    sys.exit("its dependencies are dynamic: without uv, pip can only read a list of them")
with open(sys.argv[2], "w", encoding="utf-8") as file:
    file.writelines(f"{line}\\n" for line in project.get("dependencies", ()))
"""
"""Python that writes the dependencies of a pyproject.toml to a file, for pip, which cannot read it;
for the interpreter that installs: the one that runs Liminal may have no tomllib."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirements:
    """What to install; all paths are absolute.

    Attributes:
        files: for the installer, in order: requirement files, or a pyproject.toml whose
            dependencies are meant, not the project itself.
        lock: the uv.lock beside the pyproject.toml.
        included: what `files` include with ``-r`` and ``-c``.
        packages: the local folders and archives that they name.
    """

    files: tuple[Path, ...] = ()
    lock: Path | None = None
    included: tuple[Path, ...] = ()
    packages: tuple[Path, ...] = ()


def read_requirements(
    image: str, source: Path, named: str | None, added: tuple[Path, ...] = ()
) -> Requirements:
    """The requirements of an image: the file that it names, else the one found in its source.

    Args:
        image: its name, for messages.
        source: absolute, with symlinks resolved.
        named: a path in `source`, or None.
        added: requirement files of what the image type adds.

    Raises:
        BuildError: the file does not exist, or something that it includes is outside the source.
    """
    own = _locate_named(image, source, named) if named is not None else _find(image, source)
    files = (*(() if own is None else (own,)), *added)
    lock = own.with_name("uv.lock") if own is not None and own.suffix == ".toml" else None
    included: dict[Path, None] = {}
    packages: dict[Path, None] = {}
    for file in files:
        if file.suffix != ".toml":
            _follow(image, source, file, included, packages)
    return Requirements(
        files=files,
        lock=lock if lock is not None and lock.is_file() else None,
        included=tuple(sorted(included.keys() - set(files))),
        packages=tuple(sorted(packages)),
    )


def without_editable(text: str) -> str:
    """The requirement file's text, with each ``-e PATH`` of a local folder as plain ``PATH``.

    An editable install is a link to the folder, which an image must not depend on.
    """
    lines = []
    for line in text.splitlines(keepends=True):
        match = _EDITABLE.match(line)
        lines.append(match["path"] if match and not _REMOTE.match(match["path"]) else line)
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


def _locate_named(image: str, source: Path, named: str) -> Path:
    path = Path(os.path.realpath(source / named))
    if not path.is_relative_to(source):
        raise BuildError(
            f'image "{image}": its requirements "{named}" are outside its source "{source}"',
            hint="move the file into the source folder",
        )
    if not path.is_file():
        raise BuildError(
            f'image "{image}": its requirements "{named}" are not a file in "{source}"',
            hint="correct the path, which begins at the source folder",
        )
    return path


def _find(image: str, source: Path) -> Path | None:
    requirements = source / "requirements.txt"
    if requirements.is_file():
        return requirements
    project = source / "pyproject.toml"
    if not project.is_file():
        return None
    # Not parsed: Python 3.10 has no tomllib, and the installer reads it properly later.
    text = project.read_text(encoding="utf-8", errors="replace")
    if _PROJECT_TABLE.search(text):
        return project
    if _POETRY_TABLE.search(text):
        raise BuildError(
            f'image "{image}": {project} keeps its dependencies under [tool.poetry], '
            "which only Poetry reads",
            hint="write them to a requirements.txt (poetry export), or under [project]",
        )
    return None


def _follow(
    image: str, source: Path, file: Path, included: dict[Path, None], packages: dict[Path, None]
) -> None:
    """Adds what the file includes, and what those files include."""
    for number, line in _logical_lines(file):
        place = f"{file}:{number}"
        if match := _INCLUDE.match(line):
            written = match["path"].strip("\"'")
            if _REMOTE.match(written):
                continue
            path = _resolve(image, source, file.parent, written, place)
            if path not in included:
                included[path] = None
                _follow(image, source, path, included, packages)
        elif (named := _local_package(line)) is not None:
            packages[_resolve(image, source, file.parent, named, place)] = None


def _logical_lines(file: Path) -> Iterator[tuple[int, str]]:
    """The lines without comments, and with those that a backslash continues put together."""
    text = file.read_text(encoding="utf-8-sig", errors="replace")
    whole = ""
    start = 1
    for number, line in enumerate(text.splitlines(), start=1):
        if not whole:
            start = number
        bare = "" if line.lstrip().startswith("#") else re.split(r"\s#", line, maxsplit=1)[0]
        if bare.endswith("\\"):
            whole += bare[:-1]
            continue
        if whole := (whole + bare).strip():
            yield start, whole
        whole = ""
    if whole.strip():
        yield start, whole.strip()


def _local_package(line: str) -> str | None:
    """The path that the line installs from, or None for a name or an address."""
    match = _EDITABLE.match(line) or _FIND_LINKS.match(line) or _FILE_URL.match(line)
    match = match or (None if line.startswith("-") else _PLAIN_PATH.match(line))
    if match is None:
        return None
    path = match["path"].strip("\"'").removeprefix("file://").removeprefix("file:")
    if _REMOTE.match(path):
        return None
    # What may follow a path: extras, a fragment, an environment marker.
    return re.split(r"[\[#;]", path, maxsplit=1)[0].strip()


def _resolve(image: str, source: Path, folder: Path, written: str, place: str) -> Path:
    """The path, absolute: pip takes it from the working directory, uv from the file's folder."""
    candidates = [Path(os.path.realpath(base / written)) for base in (folder, source)]
    path = next((candidate for candidate in candidates if candidate.exists()), None)
    if path is None:
        raise BuildError(
            f'image "{image}": {place}: "{written}" does not exist',
            hint="correct the path, or take the line out",
        )
    allowed = Path(written).is_absolute() or not folder.is_relative_to(source)
    if not allowed and not path.is_relative_to(source):
        raise BuildError(
            f'image "{image}": {place}: "{written}" is outside the image\'s source "{source}"',
            hint="copy it into the source, or make a folder above both the source",
        )
    return path
