"""A schema's error -> a finding in the user's words, at the place of the value."""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jsonschema_rs

from liminal.compiler.nodes import Map, Seq, Value
from liminal.errors import Diagnostic, error, warning
from liminal.origin import Origin
from liminal.plugins import Schema
from liminal.suggest import nearest

NAME_KEYS = (
    "task",
    "pipeline",
    "image",
    "service",
    "executor",
    "volume",
    "secret",
    "mount",
    "endpoint",
    "metrics_backend",
    "alerts_backend",
)
"""The keys that name an entry of a list; a message says ``task "train"``."""


def explain(
    problem: jsonschema_rs.ValidationError, root: Map, schema: Schema
) -> Iterator[Diagnostic]:
    """The findings of one schema error: one a key where several keys are unknown."""
    path: list[str | int] = list(problem.instance_path)
    rule = _rule(schema, problem.schema_path)
    where = _Where(root, path)
    details: Any = problem.kind  # one class a keyword, which the package's types do not tell apart
    kind = type(details).__name__.rpartition("_")[2]
    match kind:
        case "AdditionalProperties":
            for key in details.unexpected:
                yield _unknown_key(where, key, sorted(rule.get("properties", {})))
        case "Required":
            yield _missing_key(where, details.property)
        case "Type":
            yield _wrong_type(where, rule)
        case "Enum" | "Constant":
            yield _not_allowed(where, [str(option) for option in rule.get("enum", ())])
        case "PropertyNames":
            yield _bad_key(where, rule)
        case _:
            yield _bad_value(where, kind, rule)


class _Where:
    """A value by its path, with the words for it."""

    def __init__(self, root: Map, path: Sequence[str | int]) -> None:
        self.value: Value = root
        self.parent: Map | Seq | None = None
        self.last: str | int | None = None
        self.entry = "the file"
        self.key: str | None = None
        for step in path:
            self.parent, self.last = self.value, step  # type: ignore[assignment]  # the path leads through collections
            self.value = self.parent[step]  # type: ignore[index]  # as it does here
            if isinstance(step, str):
                self.key = step
            elif isinstance(self.value, Map):
                self._enter(self.value)
            else:
                self.key = f"{self.key}[{step}]"

    def _enter(self, entry: Map) -> None:
        for name_key in NAME_KEYS:
            name = entry.text(name_key)
            if name is not None:
                self.entry, self.key = f'{name_key} "{name}"', None
                return

    @property
    def words(self) -> str:
        """Like ``"retries" of task "train"``."""
        if self.key is None:
            return self.entry
        return f'"{self.key}"' if self.entry == "the file" else f'"{self.key}" of {self.entry}'

    @property
    def origin(self) -> Origin:
        """Where the value stands."""
        if self.parent is None:
            return self.value.origin if isinstance(self.value, Map | Seq) else Origin("", 1, 1)
        return self.parent.at(self.last)  # type: ignore[arg-type]  # a key for a Map, an index for a Seq

    @property
    def text(self) -> str | None:
        """The scalar as it was written."""
        if isinstance(self.value, str):
            return self.value
        if isinstance(self.parent, Map):
            return self.parent.text(str(self.last))
        if isinstance(self.parent, Seq) and isinstance(self.last, int):
            return self.parent.places[self.last].text
        return None


def _unknown_key(where: _Where, key: str, known: Sequence[str]) -> Diagnostic:
    assert isinstance(where.value, Map)  # noqa: S101  # the schema only says this of a mapping
    origin = where.value.at_key(key)
    message = f'{where.words} has no key "{key}"'
    strange = _strange_character(key)
    if strange:
        return error("unknown-key", f"{message}: it contains {strange}", origin, "retype the key")
    meant = nearest(key, known)
    if meant:
        return error("unknown-key", f'{message}; did you mean "{meant}"?', origin)
    return warning("unknown-key", message, origin, "it has no effect; remove it")


def _missing_key(where: _Where, key: str) -> Diagnostic:
    return error("missing-key", f'{where.words} has no "{key}"', where.origin, f'add "{key}: …"')


def _wrong_type(where: _Where, rule: Schema) -> Diagnostic:
    expected, got = _expected(rule), _got(where.value, where.text)
    hint = None
    if expected == "text" and where.text is not None and where.text != "":
        hint = f'quote it: "{where.text}"'
    return error("wrong-type", f"{where.words} must be {expected}, not {got}", where.origin, hint)


def _not_allowed(where: _Where, allowed: Sequence[str]) -> Diagnostic:
    shown = where.text if where.text is not None else str(where.value)
    message = f'{where.words} cannot be "{shown}"'
    meant = nearest(shown, allowed)
    if meant:
        message += f'; did you mean "{meant}"?'
    return error("not-allowed", message, where.origin, f"allowed: {', '.join(sorted(allowed))}")


def _bad_key(where: _Where, rule: Schema) -> Diagnostic:
    pattern = re.compile(rule.get("propertyNames", {}).get("pattern", ""))
    names = where.value if isinstance(where.value, Map) else Map(where.origin)
    key = next((name for name in names if not pattern.search(name)), "")
    origin = names.at_key(key) if key in names else where.origin
    return error(
        "bad-name",
        f'{where.words} has the name "{key}"',
        origin,
        "a name here is letters, digits and _, and begins with a letter",
    )


def _bad_value(where: _Where, kind: str, rule: Schema) -> Diagnostic:
    shown = where.text if where.text is not None else str(where.value)
    subject = f'{where.words} cannot be "{shown}"'
    expected = _expected(rule)
    match kind:
        case "Pattern" if expected not in ("text", "a value"):
            return error(
                "wrong-type", f'{where.words} must be {expected}, not "{shown}"', where.origin
            )
        case "Pattern" if where.key in NAME_KEYS or where.key == "name":
            return error("bad-name", subject, where.origin, _name_hint(shown))
        case "Pattern":
            return error("bad-value", subject, where.origin, _example_hint(rule))
        case "MinLength" | "MinItems" | "MinProperties":
            return error("bad-value", f"{where.words} is empty", where.origin, _example_hint(rule))
        case "MaxLength":
            limit = rule["maxLength"]
            message = f"{where.words} is {len(shown)} characters long"
            return error("bad-value", message, where.origin, f"at most {limit} are allowed")
        case "Minimum" | "ExclusiveMinimum" | "Maximum" | "ExclusiveMaximum":
            return error("bad-value", subject, where.origin, _range_hint(rule))
        case _:
            return error("bad-value", subject, where.origin, _example_hint(rule))


def _name_hint(shown: str) -> str:
    strange = _strange_character(shown)
    if strange:
        return f"it contains {strange}"
    return "a name is letters, digits, _, - and ., and begins with a letter or digit"


def _range_hint(rule: Schema) -> str:
    bounds = (
        ("minimum", "at least"),
        ("exclusiveMinimum", "more than"),
        ("maximum", "at most"),
        ("exclusiveMaximum", "less than"),
    )
    return " and ".join(f"{words} {rule[key]}" for key, words in bounds if key in rule)


def _example_hint(rule: Schema) -> str | None:
    examples = rule.get("examples", ())
    return f"for example: {examples[0]}" if examples and isinstance(examples[0], str) else None


def _strange_character(text: str) -> str | None:
    """The first character that looks like another one or like nothing, with its code point."""
    for character in text:
        if not character.isascii():
            name = unicodedata.name(character, "unnamed character")
            return f"U+{ord(character):04X} ({name})"
    return None


_TYPE_WORDS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "nothing",
}


def _expected(rule: Schema) -> str:
    types = rule.get("type", ())
    types = [types] if isinstance(types, str) else list(types)
    if "string" in types and len(types) > 1 and str(rule.get("pattern", "")).startswith(r"^\{\{"):
        types.remove("string")  # only a placeholder may stand there instead
    if set(types) >= {"string", "number", "boolean", "null"}:
        types = [kind for kind in types if kind in ("array", "object")] + ["scalar"]
    words = [_TYPE_WORDS.get(kind, "a single value") for kind in types if kind != "null"]
    return " or ".join(words) or "a value"


def _got(value: Value, text: str | None) -> str:
    match value:
        case Map():
            return "a mapping"
        case Seq():
            return "a list"
        case None:
            return "nothing"
        case bool():
            return f'true or false ("{text}")'
        case int() | float():
            return f"the number {text}"
        case _:
            return f'"{text}"'


def _rule(schema: Schema, path: Sequence[str | int]) -> Mapping[str, Any]:
    """The part of the schema that holds the keyword at the end of the path."""
    rule: Any = schema
    for step in path[:-1]:
        rule = rule[step]
        while isinstance(rule, Mapping) and set(rule) == {"$ref"}:
            for part in rule["$ref"].removeprefix("#/").split("/"):
                rule = schema[part] if rule is None else rule[part]
    return rule if isinstance(rule, Mapping) else {}
