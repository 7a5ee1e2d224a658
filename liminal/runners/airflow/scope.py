"""Where placeholders get their values from in a run on Airflow, in the documented order."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from airflow.sdk import Variable

from liminal.plan.dag import PipelinePlan, TaskPlan
from liminal.runners.embedded.macros import macros
from liminal.runners.embedded.outputs import as_values
from liminal.runners.embedded.values import Scope, Unresolved

_OF_AIRFLOW = frozenset(
    "tasks params dag_run dag task ti task_instance macros var conn inlets outlets".split()
)
"""What Airflow's own names begin with: no Variable is looked up for them."""


def scope_of(
    plan: PipelinePlan,
    task: TaskPlan,
    copy: int,
    context: Mapping[str, Any],
    evaluate: Callable[[str], str],
) -> Scope:
    """The sources of the placeholders of one copy of a task.

    Args:
        plan: the pipeline.
        task: one of its tasks.
        copy: the number of the copy, from 0.
        context: Airflow's, of the running task.
        evaluate: renders an expression that is none of ours, in Airflow's sandbox.
    """
    run = context["dag_run"]
    moment = run.logical_date or run.run_after
    return Scope(
        supplied=_supplied(plan, run.conf or {}),
        copy=task.copies[copy],
        task=task.variables,
        layer=plan.variables,
        params=plan.params,
        environ=_Variables(),
        macros={name: value for name, value in macros(moment, run.run_id).items() if name != "env"},
        outputs=_Outputs(plan, context["ti"]),
        evaluate=evaluate,
    )


def env_of(scope: Scope) -> str | None:
    """The value of ``env``: of the run, or the Airflow Variable."""
    if "env" in scope.supplied:
        return scope.supplied["env"]
    return scope.environ.get("env")


def _supplied(plan: PipelinePlan, conf: Mapping[str, Any]) -> Mapping[str, str]:
    """What the run itself says.

    Airflow's form sends every field, also those that nobody changed: what the file says anyway is
    the file's, and may hold several words of a command.
    """
    values = dict(_flat(conf))
    return {
        name: value
        for name, value in values.items()
        if name not in plan.variables or value != str(plan.variables[name])
    }


def _flat(conf: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in conf.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}.")
        yield name, json.dumps(value) if isinstance(value, Mapping | list) else str(value)


class _Lookup(Mapping[str, str]):
    """Values that are asked for one by one, and remembered."""

    def __init__(self) -> None:
        self._known: dict[str, str | None] = {}

    def _find(self, name: str) -> str | None:
        raise NotImplementedError

    def _value(self, name: str) -> str | None:
        if name not in self._known:
            self._known[name] = self._find(name)
        return self._known[name]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._value(name) is not None

    def __getitem__(self, name: str) -> str:
        value = self._value(name)
        if value is None:
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return (name for name, value in self._known.items() if value is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class _Variables(_Lookup):
    """Airflow's Variables."""

    def _find(self, name: str) -> str | None:
        if name.partition(".")[0] in _OF_AIRFLOW:
            return None
        value = Variable.get(name, default=None)
        return None if value is None else str(value)


class _Outputs(_Lookup):
    """``TASK.KEY`` -> what that task has written."""

    def __init__(self, plan: PipelinePlan, ti: Any) -> None:
        super().__init__()
        self._tasks = {task.name: task for task in plan.tasks if task.outputs}
        self._ti = ti

    def _find(self, name: str) -> str | None:
        task, _, key = name.rpartition(".")
        declared = self._tasks.get(task)
        if declared is None or key not in declared.outputs:
            return None
        count = len(declared.copies)
        if count == 1:
            value = self._ti.xcom_pull(task_ids=task, key=key)
            return None if value is None else str(value)
        pulled = self._ti.xcom_pull(task_ids=task, key=key, map_indexes=range(count))
        copies = [{key: str(value)} for value in pulled if value is not None]
        return as_values(declared, copies)[name]


def evaluated(render: Callable[[str], Any], expression: str) -> str:
    """The expression as Airflow's sandboxed templates make it.

    Raises:
        Unresolved: they cannot.
    """
    from jinja2.exceptions import TemplateError

    try:
        return str(render(f"{{{{ {expression} }}}}"))
    except TemplateError as problem:
        raise Unresolved(f"{{{{ {expression} }}}}", f"has no value: {problem}") from problem
