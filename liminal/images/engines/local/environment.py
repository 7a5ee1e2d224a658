"""Virtual environments under ``$LIMINAL_HOME``: one for everything that has the same installed.

A virtual environment does not relocate: scripts in it name its path. So it is made where it stays,
and a record beside it, written last, says that it is complete::

    environments/KEY.json     the record: which folder is the environment
    environments/KEY/         the environment; KEY.1, KEY.2, ... when it was made again
    environments/KEY.lock     held while it is made
"""

import hashlib
import json
import re
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from liminal.files import make_private_folder, remove_tree, write_atomic
from liminal.images.context import hash_file, read_context
from liminal.images.engines import KEPT_SECONDS
from liminal.images.engines.local.interpreter import Interpreter
from liminal.images.recipe import Recipe
from liminal.lock import Holder, hold

_FORMAT = 1
_KEY_LENGTH = 24

SETTINGS = re.compile(
    r"(?:UV|PIP)_(?:\w*INDEX\w*|FIND_LINKS|CONSTRAINT|OVERRIDE|PRE|PRERELEASE|RESOLUTION|"
    r"EXCLUDE_NEWER|NO_BINARY|ONLY_BINARY|NO_BUILD|CONFIG_FILE|TORCH_BACKEND)"
)
"""Variables that change which packages the same requirements give.

Their values may hold passwords: they are hashed, never stored.
"""

_SYSTEM_CONFIGURATION = ("/etc/pip.conf", "/etc/uv/uv.toml")
_USER_CONFIGURATION = (".config/pip/pip.conf", ".pip/pip.conf", ".config/uv/uv.toml")


@dataclass(frozen=True, slots=True)
class Environments:
    """The environments in a folder."""

    folder: Path

    def find(self, key: str) -> Path | None:
        """The complete environment for the key, or None."""
        try:
            record = json.loads(self._record(key).read_bytes())
        except (OSError, ValueError):
            return None
        path = self.folder / str(record.get("name"))
        # The path is part of the record, for a home that was moved has scripts that do not run.
        complete = record.get("path") == str(path) and (path / "pyvenv.cfg").is_file()
        return path if complete else None

    def make(
        self,
        key: str,
        fill: Callable[[Path, int], None],
        *,
        again: bool,
        waiting: Callable[[Holder], None],
        pause: Callable[[float], object],
    ) -> Path:
        """The environment for the key, made unless it is there.

        Args:
            key: see `environment_key`.
            fill: makes it in the folder it is given, which does not exist; its second argument is
                the descriptor of the lock, for `Processes.run`.
            again: make a new one beside a complete one, which may be in use, and then take it.
            waiting: called with the holder when another process makes it.
            pause: see `liminal.lock.hold`.

        Raises:
            Exception: what `fill` raises; then nothing of it is left, and a complete environment
                that was there before remains.
        """
        make_private_folder(self.folder)
        with hold(self.folder / f"{key}.lock", waiting=waiting, pause=pause) as lock:
            there = self.find(key)
            if there is not None and not again:
                return there
            path = self._free(key, there)
            remove_tree(path)
            try:
                fill(path, lock)
                record = {"format": _FORMAT, "name": path.name, "path": str(path)}
                write_atomic(self._record(key), json.dumps(record).encode())
            except BaseException:
                remove_tree(path)
                raise
            return path

    def unused(self, used: Container[str], now: float) -> tuple[str, ...]:
        """The keys of the environments that no image has, and that are not new.

        Args:
            used: names of the folders of those that images have.
            now: seconds since the epoch.
        """
        found = []
        for record in sorted(self.folder.glob("*.json")):
            path = self.find(record.stem)
            old = now - record.stat().st_mtime > KEPT_SECONDS
            if path is not None and path.name not in used and old:
                found.append(record.stem)
        return tuple(found)

    def remove(self, key: str) -> None:
        """Removes the environment, and those of the same key that were made before it.

        Raises:
            OSError: some of it could not be removed.
        """
        with hold(self.folder / f"{key}.lock"):
            # The record first: what it does not name is not there.
            self._record(key).unlink(missing_ok=True)
            for path in (self.folder / key, *self.folder.glob(f"{key}.[0-9]*")):
                remove_tree(path)

    def _record(self, key: str) -> Path:
        return self.folder / f"{key}.json"

    def _free(self, key: str, there: Path | None) -> Path:
        """Where to make it: not where one is that may be in use."""
        if there is None:
            return self.folder / key
        _, _, number = there.name.partition(".")
        return self.folder / f"{key}.{int(number or 0) + 1}"


def environment_key(
    recipe: Recipe, interpreter: Interpreter, environ: Mapping[str, str], home: Path
) -> str:
    """Of what decides which packages an environment holds, and for which interpreter.

    Args:
        recipe: for its requirements, and the settings that matter to an installer.
        interpreter: what the environment is made for.
        environ: for the variables that installers read.
        home: the user's, where installers have their configuration.

    Raises:
        BuildError: a local package cannot be read.
    """
    digest = hashlib.sha256()
    for part in _parts(recipe, interpreter, environ, home):
        digest.update(part.encode(errors="surrogateescape") + b"\0")
    return digest.hexdigest()[:_KEY_LENGTH]


def _parts(
    recipe: Recipe, interpreter: Interpreter, environ: Mapping[str, str], home: Path
) -> Iterator[str]:
    yield f"{_FORMAT} {interpreter.path} {interpreter.version} {interpreter.tag}"
    # A build_cmd may call pip, which other environments have no use for.
    yield f"pip {recipe.build_cmd is not None}"
    needed = recipe.requirements
    if not needed.files:
        return
    for file in (*needed.files, *needed.included, *((needed.lock,) if needed.lock else ())):
        yield f"{file.name} {hash_file(file)}"
    for package in needed.packages:
        yield from _package(recipe.name, package)
    for name in sorted(filter(SETTINGS.fullmatch, environ)):
        yield f"{name}={environ[name]}"
    yield from _configuration(recipe, environ, home)


def _package(image: str, package: Path) -> Iterator[str]:
    """A local package; without what building it leaves there, or it would never be the same."""
    if not package.is_dir():
        yield f"{package.name} {hash_file(package)}"
        return
    for entry in read_context(image, package).entries:
        top = entry.path.split("/", 1)[0]
        if top not in ("build", "dist") and ".egg-info" not in entry.path:
            yield f"{package.name}/{entry.path} {entry.target} {entry.digest}"


def _configuration(recipe: Recipe, environ: Mapping[str, str], home: Path) -> Iterator[str]:
    """The installers' configuration files: another index may have other packages."""
    named = (environ.get("PIP_CONFIG_FILE"), environ.get("UV_CONFIG_FILE"), recipe.pip_conf)
    for path in (
        *map(Path, _SYSTEM_CONFIGURATION),
        *(home / name for name in _USER_CONFIGURATION),
        recipe.source / "uv.toml",
        *(Path(path) for path in named if path),
    ):
        if path.is_file():
            yield f"{path} {hash_file(path)}"
    project = recipe.source / "pyproject.toml"
    # uv reads its own settings there too, whatever the requirement file is.
    if project.is_file() and b"[tool.uv" in project.read_bytes():
        yield f"{project.name} {hash_file(project)}"
