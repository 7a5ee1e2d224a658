"""The embedded server -> lines for people, and data for machines. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from liminal.report.run import duration
from liminal.server.api import Run, TaskRun
from liminal.server.record import PartRecord
from liminal.server.status import PipelineStatus, Status

_RESET = "\x1b[0m"
_BOLD, _RED, _GREEN, _YELLOW, _DIM = "\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[2m"
_COLOURS = {
    "ready": _GREEN,
    "running": _GREEN,
    "success": _GREEN,
    "failed": _RED,
    "upstream_failed": _RED,
    "unhealthy": _RED,
    "killed": _RED,
    "waiting": _YELLOW,
    "up_for_retry": _YELLOW,
    "starting": _YELLOW,
    "stopping": _YELLOW,
    "skipped": _DIM,
}


def as_text(status: Status, *, now: datetime, colour: bool = False) -> Iterator[str]:
    """The status as tables."""
    where = f" on {status.url} (process {status.pid})" if status.url else ""
    version = f", Airflow {status.airflow}" if status.airflow and status.url else ""
    yield f"server: {_paint(status.state, colour)}{where}{version}"
    yield from (f"  {reason}" for reason in status.reasons)
    yield from _section("part", ("state", "process", "restarts", "why"), _airflow(status), colour)
    yield from _section(
        "service", ("state", "address", "process", "why"), _services(status), colour
    )
    rows = [_pipeline(one, now) for one in status.pipelines]
    yield from _section("pipeline", ("last run", "ended", "next run", ""), rows, colour)
    if status.known and not rows:
        yield '\nno pipelines; "liminal deploy" gives the server its pipelines'
    for problem in status.problems:
        yield f"\n{_paint('failed', colour)} to load {problem.file}:\n  {problem.message}"
    images = [(image.name, image.hash[:12], image.engine, "", "") for image in status.images]
    yield from _section("image", ("hash", "engine", "", ""), images, colour)


def as_data(status: Status) -> dict[str, Any]:
    """The status as JSON has it; times in ISO 8601, paths as text."""
    parts = [asdict(part) for part in status.parts]
    for part in parts:
        del part["mark"]
    return {
        "server": {
            "state": status.state,
            "healthy": status.state == "ready",
            "reasons": list(status.reasons),
            "url": status.url,
            "pid": status.pid,
            "home": str(status.home),
            "versions": {"liminal": status.liminal, "airflow": status.airflow},
            "parts": [part for part in parts if part["kind"] == "airflow"],
        },
        "pipelines": [_pipeline_data(one) for one in status.pipelines],
        "import_errors": [asdict(problem) for problem in status.problems],
        "services": [
            {**part, "name": _service_name(part["name"])}
            for part in parts
            if part["kind"] == "service"
        ],
        "images": [asdict(image) for image in status.images],
    }


def task_line(task: TaskRun, *, colour: bool = False) -> str:
    """A change of a task's state, while its run is followed."""
    again = f" (try {task.attempt})" if task.attempt > 1 else ""
    took = f" in {duration(task.seconds)}" if task.seconds and task.state != "running" else ""
    return f"{task.label}: {_paint(task.state or 'waiting', colour)}{again}{took}"


def run_line(run: Run, *, colour: bool = False) -> str:
    """How a run ended."""
    took = (
        f" after {duration((run.ended - run.began).total_seconds())}"
        if run.ended and run.began
        else ""
    )
    return f"{run.pipeline}: {_paint(run.state, colour)}{took}"


def _airflow(status: Status) -> list[tuple[str, ...]]:
    return [
        (part.name, part.state, _number(part.pid), _number(part.restarts), part.reason or "")
        for part in status.parts
        if part.kind == "airflow"
    ]


def _services(status: Status) -> list[tuple[str, ...]]:
    return [
        (_service_name(part.name), part.state, part.url or "", _number(part.pid), _why(part))
        for part in status.parts
        if part.kind == "service"
    ]


def _why(part: PartRecord) -> str:
    again = f"started again {part.restarts} times" if part.restarts else ""
    return "; ".join(words for words in (part.reason, again) if words)


def _service_name(name: str) -> str:
    return name.removeprefix("service-")


def _number(value: int | None) -> str:
    return str(value or "")


def _pipeline(one: PipelineStatus, now: datetime) -> tuple[str, ...]:
    last = one.last
    notes = [
        words
        for words, holds in (
            ("paused", one.pipeline.paused),
            ("its file does not load", one.pipeline.broken),
        )
        if holds
    ]
    return (
        one.pipeline.name,
        last.state if last else "never",
        _ago(last.ended or last.began, now) if last else "",
        _moment(one.pipeline.next_run),
        ", ".join(notes),
    )


def _ago(then: datetime | None, now: datetime) -> str:
    return "" if then is None else f"{duration(max(0.0, (now - then).total_seconds()))} ago"


def _moment(then: datetime | None) -> str:
    return "" if then is None else then.strftime("%Y-%m-%d %H:%M %Z")


def _pipeline_data(one: PipelineStatus) -> dict[str, Any]:
    last = one.last
    return {
        "pipeline": one.pipeline.name,
        "paused": one.pipeline.paused,
        "next_run": _iso(one.pipeline.next_run),
        "import_error": one.pipeline.broken,
        "last_run": last
        and {
            "run_id": last.run_id,
            "state": last.state,
            "began": _iso(last.began),
            "ended": _iso(last.ended),
        },
    }


def _iso(then: datetime | None) -> str | None:
    return None if then is None else then.isoformat()


def _section(
    name: str, columns: Sequence[str], rows: Sequence[Sequence[str]], colour: bool
) -> Iterator[str]:
    if not rows:
        return
    table = [(name, *columns), *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    yield ""
    for number, row in enumerate(table):
        cells = [f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)]
        if number:
            cells[1] = _paint(cells[1], colour)
        else:
            cells = [f"{_BOLD}{cell}{_RESET}" if colour else cell for cell in cells]
        yield "  ".join(cells).rstrip()


def _paint(words: str, colour: bool) -> str:
    code = _COLOURS.get(words.strip(), "")
    return f"{code}{words}{_RESET}" if colour and code else words
