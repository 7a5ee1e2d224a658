"""A run of a pipeline -> lines for people, and data for machines. Pure."""

import zlib
from collections.abc import Sequence
from typing import TypeAlias

from liminal.report.terminal import printable
from liminal.runners.embedded.dry import PlannedTask
from liminal.runners.embedded.events import (
    Event,
    Notice,
    RunFinished,
    RunResult,
    RunStarted,
    Stopping,
    TaskFinished,
    TaskOutput,
    TaskResult,
    TaskRetrying,
    TaskStarted,
)
from liminal.runners.embedded.states import RunState, TaskState

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"

MAX_LABEL = 30
"""Characters of a task's name before its output; a longer one is cut."""

_RESET = "\x1b[0m"
_BOLD, _DIM, _RED, _GREEN, _YELLOW = "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[33m"
_LABELS = ("\x1b[36m", "\x1b[35m", "\x1b[34m", "\x1b[33m", "\x1b[32m", "\x1b[96m", "\x1b[95m")
_STATES = {
    TaskState.SUCCESS: _GREEN,
    TaskState.FAILED: _RED,
    TaskState.UPSTREAM_FAILED: _RED,
    TaskState.SKIPPED: _DIM,
    TaskState.NONE: _DIM,
}


def width_of(started: RunStarted) -> int:
    """How wide the column of names is."""
    return min(MAX_LABEL, max((len(label) for label in started.labels), default=0))


def render(event: Event, *, width: int = 0, colour: bool = False) -> tuple[str, ...]:
    """The event as lines, each with the task's name before it.

    Args:
        event: what happened.
        width: of the column of names, from `width_of`.
        colour: whether they go to a terminal; without, what tasks write loses its colours too.
    """
    paint = _Paint(colour)
    match event:
        case RunStarted():
            return (paint(_BOLD, f"{event.pipeline}: run {event.run_id}"),)
        case TaskStarted():
            again = f" (try {event.attempt} of {event.attempts})" if event.attempt > 1 else ""
            return (_prefix(event.label, width, paint) + paint(_DIM, f"started{again}"),)
        case TaskOutput():
            prefix = _prefix(event.label, width, paint)
            return tuple(prefix + printable(line, colour=colour) for line in event.lines)
        case TaskRetrying():
            words = (
                f"{event.reason}; try {event.attempt + 1} of {event.attempts} "
                f"{_in_time(event.delay_minutes)}"
            )
            return (_prefix(event.label, width, paint) + paint(_YELLOW, words),)
        case TaskFinished():
            return (_prefix(event.label, width, paint) + _ending(event, paint),)
        case Notice():
            prefix = "" if event.label is None else _prefix(event.label, width, paint)
            return (prefix + paint(_YELLOW, event.message),)
        case Stopping():
            words = f"{event.reason}: ending what runs, {event.grace_seconds:g} s at most"
            return (paint(_YELLOW, words),)
        case RunFinished():
            return summary(event.result, colour=colour)


def summary(result: RunResult, *, colour: bool = False) -> tuple[str, ...]:
    """The table of a run's tasks, and what came of the run."""
    paint = _Paint(colour)
    rows = [("task", "state", "tries", "duration", "why")]
    for task in result.tasks:
        rows += [_row(one) for one in (task, *task.copies)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    states = [None, *(one.state for task in result.tasks for one in (task, *task.copies))]
    lines = [
        _table_line(row, widths, state, paint) for row, state in zip(rows, states, strict=True)
    ]
    colours = {RunState.SUCCESS: _GREEN, RunState.FAILED: _RED, RunState.INTERRUPTED: _YELLOW}
    took = duration(result.seconds)
    verdict = f"{result.pipeline}: {result.state.value} after {took}"
    if result.state is RunState.INTERRUPTED:
        verdict = f"{result.pipeline}: {result.reason} after {took}"
    elif result.reason is not None:
        verdict += f": {result.reason}"
    left = [paint(_YELLOW, f"left behind: {what}") for what in result.left_behind]
    return ("", *lines, "", *left, paint(colours[result.state], verdict))


def as_data(result: RunResult) -> dict[str, Json]:
    """The result as JSON has it; `seconds` with three decimals, paths as text."""
    return {
        "app": result.app,
        "pipeline": result.pipeline,
        "run_id": result.run_id,
        "folder": str(result.folder),
        "state": result.state.value,
        "seconds": round(result.seconds, 3),
        "reason": result.reason,
        "tasks": [_task_data(task) for task in result.tasks],
        "left_behind": list(result.left_behind),
    }


def dry_run(planned: Sequence[PlannedTask], *, colour: bool = False) -> tuple[str, ...]:
    """What a run would do, as lines."""
    paint = _Paint(colour)
    lines = []
    for one in planned:
        after = f" after {', '.join(one.after)}" if one.after else ""
        rule = "" if one.trigger_rule == "all_success" else f" ({one.trigger_rule})"
        where = f" in {one.image}" if one.image else ""
        lines.append(f"{paint(_BOLD, one.label)}{after}{rule}: {one.does}{where}")
        if one.command is not None:
            lines += [
                f"    {printable(line, colour=colour)}" for line in one.command.rstrip().split("\n")
            ]
    return tuple(lines)


def dry_run_data(planned: Sequence[PlannedTask]) -> list[Json]:
    """What a run would do, as JSON has it."""
    return [
        {
            "task": one.task,
            "label": one.label,
            "after": list(one.after),
            "trigger_rule": one.trigger_rule,
            "does": one.does,
            "command": one.command,
            "image": one.image,
        }
        for one in planned
    ]


def duration(seconds: float) -> str:
    """The time as people say it: ``0.4s``, ``12s``, ``3m 05s``, ``1h 02m``."""
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes}m {rest:02}s" if minutes < 60 else f"{minutes // 60}h {minutes % 60:02}m"


class _Paint:
    """Puts a text into a colour, or leaves it."""

    def __init__(self, colour: bool) -> None:
        self._colour = colour

    def __call__(self, code: str, words: str) -> str:
        return f"{code}{words}{_RESET}" if self._colour and code else words


def _prefix(label: str, width: int, paint: _Paint) -> str:
    shown = label if len(label) <= MAX_LABEL else f"{label[: MAX_LABEL - 1]}…"
    # By the name, so that a task has its colour in every run.
    code = _LABELS[zlib.crc32(label.encode()) % len(_LABELS)]
    return paint(code, f"{shown:<{width}} |") + " "


def _ending(event: TaskFinished, paint: _Paint) -> str:
    state = paint(_STATES.get(event.state, ""), _words(event.state))
    took = f" in {duration(event.seconds)}" if event.attempts else ""
    return f"{state}{took}" + (f": {event.reason}" if event.reason else "")


def _words(state: TaskState) -> str:
    return "not run" if state is TaskState.NONE else state.value


def _in_time(minutes: float) -> str:
    return "at once" if minutes == 0 else f"in {duration(minutes * 60)}"


def _row(task: TaskResult) -> tuple[str, str, str, str, str]:
    took = duration(task.seconds) if task.attempts else ""
    return task.task, _words(task.state), str(task.attempts or ""), took, task.reason or ""


def _table_line(
    row: Sequence[str], widths: Sequence[int], state: TaskState | None, paint: _Paint
) -> str:
    name, words, tries, took, why = row
    code = _BOLD if state is None else _STATES.get(state, "")
    cells = (
        f"{name:<{widths[0]}}",
        paint(code, f"{words:<{widths[1]}}"),
        f"{tries:>{widths[2]}}",
        f"{took:>{widths[3]}}",
        why,
    )
    return "  ".join(cells).rstrip()


def _task_data(task: TaskResult) -> dict[str, Json]:
    return {
        "task": task.task,
        "state": task.state.value,
        "attempts": task.attempts,
        "seconds": round(task.seconds, 3),
        "reason": task.reason,
        "log": None if task.log is None else str(task.log),
        "copies": [_task_data(copy) for copy in task.copies],
    }
