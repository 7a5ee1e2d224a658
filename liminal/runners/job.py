"""The process of a job (`liminal.runners.jobs`): runs one attempt by its launcher, and says how it ended.

Run as ``python -m liminal.runners.job FOLDER``.
"""  # noqa: E501 - the first line says what it is

import asyncio
import base64
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from liminal.errors import RunError
from liminal.files import remove_tree
from liminal.images.built import BuiltImage
from liminal.images.engines import EngineType
from liminal.images.engines.local.store import Store
from liminal.plan.dag import ContainerPlan
from liminal.plan.serial import decoded
from liminal.plugins import PluginError, discover
from liminal.runners import Abandoned, Attempt, Exit, LauncherType, Machine, Stop, Work
from liminal.runners.embedded.lines import Output
from liminal.runners.jobs import WATCH_SECONDS, Job, machine
from liminal.runners.records import ATTEMPT_RECORD, read_record, write_record

GRACE_SECONDS = 4.0
"""What a command gets between SIGTERM and SIGKILL: Airflow kills a task 5 s after it asked."""

ENGINE_SECONDS = 10 * 60.0
"""How long an engine that does not answer is waited for."""

ENGINE_POLL_SECONDS = 0.5


def main(folder: Path) -> None:
    """Run the job of that folder."""
    write_record(folder / "process.json", {"pid": os.getpid()})
    record = decoded((folder / "job.json").read_bytes())
    try:
        ended = asyncio.run(_run(record, folder))
    except (RunError, PluginError) as problem:
        hint = f" ({problem.hint})" if isinstance(problem, RunError) and problem.hint else ""
        _end(folder, Exit(status=None, reason=f"{problem}{hint}"), hopeless=_is_hopeless(problem))
    else:
        _end(folder, ended, hopeless=False)


def _is_hopeless(problem: Exception) -> bool:
    """Whether waiting would not help: an image that nobody built, not an engine that is down."""
    return isinstance(problem, PluginError) or "is not built" in str(problem)


def _end(folder: Path, ended: Exit, *, hopeless: bool) -> None:
    write_record(
        folder / "ended.json",
        {
            "reason": ended.reason,
            "outputs": base64.b64encode(ended.outputs).decode(),
            "notes": [*ended.notes, *(f"left behind: {one}" for one in ended.left_behind)],
            "hopeless": hopeless,
        },
    )


async def _run(record: Mapping[str, Any], folder: Path) -> Exit:
    stop = Stop()
    notes: list[str] = []
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stop.ask, GRACE_SECONDS)
    (folder / "work").mkdir(mode=0o700, exist_ok=True)
    output = Output(folder / "log", lambda _: None, notes.append)
    engine = _Engine(record["runner"], stop)
    alone = asyncio.ensure_future(_watch(folder, record["patience_seconds"], stop))
    try:
        while True:
            ended = await _attempted(record, folder, stop, engine, output)
            if ended is not None:
                break
            notes.append("the engine was gone meanwhile, and the task ran again")
    finally:
        alone.cancel()
        output.close()
    why = "nobody waited for it any more" if alone.done() else "stopped by Airflow"
    return Exit(
        status=ended.status,
        reason=why if ended.reason is not None and stop.asked else ended.reason,
        outputs=ended.outputs,
        notes=(*ended.notes, *notes),
        left_behind=ended.left_behind,
    )


async def _watch(folder: Path, patience_seconds: float, stop: Stop) -> None:
    """Ask to end once nobody has waited for so long; returns then.

    By whether the file changes, and not by its age: a clock may be set.
    """
    loop = asyncio.get_running_loop()
    seen, since = 0, loop.time()
    watched = Job(folder).watched
    while loop.time() - since < patience_seconds:
        await asyncio.sleep(WATCH_SECONDS)
        try:
            changed = watched.stat().st_mtime_ns
        except OSError:
            continue
        if changed != seen:
            seen, since = changed, loop.time()
    stop.ask(GRACE_SECONDS)


async def _attempted(
    record: Mapping[str, Any], folder: Path, stop: Stop, engine: "_Engine", output: Output
) -> Exit | None:
    """What came of the attempt; None when the engine went away during it, and is back.

    Raises:
        RunError: it cannot run here.
    """
    container: ContainerPlan = record["container"]
    work = Work(
        kind="task",
        name=record["task"],
        container=container,
        settings=record["settings"] or {},
        outputs=record.get("outputs", False),
    )
    here = machine(_images(record["runner"], container.image))
    kind = cast(LauncherType, discover().load("liminal.runners", record["runner"]))
    await engine.wait()
    notes: list[str] = []
    launcher = await asyncio.to_thread(kind.prepare, [work], here, notes.append)
    attempt = _attempt(record, work, folder, here, stop)
    try:
        ended = await launcher.run(attempt, output)
    finally:
        launcher.close()
    if ended.reason is None or stop.asked or not engine.is_lost(ended.reason):
        return replace(ended, notes=(*notes, *ended.notes))
    if not await engine.wait():
        return ended
    record_file = attempt.folder / ATTEMPT_RECORD
    if record_file.exists():
        await kind.recover(Abandoned(run=folder, records=(read_record(record_file),)), here)
    remove_tree(attempt.folder)
    return None


class _Engine:
    """The engine of containers that a runner needs; one that is stopped costs no attempt."""

    def __init__(self, name: str, stop: Stop) -> None:
        self._stop = stop
        plugins = discover()
        known = name in plugins.names("liminal.engines")
        self._type: EngineType | None = plugins.load("liminal.engines", name) if known else None

    def _refusal(self) -> str | None:
        return self._type.refusal(os.environ) if self._type is not None else None

    def is_lost(self, reason: str) -> bool:
        """Whether the attempt failed because the engine went away; it may be back already."""
        return "engine stopped answering" in reason or self._refusal() is not None

    async def wait(self) -> bool:
        """Wait until it answers; says whether it does."""
        loop = asyncio.get_running_loop()
        until = loop.time() + ENGINE_SECONDS
        while await asyncio.to_thread(self._refusal) is not None:
            if loop.time() > until or self._stop.asked:
                return False
            await asyncio.sleep(ENGINE_POLL_SECONDS)
        return True


def _attempt(
    record: Mapping[str, Any], work: Work, folder: Path, here: Machine, stop: Stop
) -> Attempt:
    return Attempt(
        work=work,
        copy=record["copy"],
        number=record["number"],
        command=record["command"],
        env_vars=record["env_vars"],
        folder=folder / "work" / "attempt",
        machine=here,
        stop=stop,
    )


def _images(runner: str, name: str) -> Mapping[str, Mapping[str, BuiltImage]]:
    """The image as it was last built on this machine, where the engine keeps its images here."""
    store = Store(machine().home.images)
    current = store.current(name) if runner == "local" else None
    image = store.read(name, current) if current is not None else None
    return {"local": {name: image}} if image is not None else {}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
