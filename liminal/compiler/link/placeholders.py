"""Whether a run will know what the placeholders of a pipeline's tasks name."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from liminal.compiler.link.context import Context
from liminal.compiler.nodes import Map
from liminal.compiler.variables import is_name
from liminal.model import Deferred, Placeholder, Setting, Task
from liminal.origin import Origin
from liminal.suggest import nearest

RUN_NAMES = frozenset(
    f"{name}{form}"
    for name in ("ds", "yesterday_ds", "tomorrow_ds", "next_ds", "prev_ds")
    for form in ("", "_nodash")
) | frozenset(
    "ts ts_nodash ts_nodash_with_tz run_id logical_date execution_date next_execution_date"
    " prev_execution_date data_interval_start data_interval_end dag dag_run task ti"
    " task_instance task_instance_key_str test_mode map_index_template env".split()
)
"""What every run knows. Source: Airflow 3.3, Templates reference; and what Airflow 2 had."""

RUN_PREFIXES = frozenset(
    "params dag_run conf var conn ti task task_instance dag macros inlets outlets"
    " logical_date data_interval_start data_interval_end".split()
)
"""Objects of a run, of which a placeholder names a part with dots."""


def check_placeholders(
    pipeline: Map, tasks: Sequence[tuple[Map, Task]], params: frozenset[str], context: Context
) -> None:
    """Adds a finding for each placeholder that names something no run of the pipeline has.

    One that names another task's output must name a task before it and one of its outputs: that
    is an error. Anything else may still be an Airflow Variable: that is a warning.
    """
    by_name = {task.name: task for _, task in tasks}
    for entry, task in tasks:
        copied = {name for copy in task.copies for name in copy}
        known = {*context.variables, *task.variables, *params, *copied, *context.environ_names}
        inputs = {f"params.{name}" for name in (*context.variables, *params)}
        for key, value in _values(task):
            for expression in _expressions(value):
                origin = entry.at(key)
                if expression.startswith("tasks."):
                    _check_output(expression, task, by_name, origin, context)
                elif expression.startswith("params.") and is_name(expression):
                    if expression not in inputs:
                        _warn(expression, inputs, origin, context)
                elif is_name(expression) and not _is_known(expression, known):
                    _warn(expression, known, origin, context)


def _values(task: Task) -> Iterator[tuple[str, Setting]]:
    if isinstance(task.cmd, Deferred):
        yield "cmd", task.cmd
    if task.env_vars:
        yield "env_vars", task.env_vars
    if task.when is not None:
        yield "when", (task.when.left, task.when.right)
    yield from task.settings.items()


def _expressions(value: Setting) -> Iterator[str]:
    match value:
        case Deferred():
            for part in value.parts:
                if isinstance(part, Placeholder):
                    yield part.expression
        case Mapping():
            for item in value.values():
                yield from _expressions(item)
        case tuple():
            for item in value:
                yield from _expressions(item)


def _is_known(name: str, known: Collection[str]) -> bool:
    first = name.partition(".")[0]
    return name in known or name in RUN_NAMES or ("." in name and first in RUN_PREFIXES)


def _warn(name: str, known: Collection[str], origin: Origin, context: Context) -> None:
    meant = nearest(name, sorted({*known, *RUN_NAMES} - context.environ_names))
    question = f'; did you mean "{meant}"?' if meant else ""
    hint = None if meant else "it is left to Airflow; if it is yours, add it to variables"
    context.warning("unknown-variable", f'nothing here defines "{name}"{question}', origin, hint)


def _check_output(
    expression: str, task: Task, by_name: Mapping[str, Task], origin: Origin, context: Context
) -> None:
    name, _, output = expression.removeprefix("tasks.").rpartition(".")
    writer = by_name.get(name)
    if writer is None:
        context.unknown("task", name, by_name, origin)
    elif output not in writer.outputs:
        context.unknown("output", output, writer.outputs, origin)
    elif name not in _upstream(task, by_name):
        context.error(
            "output-too-late",
            f'task "{task.name}" reads an output of "{name}", which does not run before it',
            origin,
            f'add "{name}" to its depends_on',
        )


def _upstream(task: Task, by_name: Mapping[str, Task]) -> set[str]:
    """The names of all tasks that end before the task begins."""
    met: set[str] = set()
    waiting = list(task.depends_on)
    while waiting:
        name = waiting.pop()
        if name not in met and name in by_name:
            met.add(name)
            waiting += by_name[name].depends_on
    return met
