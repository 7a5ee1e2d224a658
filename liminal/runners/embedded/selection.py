"""Which tasks of a pipeline a run takes: all of them, one, or one and what follows it. Pure."""

from collections.abc import Mapping, Sequence

from liminal.errors import UsageError
from liminal.plan.dag import PipelinePlan, TaskPlan
from liminal.steps import ReportMetrics
from liminal.suggest import nearest


def select(
    plan: PipelinePlan, *, task: str | None = None, from_task: str | None = None
) -> tuple[TaskPlan, ...]:
    """The tasks to run, in the order of the plan.

    Args:
        plan: the pipeline.
        task: only this one.
        from_task: this one and all that come after it.

    Raises:
        UsageError: no task has that name, or both are asked for.
    """
    if task is not None and from_task is not None:
        raise UsageError("--task and --from exclude each other")
    if task is not None:
        chosen = frozenset({_known(plan, task)})
    elif from_task is not None:
        chosen = downstream(plan.tasks, _known(plan, from_task))
    else:
        return plan.tasks
    return tuple(one for one in plan.tasks if one.name in chosen)


def downstream(tasks: Sequence[TaskPlan], name: str) -> frozenset[str]:
    """The task and all that come after it, directly or not."""
    found = {name}
    for task in tasks:  # each comes after those that it depends on
        if not found.isdisjoint(task.depends_on):
            found.add(task.name)
    return frozenset(found)


def upstream(tasks: Sequence[TaskPlan], name: str) -> frozenset[str]:
    """All tasks that come before it, directly or not."""
    found = {name}
    for task in reversed(tasks):
        if task.name in found:
            found.update(task.depends_on)
    return frozenset(found - {name})


def waits_for(tasks: Sequence[TaskPlan]) -> Mapping[str, frozenset[str]]:
    """Task -> the selected tasks that must all be done before its trigger rule is asked.

    Only an ``end`` has some: everything that does not itself come after an ``end``, so that it
    reports last, as Airflow's teardown tasks run.
    """
    ends = [task.name for task in tasks if is_end(task)]
    after_an_end = frozenset[str]().union(*(downstream(tasks, name) for name in ends))
    ordinary = frozenset(task.name for task in tasks) - after_an_end
    return dict.fromkeys(ends, ordinary)


def is_end(task: TaskPlan) -> bool:
    """Whether the task reports how the run ended."""
    return isinstance(task.step, ReportMetrics) and task.step.moment == "end"


def _known(plan: PipelinePlan, name: str) -> str:
    names = [task.name for task in plan.tasks]
    if name in names:
        return name
    near = nearest(name, names)
    raise UsageError(
        f'pipeline "{plan.pipeline}" has no task "{name}"'
        + (f'; did you mean "{near}"?' if near else ""),
        hint="its tasks are: " + ", ".join(sorted(names)),
    )
