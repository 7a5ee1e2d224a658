"""What a run would do, without doing it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from liminal.model import Text
from liminal.plan.dag import PipelinePlan, TaskPlan
from liminal.runners.embedded.copies import label_of
from liminal.runners.embedded.outputs import output_names
from liminal.runners.embedded.preparation import Request, Values, chosen, values_of
from liminal.runners.embedded.values import Unresolved, resolve_command
from liminal.steps import ReportMetrics, RunCommand


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTask:
    """What a task, or one copy of it, would do.

    Attributes:
        label: the task's name; ``TASK[N]`` for copy N of several.
        after: the selected tasks that come directly before it.
        does: in words.
        command: with the values that are known; None where it runs none.
        image: None where it runs in none.
    """

    task: str
    label: str
    after: tuple[str, ...]
    trigger_rule: str
    does: str
    command: str | None
    image: str | None


def describe(plan: PipelinePlan, request: Request) -> tuple[PlannedTask, ...]:
    """What the request would run, in an order in which each comes after what it waits for.

    Placeholders whose value only the run knows, or only the environment, stay as they are: the
    environment may hold secrets, and this is printed.

    Raises:
        UsageError: the request names a task that does not exist.
    """
    tasks = chosen(plan, request)
    names = {task.name for task in tasks}
    values = values_of(plan, request, {}, run_id="manual__…")
    return tuple(
        PlannedTask(
            task=task.name,
            label=label_of(task, index),
            after=tuple(name for name in task.depends_on if name in names),
            trigger_rule=task.trigger_rule.value,
            does=_does(task),
            command=_command(plan, task, copy, values),
            image=task.container.image if task.container else None,
        )
        for task in tasks
        for index, copy in enumerate(task.copies)
    )


def _does(task: TaskPlan) -> str:
    match task.step:
        case RunCommand():
            return "runs a command"
        case ReportMetrics(moment=moment):
            return f"reports the {moment} of the run"
        case _:
            return f"runs on Airflow only (type {task.type})"


def _command(
    plan: PipelinePlan, task: TaskPlan, copy: Mapping[str, str], values: Values
) -> str | None:
    if not isinstance(task.step, RunCommand):
        return None
    scope = values.scope(task, copy, {}, frozenset(output_names(plan.tasks)))
    text: Text = task.step.command
    try:
        return resolve_command(text, scope)
    except Unresolved:
        return str(text)
