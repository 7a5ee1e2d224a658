"""The folders of runs under ``$LIMINAL_HOME``: logs, outputs, and what a killed run left behind.

One folder a run::

    runs/APP/PIPELINE/RUN/run.json                 what the run is, and how it ended
    runs/APP/PIPELINE/RUN/tasks/TASK[+COPY]/attempt-N.log
    runs/APP/PIPELINE/RUN/outputs/TASK.json
    runs/APP/PIPELINE/RUN/lock                     held while it runs
    runs/APP/PIPELINE/RUN/work/                    what is gone when it ends
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from liminal.errors import RunError
from liminal.files import remove_tree
from liminal.home import Home
from liminal.runners.records import ATTEMPT_RECORD

KEPT_RUNS = 20
"""Runs of a pipeline that are kept."""

RECORD = "run.json"
"""What the run is, and how it ended."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder of a run that goes on.

    Attributes:
        lock: a file descriptor; the system lets go of it when the process ends, however it ends,
            which no number of a process tells for sure.
    """

    path: Path
    run_id: str
    lock: int

    @property
    def work(self) -> Path:
        """What is gone when the run ends: the working copies of its tasks."""
        return self.path / "work"

    def log(self, name: str, attempt: int) -> Path:
        """What an attempt of the task, or of the copy, with that file name writes."""
        return self.path / "tasks" / name / f"attempt-{attempt}.log"


def make_folder(home: Home, app: str, pipeline: str, now: datetime) -> RunFolder:
    """The folder of a new run, locked.

    Its id is Airflow's form for a run by hand, without what some file systems do not take; a run
    that began in the same microsecond moves it on by one.

    Raises:
        RunError: it cannot be made.
    """
    parent = home.runs / app / pipeline
    moment = now.astimezone(timezone.utc)
    try:
        parent.mkdir(parents=True, exist_ok=True)
        while True:
            run_id = f"manual__{moment.strftime('%Y%m%dT%H%M%S.%fZ')}"
            path = parent / run_id
            try:
                path.mkdir(mode=0o700)
                break
            except FileExistsError:
                moment += timedelta(microseconds=1)
        (path / "work").mkdir(mode=0o700)
        return RunFolder(path, run_id, _new_lock(path))
    except OSError as error:
        raise RunError(
            f'the folder for the run cannot be made in "{parent}": {error.strerror}',
            hint="LIMINAL_HOME names the folder that Liminal writes to",
        ) from error


def release(folder: RunFolder) -> tuple[str, ...]:
    """Remove what a run needs only while it goes on; says what could not be removed."""
    left: tuple[str, ...] = ()
    try:
        if remove_work(folder.path):  # else the next run tries again
            (folder.path / "lock").unlink(missing_ok=True)
    except OSError as error:
        left = (f'folder "{folder.work}": {error.strerror}',)
    os.close(folder.lock)
    return left


def attempts(run: Path) -> tuple[Path, ...]:
    """The folders of the run's attempts that left a record, by name."""
    return tuple(file.parent for file in sorted((run / "work").glob(f"*/{ATTEMPT_RECORD}")))


def remove_work(run: Path) -> bool:
    """Remove the run's working folder, but not an attempt's record that somebody still needs.

    Returns:
        Whether all of it is gone.

    Raises:
        OSError: something could not be removed.
    """
    kept = set(attempts(run))
    work = run / "work"
    if not kept:
        remove_tree(work)
        return True
    for one in work.iterdir():
        if one in kept:
            continue
        if one.is_dir() and not one.is_symlink():
            remove_tree(one)
        else:
            one.unlink()
    return False


def earlier_runs(home: Home, app: str, pipeline: str) -> tuple[Path, ...]:
    """The folders of the pipeline's runs, newest first."""
    parent = home.runs / app / pipeline
    try:
        found = [one for one in parent.iterdir() if one.name.startswith("manual__")]
    except OSError:
        return ()
    return tuple(sorted(found, key=lambda one: one.name, reverse=True))


def prune(home: Home, app: str, pipeline: str) -> None:
    """Remove all runs of the pipeline but the last `KEPT_RUNS`, and those that go on."""
    for run in earlier_runs(home, app, pipeline)[KEPT_RUNS:]:
        if not (run / "lock").exists():
            with contextlib.suppress(OSError):  # the next run tries again
                remove_tree(run)


@contextlib.contextmanager
def abandoned(home: Home) -> Iterator[tuple[Path, ...]]:
    """The folders of runs, of any pipeline, whose command was killed; nobody else gets them."""
    locks = [(run, lock) for run in _locked(home) if (lock := _take_lock(run)) is not None]
    try:
        yield tuple(run for run, _ in locks)
    finally:
        for _, lock in locks:
            os.close(lock)


def _locked(home: Home) -> list[Path]:
    return sorted(lock.parent for lock in home.runs.glob("*/*/*/lock"))


def _take_lock(run: Path) -> int | None:
    try:
        lock = os.open(run / "lock", os.O_RDWR)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    return lock


def _new_lock(run: Path) -> int:
    """The lock of a new run.

    It gets its name once we hold it, lest another run takes us for dead.
    """
    unnamed = run / "lock.new"
    lock = os.open(unnamed, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    unnamed.rename(run / "lock")
    return lock
