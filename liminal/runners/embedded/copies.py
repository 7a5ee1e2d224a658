"""One copy of a task from its first try to its last state."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from liminal.model import Text
from liminal.plan.dag import PipelinePlan, TaskPlan
from liminal.plugins import Plugins
from liminal.runners import Attempt, Exit, Launcher, Machine, Stop
from liminal.runners.embedded.environment import environment
from liminal.runners.embedded.events import (
    Event,
    Notice,
    TaskOutput,
    TaskRetrying,
    TaskStarted,
)
from liminal.runners.embedded.folder import RunFolder
from liminal.runners.embedded.lines import Output
from liminal.runners.embedded.outputs import BadOutputs, parse_outputs
from liminal.runners.embedded.preparation import Values, work_of
from liminal.runners.embedded.reporting import report
from liminal.runners.embedded.states import TaskState
from liminal.runners.embedded.stopping import GRACE_SECONDS, Halt
from liminal.runners.embedded.values import Unresolved, holds, resolve_command
from liminal.steps import ReportMetrics, RunCommand


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyResult:
    """What came of one copy of a task.

    Attributes:
        log: the output of its last try.
        outputs: what it hands on.
        left_behind: what of it is still there and should not be.
    """

    state: TaskState
    attempts: int = 0
    seconds: float = 0.0
    reason: str | None = None
    log: Path | None = None
    outputs: Mapping[str, str] = field(default_factory=dict)
    left_behind: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What the copies of a run share.

    Attributes:
        outputs: ``TASK.KEY`` -> value, of the tasks that are done; grows as the run goes on.
        metrics: what a task that reports at that moment sends.
        slots: one for each attempt that may run at a time.
    """

    plan: PipelinePlan
    machine: Machine
    plugins: Plugins
    folder: RunFolder
    values: Values
    launchers: Mapping[str, Launcher]
    outputs: dict[str, str]
    metrics: Callable[[str], Mapping[str, float]]
    halt: Halt
    slots: asyncio.Semaphore
    emit: Callable[[Event], None]


def label_of(task: TaskPlan, index: int) -> str:
    """How a copy is told apart from others: ``TASK``, or ``TASK[N]`` where there are several.

    No task's name has brackets, so that it is not another task's name.
    """
    return task.name if len(task.copies) == 1 else f"{task.name}[{index}]"


def _file_name(task: TaskPlan, index: int) -> str:
    """The same for files; shells and globs take brackets for a pattern."""
    return task.name if len(task.copies) == 1 else f"{task.name}+{index}"


def not_started(halt: Halt) -> CopyResult:
    """What came of a copy that the run's end kept from starting."""
    if halt.interrupted:
        return CopyResult(state=TaskState.NONE, reason=halt.reason)
    # The pipeline's timeout fails the run with all its tasks.
    return CopyResult(state=TaskState.FAILED, reason=f"not started: {halt.reason}")


async def run_copy(task: TaskPlan, index: int, context: Context) -> CopyResult:
    """Try it until it succeeds, has had all its tries, or the run is asked to end."""
    if isinstance(task.step, ReportMetrics):
        return await _report(task, task.step, context)
    scope = context.values.scope(task, task.copies[index], context.outputs)
    try:
        if task.when is not None and not holds(task.when, scope):
            return CopyResult(state=TaskState.SKIPPED, reason="its condition is false")
        command = resolve_command(_command(task), scope)
        env_vars = environment(
            context.plan,
            task,
            index,
            scope,
            context.values.supplied.get("env"),
            context.folder.run_id,
        )
    except Unresolved as problem:
        return CopyResult(state=TaskState.FAILED, reason=str(problem))
    return await _Tries(task, index, command, env_vars, context).run()


def _command(task: TaskPlan) -> Text:
    if not isinstance(task.step, RunCommand):  # `find_launchers` refuses all else
        raise TypeError(task.step)
    return task.step.command


async def _report(task: TaskPlan, step: ReportMetrics, context: Context) -> CopyResult:
    """Report the run's metrics; that never fails, also where no backend takes them."""
    began = time.monotonic()
    log = context.folder.log(task.name, 1)
    context.emit(TaskStarted(task=task.name, label=task.name, attempt=1, attempts=1))
    output = _output(task, task.name, log, context)
    with context.halt.watched_twice() as stop:
        await report(context.metrics(step.moment), context.plan, context.plugins, output, stop)
    output.close()
    seconds = time.monotonic() - began
    return CopyResult(state=TaskState.SUCCESS, attempts=1, seconds=seconds, log=log)


def _output(task: TaskPlan, label: str, log: Path, context: Context) -> Output:
    return Output(
        log,
        lambda lines: context.emit(TaskOutput(task=task.name, label=label, lines=lines)),
        lambda message: context.emit(Notice(message=message, label=label)),
    )


@dataclass(slots=True)
class _Tries:
    """The tries of one copy of a container task."""

    task: TaskPlan
    index: int
    command: str
    env_vars: Mapping[str, str]
    context: Context
    began: float | None = None
    left_behind: tuple[str, ...] = ()
    log: Path | None = None

    async def run(self) -> CopyResult:
        halt, number, attempts = self.context.halt, 0, self.task.retries + 1
        while True:
            async with self.context.slots:
                if halt.reason is not None:
                    return self._halted(number)
                number += 1
                reason, outputs = await self._attempt(number)
            if reason is None:
                return self._result(TaskState.SUCCESS, number, None, outputs)
            if halt.reason is not None or number == attempts:
                return self._result(TaskState.FAILED, number, reason)
            self._emit_retry(number, attempts, reason)
            await halt.sleep(self.task.retry_delay_minutes * 60)

    async def _attempt(self, number: int) -> tuple[str | None, Mapping[str, str]]:
        """One try: why it failed, or None; and what it hands on."""
        label, context = label_of(self.task, self.index), self.context
        self.began = self.began or time.monotonic()
        log = self.log = context.folder.log(_file_name(self.task, self.index), number)
        context.emit(
            TaskStarted(
                task=self.task.name, label=label, attempt=number, attempts=self.task.retries + 1
            )
        )
        output = _output(self.task, label, log, context)
        with context.halt.watched() as stop:
            late = _Timer(self.task.timeout_minutes, stop)
            try:
                exit = await self._launch(number, stop, output)
            finally:
                late.cancel()
                output.close()
        for note in exit.notes:
            context.emit(Notice(message=note, label=label))
        self.left_behind += exit.left_behind
        if late.over:
            return f"timed out after {in_minutes(self.task.timeout_minutes)}", {}
        if context.halt.reason is not None and exit.reason is not None:
            return context.halt.reason, {}
        return self._judge(exit)

    async def _launch(self, number: int, stop: Stop, output: Output) -> Exit:
        context, name = self.context, _file_name(self.task, self.index)
        attempt = Attempt(
            work=work_of(self.task),
            copy=self.index if len(self.task.copies) > 1 else None,
            number=number,
            command=self.command,
            env_vars={**self.env_vars, "LIMINAL_TRY": str(number)},
            folder=context.folder.work / f"{name}-{number}",
            machine=context.machine,
            stop=stop,
        )
        return await context.launchers[self.task.name].run(attempt, output)

    def _judge(self, exit: Exit) -> tuple[str | None, Mapping[str, str]]:
        if exit.reason is not None or not self.task.outputs:
            return exit.reason, {}
        try:
            return None, parse_outputs(exit.outputs, self.task.outputs)
        except BadOutputs as problem:
            return str(problem), {}

    def _emit_retry(self, number: int, attempts: int, reason: str) -> None:
        self.context.emit(
            TaskRetrying(
                task=self.task.name,
                label=label_of(self.task, self.index),
                attempt=number,
                attempts=attempts,
                reason=reason,
                delay_minutes=self.task.retry_delay_minutes,
            )
        )

    def _halted(self, number: int) -> CopyResult:
        if number:
            return self._result(TaskState.FAILED, number, self.context.halt.reason)
        return not_started(self.context.halt)

    def _result(
        self,
        state: TaskState,
        attempts: int,
        reason: str | None,
        outputs: Mapping[str, str] | None = None,
    ) -> CopyResult:
        return CopyResult(
            state=state,
            attempts=attempts,
            seconds=time.monotonic() - (self.began or time.monotonic()),
            reason=reason,
            log=self.log,
            outputs=outputs or {},
            left_behind=self.left_behind,
        )


class _Timer:
    """Asks an attempt to end when its time is over."""

    def __init__(self, minutes: float | None, stop: Stop) -> None:
        self.over = False
        self._stop = stop
        loop = asyncio.get_running_loop()
        self._handle = None if minutes is None else loop.call_later(minutes * 60, self._ring)

    def _ring(self) -> None:
        self.over = True
        self._stop.ask(GRACE_SECONDS)

    def cancel(self) -> None:
        if self._handle is not None:
            self._handle.cancel()


def in_minutes(minutes: float | None) -> str:
    """The time in words."""
    return f"{minutes or 0:g} minute{'' if minutes == 1 else 's'}"
