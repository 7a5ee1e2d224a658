"""The run of a pipeline on this machine, from the request to what came of it."""

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

from liminal.errors import Interrupted, RunError
from liminal.plan.dag import PipelinePlan
from liminal.plugins import Plugins
from liminal.runners import Machine
from liminal.runners.embedded.copies import Context, in_minutes, label_of
from liminal.runners.embedded.events import Event, Notice, RunFinished, RunResult, RunStarted
from liminal.runners.embedded.folder import RECORD, RunFolder, make_folder, prune, release
from liminal.runners.embedded.outputs import store_outputs
from liminal.runners.embedded.params import check_params
from liminal.runners.embedded.preparation import (
    Ready,
    Request,
    check_placeholders,
    check_variables,
    chosen,
    close_all,
    earlier_outputs,
    find_launchers,
    flat,
    values_of,
)
from liminal.runners.embedded.recovery import recover
from liminal.runners.embedded.scheduler import Scheduler
from liminal.runners.embedded.states import RunState, TaskState, run_state
from liminal.runners.embedded.stopping import Halt, signals
from liminal.runners.processes import started_at
from liminal.runners.records import write_record
from liminal.runners.threads import in_thread

Prepared = TypeVar("Prepared")


def run(
    plan: PipelinePlan,
    request: Request,
    machine: Machine,
    plugins: Plugins,
    on_event: Callable[[Event], None],
) -> RunResult:
    """Run the pipeline, or the part of it that is asked for, and wait for its end.

    Ctrl-C, SIGTERM and SIGHUP end the tasks, then the run. What `on_event` raises ends it the same
    way, and then comes out of here.

    Returns:
        What came of it, also when it failed or was interrupted; see `RunResult.error`.

    Raises:
        UsageError: the request names a task that does not exist, or a param has no value that
            its schema allows.
        RunError: a task cannot run, or a placeholder has no value; nothing has run.
    """
    return asyncio.run(_run(plan, request, machine, plugins, _Listener(on_event)))


class _Listener:
    """Gives events to who asked for them, until that fails."""

    def __init__(self, on_event: Callable[[Event], None]) -> None:
        self._on_event = on_event
        self.failure: BaseException | None = None
        self.halt: Halt | None = None

    def __call__(self, event: Event) -> None:
        if self.failure is not None:
            return
        try:
            self._on_event(event)
        except BaseException as problem:  # such as a closed pipe; comes out of `run`
            self.failure = problem
            if self.halt is not None:
                self.halt.interrupt("the end of who listens")


async def _run(
    plan: PipelinePlan, request: Request, machine: Machine, plugins: Plugins, emit: _Listener
) -> RunResult:
    halt = emit.halt = Halt(emit)
    with signals(halt):
        ready = await _prepare(plan, request, machine, plugins, emit, halt)
        try:
            folder = make_folder(machine.home, plan.app, plan.pipeline, request.now)
        except RunError:
            close_all(ready.launchers)
            raise
        scheduler = Scheduler(ready.tasks)
        left: tuple[str, ...] = ()
        try:
            context = _context(ready, folder, scheduler, halt, emit)
            _begin(context, ready)
            with _time_limit(plan, halt):
                await scheduler.drive(context)
        finally:
            close_all(ready.launchers)
            left = await asyncio.to_thread(release, folder)
        result = _result(context, scheduler, left)
        _write_end(folder, result, emit)
        prune(machine.home, plan.app, plan.pipeline)
        emit(RunFinished(result=result))
    if emit.failure is not None:
        raise emit.failure
    return result


async def _prepare(
    plan: PipelinePlan,
    request: Request,
    machine: Machine,
    plugins: Plugins,
    emit: _Listener,
    halt: Halt,
) -> Ready:
    """All that can be made sure of before anything runs."""
    tasks = chosen(plan, request)
    check_params(plan.params, request.variables)
    check_variables(plan, request)
    told: list[str] = []
    earlier = earlier_outputs(machine.home, plan, tasks, told.append)
    # The run's id is known only when its folder is made, and that only when all is well.
    values = values_of(plan, request, machine.environ, run_id="manual__")
    check_placeholders(plan, tasks, values, earlier)
    for words in [*await recover(machine, plugins), *told]:
        emit(Notice(message=words))
    launchers = await _or_halt(
        in_thread(partial(find_launchers, tasks, machine, plugins, _teller(emit))), halt
    )
    return Ready(
        plan=plan,
        request=request,
        machine=machine,
        plugins=plugins,
        tasks=tasks,
        launchers=launchers,
        earlier=earlier,
    )


def _teller(emit: Callable[[Event], None]) -> Callable[[str], None]:
    """Emits each notice once, on the event loop, for who calls from another thread."""
    loop, told = asyncio.get_running_loop(), set[str]()

    def tell(words: str) -> None:
        if words not in told:
            told.add(words)
            loop.call_soon_threadsafe(emit, Notice(message=words))

    return tell


async def _or_halt(preparing: "asyncio.Future[Prepared]", halt: Halt) -> Prepared:
    """What comes of the preparation.

    Raises:
        Interrupted: the run was asked to end first; what was going on ends with this process.
    """
    halted = asyncio.ensure_future(halt.wait())
    waited: set[asyncio.Future[Any]] = {preparing, halted}
    try:
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
    finally:
        halted.cancel()
    if not preparing.done():
        raise Interrupted(f"{halt.reason} before the run began")
    return preparing.result()


def _context(
    ready: Ready, folder: RunFolder, scheduler: Scheduler, halt: Halt, emit: Callable[[Event], None]
) -> Context:
    return Context(
        plan=ready.plan,
        machine=ready.machine,
        plugins=ready.plugins,
        folder=folder,
        values=values_of(ready.plan, ready.request, ready.machine.environ, folder.run_id),
        launchers=ready.launchers,
        outputs=dict(flat(ready.earlier)),
        metrics=scheduler.metrics,
        halt=halt,
        slots=asyncio.Semaphore(ready.request.parallel or _slots()),
        emit=emit,
    )


def _slots() -> int:
    """How many tasks run at a time where nobody says: they compute, so one a processor.

    At least two, so that one that only waits does not stop all others.
    """
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return max(2, len(os.sched_getaffinity(0)))
    return max(2, os.cpu_count() or 2)


def _begin(context: Context, ready: Ready) -> None:
    path, plan = context.folder.path, ready.plan
    try:
        for task, outputs in ready.earlier.items():  # that run may be pruned before this one
            store_outputs(path, task, outputs)
        write_record(path / RECORD, _record(context))
    except OSError as error:
        raise RunError(f'the run cannot write to "{path}": {error.strerror}') from error
    context.emit(
        RunStarted(
            app=plan.app,
            pipeline=plan.pipeline,
            run_id=context.folder.run_id,
            tasks=tuple(task.name for task in ready.tasks),
            labels=tuple(
                label_of(task, index) for task in ready.tasks for index in range(len(task.copies))
            ),
            folder=path,
        )
    )


def _record(context: Context) -> dict[str, object]:
    return {
        "app": context.plan.app,
        "pipeline": context.plan.pipeline,
        "run_id": context.folder.run_id,
        "state": "running",
        "pid": os.getpid(),
        "started": started_at(os.getpid()),
    }


@contextlib.contextmanager
def _time_limit(plan: PipelinePlan, halt: Halt) -> Iterator[None]:
    """Ask the run to end when the pipeline's time is over."""
    if plan.timeout_minutes is None:
        yield
        return
    reason = f"the pipeline is over its timeout of {in_minutes(plan.timeout_minutes)}"
    loop = asyncio.get_running_loop()
    timer = loop.call_later(plan.timeout_minutes * 60, halt.time_out, reason)
    try:
        yield
    finally:
        timer.cancel()


def _result(context: Context, scheduler: Scheduler, left: tuple[str, ...]) -> RunResult:
    tasks = scheduler.results()
    state = run_state([task.state for task in tasks])
    reason = None
    if context.halt.interrupted:
        state = RunState.INTERRUPTED
    elif context.halt.reason is not None:
        state = RunState.FAILED
    if state is not RunState.SUCCESS:
        failed = [task for task in tasks if task.state is TaskState.FAILED]
        first = f'task "{failed[0].task}" failed: {failed[0].reason}' if failed else None
        reason = context.halt.reason or first
    return RunResult(
        app=context.plan.app,
        pipeline=context.plan.pipeline,
        run_id=context.folder.run_id,
        folder=context.folder.path,
        state=state,
        seconds=time.monotonic() - scheduler.began,
        reason=reason,
        tasks=tasks,
        left_behind=scheduler.left_behind() + left,
    )


def _write_end(folder: RunFolder, result: RunResult, emit: Callable[[Event], None]) -> None:
    """Keep what came of the run; a full disk does not change that."""
    tasks = {task.task: task.state.value for task in result.tasks}
    record = {
        "app": result.app,
        "pipeline": result.pipeline,
        "run_id": result.run_id,
        "state": result.state.value,
        "seconds": round(result.seconds, 3),
        "reason": result.reason,
        "tasks": tasks,
    }
    try:
        write_record(folder.path / RECORD, record)
    except OSError as error:
        emit(Notice(message=f"what came of the run could not be kept: {error.strerror}"))
