"""The run of a pipeline: each task starts as soon as its trigger rule allows."""

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timezone
from pathlib import Path

from liminal.plan.dag import PipelinePlan, TaskPlan
from liminal.plugins import Plugins
from liminal.runners import Machine
from liminal.runners.embedded.copies import Context, CopyResult, label_of, not_started, run_copy
from liminal.runners.embedded.events import (
    Event,
    Notice,
    RunFinished,
    RunResult,
    RunStarted,
    TaskFinished,
    TaskResult,
)
from liminal.runners.embedded.folder import RunFolder, make_folder, prune, release, write_record
from liminal.runners.embedded.outputs import as_values, store_outputs
from liminal.runners.embedded.preparation import (
    Request,
    check_placeholders,
    chosen,
    earlier_outputs,
    find_launchers,
    flat,
    unused_variables,
    values_of,
)
from liminal.runners.embedded.recovery import recover
from liminal.runners.embedded.selection import is_end, waits_for
from liminal.runners.embedded.states import (
    Decision,
    RunState,
    TaskState,
    decide,
    run_state,
    sum_of,
)
from liminal.runners.embedded.stopping import Halt, signals
from liminal.runners.processes import started_at


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
        UsageError: the request names a task that does not exist.
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
        tasks = chosen(plan, request)
        earlier = earlier_outputs(machine.home, plan, tasks)
        # Its id is known only when its folder is made, and that only when all is well.
        values = values_of(plan, request, machine.environ, run_id="manual__")
        check_placeholders(plan, tasks, values, earlier)
        for words in [*await recover(machine.home), *unused_variables(plan, request)]:
            emit(Notice(message=words))
        launchers = find_launchers(tasks, machine, plugins)
        folder = make_folder(machine.home, plan.app, plan.pipeline, request.now)
        try:
            for task, outputs in earlier.items():  # for a later `--task`, when that run is pruned
                store_outputs(folder.path, task, outputs)
            context = Context(
                plan=plan,
                machine=machine,
                plugins=plugins,
                folder=folder,
                values=values_of(plan, request, machine.environ, folder.run_id),
                launchers=launchers,
                outputs=dict(flat(earlier)),
                halt=halt,
                slots=asyncio.Semaphore(request.parallel or _slots()),
                emit=emit,
            )
            result = await _Run(context, tasks, request).drive()
        finally:
            left = release(folder)
        result = _ended(folder, result, left)
        prune(machine.home, plan.app, plan.pipeline)
        emit(RunFinished(result=result))
    if emit.failure is not None:
        raise emit.failure
    return result


def _slots() -> int:
    """How many tasks run at a time where nobody says: they compute, so one a processor.

    At least two, so that one that only waits does not stop all others.
    """
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(2, usable or 2)
