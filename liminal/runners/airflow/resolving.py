"""Airflow's own operators with placeholders that mean what they mean in a liminal.yml."""

from collections.abc import Iterable, Mapping
from typing import Any

from liminal.model import Deferred, Setting
from liminal.runners.airflow.scope import evaluated, scope_of
from liminal.runners.airflow.work import plan_of, task_of
from liminal.runners.embedded.values import Unresolved, holds, placeholders, resolve_plain
from liminal.steps import CallOperator


def resolving(kind: Any) -> Any:
    """The operator class, with our names among those that its templates know."""
    return type(kind.__name__, (_Resolving, kind), {"__module__": kind.__module__})


class _Resolving:
    def _do_render_template_fields(
        self, parent: Any, template_fields: Any, context: Any, jinja_env: Any, seen_oids: Any
    ) -> None:
        """Render as Airflow does, with our values where the file has a placeholder."""
        from airflow.sdk.exceptions import AirflowSkipException

        render = super()._do_render_template_fields  # type: ignore[misc]  # the operator's own
        if parent is not self:
            render(parent, template_fields, context, jinja_env, seen_oids)
            return
        task = task_of(self)
        scope = scope_of(
            plan_of(self),
            task,
            0,
            context,
            lambda text: evaluated(lambda one: jinja_env.from_string(one).render(context), text),
        )
        if task.when is not None and not holds(task.when, scope):
            raise AirflowSkipException("its condition is false")
        known: dict[str, Any] = dict(context)
        step = task.step
        for name in _names(step.arguments) if isinstance(step, CallOperator) else ():
            if name.isidentifier() or name.replace(".", "_").isidentifier():
                try:
                    _put(known, name, resolve_plain(_alone(name), scope))
                except Unresolved:
                    continue  # Airflow says what it cannot resolve
        render(parent, template_fields, known, jinja_env, seen_oids)


def _alone(name: str) -> Deferred:
    from liminal.model import Placeholder

    return Deferred((Placeholder(name),))


def _names(value: Setting) -> Iterable[str]:
    if isinstance(value, Deferred):
        return sorted(placeholders(value))
    if isinstance(value, Mapping):
        return [name for item in value.values() for name in _names(item)]
    if isinstance(value, tuple):
        return [name for item in value for name in _names(item)]
    return ()


def _put(known: dict[str, Any], name: str, value: str) -> None:
    first, *rest = name.split(".")
    if not rest:
        known[first] = value
        return
    inner = known.get(first)
    if inner is not None and not isinstance(inner, dict):
        return  # an object of Airflow's: its own attributes count
    for part in (first, *rest[:-1]):
        known = known.setdefault(part, {})
    known[rest[-1]] = value
