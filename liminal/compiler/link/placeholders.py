"""Whether a run will know what the placeholders of a pipeline's tasks name."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from liminal.compiler.graph import ordered
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
    outputs = _Outputs([task for _, task in tasks])
    layer = [context.variables, params, context.environ_names, RUN_NAMES]
    inputs = frozenset({*context.variables, *params})
    for entry, task in tasks:
        known = [*layer, task.variables, *task.copies[:1]]
        for expression, origin in _expressions_of(entry, task):
            if expression.startswith("tasks."):
                outputs.check(expression, task, origin, context)
            elif not is_name(expression):
                continue
            elif expression.startswith("params."):
                if expression.removeprefix("params.") not in inputs:
                    _warn(expression, [inputs], origin, context)
            elif not _is_known(expression, known):
                _warn(expression, known, origin, context)


def _expressions_of(entry: Map, task: Task) -> Iterator[tuple[str, Origin]]:
    """What stands between braces in the task, each once a value, with the value's origin."""
    for key, value in _values(task):
        node = entry.mapping(key)
        if isinstance(value, Mapping) and node:
            for name, item in value.items():
                for expression in dict.fromkeys(_expressions(item)):
                    yield expression, node.at(name)
        else:
            for expression in dict.fromkeys(_expressions(value)):
                yield expression, entry.at(key)


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


def _is_known(name: str, known: Iterable[Collection[str]]) -> bool:
    first = name.partition(".")[0]
    return any(name in names for names in known) or ("." in name and first in RUN_PREFIXES)


def _warn(name: str, known: Sequence[Collection[str]], origin: Origin, context: Context) -> None:
    if context.full:
        return
    prefix = "params." if name.startswith("params.") else ""
    # Of the environment's many names, none is suggested.
    candidates = (
        nearest(name.removeprefix(prefix), context.in_order(names))
        for names in known
        if names is not context.environ_names
    )
    meant = next(filter(None, candidates), None)
    question = f'; did you mean "{prefix}{meant}"?' if meant else ""
    hint = None if meant else "it is left to Airflow; if it is yours, add it to variables"
    context.warning("unknown-variable", f'nothing here defines "{name}"{question}', origin, hint)


class _Outputs:
    """What the tasks of a pipeline write, and which of them end before which."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._by_name = {task.name: task for task in tasks}
        self._bits = {name: 1 << place for place, name in enumerate(self._by_name)}
        self._before: dict[str, int] = {}

    def check(self, expression: str, task: Task, origin: Origin, context: Context) -> None:
        """Adds a finding unless ``tasks.NAME.KEY`` is what a task before this one writes."""
        name, _, output = expression.removeprefix("tasks.").rpartition(".")
        writer = self._by_name.get(name)
        if writer is None:
            context.unknown("task", name, self._by_name, origin)
        elif output not in writer.outputs:
            meant = nearest(output, sorted(writer.outputs))
            question = f'; did you mean "{meant}"?' if meant else ""
            message = f'task "{name}" has no output "{output}"{question}'
            hint = None if meant else f'add "{output}" to its outputs'
            context.error("unknown-output", message, origin, hint)
        elif not self._ends_before(name, task.name):
            context.error(
                "output-too-late",
                f'task "{task.name}" reads an output of "{name}", which does not run before it',
                origin,
                f'add "{name}" to its depends_on',
            )

    def _ends_before(self, name: str, later: str) -> bool:
        if not self._before:
            # One bit a task: the sets of a long chain would take its square in memory.
            needs = {task.name: task.depends_on for task in self._by_name.values()}
            for each in ordered(needs)[0]:
                bits = 0
                for need in needs[each]:
                    bits |= self._bits.get(need, 0) | self._before.get(need, 0)
                self._before[each] = bits
        return bool(self._before[later] & self._bits[name])
