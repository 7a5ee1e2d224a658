"""A pipeline's plan -> its operators, as data. Needs no Airflow. Pure."""

from collections.abc import Callable, Mapping
from typing import Literal

from liminal.model import Setting, TriggerRule
from liminal.plan.dag import PipelinePlan, TaskPlan
from liminal.steps import CallOperator, OperatorSpec, ReportMetrics, RunCommand

METRICS_OPERATOR = "liminal.runners.airflow.metrics.MetricsOperator"


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
    leaves = {task.name for task in plan.tasks}.difference(
        name for task in plan.tasks for name in task.depends_on
    )
    return tuple(
        operator_spec(task, operator_of, is_leaf=task.name in leaves) for task in plan.tasks
    )


def operator_spec(
    task: TaskPlan, operator_of: Callable[[str], str | None], *, is_leaf: bool
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
        case CallOperator(operator=operator, arguments=arguments):
            pass
    return OperatorSpec(
        task=task.name,
        operator=operator,
        arguments=arguments,
        common=_common(task),
        copies=len(task.copies) if len(task.copies) > 1 else None,
        upstream=task.depends_on,
        phase=_phase(task, is_leaf),
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
