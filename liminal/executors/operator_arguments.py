"""Arguments of Airflow's operators as schema, from tables that read like a page of docs."""

import json
from collections.abc import Mapping
from typing import Any

from liminal.plugins import Schema

_PLACEHOLDER = r"^\{\{[^{}]*\}\}$"
_ANY = ["string", "number", "boolean", "array", "object", "null"]


def operator_arguments(table: str) -> dict[str, Schema]:
    """Properties for arguments that are passed on to the operator as they are.

    Args:
        table: a line an argument: its kind (text, flag, number, list, map, any), its name, what
            it says and, as JSON, an example, with at least two spaces between them.
    """
    arguments: dict[str, Schema] = {}
    for line in filter(None, map(str.strip, table.splitlines())):
        kind, name, words, example = (part.strip() for part in line.split("  ") if part.strip())
        arguments[name] = {
            "description": f"{words}; by default the operator decides.",
            **_KINDS[kind],
            "examples": [json.loads(example)],
        }
    return arguments


def _or_placeholder(kind: str, words: str) -> dict[str, Any]:
    return {
        "type": [kind, "string"],
        "pattern": _PLACEHOLDER,
        "patternErrorMessage": f'must be {words}, or a placeholder such as "{{{{ name }}}}"',
    }


_KINDS: Mapping[str, Mapping[str, Any]] = {
    "text": {"type": "string"},
    "flag": _or_placeholder("boolean", "true or false"),
    "number": _or_placeholder("number", "a number"),
    "list": {"type": "array"},
    "map": {"type": "object"},
    "any": {"type": _ANY},
}
