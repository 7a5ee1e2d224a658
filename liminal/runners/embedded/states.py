"""The states of tasks, and the trigger rules that say by them whether a task runs. Pure.

Source: Airflow 3.3, ``airflow/ti_deps/deps/trigger_rule_dep.py``.
"""

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from liminal.model import TriggerRule


class TaskState(enum.Enum):
    """How far a task is; the values are Airflow's words."""

    NONE = "none"
    RUNNING = "running"
    UP_FOR_RETRY = "up_for_retry"
    SUCCESS = "success"
    SKIPPED = "skipped"
    FAILED = "failed"
    UPSTREAM_FAILED = "upstream_failed"

    @property
    def finished(self) -> bool:
        """Whether it will not change any more."""
        return self in _FINISHED


class RunState(enum.Enum):
    """How a run ended."""

    SUCCESS = "success"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class Decision(enum.Enum):
    """What a trigger rule says."""

    RUN = "run"
    WAIT = "wait"
    SKIP = "skip"
    FAIL = "fail"


_FINISHED = frozenset(
    {TaskState.SUCCESS, TaskState.SKIPPED, TaskState.FAILED, TaskState.UPSTREAM_FAILED}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """How many of the tasks directly before one are in which state.

    Each copy of a task counts by itself, as Airflow counts the instances of a mapped task.
    """

    total: int
    success: int
    skipped: int
    failed: int
    upstream_failed: int

    @property
    def broken(self) -> int:
        """Those that failed, or never ran because one before them failed."""
        return self.failed + self.upstream_failed

    @property
    def all_done(self) -> bool:
        """Whether none of them will change any more."""
        return self.success + self.skipped + self.broken >= self.total


def count(states: Sequence[TaskState]) -> Upstream:
    """The states of the tasks directly before one, counted."""
    return Upstream(
        total=len(states),
        success=states.count(TaskState.SUCCESS),
        skipped=states.count(TaskState.SKIPPED),
        failed=states.count(TaskState.FAILED),
        upstream_failed=states.count(TaskState.UPSTREAM_FAILED),
    )


def decide(rule: TriggerRule, states: Sequence[TaskState]) -> Decision:
    """Whether a task runs, waits, or ends without running, by the states directly before it.

    A task with nothing before it runs, whatever its rule.
    """
    return _RULES[rule](count(states)) if states else Decision.RUN


def sum_of(copies: Sequence[TaskState]) -> TaskState:
    """The state of a task, from those of its copies."""
    for state in _HEAVIEST_FIRST:
        if state in copies:
            return state
    return TaskState.NONE


def run_state(tasks: Sequence[TaskState]) -> RunState:
    """How a run ended whose tasks ended so: one that failed fails it."""
    good = (TaskState.SUCCESS, TaskState.SKIPPED)
    return RunState.SUCCESS if all(state in good for state in tasks) else RunState.FAILED


_HEAVIEST_FIRST = (
    TaskState.RUNNING,
    TaskState.UP_FOR_RETRY,
    TaskState.FAILED,
    TaskState.UPSTREAM_FAILED,
    TaskState.NONE,
    TaskState.SUCCESS,
    TaskState.SKIPPED,
)


def _when(passes: bool) -> Decision:
    return Decision.RUN if passes else Decision.WAIT


def _all_success(up: Upstream) -> Decision:
    # A failure weighs more than a skip, and neither waits for the others.
    if up.broken:
        return Decision.FAIL
    return Decision.SKIP if up.skipped else _when(up.success == up.total)


def _all_failed(up: Upstream) -> Decision:
    return Decision.SKIP if up.success or up.skipped else _when(up.broken == up.total)


def _all_done(up: Upstream) -> Decision:
    return _when(up.all_done)


def _all_skipped(up: Upstream) -> Decision:
    return Decision.SKIP if up.success or up.broken else _when(up.skipped == up.total)


def _all_done_min_one_success(up: Upstream) -> Decision:
    # Airflow does not count a skipped task as done here: one is enough to skip.
    if up.skipped:
        return Decision.SKIP
    if not up.all_done:
        return Decision.WAIT
    return Decision.RUN if up.success else Decision.FAIL


def _one_success(up: Upstream) -> Decision:
    if up.success:
        return Decision.RUN
    if not up.all_done:
        return Decision.WAIT
    return Decision.SKIP if up.skipped == up.total else Decision.FAIL


def _one_failed(up: Upstream) -> Decision:
    if up.broken:
        return Decision.RUN
    return Decision.SKIP if up.all_done else Decision.WAIT


def _one_done(up: Upstream) -> Decision:
    if up.success or up.failed:
        return Decision.RUN
    return Decision.SKIP if up.all_done else Decision.WAIT


def _none_failed(up: Upstream) -> Decision:
    return Decision.FAIL if up.broken else _when(up.all_done)


def _none_failed_min_one_success(up: Upstream) -> Decision:
    if up.broken:
        return Decision.FAIL
    return Decision.SKIP if up.skipped == up.total else _when(up.all_done)


def _none_skipped(up: Upstream) -> Decision:
    return Decision.SKIP if up.skipped else _when(up.all_done)


def _always(_up: Upstream) -> Decision:
    return Decision.RUN


_RULES: Mapping[TriggerRule, Callable[[Upstream], Decision]] = {
    TriggerRule.ALL_SUCCESS: _all_success,
    TriggerRule.ALL_FAILED: _all_failed,
    TriggerRule.ALL_DONE: _all_done,
    TriggerRule.ALL_SKIPPED: _all_skipped,
    TriggerRule.ALL_DONE_MIN_ONE_SUCCESS: _all_done_min_one_success,
    TriggerRule.ONE_SUCCESS: _one_success,
    TriggerRule.ONE_FAILED: _one_failed,
    TriggerRule.ONE_DONE: _one_done,
    TriggerRule.NONE_FAILED: _none_failed,
    TriggerRule.NONE_SKIPPED: _none_skipped,
    TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS: _none_failed_min_one_success,
    TriggerRule.ALWAYS: _always,
}
