import dataclasses
import json
from pathlib import Path

import pytest

from liminal.report.run import (
    as_data,
    dry_run,
    dry_run_data,
    duration,
    render,
    summary,
    width_of,
)
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

STARTED = RunStarted(
    app="app",
    pipeline="pipe",
    run_id="manual__x",
    tasks=("a", "train"),
    labels=("a", "train.0", "train.1"),
    folder=Path("/runs/x"),
)


def one(
    name: str, state: TaskState, tries: int, seconds: float, why: str | None, *copies: TaskResult
) -> TaskResult:
    return TaskResult(
        task=name,
        state=state,
        attempts=tries,
        seconds=seconds,
        reason=why,
        log=Path("/log") if tries else None,
        copies=copies,
    )


RESULT = RunResult(
    app="app",
    pipeline="pipe",
    run_id="manual__x",
    folder=Path("/runs/x"),
    state=RunState.FAILED,
    seconds=75.2,
    reason='task "train" failed: copy 1: exit status 1',
    tasks=(
        one("a", TaskState.SUCCESS, 1, 0.42, None),
        one(
            "train",
            TaskState.FAILED,
            2,
            71,
            "copy 1: exit status 1",
            one("train.0", TaskState.SUCCESS, 1, 12.3, None),
            one("train.1", TaskState.FAILED, 2, 71, "exit status 1"),
        ),
        one("b", TaskState.UPSTREAM_FAILED, 0, 0, '"train" failed'),
        one("c", TaskState.NONE, 0, 0, None),
    ),
    left_behind=("process 7 (x)",),
)


def output(*lines: str) -> TaskOutput:
    return TaskOutput(task="a", label="a", lines=lines)


def test_each_event_is_lines_with_the_tasks_name() -> None:
    width = width_of(STARTED)
    assert width == 7
    events: tuple[Event, ...] = (
        STARTED,
        TaskStarted(task="a", label="a", attempt=1, attempts=2),
        output("one", "two"),
        TaskRetrying(task="a", label="a", attempt=1, attempts=2, reason="why", delay_minutes=5),
        TaskStarted(task="a", label="a", attempt=2, attempts=2),
        Notice(message="told", label="a"),
        Notice(message="told"),
        TaskFinished(
            task="a",
            label="a",
            state=TaskState.FAILED,
            attempts=2,
            seconds=3,
            reason="why",
            log=None,
        ),
        TaskFinished(
            task="b", label="b", state=TaskState.NONE, attempts=0, seconds=0, reason=None, log=None
        ),
        Stopping(reason="interrupted by Ctrl-C", grace_seconds=10.0),
    )
    assert [line for event in events for line in render(event, width=width)] == [
        "pipe: run manual__x",
        "a       | started",
        "a       | one",
        "a       | two",
        "a       | why; try 2 of 2 in 5m 00s",
        "a       | started (try 2 of 2)",
        "a       | told",
        "told",
        "a       | failed in 3.0s: why",
        "b       | not run",
        "interrupted by Ctrl-C: ending what runs, 10 s at most",
    ]


def test_the_summary_is_a_table() -> None:
    assert summary(RESULT) == (
        "",
        "task     state            tries  duration  why",
        "a        success              1      0.4s",
        "train    failed               2    1m 11s  copy 1: exit status 1",
        "train.0  success              1       12s",
        "train.1  failed               2    1m 11s  exit status 1",
        'b        upstream_failed                   "train" failed',
        "c        not run",
        "",
        "left behind: process 7 (x)",
        'pipe: failed after 1m 15s: task "train" failed: copy 1: exit status 1',
    )
    assert render(RunFinished(result=RESULT)) == summary(RESULT)


def test_an_interrupted_run_says_by_what() -> None:
    interrupted = dataclasses.replace(
        RESULT, state=RunState.INTERRUPTED, reason="interrupted by Ctrl-C"
    )
    assert summary(interrupted)[-1] == "pipe: interrupted by Ctrl-C after 1m 15s"
    problem = interrupted.error()
    assert problem is not None
    assert problem.exit_code == 130
    assert problem.message == (
        'pipeline "pipe" was interrupted by Ctrl-C; left behind: process 7 (x)'
    )


def test_colour_comes_only_when_asked_and_does_not_run_on() -> None:
    red = output("\x1b[31mred")
    assert render(red, width=1) == ("a | red",)
    (line,) = render(red, width=1, colour=True)
    assert "\x1b[31mred\x1b[0m" in line
    plain = "".join(summary(RESULT))
    assert "\x1b" not in plain
    assert "\x1b[31m" in "".join(summary(RESULT, colour=True))


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("10%\r50%\r100%", "100%"),
        ("100%\r", "100%"),
        ("tab\tstays", "tab\tstays"),
        ("bell\x07 null\x00", "bell\ufffd null\ufffd"),
        ("\x1b]0;title\x07x", "x"),
        ("\x1b[2Jcleared\x1b[1;1H", "cleared"),
        ("\x1bcreset", "reset"),
        ("\x9b31m", "\ufffd31m"),
        ("", ""),
    ],
)
def test_what_a_task_writes_cannot_take_over_the_terminal(line: str, shown: str) -> None:
    assert render(output(line), width=1) == (f"a | {shown}",)
    (coloured,) = render(output(line), width=1, colour=True)
    assert coloured.removesuffix("\x1b[0m").endswith(shown)
    assert "\x1b[2J" not in coloured
    assert "\x07" not in coloured


def test_a_long_name_is_cut() -> None:
    (line,) = render(TaskStarted(task="x", label="x" * 200, attempt=1, attempts=1), width=30)
    assert line == "x" * 29 + "… | started"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0.0s"), (0.44, "0.4s"), (9.94, "9.9s"), (9.96, "10s"), (59.4, "59s"), (59.6, "1m 00s"),
        (125, "2m 05s"), (3599.7, "1h 00m"), (7320, "2h 02m"), (360000, "100h 00m"),
    ],
)  # fmt: skip
def test_durations_read_well(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_the_result_is_json() -> None:
    data = json.loads(json.dumps(as_data(RESULT)))
    assert data["state"] == "failed"
    assert data["tasks"][1]["copies"][1] == {
        "task": "train.1",
        "state": "failed",
        "attempts": 2,
        "seconds": 71,
        "reason": "exit status 1",
        "log": "/log",
        "copies": [],
    }


def test_a_dry_run_lists_what_would_run() -> None:
    planned = (
        PlannedTask(
            task="start", label="start", after=(), trigger_rule="all_success",
            does="reports the start of the run", command=None, image=None,
        ),
        PlannedTask(
            task="a", label="a", after=("start",), trigger_rule="all_done",
            does="runs a command", command="echo 1\necho 2\n", image="img",
        ),
    )  # fmt: skip
    assert dry_run(planned) == (
        "start: reports the start of the run",
        "a after start (all_done): runs a command in img",
        "    echo 1",
        "    echo 2",
    )
    assert dry_run_data(planned)[1] == {
        "task": "a", "label": "a", "after": ["start"], "trigger_rule": "all_done",
        "does": "runs a command", "command": "echo 1\necho 2\n", "image": "img",
    }  # fmt: skip
