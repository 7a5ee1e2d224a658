"""What a task of a DAG has to do: its plan, which travels with the DAG and is not serialized."""

from typing import Any

from liminal.plan.dag import PipelinePlan, TaskPlan

PLAN = "_liminal_plan"
"""The name of the plan among the DAG's macros."""


def plan_of(operator: Any) -> PipelinePlan:
    """The pipeline of the operator."""
    found: PipelinePlan = operator.dag.user_defined_macros[PLAN]
    return found


def task_of(operator: Any) -> TaskPlan:
    """The task of the operator."""
    return next(task for task in plan_of(operator).tasks if task.name == operator.task_id)
