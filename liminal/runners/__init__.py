"""What runs the tasks of a plan: Airflow (`airflow/`), or ``liminal run`` (`embedded/`).

The embedded runner starts each task by a launcher: the entry point of the group ``liminal.runners``
that is named as the task's executor type (``local``, and a plug-in's).
"""

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from liminal.home import Home
from liminal.images.built import BuiltImage
from liminal.model import Setting
from liminal.plan.dag import ContainerPlan


class LocalEnvironment(BuiltImage, Protocol):
    """What the engine ``local`` built of an image (`liminal.images.engines.local.LocalImage`)."""

    @property
    def source(self) -> Path:
        """The working directory as it was built; never written to."""
        ...

    @property
    def environment(self) -> Path:
        """The root of the virtual environment."""
        ...

    @property
    def site(self) -> Path | None:
        """A folder of modules that belong to this image alone, or None."""
        ...


class ContainerImage(BuiltImage, Protocol):
    """What an engine with containers built of an image."""

    @property
    def reference(self) -> str:
        """What the engine runs it by."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where a run takes place.

    Attributes:
        images: engine -> name of an image -> what that engine built of it here.
        engine: the one whose images tasks without an executor run in.
        environ: the environment variables of the command.
        user_home: what ``~`` stands for.
    """

    home: Home
    images: Mapping[str, Mapping[str, BuiltImage]]
    engine: str
    environ: Mapping[str, str]
    user_home: Path


class Stop:
    """A request to end, that whoever runs an attempt waits for. It may become more urgent.

    Attributes:
        leader_only: whether only the command itself is asked, because it ends in good order what
            it started, as a server does; else all of its processes are.
    """

    def __init__(self, *, leader_only: bool = False) -> None:
        self.leader_only = leader_only
        self._event = asyncio.Event()
        self._deadline = math.inf

    def ask(self, grace_seconds: float) -> None:
        """Ask to end; what is not gone after that time will be killed."""
        now = asyncio.get_running_loop().time()
        self._deadline = min(self._deadline, now + grace_seconds)
        self._event.set()

    @property
    def asked(self) -> bool:
        """Whether someone asked."""
        return self._event.is_set()

    @property
    def seconds_left(self) -> float:
        """How long what runs still has; infinite while nobody asked."""
        return max(0.0, self._deadline - asyncio.get_running_loop().time())

    async def wait(self) -> None:
        """Return once someone asks."""
        await self._event.wait()


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What has a command to run: a task, or a service.

    Attributes:
        kind: ``task`` or ``service``.
        settings: its executor's own keys.
        outputs: whether somebody reads what it writes to the file in LIMINAL_OUTPUT; it may write
            there in any case.
    """

    kind: str
    name: str
    container: ContainerPlan
    outputs: bool = False
    settings: Mapping[str, Setting] = field(default_factory=dict)

    def __str__(self) -> str:
        return f'{self.kind} "{self.name}"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try of one copy of a task, or of a service.

    Attributes:
        copy: the number of the copy from 0, or None for a task without copies.
        number: the try, from 1.
        command: complete, for ``/bin/sh -c``.
        env_vars: complete, the task's own and ours, without those of the image and the machine.
        files: name -> content of files for the command, in the folder that LIMINAL_FILES names.
        listen: host and port of this machine where the command is to answer, or None; LIMINAL_HOST
            and LIMINAL_PORT tell the command where to listen for that.
        folder: of this attempt alone, made by the launcher, which removes it in the end; where it
            stays, with its record, the next run has the runner remove what the attempt left.
    """

    work: Work
    copy: int | None
    number: int
    command: str
    env_vars: Mapping[str, str]
    folder: Path
    machine: Machine
    stop: Stop
    files: Mapping[str, bytes] = field(default_factory=dict)
    listen: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How an attempt ended.

    Attributes:
        status: the exit status, or None when it has none.
        reason: why it failed, in plain words; None when it did not.
        outputs: what the attempt wrote to the file in LIMINAL_OUTPUT, where somebody reads it; at
            most `OUTPUT_LIMIT` + 1 bytes of it.
        notes: what else the user should know, such as processes that it left behind.
        left_behind: what is still there and could not be removed.
    """

    status: int | None
    reason: str | None = None
    outputs: bytes = b""
    notes: tuple[str, ...] = ()
    left_behind: tuple[str, ...] = ()


OUTPUT_LIMIT = 64 * 1024
"""Bytes that a task may write to the file in LIMINAL_OUTPUT."""


class Launcher(Protocol):
    """Runs attempts. One instance serves one run, on the event loop of that run."""

    def close(self) -> None:
        """Let go of what it holds between attempts; the run is over."""
        ...

    async def run(self, attempt: Attempt, output: Callable[[bytes], None]) -> Exit:
        """Run it to its end and leave nothing of it but `output`.

        It ends what runs as soon as ``attempt.stop`` is asked, and returns then too.

        Args:
            attempt: which.
            output: takes what the command writes, as it comes.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Abandoned:
    """What a run whose command is dead left of the attempts of one runner.

    Attributes:
        run: the run's folder.
        records: what the attempts wrote down of themselves (`liminal.runners.records`).
    """

    run: Path
    records: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What became of it, in words.

    Attributes:
        done: what was found and done: ``ended process 7 (python)``.
        left: why something could not be removed; the next run tries again.
    """

    done: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


class LauncherType(Protocol):
    """One file, or folder, in `liminal/runners`."""

    def prepare(
        self, works: Sequence[Work], machine: Machine, tell: Callable[[str], None]
    ) -> Launcher:
        """A launcher for these, once everything that they need is there.

        It may take its time, and is called in a thread of its own.

        Args:
            works: whose attempts it will run.
            machine: where.
            tell: takes what the user should know before the run begins, from any thread.

        Raises:
            RunError: one of them cannot run here; nothing has run yet.
        """
        ...

    async def recover(self, abandoned: Abandoned, machine: Machine) -> Recovered:
        """End and remove what attempts left outside of their run's folder."""
        ...
