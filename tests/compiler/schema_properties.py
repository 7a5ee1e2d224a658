"""Every property of the composed schema, with the way that leads to it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Rule = dict[str, Any]

COMBINING = ("then", "else")
"""Keywords whose schema adds keys; ``if`` and ``not`` only ask."""


@dataclass(frozen=True)
class Property:
    """One key of one table.

    Attributes:
        table: the table that has the key, like ``task.python`` or ``mount``.
        rule: with references resolved.
    """

    table: str
    key: str
    rule: Rule
    required: bool

    def __str__(self) -> str:
        return f"{self.table}.{self.key}"


def resolved(rule: Any, schema: Mapping[str, Any]) -> Rule:
    """The rule with its references followed; what stands beside a reference wins."""
    while "$ref" in rule:
        target: Any = schema
        for part in rule["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        rule = {**target, **{key: value for key, value in rule.items() if key != "$ref"}}
    return dict(rule)


def properties(schema: Mapping[str, Any]) -> Iterator[Property]:
    """Each key of each table once: the root's, then those of ``$defs``."""
    yield from _of("root", dict(schema), schema)
    for name, table in schema["$defs"].items():
        if not name.endswith("_keys"):
            yield from _of(name, table, schema)


def _of(table: str, rule: Rule, schema: Mapping[str, Any]) -> Iterator[Property]:
    required = rule.get("required", ())
    for key, written in rule.get("properties", {}).items():
        found = resolved(written, schema)
        yield Property(table, key, found, key in required)
        if "_keys/" in written.get("$ref", "_keys/"):  # other definitions are tables themselves
            yield from _of(f"{table}.{key}", found, schema)
    for keyword in COMBINING:
        if keyword in rule:
            yield from _of(f"{table}:{keyword}", rule[keyword], schema)
    for choice in rule.get("allOf", ()):
        yield from _of(table, choice, schema)
