"""The Python interpreters of this machine, and the one that an image's version means.

What uv and pyenv know is found by looking into their folders: asking them costs a process, a third
of a second, each time, also when nothing has changed.
"""

import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from liminal.errors import BuildError
from liminal.files import make_private_folder, write_atomic

DEFAULT_VERSION = "3.12"

_VERSION = re.compile(r"3\.\d{1,2}(?:\.\d{1,2})?")
_NAME = re.compile(r"python(3\.\d+)")
_QUESTION = (
    "import sys; print(getattr(sys, '_base_executable', sys.executable), "
    "'.'.join(map(str, sys.version_info[:3])), sys.implementation.cache_tag, sep='\\n')"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """A Python that is no virtual environment's.

    Attributes:
        path: absolute, symlinks resolved.
        version: all three numbers.
        tag: such as ``cpython-312``.
    """

    path: str
    version: str
    tag: str

    def is_version(self, wanted: str) -> bool:
        """Whether its version begins with the numbers that are wanted."""
        return f"{self.version}.".startswith(f"{wanted}.")


def find_interpreter(
    wanted: str | None, environ: Mapping[str, str], cache: Path
) -> Interpreter | None:
    """The interpreter of that version, or None where this machine has none.

    Args:
        wanted: two numbers or three; None takes the default version where this machine has it,
            else the interpreter that runs Liminal.
        environ: for the path, and the folders of pyenv and uv.
        cache: file that remembers what interpreters said about themselves.

    Raises:
        BuildError: `wanted` is no version.
    """
    if wanted is not None and not _VERSION.fullmatch(wanted):
        raise BuildError(
            f'"{wanted}" is not a Python version', hint='write two or three numbers: "3.12"'
        )
    running = running_interpreter()
    version = wanted or DEFAULT_VERSION
    if running.is_version(version):
        return running
    known = _read_cache(cache)
    asked = dict(known)
    found = next(_matching(version, environ, asked), None)
    if asked != known:
        _write_cache(cache, asked)
    return found or (running if wanted is None else None)


def running_interpreter() -> Interpreter:
    """The interpreter that runs Liminal, or rather the one that its environment was made of."""
    return Interpreter(
        path=os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable),
        version=".".join(map(str, sys.version_info[:3])),
        tag=sys.implementation.cache_tag or sys.implementation.name,
    )


def available_versions(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The versions, of two numbers, that this machine seems to have, in order."""
    found = {".".join(running_interpreter().version.split(".")[:2])}
    for folder in _folders(environ):
        found.update(match[1] for name in _list(folder) if (match := _NAME.fullmatch(name)))
    return tuple(sorted(found, key=lambda version: int(version.split(".")[1])))


def _matching(
    version: str, environ: Mapping[str, str], asked: dict[str, dict[str, object]]
) -> Iterator[Interpreter]:
    """Those of the version, in the order in which they are preferred."""
    name = "python" + ".".join(version.split(".")[:2])
    candidates = [path for folder in _folders(environ) if os.access(path := folder / name, os.X_OK)]
    # A script is a version manager's shim, which answers one thing today and another tomorrow.
    for path in sorted(candidates, key=_is_script):
        found = _ask(path, environ, asked)
        if found is not None and found.is_version(version):
            yield found


def _folders(environ: Mapping[str, str]) -> Iterator[Path]:
    """Where interpreters are: on the path, in pyenv's folder and in uv's, newest first."""
    home = Path(environ.get("HOME") or Path.home())
    pyenv = Path(environ.get("PYENV_ROOT") or home / ".pyenv")
    data = Path(environ.get("XDG_DATA_HOME") or home / ".local/share")
    managed = Path(environ.get("UV_PYTHON_INSTALL_DIR") or data / "uv/python")
    for word in environ.get("PATH", os.defpath).split(os.pathsep):
        # pyenv's shims fail for every version that is not its current one.
        if word and Path(word) != pyenv / "shims":
            yield Path(word)
    for root in (pyenv / "versions", managed):
        for name in sorted(_list(root), key=_numbers, reverse=True):
            yield root / name / "bin"


def _list(folder: Path) -> Iterable[str]:
    try:
        return sorted(path.name for path in folder.iterdir())
    except OSError:
        return ()


def _numbers(name: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", name)[:3])


def _is_script(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(2) == b"#!"
    except OSError:
        return True


def _ask(
    path: Path, environ: Mapping[str, str], asked: dict[str, dict[str, object]]
) -> Interpreter | None:
    """What the interpreter says about itself, now or when it was asked before."""
    status = path.stat()
    stamp = [status.st_ino, status.st_size, status.st_mtime_ns]
    remembered = asked.get(str(path), {})
    if remembered.get("stamp") != stamp or _is_script(path):
        answer = _question(path, environ)
        remembered = {"stamp": stamp, "answer": None if answer is None else asdict(answer)}
        asked[str(path)] = remembered
    answer_ = remembered.get("answer")
    if not isinstance(answer_, dict):
        return None
    found = Interpreter(**{key: str(answer_[key]) for key in ("path", "version", "tag")})
    return found if Path(found.path).exists() else None


def _question(path: Path, environ: Mapping[str, str]) -> Interpreter | None:
    import subprocess  # seldom needed: answers are remembered

    try:
        done = subprocess.run(
            [path, "-I", "-S", "-c", _QUESTION],
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    lines = done.stdout.strip().split("\n")
    if len(lines) != 3:
        return None
    return Interpreter(path=os.path.realpath(lines[0]), version=lines[1], tag=lines[2])


def _read_cache(path: Path) -> dict[str, dict[str, object]]:
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _write_cache(path: Path, record: Mapping[str, Mapping[str, object]]) -> None:
    try:
        make_private_folder(path.parent)
        write_atomic(path, json.dumps(record, sort_keys=True).encode())
    except OSError:
        return  # only a memory: the next build asks again
