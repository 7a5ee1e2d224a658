"""Placeholders: what is known now becomes a value, what only a run knows stays for it.

Substitution, never evaluation: ``{{ name }}`` and ``{{ map.key }}`` are looked up, and anything
else between braces is no expression here.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from liminal.compiler.defaults import TASK_LISTS
from liminal.compiler.document import plain_scalar
from liminal.compiler.graph import chain, ordered
from liminal.compiler.nodes import Map, Place, Seq, Value
from liminal.errors import MAX_FINDINGS, Diagnostic, error
from liminal.model import Deferred, Placeholder, Text
from liminal.origin import Origin
from liminal.suggest import nearest

MAX_LENGTH = 65_536
"""Characters that a string may have once its placeholders are replaced."""
MAX_ALL_LENGTHS = 8_000_000
"""Characters that placeholders may bring into an application's variables; as many elsewhere."""

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

_NOT_SUBSTITUTED = frozenset(
    "name type super variables pipelines task_defaults service_defaults pipeline_defaults".split()
)


def text(value: str) -> Text:
    """The string with its placeholders told apart, or as it is when there are none."""
    parts: list[str | Placeholder] = []
    end = 0
    # Not a regular expression: that takes quadratic time for many "{{" without a "}}".
    while (start := value.find("{{", end)) >= 0 and (stop := value.find("}}", start + 2)) >= 0:
        if start > end:
            parts.append(value[end:start])
        parts.append(Placeholder(value[start + 2 : stop].strip()))
        end = stop + 2
    if not parts:
        return value
    if end < len(value):
        parts.append(value[end:])
    return Deferred(tuple(parts))


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
    findings: list[Diagnostic] = []
    own = list(flat(layer.mapping("variables")))
    scope = Scope(environ, {name: value for name, value, _ in own})
    findings += _variable_findings(scope, own)
    walk = _Substitution(scope, findings, _Allowance(MAX_ALL_LENGTHS))
    entries = walk.sections(layer)
    return (layer.with_entries(entries) if entries else layer), tuple(findings)


class _Allowance:
    """Characters that are left for what placeholders bring."""

    def __init__(self, characters: int) -> None:
        self.left = characters

    def take(self, characters: int) -> bool:
        """Whether as many are left; they are taken then."""
        self.left -= characters
        return self.left >= 0


class Scope:
    """What a placeholder can mean before a run: the environment, then variables, nearest first.

    Attributes:
        cycles: the variables that refer to each other, a list of names for each cycle.
        too_long: the variables whose value goes beyond a limit.
    """

    def __init__(
        self, environ: Mapping[str, str], variables: Mapping[str, str], outer: "Scope | None" = None
    ) -> None:
        self.too_long: list[str] = []
        self._environ = environ
        self._outer = outer
        self._texts = variables
        self._values: dict[str, str | None] = {}
        self._names: list[str] | None = None
        order, self.cycles = ordered({name: _names(value) for name, value in variables.items()})
        allowance = _Allowance(MAX_ALL_LENGTHS)
        for name in order:
            written = variables[name]
            value = self.render(written)
            if value is not None and value is not written and not allowance.take(len(value)):
                value = None
            if value is None and self.missing(written) is None:
                self.too_long.append(name)
            self._values[name] = value

    def names(self) -> list[str]:
        """The names of all variables, known or not, sorted."""
        if self._names is None:
            self._names = sorted({*self._texts, *(self._outer.names() if self._outer else ())})
        return self._names

    def within(self, variables: Mapping[str, str]) -> "Scope":
        """The scope of a task that has variables of its own."""
        return Scope(self._environ, variables, self) if variables else self

    def look_up(self, name: str) -> str | None:
        """The value, with the placeholders in it replaced, or None."""
        if name in self._environ:
            return self._environ[name]
        if name in self._texts or self._outer is None:
            return self._values.get(name)
        return self._outer.look_up(name)

    def render(self, value: str) -> str | None:
        """The string with its placeholders replaced; None if one is not known here, or too long."""
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

    def missing(self, value: str) -> str | None:
        """The first expression in the string that has no value here, or None."""
        return next((name for name in _names(value) if self.look_up(name) is None), None)

    def defines(self, name: str) -> bool:
        """Whether there is a variable of that name, known or not."""
        return name in self._texts or (self._outer is not None and self._outer.defines(name))

    def cause(self, name: str) -> str | None:
        """What a defined variable lacks: a name that nothing defines; None if that was told."""
        met: set[str] = set()
        while self.defines(name) and name not in met:
            met.add(name)
            name = self.missing(self._text(name)) or name
        return None if self.defines(name) else name

    def _text(self, name: str) -> str:
        if name in self._texts:
            return self._texts[name]
        return self._outer._text(name) if self._outer is not None else ""


class _Substitution:
    """One walk over a layer; collects what cannot be replaced."""

    def __init__(self, scope: Scope, findings: list[Diagnostic], allowance: _Allowance) -> None:
        self._scope = scope
        self._findings = findings
        self._allowance = allowance

    def sections(self, layer: Map) -> list[tuple[str, Value, Place]]:
        """Those sections of the layer that change."""
        entries = self._changed(layer, lambda section: section not in _NOT_SUBSTITUTED)
        if "pipelines" in layer:
            pipelines = layer.sequence("pipelines")
            changed = pipelines.each(self.pipeline)
            if changed is not pipelines:
                entries.append(("pipelines", changed, layer.places["pipelines"]))
        return entries

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
        own = list(flat(task.mapping("variables")))
        scoped = self
        if own:
            scope = self._scope.within({name: value for name, value, _ in own})
            self._findings += _variable_findings(scope, own)
            scoped = _Substitution(scope, self._findings, self._allowance)
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
        if len(self._findings) >= MAX_FINDINGS:
            return value, place
        origin = Origin(place.file, place.line, place.column, place.via)
        if "{%" in value:
            self._findings.append(_template_finding(value, origin))
            return value, place
        rendered = self._scope.render(value)
        if rendered is None:
            self._findings += _unknown(value, self._scope, origin)
            return value, place
        if rendered is not value and not self._allowance.take(len(rendered)):
            self._findings.append(_too_long(MAX_ALL_LENGTHS, "all placeholders", origin))
            return value, place
        parsed = text(value)
        if isinstance(parsed, Deferred) and len(parsed.parts) == 1:
            return plain_scalar(rendered), place._replace(text=rendered)
        return rendered, place


def _unknown(value: str, scope: Scope, origin: Origin) -> Iterator[Diagnostic]:
    """Why the string has no value; nothing where that was told of a variable in it."""
    unknown = [name for name in dict.fromkeys(_names(value)) if scope.look_up(name) is None]
    if not unknown:
        yield _too_long(MAX_LENGTH, "the placeholders here", origin)
    for name in unknown:
        if scope.defines(name):
            cause = scope.cause(name)
            if cause is not None:
                message = f'variable "{name}" refers to "{cause}", which has no value before a run'
                yield error("unknown-variable", message, origin)
        elif not is_name(name):
            yield _template_finding(f"{{{{ {name} }}}}", origin)
        else:
            meant = nearest(name, scope.names())
            question = f'; did you mean "{meant}"?' if meant else ""
            hint = None if meant else "define it in variables, or in the environment"
            yield error(
                "unknown-variable", f'no variable is named "{name}"{question}', origin, hint
            )


def _too_long(limit: int, what: str, origin: Origin) -> Diagnostic:
    return error("too-long", f"{what} expand to more than {limit:,} characters", origin)


def _template_finding(value: str, origin: Origin) -> Diagnostic:
    return error(
        "not-a-placeholder",
        f'"{value}" is an expression; here only {{{{ name }}}} is replaced',
        origin,
    )


def _variable_findings(
    scope: Scope, variables: Iterable[tuple[str, str, Origin]]
) -> Iterator[Diagnostic]:
    """A finding for each cycle of variables, at its first variable, and for each too long a one."""
    if not (scope.cycles or scope.too_long):
        return
    origins = {name: origin for name, _, origin in variables}
    for cycle in scope.cycles:
        message = f"variables refer to each other: {chain(cycle)}"
        yield error("variable-cycle", message, origins[cycle[0]])
    for name in scope.too_long[:1]:
        yield _too_long(MAX_LENGTH, f'the placeholders of variable "{name}"', origins[name])


def _names(value: str) -> list[str]:
    parsed = text(value)
    parts = parsed.parts if isinstance(parsed, Deferred) else ()
    return [part.expression for part in parts if isinstance(part, Placeholder)]
