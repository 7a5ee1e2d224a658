"""Placeholders: what is known now becomes a value, what only a run knows stays for it.

Substitution, never evaluation: ``{{ name }}`` and ``{{ map.key }}`` are looked up, and anything
else between braces is no expression here.
"""

import re
from collections.abc import Callable, Iterator, Mapping

from liminal.compiler.defaults import TASK_LISTS
from liminal.compiler.document import plain_scalar
from liminal.compiler.graph import ordered
from liminal.compiler.nodes import Map, Place, Seq, Value
from liminal.errors import Diagnostic, error
from liminal.model import Deferred, Placeholder, Text
from liminal.origin import Origin
from liminal.suggest import nearest

MAX_LENGTH = 65_536
"""Characters that a string may have once its placeholders are replaced."""

_PLACEHOLDER = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_][\w-]*(\.[\w-]+)*", re.ASCII)

# The keys of a task that shape the DAG, and so must be known when it is compiled. All others may
# wait for the run.
_SHAPING_KEYS = frozenset(
    "task type description executor depends_on trigger_rule retries retry_delay_minutes"
    " timeout_minutes image source mounts secrets executors matrix resources outputs"
    " do_xcom_push endpoints pool pool_slots priority_weight weight_rule queue"
    " wait_for_downstream ignore_first_depends_on_past wait_for_past_depends_before_skipping"
    " max_active_tis_per_dag max_active_tis_per_dagrun retry_exponential_backoff".split()
)

# The keys of a pipeline that are walked apart, or that Airflow fills in when it runs.
_FOR_THE_RUN = frozenset({*TASK_LISTS, "params", "map_index_template"})


def text(value: str) -> Text:
    """The string with its placeholders told apart, or as it is when there are none."""
    if "{{" not in value:
        return value
    parts: list[str | Placeholder] = []
    end = 0
    for found in _PLACEHOLDER.finditer(value):
        if found.start() > end:
            parts.append(value[end : found.start()])
        parts.append(Placeholder(found[1].strip()))
        end = found.end()
    if end < len(value):
        parts.append(value[end:])
    return Deferred(tuple(parts)) if any(isinstance(p, Placeholder) for p in parts) else value


def is_name(expression: str) -> bool:
    """Whether the expression is a name, perhaps with dots, and nothing more."""
    return _NAME.fullmatch(expression) is not None


def flat(variables: Map, prefix: str = "") -> Iterator[tuple[str, str, Origin]]:
    """Each scalar among the variables: its dotted name, its text as written, its origin."""
    for key, value in variables.items():
        if isinstance(value, Map):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", variables.text(key) or "", variables.at(key)


def substitute(layer: Map, environ: Mapping[str, str]) -> tuple[Map, tuple[Diagnostic, ...]]:
    """The layer with every placeholder replaced that must be known before a run.

    In a pipeline's tasks that is what shapes the DAG; commands, environment variables and the
    like keep their placeholders for the run.

    Args:
        layer: an application, complete with its defaults.
        environ: the environment, which wins over the layer's variables.
    """
    own = {name: (value, origin) for name, value, origin in flat(layer.mapping("variables"))}
    findings = list(_cycles(own))
    scope = Scope(environ, {name: value for name, (value, _) in own.items()})
    walk = _Substitution(scope, findings)
    entries: list[tuple[str, Value, Place]] = []
    for section, value in layer.items():
        if section in ("variables", "task_defaults", "service_defaults", "pipeline_defaults"):
            continue
        if section == "pipelines":
            changed: Value = layer.sequence(section).each(walk.pipeline)
        else:
            changed = walk.value(value)
        if changed is not value:
            entries.append((section, changed, layer.places[section]))
    return (layer.with_entries(entries) if entries else layer), tuple(findings)


class Scope:
    """What a placeholder can mean before a run: the environment, then variables, nearest first."""

    def __init__(
        self, environ: Mapping[str, str], variables: Mapping[str, str], outer: "Scope | None" = None
    ) -> None:
        self._environ = environ
        self._values: dict[str, str | None] = dict(outer._values) if outer else {}
        needs = {name: _names(value) for name, value in variables.items()}
        order, cycles = ordered(needs)
        looping = {name for cycle in cycles for name in cycle}
        for name in order:
            self._values[name] = None if name in looping else self.render(variables[name])

    def names(self) -> list[str]:
        """The names of all variables, known or not, sorted."""
        return sorted(self._values)

    def within(self, variables: Mapping[str, str]) -> "Scope":
        """The scope of a task that has variables of its own."""
        return Scope(self._environ, variables, self) if variables else self

    def look_up(self, name: str) -> str | None:
        """The value, with the placeholders in it replaced, or None."""
        return self._environ[name] if name in self._environ else self._values.get(name)

    def render(self, value: str) -> str | None:
        """The string with its placeholders replaced; None if one of them is not known here."""
        known = text(value)
        if isinstance(known, str):
            return known
        pieces = []
        length = 0
        for part in known.parts:
            piece = self.look_up(part.expression) if isinstance(part, Placeholder) else part
            if piece is None or (length := length + len(piece)) > MAX_LENGTH:
                return None
            pieces.append(piece)
        return "".join(pieces)


class _Substitution:
    """One walk over a layer; collects what cannot be replaced."""

    def __init__(self, scope: Scope, findings: list[Diagnostic]) -> None:
        self._scope = scope
        self._findings = findings

    def pipeline(self, pipeline: Map) -> Map:
        """The pipeline, with those keys of its tasks replaced that shape the DAG."""
        entries = self._changed(pipeline, lambda key: key not in _FOR_THE_RUN)
        for key in TASK_LISTS:
            tasks = pipeline.sequence(key)
            changed = tasks.each(self._task)
            if changed is not tasks:
                entries.append((key, changed, pipeline.places[key]))
        return pipeline.with_entries(entries) if entries else pipeline

    def value(self, value: Value) -> Value:
        """The value with every placeholder in it replaced; the same object where there is none."""
        if isinstance(value, Map):
            entries = self._changed(value, lambda key: True)
            return value.with_entries(entries) if entries else value
        if isinstance(value, Seq):
            return self._sequence(value)
        return value

    def _task(self, task: Map) -> Map:
        own = {name: value for name, value, _ in flat(task.mapping("variables"))}
        scoped = _Substitution(self._scope.within(own), self._findings) if own else self
        entries = scoped._changed(task, _SHAPING_KEYS.__contains__)
        return task.with_entries(entries) if entries else task

    def _changed(self, node: Map, wanted: Callable[[str], bool]) -> list[tuple[str, Value, Place]]:
        entries: list[tuple[str, Value, Place]] = []
        for key, value in node.items():
            if value.__class__ is str:
                if ("{{" in value or "{%" in value) and wanted(key):
                    entries.append((key, *self._replaced(str(value), node.places[key])))
            elif isinstance(value, Map | Seq) and wanted(key):
                changed = self.value(value)
                if changed is not value:
                    entries.append((key, changed, node.places[key]))
        return entries

    def _sequence(self, items: Seq) -> Seq:
        result, changed = Seq(items.origin), False
        for item, place in zip(items, items.places, strict=True):
            new, new_place = item, place
            if isinstance(item, str) and ("{{" in item or "{%" in item):
                new, new_place = self._replaced(item, place)
            elif isinstance(item, Map | Seq):
                new = self.value(item)
            changed = changed or new is not item
            result.put(new, new_place)
        return result if changed else items

    def _replaced(self, value: str, place: Place) -> tuple[Value, Place]:
        """The string with values in it; one that is a single placeholder takes the value's type."""
        origin = Origin(place.file, place.line, place.column, place.via)
        if "{%" in value:
            self._findings.append(_template_finding(value, origin))
            return value, place
        rendered = self._scope.render(value)
        if rendered is None:
            self._findings += _unknown(value, self._scope, origin)
            return value, place
        parsed = text(value)
        if isinstance(parsed, Deferred) and len(parsed.parts) == 1:
            return plain_scalar(rendered), place._replace(text=rendered)
        return rendered, place


def _unknown(value: str, scope: Scope, origin: Origin) -> Iterator[Diagnostic]:
    parsed = text(value)
    for part in parsed.parts if isinstance(parsed, Deferred) else ():
        if not isinstance(part, Placeholder) or part.expression in scope.names():
            continue  # one that is defined, but not known, was told as a cycle
        if not is_name(part.expression):
            yield _template_finding(f"{{{{ {part.expression} }}}}", origin)
            continue
        meant = nearest(part.expression, scope.names())
        question = f'; did you mean "{meant}"?' if meant else ""
        yield error(
            "unknown-variable",
            f'no variable is named "{part.expression}"{question}',
            origin,
            None if meant else "define it in variables, or in the environment",
        )


def _template_finding(value: str, origin: Origin) -> Diagnostic:
    return error(
        "not-a-placeholder",
        f'"{value}" is an expression; here only {{{{ name }}}} is replaced',
        origin,
    )


def _cycles(variables: Mapping[str, tuple[str, Origin]]) -> Iterator[Diagnostic]:
    """A finding for each cycle of variables, from its first variable."""
    _, cycles = ordered({name: _names(value) for name, (value, _) in variables.items()})
    for cycle in cycles:
        chain = " -> ".join((*cycle, cycle[0]))
        origin = variables[cycle[0]][1]
        yield error("variable-cycle", f"variables refer to each other: {chain}", origin)


def _names(value: str) -> list[str]:
    parsed = text(value)
    parts = parsed.parts if isinstance(parsed, Deferred) else ()
    return [part.expression for part in parts if isinstance(part, Placeholder)]
