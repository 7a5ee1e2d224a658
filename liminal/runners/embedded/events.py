"""What happens in a run, as it happens, and what came of it: frozen data for whoever shows it."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from liminal.errors import Interrupted, LiminalError, RunError
from liminal.runners.embedded.states import RunState, TaskState


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    """The run begins.

    Attributes:
        tasks: those that were selected, in the order of the plan.
        labels: the names by which output will be told apart: of tasks, of copies as ``TASK[N]``.
    """

    app: str
    pipeline: str
    run_id: str
    tasks: tuple[str, ...]
    labels: tuple[str, ...]
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStarted:
    """A try of a task, or of a copy of it, begins.

    Attributes:
        label: the task's name; ``TASK[N]`` for copy N of several, from 0.
        attempt: from 1.
        attempts: how many there may be.
    """

    task: str
    label: str
    attempt: int
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOutput:
    """What a task wrote.

    Attributes:
        lines: without their ends; a long one, or one that is not ended yet, comes in pieces.
    """

    task: str
    label: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRetrying:
    """A try failed, and another one follows."""

    task: str
    label: str
    attempt: int
    attempts: int
    reason: str
    delay_minutes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFinished:
    """A task, or a copy of it, has its last state.

    Attributes:
        attempts: how many there were; 0 when it did not run.
        seconds: from the begin of its first try.
        reason: why it did not succeed, or None.
        log: the file with the output of its last try, or None.
    """

    task: str
    label: str
    state: TaskState
    attempts: int
    seconds: float
    reason: str | None
    log: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something that the user should know and that changes no state.

    Attributes:
        label: of the task that it is about, or None.
    """

    message: str
    label: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopping:
    """The run was asked to end, or is over its time; what runs gets that long."""

    reason: str
    grace_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskResult:
    """What came of a task.

    Attributes:
        attempts: how many there were; of several copies, the most.
        seconds: from the begin of its first try to its end.
        reason: why it did not succeed, or None.
        log: the file with the output of its last try, or None; of several copies, of the first
            that failed.
        copies: those of its copies when it has several.
    """

    task: str
    state: TaskState
    attempts: int
    seconds: float
    reason: str | None
    log: Path | None
    copies: tuple["TaskResult", ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """What came of a run.

    Attributes:
        reason: why it did not succeed, or None.
        tasks: in the order of the plan.
        left_behind: what is still there and should not be: processes, folders.
    """

    app: str
    pipeline: str
    run_id: str
    folder: Path
    state: RunState
    seconds: float
    reason: str | None
    tasks: tuple[TaskResult, ...]
    left_behind: tuple[str, ...] = ()

    def error(self) -> LiminalError | None:
        """What the command ends with; None when the run succeeded."""
        if self.state is RunState.SUCCESS:
            return None
        left = "".join(f"; left behind: {what}" for what in self.left_behind)
        if self.state is RunState.INTERRUPTED:
            return Interrupted(f'pipeline "{self.pipeline}" was {self.reason}{left}')
        log = next((task.log for task in self.tasks if task.log and task.reason), None)
        return RunError(
            f'pipeline "{self.pipeline}" failed: {self.reason}{left}',
            hint=f"the whole output is in {log}" if log else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished:
    """The run is over."""

    result: RunResult


Event: TypeAlias = (
    RunStarted
    | TaskStarted
    | TaskOutput
    | TaskRetrying
    | TaskFinished
    | Notice
    | Stopping
    | RunFinished
)
