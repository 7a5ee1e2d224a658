"""A schema's error -> a finding in the user's words, at the place of the value."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jsonschema_rs

from liminal.compiler.nodes import Map, Seq, Value
from liminal.errors import Diagnostic, error, warning
from liminal.origin import Origin
from liminal.plugins import Schema
from liminal.suggest import misspelt, nearest, plain_form, strange_character

NAME_KEYS: Mapping[str, tuple[str, ...]] = {
    "tasks": ("task",),
    "before_tasks": ("task",),
    "after_tasks": ("task",),
    "pipelines": ("pipeline",),
    "services": ("service", "name"),
    "mounts": ("mount", "volume"),
    "endpoints": ("endpoint",),
    "alerts_backends": ("alerts_backend",),
    "metrics_backends": ("metrics_backend",),
    "executors": ("executor",),
    "volumes": ("volume",),
    "secrets": ("secret",),
    "images": ("image",),
}
"""List -> the keys of its entries of which the first that is there is the entry's name."""

MAX_SHOWN = 12
"""Allowed values that a hint lists; of more it says how many there are."""

_MAX_QUOTED = 60
"""Characters of a user's value that a message repeats."""


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
            if not (isinstance(where.value, Map) and misspelt(details.property, where.value)):
                yield _missing_key(where, details.property)
        case "Type":
            yield _wrong_type(where, rule)
        case "Enum" | "Constant":
            yield _not_allowed(where, [str(option) for option in rule.get("enum", ())])
        case "PropertyNames":
            yield _bad_key(where, str(details.error.instance), rule)
        case _:
            yield _bad_value(where, kind, rule)


class _Where:
    """A value by its path, with the words for it."""

    def __init__(self, root: Map, path: Sequence[str | int]) -> None:
        self.value: Value = root
        self.parent: Map | Seq | None = None
        self.last: str | int | None = None
        self._entry = "the file"
        self._keys: list[str] = []
        for step in path:
            match self.value:
                case Map() as parent if (key := _key(parent, step)) is not None:
                    self.value, self.parent, self.last = parent[key], parent, key
                    self._keys.append(key)
                case Seq() as items if isinstance(step, int):
                    self.value, self.parent, self.last = items[step], items, step
                    self._enter(step)

    def _enter(self, index: int) -> None:
        name = _entry_name(self.value, self.key or "") if isinstance(self.value, Map) else None
        self._entry = name or f"entry {index + 1} of {self.words}"
        self._keys = []

    @property
    def key(self) -> str | None:
        """The value's own key; None for an entry of a list and for the file."""
        return self._keys[-1] if self._keys else None

    @property
    def named(self) -> str | None:
        """What the value is the name of, like ``task``; None when it is no name."""
        if self.words == '"name"':
            return "layer"
        kind = self._entry.partition(' "')[0].replace(" ", "_")
        own = next((keys for keys in NAME_KEYS.values() if keys[0] == kind), ())
        is_name = len(self._keys) == 1 and self.key in (own[:1] if kind != "service" else own)
        return kind.replace("_", " ") if is_name else None

    @property
    def words(self) -> str:
        """Like ``"resources.cpu" of task "train"``."""
        if not self._keys:
            return self._entry
        key = f'"{".".join(self._keys)}"'
        return key if self._entry == "the file" else f"{key} of {self._entry}"

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

    @property
    def quoted(self) -> str:
        """The value in double quotes, as it was written."""
        return _quoted(self.text if self.text is not None else str(self.value))


def _key(parent: Map, step: str | int) -> str | None:
    """The key that a step of a path means.

    jsonschema-rs 0.60 gives the keys "1", "01" and "+1" all as the number 1, and "" not at all.
    """
    if isinstance(step, str):
        return step if step in parent else None
    return next((key for key in parent if key.lstrip("+0") == str(step).lstrip("0")), None)


def _entry_name(entry: Map, listed: str) -> str | None:
    """Like ``task "train"``."""
    for key in NAME_KEYS.get(listed, ()):
        name = entry.text(key) if entry.get(key) is not None else None
        if name:
            return f"{NAME_KEYS[listed][0].replace('_', ' ')} {_quoted(name)}"
    return None


def _unknown_key(where: _Where, key: str, known: Sequence[str]) -> Diagnostic:
    assert isinstance(where.value, Map)  # noqa: S101  # the schema only says this of a mapping
    origin = where.value.at_key(key)
    message = f"{where.words} has no key {_quoted(key)}"
    strange = strange_character(key)
    plain = nearest(plain_form(key).strip(), known) if strange else None
    if plain:
        hint = f'retype it: "{plain}"'
        return error("unknown-key", f"{message}: it contains {strange}", origin, hint)
    meant = nearest(key, known)
    if meant:
        return error("unknown-key", f'{message}; did you mean "{meant}"?', origin)
    return warning("unknown-key", message, origin, "it has no effect; remove it")


def _missing_key(where: _Where, key: str) -> Diagnostic:
    return error("missing-key", f'{where.words} has no "{key}"', where.origin, f'add "{key}: …"')


def _wrong_type(where: _Where, rule: Schema) -> Diagnostic:
    expected, got = _expected(rule), _got(where.value, where.text)
    message = f"{where.words} must be {expected}, not {got}"
    return error("wrong-type", message, where.origin, _type_hint(where, rule))


def _type_hint(where: _Where, rule: Schema) -> str | None:
    """How to write what was most likely meant."""
    match _types(rule):
        case ["string", *_] if where.text and not isinstance(where.value, str):
            return f'quote it: "{where.text}"'
        case ["array", *_] if isinstance(where.value, Map):
            return 'begin each entry with "- "'
        case ["array", *_] if where.text:
            return f"for a list of one: [{where.text}]"
        case ["object", *_] if isinstance(where.value, Seq):
            return 'write "key: value" lines, without "- "'
        case _:
            return _example_hint(rule)


def _not_allowed(where: _Where, allowed: Sequence[str]) -> Diagnostic:
    shown = where.text if where.text is not None else str(where.value)
    message = f"{where.words} cannot be {where.quoted}"
    strange = strange_character(shown)
    if strange and plain_form(shown) in allowed:
        hint = f'retype it: "{plain_form(shown)}"'
        return error("not-allowed", f"{message}: it contains {strange}", where.origin, hint)
    meant = nearest(shown, allowed)
    if meant:
        message += f'; did you mean "{meant}"?'
    return error("not-allowed", message, where.origin, _allowed_hint(allowed, meant))


def _allowed_hint(allowed: Sequence[str], meant: str | None) -> str | None:
    if meant and len(allowed) > MAX_SHOWN // 2:
        return None
    more = len(allowed) - MAX_SHOWN
    listed = ", ".join(sorted(allowed)[:MAX_SHOWN])
    return f"allowed: {listed}, and {more} more" if more > 0 else f"allowed: {listed}"


def _bad_key(where: _Where, key: str, rule: Schema) -> Diagnostic:
    assert isinstance(where.value, Map)  # noqa: S101  # the schema only says this of a mapping
    message = f"{where.words} cannot have the key {_quoted(key)}"
    return error("bad-key", message, where.value.at_key(key), _pattern_hint(key, rule))


def _bad_value(where: _Where, kind: str, rule: Schema) -> Diagnostic:
    message = f"{where.words} cannot be {where.quoted}"
    code, hint = "bad-value", _example_hint(rule)
    match kind:
        case "Pattern" if set(_types(rule)) - {"string"}:
            code, message = "wrong-type", f"{where.words} must be {_expected(rule)}"
            message += f", not {where.quoted}"
        case "Pattern":
            hint = _pattern_hint(where.text or "", rule)
            if where.named:
                what = "path" if where.named == "endpoint" else "name"
                article = "an" if where.named[0] in "aeiou" else "a"
                message = f"{where.quoted} cannot be the {what} of {article} {where.named}"
                code = "bad-name" if what == "name" else code
        case "MinLength" | "MinItems" | "MinProperties":
            message = f"{where.words} is empty"
        case "MaxLength":
            message = f"{where.words} is {len(where.text or '')} characters long"
            hint = f"at most {rule['maxLength']} are allowed"
        case "Minimum" | "ExclusiveMinimum" | "Maximum" | "ExclusiveMaximum":
            hint = _range_hint(rule)
    return error(code, message, where.origin, hint)


def _pattern_hint(shown: str, rule: Schema) -> str | None:
    """What is wrong with the text: a character that looks like another, or the rule in words."""
    strange = strange_character(shown)
    if strange:
        return f"it contains {strange}"
    words = rule.get("patternErrorMessage")
    return words if isinstance(words, str) else _example_hint(rule)


def _range_hint(rule: Schema) -> str:
    bounds = (
        ("minimum", "at least"),
        ("exclusiveMinimum", "more than"),
        ("maximum", "at most"),
        ("exclusiveMaximum", "less than"),
    )
    return " and ".join(f"{words} {rule[key]}" for key, words in bounds if key in rule)


def _example_hint(rule: Schema) -> str | None:
    """The first example that fits on a line."""
    for example in rule.get("examples", ()):
        if isinstance(example, str | int | float) and not isinstance(example, bool):
            return f"for example: {example}"
        if isinstance(example, list) and example and all(isinstance(e, str) for e in example):
            return f"for example: [{', '.join(example)}]"
        if isinstance(example, dict) and all(isinstance(e, str | int) for e in example.values()):
            return f"for example: {{{', '.join(f'{k}: {v}' for k, v in example.items())}}}"
    return None


def _quoted(text: str) -> str:
    """The text in double quotes; of a long one, its beginning."""
    return f'"{text}"' if len(text) <= _MAX_QUOTED else f'"{text[:_MAX_QUOTED]}…"'


_TYPE_WORDS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
}


def _types(rule: Schema) -> list[str]:
    """What the rule allows, but for null and a placeholder in place of a number or a boolean."""
    types = rule.get("type", ())
    types = [types] if isinstance(types, str) else list(types)
    if "string" in types and len(types) > 1 and str(rule.get("pattern", "")).startswith(r"^\{\{"):
        types.remove("string")
    return [kind for kind in types if kind != "null"]


def _expected(rule: Schema) -> str:
    types = _types(rule)
    if set(types) >= {"string", "number", "boolean"}:
        types = [kind for kind in types if kind in ("array", "object")] + ["scalar"]
    words = [_TYPE_WORDS.get(kind, "a single value") for kind in types]
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
            return _quoted(text or "")


def _rule(schema: Schema, path: Sequence[str | int]) -> Mapping[str, Any]:
    """The part of the schema that holds the keyword at the end of the path."""
    rule: Any = schema
    for step in path[:-1]:
        rule = rule[step]
        while isinstance(rule, Mapping) and set(rule) == {"$ref"}:
            for part in rule["$ref"].removeprefix("#/").split("/"):
                rule = schema[part] if rule is None else rule[part]
    return rule if isinstance(rule, Mapping) else {}
