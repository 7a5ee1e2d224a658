"""Attempts in processes of their own, which outlive whoever began them.

A worker of Airflow may be killed at any time, and what it ran must then neither stop nor run twice.
So the attempt is run by `liminal.runners.job`, a process in a session of its own, that leaves all in a
folder under ``$LIMINAL_HOME/jobs``::

    KEY/job.json       what to run
    KEY/lock           held by that process as long as it lives
    KEY/process.json   its number
    KEY/log            what the command writes, as it comes
    KEY/watched        touched by whoever waits for it
    KEY/ended.json     how it ended; the last thing it writes
    KEY/work/          the attempt's own

The key names the task and not the try, so that whoever comes next finds what still runs.
"""  # noqa: E501 - see above

import asyncio
import base64
import codecs
import contextlib
import fcntl
import hashlib
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from liminal.files import make_private_folder, remove_tree
from liminal.home import Home, find_home
from liminal.plan.dag import ContainerPlan, TaskPlan
from liminal.plan.serial import encoded
from liminal.plugins import discover
from liminal.runners import Abandoned, LauncherType, Machine
from liminal.runners.embedded.lines import LINE_LIMIT
from liminal.runners.processes import signal_session
from liminal.runners.records import ATTEMPT_RECORD, read_record, write_record

STOP_SECONDS = 12.0
"""How long a job that is asked to end may take before it is killed."""

WATCH_SECONDS = 2.0
"""Between two signs of who waits for a job."""

KEPT_SECONDS = 24 * 60 * 60
"""How long the end of a job that nobody read is kept."""

FIRST_POLL_SECONDS, LAST_POLL_SECONDS = 0.02, 0.5
"""Between two looks at a job: short at first, for short tasks."""

_READ_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """One attempt to run.

    Attributes:
        key: what tells the task, or its copy, apart from all others.
        runner: the type of the launcher.
        copy, number, command, env_vars: as in `liminal.runners.Attempt`.
        patience_seconds: how long it runs on while nobody waits for it: until the next try could
            have begun, or not for long where there will be none.
    """

    key: tuple[str, ...]
    runner: str
    task: TaskPlan
    copy: int | None
    number: int
    command: str
    env_vars: Mapping[str, str]
    patience_seconds: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a job ended.

    Attributes:
        reason: why it failed, in plain words; None when it did not.
        outputs: what the command wrote to the file in LIMINAL_OUTPUT.
        notes: what else the user should know.
        hopeless: whether another try would fail for the same reason.
    """

    reason: str | None
    outputs: bytes
    notes: tuple[str, ...]
    hopeless: bool


def home_of() -> Home:
    """The home on this machine."""
    return find_home(os.environ, Path.home())


@dataclass(frozen=True, slots=True)
class Job:
    """An attempt that runs, or has ended.

    Attributes:
        taken_up: whether somebody else began it.
    """

    folder: Path
    taken_up: bool = False

    @property
    def host(self) -> str:
        """The machine that it is on, which is this one."""
        return os.uname().nodename

    @property
    def watched(self) -> Path:
        """The file that whoever waits for it touches."""
        return self.folder / "watched"

    def lives(self) -> bool:
        """Whether its process is there; the system lets go of the lock with the process."""
        try:
            lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
        return False

    def ended(self) -> Ended | None:
        """How it ended; None while it has not, or when it was killed."""
        record = read_record(self.folder / "ended.json")
        if not record:
            return None
        return Ended(
            reason=record["reason"],
            outputs=base64.b64decode(record["outputs"]),
            notes=tuple(record["notes"]),
            hopeless=record["hopeless"],
        )

    def follow(self, waits: Callable[[], bool] = lambda: True) -> Iterator[str]:
        """What the command writes, line by line, all from the beginning, until the job is over.

        Args:
            waits: asked often: whether who follows it still has somebody to tell; ends it early.
        """
        lines = _Lines()
        pause = FIRST_POLL_SECONDS
        position = 0
        watched = -math.inf
        while waits():
            if time.monotonic() - watched > WATCH_SECONDS:
                watched = time.monotonic()
                self.watched.touch(mode=0o600)
            over = not self.lives()  # before the last look, so that nothing is missed
            while data := self._read(position):
                position += len(data)
                pause = FIRST_POLL_SECONDS
                yield from lines.take(data)
            if over:
                yield from lines.rest()
                return
            time.sleep(pause)
            pause = min(pause * 1.5, LAST_POLL_SECONDS)

    def _read(self, position: int) -> bytes:
        try:
            with (self.folder / "log").open("rb") as log:
                log.seek(position)
                return log.read(_READ_BYTES)
        except FileNotFoundError:
            return b""

    def stop(self) -> None:
        """End it, and remove what it leaves; it goes on ending should we be killed meanwhile."""
        pid = self._pid()
        if pid is not None and self.lives():
            _signal(pid, signal.SIGTERM)
        until = time.monotonic() + STOP_SECONDS
        while self.lives() and time.monotonic() < until:
            time.sleep(FIRST_POLL_SECONDS)
        if self.lives() and pid is not None:
            signal_session(pid, signal.SIGKILL)
            time.sleep(FIRST_POLL_SECONDS)
        self.recover()

    def _pid(self) -> int | None:
        until = time.monotonic() + 1
        while True:
            record = read_record(self.folder / "process.json")
            if record or time.monotonic() > until:
                return int(record["pid"]) if record else None
            time.sleep(FIRST_POLL_SECONDS)

    def recover(self) -> tuple[str, ...]:
        """End and remove what a job whose process is dead left; the answer says what that was."""
        record = read_record(self.folder / "job.json")
        attempts = sorted((self.folder / "work").glob(f"*/{ATTEMPT_RECORD}"))
        words: tuple[str, ...] = ()
        if record and attempts:
            kind = cast(LauncherType, discover().load("liminal.runners", record["runner"]))
            left = Abandoned(run=self.folder, records=tuple(map(read_record, attempts)))
            recovered = asyncio.run(kind.recover(left, machine()))
            words = (*recovered.done, *recovered.left)
        self.remove()
        return words

    def remove(self) -> None:
        """Forget it; it must have ended."""
        remove_tree(self.folder)


def submit(spec: JobSpec, home: Home) -> Job:
    """The job of that key: the one that still runs, or has ended unread, else a new one.

    Raises:
        OSError: it cannot be started.
    """
    make_private_folder(home.jobs)
    _sweep(home)
    folder = home.jobs / _name(spec.key)
    job = Job(folder, taken_up=True)
    if job.lives() or job.ended() is not None:
        return job
    if folder.exists():
        job.recover()
    folder.mkdir(mode=0o700)
    container = spec.task.container or ContainerPlan(image="", env_vars={})
    write_record(
        folder / "job.json",
        {
            "runner": spec.runner,
            "task": spec.task.name,
            "container": encoded(container),
            "settings": encoded(spec.task.executor_settings),
            "outputs": bool(spec.task.outputs),
            "copy": spec.copy,
            "number": spec.number,
            "command": spec.command,
            "env_vars": dict(spec.env_vars),
            "patience_seconds": spec.patience_seconds,
        },
    )
    # Held from before it starts, so that it is never taken for dead; the process inherits it.
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with (folder / "trouble").open("wb") as trouble:
            subprocess.Popen(
                [sys.executable, "-m", "liminal.runners.job", str(folder)],
                stdin=subprocess.DEVNULL,
                stdout=trouble,
                stderr=trouble,
                cwd=folder,
                env={**os.environ, "LIMINAL_HOME": str(home.path)},
                pass_fds=(lock,),
                start_new_session=True,
            )
    finally:
        os.close(lock)
    return Job(folder)


def stop_jobs(home: Home) -> int:
    """End all jobs of this machine, such as when its server stops; says how many there were."""
    jobs = [Job(path, taken_up=True) for path in _folders(home)]
    for job in jobs:
        job.stop()
    return len(jobs)


def _folders(home: Home) -> list[Path]:
    try:
        return sorted(path for path in home.jobs.iterdir() if path.is_dir())
    except FileNotFoundError:
        return []


def _sweep(home: Home) -> None:
    """Remove what is left of jobs that nobody will ask for any more."""
    for path in _folders(home):
        with contextlib.suppress(OSError):  # somebody else sweeps too
            old = time.time() - path.stat().st_mtime > KEPT_SECONDS
            if old and not Job(path).lives():
                Job(path).recover()


def job_at(external_id: Mapping[str, Any]) -> Job | None:
    """The job that an attempt before this one began; None when there is nothing of it here."""
    job = Job(Path(str(external_id.get("folder", ""))), taken_up=True)
    if external_id.get("host") != job.host or not job.folder.is_dir():
        return None
    return job


def machine(images: Mapping[str, Mapping[str, Any]] | None = None) -> Machine:
    """This machine, as a worker of Airflow sees it."""
    return Machine(
        home=home_of(),
        images=images or {},
        engine="",
        environ=dict(os.environ),
        user_home=Path.home(),
    )


def _name(key: tuple[str, ...]) -> str:
    readable = re.sub(r"[^A-Za-z0-9._-]", "_", "-".join(key[2:]))[:60]
    digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]
    return f"{readable}-{digest}"


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


class _Lines:
    """Bytes as they come -> lines of a length that a log can take."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def take(self, data: bytes) -> Iterator[str]:
        """The lines that are complete now."""
        *lines, self._rest = (self._rest + self._decoder.decode(data)).split("\n")
        for line in lines:
            yield from _pieces(line.removesuffix("\r"))
        while len(self._rest) > LINE_LIMIT:
            yield self._rest[:LINE_LIMIT]
            self._rest = self._rest[LINE_LIMIT:]

    def rest(self) -> Iterator[str]:
        """What has no end of line."""
        if self._rest:
            yield self._rest


def _pieces(line: str) -> Iterator[str]:
    for start in range(0, max(len(line), 1), LINE_LIMIT):
        yield line[start : start + LINE_LIMIT]
