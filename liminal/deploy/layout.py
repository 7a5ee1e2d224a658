"""Where everything lies in a DAGs folder, and how it is read. Imports little: every loader pays.

::

    DAGS/.liminal.lock                          held while anything is changed
    DAGS/.liminal.versions/VERSION.json         which release of each application counted at one moment
    DAGS/APP/.liminal                           says that the folder is ours; made first, removed last
    DAGS/APP/.airflowignore                     keeps Airflow out of the releases
    DAGS/APP/current.json                       which release counts, and which did before: the switch
    DAGS/APP/PIPELINE.py                        the loader, all that Airflow parses
    DAGS/APP/releases/HASH/release.json         the pipelines of a release, and the hashes of their plans
    DAGS/APP/releases/HASH/pipelines/NAME.json  a compiled pipeline (`liminal.plan.serial`)

No path in it is absolute and nothing is a symlink, so that it may be copied anywhere: by git, rsync
or a bucket. A loader whose pipeline is not in the current release makes no DAG; so one rename, that of
`current.json`, takes an application from one release to another.
"""  # noqa: E501 - a picture of a folder has one line a file

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FORMAT = 1
"""Of `current.json` and `release.json`."""

LOCK = ".liminal.lock"
VERSIONS = ".liminal.versions"
MARKER = ".liminal"
CURRENT = "current.json"
IGNORE = ".airflowignore"
RELEASES = "releases"
UNFINISHED = ".making-"
"""What the folder of a release begins with that is not complete, or not wholly removed."""


class Unreadable(Exception):
    """The folder holds something that cannot be read; says what."""


class Newer(Unreadable):
    """A newer Liminal wrote it, and may mean something else by the same words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Current:
    """Which release of an application counts.

    Attributes:
        earlier: those that did before, newest first.
    """

    release: str
    earlier: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AppFolder:
    """One application's folder in a DAGs folder."""

    path: Path

    @property
    def name(self) -> str:
        """The application's."""
        return self.path.name

    @property
    def releases(self) -> Path:
        """The folder of all releases."""
        return self.path / RELEASES

    def loader(self, pipeline: str) -> Path:
        """The file that Airflow parses for the pipeline."""
        return self.path / f"{pipeline}.py"

    def plan(self, release: str, pipeline: str) -> Path:
        """The compiled pipeline in that release."""
        return self.releases / release / "pipelines" / f"{pipeline}.json"

    def is_ours(self) -> bool:
        """Whether Liminal made the folder."""
        return (self.path / MARKER).is_file()

    def is_free(self) -> bool:
        """Whether nothing of anybody's is there: at most what we had begun to make."""
        try:
            return all(name.startswith(f".{MARKER}.") for name in os.listdir(self.path))
        except FileNotFoundError:
            return True
        except NotADirectoryError:
            return False

    def current(self) -> Current | None:
        """Which release counts; None where none does.

        Raises:
            Unreadable: it is damaged, or a newer Liminal wrote it.
        """
        record = read_record(self.path / CURRENT)
        if record is None:
            return None
        try:
            return Current(release=str(record["release"]), earlier=tuple(record["earlier"]))
        except (KeyError, TypeError) as problem:
            raise Unreadable(f'"{self.path / CURRENT}" is damaged') from problem

    def pipelines(self, release: str) -> Mapping[str, str]:
        """Pipeline -> the hash of its plan, in that release.

        Raises:
            Unreadable: there is no such release, it is damaged, or a newer Liminal wrote it.
        """
        file = self.releases / release / "release.json"
        record = read_record(file)
        if record is None:
            raise Unreadable(f'"{self.name}" has no release "{release}" in "{self.releases}"')
        try:
            return dict(record["pipelines"])
        except (KeyError, TypeError, ValueError) as problem:
            raise Unreadable(f'"{file}" is damaged') from problem


def app_folders(dags: Path) -> tuple[AppFolder, ...]:
    """The folders of all applications in a DAGs folder, by name."""
    try:
        with os.scandir(dags) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except FileNotFoundError:
        return ()
    folders = (AppFolder(dags / name) for name in names)
    return tuple(folder for folder in folders if folder.is_ours())


def read_record(file: Path) -> dict[str, Any] | None:
    """The JSON object in the file; None where there is none.

    Raises:
        Unreadable: it is damaged, or a newer Liminal wrote it.
    """
    try:
        record = json.loads(file.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError as problem:
        raise Unreadable(f'"{file}" is damaged: {problem}') from problem
    if not isinstance(record, dict) or not isinstance(record.get("format"), int):
        raise Unreadable(f'"{file}" is damaged')
    if record["format"] > FORMAT:
        raise Newer(
            f'"{file}" has the format {record["format"]} of a newer Liminal, and this one knows '
            f"{FORMAT}: update Liminal on this machine, or deploy again with the version it has"
        )
    return record


def as_record(content: Mapping[str, object]) -> bytes:
    """What `read_record` reads: the same bytes for the same content."""
    return (json.dumps({"format": FORMAT, **content}, indent=1) + "\n").encode()


def releases_now(dags: Path) -> dict[str, str]:
    """Application -> the release that counts, of all that are whole in the folder.

    One that is damaged, half copied or a newer Liminal's is left out: the others keep working.
    """
    releases = {}
    for folder in app_folders(dags):
        with suppress(Unreadable):
            current = folder.current()
            if current is not None:
                folder.pipelines(current.release)
                releases[folder.name] = current.release
    return releases


def version_of(releases: Mapping[str, str]) -> str:
    """The name of that state of a DAGs folder, the same on every machine."""
    import hashlib  # loaders, which have no use for it, pay for what this module imports

    text = "".join(f"{app} {release}\n" for app, release in sorted(releases.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def version_file(dags: Path, version: str) -> Path:
    """Where the releases of a version are on record, for machines that never saw it count."""
    return dags / VERSIONS / f"{version}.json"
