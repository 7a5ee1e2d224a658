"""A pipeline's plan -> its operators, as data. Needs no Airflow. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from liminal.model import Setting, TriggerRule
from liminal.plan.dag import PipelinePlan, TaskPlan
from liminal.steps import CallOperator, OperatorSpec, ReportMetrics, RunCommand

METRICS_OPERATOR = "liminal.runners.airflow.metrics.MetricsOperator"


_STOPPED_BY_FAILURES = frozenset(
    {
        TriggerRule.ALL_SUCCESS,
        TriggerRule.NONE_FAILED,
        TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS,
    }
)


class NoOperator(Exception):
    """No operator runs that task on Airflow; says why."""


def operator_specs(
    plan: PipelinePlan, operator_of: Callable[[str], str | None]
) -> tuple[OperatorSpec, ...]:
    """The operators of the pipeline, in the order of its tasks.

    Args:
        plan: the pipeline.
        operator_of: type of an executor -> the dotted path of the operator that runs its tasks.

    Raises:
        NoOperator: a task's executor has none.
    """
    shape = shape_of(plan)
    return tuple(operator_spec(task, operator_of, shape) for task in plan.tasks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What the pipeline is as a whole.

    Attributes:
        leaves: the names of the tasks that nothing comes after.
        hides_failures: whether a task may succeed after one that failed, so that Airflow, which
            looks at the last tasks only, would call the run a success.
    """

    leaves: frozenset[str]
    hides_failures: bool


def shape_of(plan: PipelinePlan) -> Shape:
    """The pipeline's shape."""
    needed = frozenset(name for task in plan.tasks for name in task.depends_on)
    return Shape(
        leaves=frozenset(task.name for task in plan.tasks) - needed,
        hides_failures=any(
            task.depends_on
            and task.trigger_rule not in _STOPPED_BY_FAILURES
            and not isinstance(task.step, ReportMetrics)
            for task in plan.tasks
        ),
    )


def operator_spec(
    task: TaskPlan, operator_of: Callable[[str], str | None], shape: Shape
) -> OperatorSpec:
    """The operator of one task.

    Raises:
        NoOperator: its executor has none.
    """
    match task.step:
        case RunCommand(command=command):
            operator = operator_of(task.executor or "")
            if operator is None:
                raise NoOperator(f'no operator runs tasks of the executor type "{task.executor}"')
            image = task.container.image if task.container is not None else ""
            arguments: Mapping[str, Setting] = {"command": str(command), "image": image}
        case ReportMetrics(moment=moment):
            operator, arguments = METRICS_OPERATOR, {"moment": moment}
            if moment == "end" and shape.hides_failures:
                arguments = {**arguments, "fails": True}
        case CallOperator(operator=operator, arguments=arguments):
            pass
    return OperatorSpec(
        task=task.name,
        operator=operator,
        arguments=arguments,
        common=_common(task),
        copies=len(task.copies) if len(task.copies) > 1 else None,
        upstream=task.depends_on,
        phase=_phase(task, task.name in shape.leaves),
    )


def _phase(task: TaskPlan, is_leaf: bool) -> Literal["setup", "teardown"] | None:
    """`start` and `end` enclose the others: `end` runs always, and does not hide a failure."""
    if not isinstance(task.step, ReportMetrics):
        return None
    if task.step.moment == "start":
        return None if task.depends_on else "setup"
    return "teardown" if is_leaf and task.depends_on else None


def _common(task: TaskPlan) -> Mapping[str, Setting]:
    """What every operator takes; what is Airflow's default anyway is left out."""
    common: dict[str, Setting] = {"retries": task.retries}
    if task.retries:
        common["retry_delay_minutes"] = task.retry_delay_minutes
    if task.timeout_minutes is not None:
        common["timeout_minutes"] = task.timeout_minutes
    if task.trigger_rule is not TriggerRule.ALL_SUCCESS:
        common["trigger_rule"] = task.trigger_rule.value
    if task.do_xcom_push is not None:
        common["do_xcom_push"] = task.do_xcom_push
    return {**common, **dict(sorted(task.arguments.items()))}
