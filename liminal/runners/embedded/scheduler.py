"""Which task starts when: as soon as its trigger rule allows, side by side, ``end`` last."""

import asyncio
import time
from collections.abc import Mapping, Sequence

from liminal.model import TriggerRule
from liminal.plan.dag import TaskPlan
from liminal.runners.embedded.copies import Context, CopyResult, label_of, not_started, run_copy
from liminal.runners.embedded.events import Notice, TaskFinished, TaskResult
from liminal.runners.embedded.outputs import as_values, store_outputs
from liminal.runners.embedded.selection import is_end, waits_for
from liminal.runners.embedded.states import (
    Decision,
    RunState,
    TaskState,
    decide,
    run_state,
    sum_of,
)


class Scheduler:
    """Runs the selected tasks of one run.

    Attributes:
        began: when, by the monotonic clock.
    """

    def __init__(self, tasks: Sequence[TaskPlan]) -> None:
        self.began = time.monotonic()
        self._tasks = tuple(tasks)
        names = {task.name for task in tasks}
        # What is not selected is as if it were not there, as in Airflow's partial runs.
        self._before = {
            task.name: tuple(name for name in task.depends_on if name in names) for task in tasks
        }
        self._after_all = waits_for(tasks)
        self._waiting = set(names)
        self._results: dict[str, dict[int, CopyResult]] = {name: {} for name in names}
        self._copies = {task.name: len(task.copies) for task in tasks}
        self._running: dict[asyncio.Task[CopyResult], tuple[TaskPlan, int]] = {}

    async def drive(self, context: Context) -> None:
        """Run all of them, each to its last state."""
        try:
            self._start_ready(context)
            while self._running:
                done, _ = await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
                for one in done:
                    task, index = self._running.pop(one)
                    self._finish(task, index, one.result(), context)
                self._start_ready(context)
        finally:
            # Only after a bug of ours is there still something that runs.
            for one in self._running:
                one.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)

    def metrics(self, moment: str) -> Mapping[str, float]:
        """What ``start`` or ``end`` reports now."""
        if moment == "start":
            return {"JobStarted": 1}
        states = [self.state(task) for task in self._tasks if not is_end(task)]
        return {
            "JobResult": int(run_state(states) is RunState.SUCCESS),
            "JobDuration": round(time.monotonic() - self.began, 3),
        }

    def state(self, task: TaskPlan) -> TaskState:
        """How far the task is; the sum of its copies."""
        return sum_of(self._states(task.name))

    def results(self) -> tuple[TaskResult, ...]:
        """What came of each task, in the order of the plan."""
        return tuple(_sum(task, self._results[task.name]) for task in self._tasks)

    def left_behind(self) -> tuple[str, ...]:
        """What is still there of the copies that ended, and should not be."""
        return tuple(
            words
            for task in self._tasks
            for _, copy in sorted(self._results[task.name].items())
            for words in copy.left_behind
        )

    def _states(self, name: str) -> list[TaskState]:
        results = self._results[name]
        waiting = TaskState.NONE if name in self._waiting else TaskState.RUNNING
        return [
            results[index].state if index in results else waiting
            for index in range(self._copies[name])
        ]

    def _start_ready(self, context: Context) -> None:
        """Start what may start, until nothing changes any more."""
        changed = True
        while changed:
            changed = False
            for task in self._tasks:
                if task.name in self._waiting:
                    changed = self._consider(task, context) or changed

    def _consider(self, task: TaskPlan, context: Context) -> bool:
        """Start the task or end it without; says whether its state has changed."""
        if context.halt.reason is not None and not is_end(task):
            self._waiting.remove(task.name)
            self._finish_all(task, not_started(context.halt), context)
            return True
        decision = self._decide(task)
        if decision is Decision.WAIT:
            return False
        self._waiting.remove(task.name)
        if decision is Decision.RUN:
            for index in range(len(task.copies)):
                started = asyncio.ensure_future(run_copy(task, index, context))
                self._running[started] = task, index
        else:
            skips = decision is Decision.SKIP
            state = TaskState.SKIPPED if skips else TaskState.UPSTREAM_FAILED
            self._finish_all(task, CopyResult(state=state, reason=self._why(task)), context)
        return True

    def _decide(self, task: TaskPlan) -> Decision:
        before = self._before[task.name]
        if is_end(task):
            # A teardown: its rule does not count, it always runs.
            needed = {*before, *self._after_all[task.name]}
            return Decision.RUN if all(map(self._is_over, needed)) else Decision.WAIT
        states = [state for name in before for state in self._states(name)]
        return decide(task.trigger_rule, states)

    def _is_over(self, name: str) -> bool:
        return len(self._results[name]) == self._copies[name]

    def _why(self, task: TaskPlan) -> str:
        """Why the task ends without running."""
        before = {name: sum_of(self._states(name)) for name in self._before[task.name]}
        if task.trigger_rule is TriggerRule.ALL_SUCCESS:
            for states, words in (
                ((TaskState.FAILED, TaskState.UPSTREAM_FAILED), "failed"),
                ((TaskState.SKIPPED,), "was skipped"),
            ):
                for name, state in before.items():
                    if state in states:
                        return f'"{name}" {words}'
        told = ", ".join(f'"{name}" is {state.value}' for name, state in before.items())
        return f"{task.trigger_rule.value}: {told}"

    def _finish_all(self, task: TaskPlan, result: CopyResult, context: Context) -> None:
        for index in range(len(task.copies)):
            self._finish(task, index, result, context)

    def _finish(self, task: TaskPlan, index: int, result: CopyResult, context: Context) -> None:
        self._results[task.name][index] = result
        context.emit(
            TaskFinished(
                task=task.name,
                label=label_of(task, index),
                state=result.state,
                attempts=result.attempts,
                seconds=result.seconds,
                reason=result.reason,
                log=result.log,
            )
        )
        if self._is_over(task.name) and self.state(task) is TaskState.SUCCESS and task.outputs:
            self._hand_on(task, context)

    def _hand_on(self, task: TaskPlan, context: Context) -> None:
        copies = self._results[task.name]
        values = as_values(task, [copies[index].outputs for index in sorted(copies)])
        context.outputs.update(values)
        try:
            store_outputs(context.folder.path, task.name, values)
        except OSError as error:
            words = f"its outputs could not be kept for a later run: {error.strerror}"
            context.emit(Notice(message=words, label=task.name))


def _sum(task: TaskPlan, copies: Mapping[int, CopyResult]) -> TaskResult:
    results = [copies[index] for index in sorted(copies)]
    state = sum_of([result.state for result in results])
    telling = next((index for index in sorted(copies) if copies[index].state is state), 0)
    shown = copies[telling]
    single = len(task.copies) == 1
    reason = shown.reason if single or not shown.reason else f"copy {telling}: {shown.reason}"
    return TaskResult(
        task=task.name,
        state=state,
        attempts=max(result.attempts for result in results),
        seconds=max(result.seconds for result in results),
        reason=reason,
        log=shown.log,
        copies=()
        if single
        else tuple(_one(label_of(task, index), copies[index]) for index in sorted(copies)),
    )


def _one(label: str, copy: CopyResult) -> TaskResult:
    return TaskResult(
        task=label,
        state=copy.state,
        attempts=copy.attempts,
        seconds=copy.seconds,
        reason=copy.reason,
        log=copy.log,
    )
