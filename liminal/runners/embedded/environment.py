"""The environment variables that a task gets from us, whoever runs it. Pure."""

from collections.abc import Mapping

from liminal.plan.dag import PipelinePlan, TaskPlan
from liminal.runners.embedded.values import Scope, resolve_plain


def environment(
    plan: PipelinePlan, task: TaskPlan, copy: int, scope: Scope, env: str | None, run_id: str
) -> Mapping[str, str]:
    """Those of one copy of a task, apart from those of a try.

    Args:
        plan: the pipeline.
        task: one of its tasks.
        copy: the number of the copy, from 0.
        scope: where the placeholders get their values from.
        env: the value of ``env``; None leaves it to the machine.
        run_id: the run's.

    Raises:
        Unresolved: a placeholder has no value.
    """
    own = task.container.env_vars if task.container is not None else {}
    return {
        **({"env": env} if env is not None else {}),
        **{name: resolve_plain(text, scope) for name, text in own.items()},
        "LIMINAL_SPLIT_ID": str(copy),
        "LIMINAL_NUM_SPLITS": str(len(task.copies)),
        **task.copies[copy],
        "LIMINAL_APP": plan.app,
        "LIMINAL_PIPELINE": plan.pipeline,
        "LIMINAL_TASK": task.name,
        "LIMINAL_RUN_ID": run_id,
    }
