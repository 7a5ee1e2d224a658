"""Documents -> resolved documents: each application with what its parents say merged in."""

from collections.abc import Callable, Iterable, Mapping

from liminal.compiler.graph import chain as chain_of
from liminal.compiler.merge import brought_by, joined, lists_by_name, maps
from liminal.compiler.nodes import Map, Place, Seq, Value
from liminal.errors import Diagnostic, error
from liminal.origin import Super
from liminal.suggest import listed, nearest

BASE = "base"


def resolve(layers: Iterable[Map], base: Map) -> tuple[tuple[Map, ...], tuple[Diagnostic, ...]]:
    """The applications among the layers, each merged with its parents.

    Args:
        layers: the roots of the documents, each with a name.
        base: the built-in layer, parent of whatever names none.

    Returns:
        The applications in the order given but for those with a wrong parent, and the findings.
    """
    layers = tuple(layers)
    by_name, findings = _by_name(layers)
    resolved = []
    for layer in layers:
        if layer.string("type") == "super" or by_name.get(layer.text("name")) is not layer:
            continue
        try:
            resolved.append(_resolved(layer, by_name, base))
        except _BadParent as problem:
            findings.append(problem.finding)
    for layer in layers:
        if layer.string("type") == "super":
            try:
                _parents(layer, by_name)
            except _BadParent as problem:
                findings.append(problem.finding)
    return tuple(resolved), tuple(findings)


_WHERE_SUPERS_ARE = (
    "layers are looked for under the path that is named, and in $LIMINAL_SUPERS; "
    "name the folder that holds both"
)


class _BadParent(Exception):
    def __init__(self, finding: Diagnostic) -> None:
        super().__init__(finding.message)
        self.finding = finding


def _by_name(layers: Iterable[Map]) -> tuple[dict[str | None, Map], list[Diagnostic]]:
    named: dict[str | None, Map] = {}
    findings = []
    for layer in layers:
        name = layer.text("name")
        first = named.setdefault(name, layer)
        if first is not layer:
            findings.append(
                error(
                    "duplicate-layer",
                    f'a second layer is named "{name}"; the first is at {first.at("name")}',
                    layer.at("name"),
                    "rename one of the two",
                )
            )
    return named, findings


def _parents(layer: Map, by_name: Mapping[str | None, Map]) -> list[tuple[Map, Super]]:
    """The layer's parents from the nearest to the outermost, each with the line that names it."""
    parents: list[tuple[Map, Super]] = []
    chain = [layer]
    while (name := chain[-1].string("super")) is not None and name != BASE:
        child, at = chain[-1], chain[-1].at("super")
        parent = by_name.get(name)
        if parent is None:
            known = sorted(n for n, other in by_name.items() if n and _is_super(other))
            meant = nearest(name, known)
            question = f'; did you mean "{meant}"?' if meant else ""
            raise _BadParent(
                error(
                    "unknown-super",
                    f'no layer is named "{name}"{question}',
                    at,
                    None if meant else listed(known) or _WHERE_SUPERS_ARE,
                )
            )
        if parent in chain:
            raise _BadParent(_cycle(chain[chain.index(parent) :]))
        if not _is_super(parent):
            place = parent.at("type") if "type" in parent else parent.at("name")
            raise _BadParent(
                error(
                    "not-a-super",
                    f'"{name}" is an application, not a super layer',
                    at,
                    f'say "type: super" at {place}',
                )
            )
        parents.append((parent, Super(name, child.at("super").file, at.line, at.column)))
        chain.append(parent)
    return parents


def _cycle(layers: list[Map]) -> Diagnostic:
    """The finding, which is the same from whichever of the layers one comes to it."""
    first = min(range(len(layers)), key=lambda at: layers[at].at("super"))
    layers = layers[first:] + layers[:first]
    names = [layer.text("name") or "" for layer in layers]
    message = f"layers inherit in a cycle: {chain_of(names)}"
    return error("super-cycle", message, layers[0].at("super"), 'take one "super" out')


def _is_super(layer: Map) -> bool:
    return layer.string("type") == "super"


def _resolved(layer: Map, by_name: Mapping[str | None, Map], base: Map) -> Map:
    merged = base
    lines = [line for _, line in _parents(layer, by_name)]
    parents = [parent for parent, _ in _parents(layer, by_name)]
    for parent, line in zip(reversed(parents), reversed(lines), strict=True):
        inherited = brought_by(parent, line)
        merged = _merged(merged, inherited if isinstance(inherited, Map) else parent)
    return _merged(merged, layer)


_Rule = Callable[[Value, Value], Value]


def _merged(upper: Map, lower: Map) -> Map:
    """`lower` with the sections that it inherits from `upper`."""
    entries: list[tuple[str, Value, Place]] = []
    for section, rule in _RULES.items():
        if section not in upper:
            continue
        if section not in lower:
            entries.append((section, upper[section], upper.places[section]))
        else:
            entries.append((section, rule(upper[section], lower[section]), lower.places[section]))
    return lower.with_entries(entries)


def _maps(upper: Value, lower: Value) -> Value:
    return maps(upper, lower) if isinstance(upper, Map) and isinstance(lower, Map) else lower


def _nearest_wins(upper: Value, lower: Value) -> Value:
    return lower


def _by(name_key: str) -> _Rule:
    def rule(upper: Value, lower: Value) -> Value:
        if isinstance(upper, Seq) and isinstance(lower, Seq):
            return lists_by_name(upper, lower, name_key)
        return lower

    return rule


def _pipeline_defaults(upper: Value, lower: Value) -> Value:
    """Maps, but for tasks around the pipeline's own: the outermost layer's are the outermost."""
    if not (isinstance(upper, Map) and isinstance(lower, Map)):
        return lower
    merged = maps(upper, lower)
    around = []
    for key, outermost_first in (("before_tasks", True), ("after_tasks", False)):
        if key in upper and key in lower:
            above, below = upper.sequence(key), lower.sequence(key)
            tasks = joined(above, below) if outermost_first else joined(below, above)
            around.append((key, tasks, lower.places[key]))
    return merged.with_entries(around)


def _monitoring(upper: Value, lower: Value) -> Value:
    if not (isinstance(upper, Map) and isinstance(lower, Map)):
        return lower
    merged = maps(upper, lower)
    entries = []
    for key, name_key in (
        ("metrics_backends", "metrics_backend"),
        ("alerts_backends", "alerts_backend"),
    ):
        if key in upper and key in lower:
            both = lists_by_name(upper.sequence(key), lower.sequence(key), name_key)
            entries.append((key, both, lower.places[key]))
    return merged.with_entries(entries)


_RULES: Mapping[str, _Rule] = {
    "owner": _nearest_wins,
    "always_run": _nearest_wins,
    "variables": _maps,
    "images": _by("image"),
    "executors": _by("executor"),
    "volumes": _by("volume"),
    "secrets": _by("secret"),
    "services": _by("service"),
    "monitoring": _monitoring,
    "task_defaults": _maps,
    "service_defaults": _maps,
    "pipeline_defaults": _pipeline_defaults,
}
