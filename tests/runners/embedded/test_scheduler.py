"""Any pipeline comes to its end, in order, with no more tries than it may have."""

import asyncio
import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from runner_plans import NOW, PLUGINS, bench, end, plan, task

from liminal.model import Comparison, Condition, TriggerRule
from liminal.plan.dag import PipelinePlan, TaskPlan
from liminal.plugins import Plugins
from liminal.runners import Abandoned, Attempt, Exit, Machine, Recovered, Work
from liminal.runners.embedded.events import Event, TaskFinished, TaskStarted
from liminal.runners.embedded.preparation import Request
from liminal.runners.embedded.run import run
from liminal.runners.embedded.states import RunState, TaskState

NEVER = Condition(left="1", operator=Comparison.EQUAL, right="2")


class Instant:
    """A launcher as a plug-in may bring one: the command says how many tries fail."""

    def prepare(
        self, works: Sequence[Work], machine: Machine, tell: Callable[[str], None]
    ) -> "Instant":
        return self

    async def recover(self, abandoned: Abandoned, machine: Machine) -> Recovered:
        return Recovered()

    def close(self) -> None:
        pass

    async def run(self, attempt: Attempt, output: Callable[[bytes], None]) -> Exit:
        for _ in range(len(attempt.work.name) % 3):
            await asyncio.sleep(0)
        output(b"line\n")
        failing = attempt.number <= int(attempt.command)
        return Exit(status=1, reason="exit status 1") if failing else Exit(status=0)


@st.composite
def plans(draw: st.DrawFn) -> PipelinePlan:
    tasks: list[TaskPlan] = []
    for number in range(draw(st.integers(0, 9))):
        before = (
            draw(st.sets(st.sampled_from([one.name for one in tasks]), max_size=3))
            if tasks
            else set()
        )
        kind = draw(st.sampled_from(["task"] * 9 + ["end"]))
        name = f"t{number}" + "x" * draw(st.integers(0, 2))
        if kind == "end":
            tasks.append(dataclasses.replace(end(*sorted(before)), name=name))
            continue
        tasks.append(
            task(
                name,
                str(draw(st.sampled_from([0, 0, 0, 1, 9]))),
                *sorted(before),
                executor="instant",
                rule=draw(st.sampled_from(list(TriggerRule))),
                retries=draw(st.integers(0, 2)),
                when=draw(st.sampled_from([None, None, None, NEVER])),
                copies=tuple({} for _ in range(draw(st.integers(1, 3)))),
            )
        )
    return plan(*tasks)


@given(pipeline=plans(), parallel=st.integers(1, 4))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_pipeline_ends_in_order(pipeline: PipelinePlan, parallel: int) -> None:
    events: list[Event] = []
    plugins = Plugins(
        {
            "liminal.runners": {"instant": lambda: Instant},
            "liminal.metrics": PLUGINS.entries["liminal.metrics"],
        }
    )
    with TemporaryDirectory() as folder:
        machine = bench(Path(folder), Path(folder)).machine
        request = Request(now=NOW, parallel=parallel)
        result = run(pipeline, request, machine, plugins, events.append)
    assert [one.task for one in result.tasks] == [one.name for one in pipeline.tasks]
    assert all(one.state.finished for one in result.tasks)
    bad = {TaskState.FAILED, TaskState.UPSTREAM_FAILED}
    assert (result.state is RunState.FAILED) == any(one.state in bad for one in result.tasks)

    tries = Counter(event.label for event in events if isinstance(event, TaskStarted))
    finished = Counter(event.label for event in events if isinstance(event, TaskFinished))
    assert set(finished.values()) <= {1}
    for one in pipeline.tasks:
        labels = (
            [one.name]
            if len(one.copies) == 1
            else [f"{one.name}[{n}]" for n in range(len(one.copies))]
        )
        for label in labels:
            assert finished[label] == 1
            assert tries[label] <= one.retries + 1
        check_order(one, events, set(one.depends_on))


def check_order(one: TaskPlan, events: list[Event], before: set[str]) -> None:
    """No try begins before what its rule waits for."""
    rule = one.trigger_rule
    early = (
        TriggerRule.ONE_SUCCESS,
        TriggerRule.ONE_FAILED,
        TriggerRule.ONE_DONE,
        TriggerRule.ALWAYS,
    )
    done: Counter[str] = Counter()
    states: dict[str, set[TaskState]] = {name: set() for name in before}
    for event in events:
        if isinstance(event, TaskFinished):
            done[event.task] += 1
            if event.task in before:
                states[event.task].add(event.state)
        if isinstance(event, TaskStarted) and event.task == one.name and before:
            if rule is TriggerRule.ALL_SUCCESS and one.container is not None:
                assert states == {name: {TaskState.SUCCESS} for name in before}
            elif rule not in early or one.container is None:
                assert all(states.values())
            elif rule is not TriggerRule.ALWAYS:
                assert any(states.values())
