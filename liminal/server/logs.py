"""``liminal logs``: what the server, a service or a run's tasks wrote."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from liminal.errors import UsageError
from liminal.home import Home
from liminal.server.api import UNFINISHED, Api, TaskRun
from liminal.server.folder import ServerFolder
from liminal.server.trigger import unknown_pipeline
from liminal.suggest import nearest

_POLL_SECONDS = 0.3
_BLOCK = 64 * 1024

Line = tuple[str, str]
"""Who wrote it, and the line."""


def part_logs(home: Home) -> dict[str, Path]:
    """Name -> file of what each part of the server wrote; services go by their own names too."""
    folder = ServerFolder(home.airflow).log("supervisor").parent
    found = {path.stem: path for path in sorted(folder.glob("*.log"))}
    for name in list(found):
        found.setdefault(name.removeprefix("service-"), found[name])
    return found


def server_files(files: dict[str, Path]) -> dict[str, Path]:
    """Each of the files once, by its own name."""
    return {name: path for name, path in files.items() if path.stem == name}


def file_lines(files: dict[str, Path], tail: int | None, follow: bool) -> Iterator[Line]:
    """The last lines of the files, one file after the other; as they come if followed."""
    if follow:
        yield from _follow(files, tail)
        return
    for name, path in files.items():
        yield from ((name, line) for line in last(path, tail))


def last(path: Path, tail: int | None) -> list[str]:
    """The last lines of the file, or all of them."""
    try:
        with path.open("rb") as file:
            if tail is None:
                return file.read().decode(errors="replace").splitlines()
            return _tail_of(file.fileno(), tail)
    except OSError:
        return []


def _tail_of(descriptor: int, tail: int) -> list[str]:
    position = os.fstat(descriptor).st_size
    data = b""
    while position > 0 and data.count(b"\n") <= tail:
        size = min(_BLOCK, position)
        position -= size
        data = os.pread(descriptor, size, position) + data
    return data.decode(errors="replace").splitlines()[-tail:] if tail else []


def _follow(
    paths: dict[str, Path], tail: int | None, pause: Callable[[float], None] = time.sleep
) -> Iterator[Line]:
    """The last lines of the files, and then each line as it comes, until Ctrl-C."""
    at: dict[str, int] = {}
    rest: dict[str, bytes] = {}
    for name, path in paths.items():
        at[name] = path.stat().st_size if path.exists() else 0
        yield from ((name, line) for line in last(path, tail))
    while True:
        for name, path in paths.items():
            data, at[name] = _new(path, at[name])
            lines = (rest.get(name, b"") + data).split(b"\n")
            rest[name] = lines.pop()
            yield from ((name, line.decode(errors="replace")) for line in lines)
        pause(_POLL_SECONDS)


def _new(path: Path, position: int) -> tuple[bytes, int]:
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size < position:
                position = 0  # a new file, or one that was emptied
            file.seek(position)
            data = file.read(_BLOCK)
    except OSError:
        return b"", 0
    return data, position + len(data)


def task_lines(
    api: Api,
    pipeline: str,
    task: str | None,
    tail: int | None,
    follow: bool,
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[Line]:
    """What the tasks of the pipeline's latest run wrote, or one of them; as it comes if followed.

    Raises:
        UsageError: there is no such pipeline, it has not run, or its run has no such task.
        ServerError: the server does not answer.
    """
    if api.details(pipeline) is None:
        raise unknown_pipeline(api, pipeline)
    runs = api.latest_runs(pipeline, 1)
    if not runs:
        raise UsageError(
            f'pipeline "{pipeline}" has not run yet', hint=f'"liminal trigger {pipeline}" runs it'
        )
    run_id = runs[0].run_id
    shown: dict[tuple[str, int], int] = {}
    while True:
        state = api.run(pipeline, run_id).state
        tasks = _chosen(api.tasks(pipeline, run_id), task)
        for one in tasks:
            lines = api.log(one)
            key = (one.label, one.attempt)
            done = shown.get(key)
            if done is None:
                done = 0 if tail is None else max(0, len(lines) - tail)
            yield from ((one.label, line) for line in lines[done:])
            shown[key] = len(lines)
        if not follow or state not in UNFINISHED:
            return
        pause(1.0)


def _chosen(tasks: Sequence[TaskRun], name: str | None) -> Sequence[TaskRun]:
    if name is None:
        return tasks
    found = [one for one in tasks if name in (one.task, one.label)]
    if found:
        return found
    known = sorted({one.task for one in tasks})
    meant = nearest(name, known)
    raise UsageError(
        f'the run has no task named "{name}"' + (f'; did you mean "{meant}"?' if meant else ""),
        hint=None if meant else f"known: {', '.join(known)}",
    )
