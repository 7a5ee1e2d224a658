"""Arguments of Airflow's operators as schema: tables of names by kind."""

from collections.abc import Mapping
from typing import Any

from liminal.plugins import Schema

_KINDS: Mapping[str, tuple[Any, Any]] = {
    "text": ("string", "value"),
    "flag": ("boolean", True),
    "number": ("number", 60),
    "list": ("array", []),
    "map": ("object", {}),
    "any": (["string", "number", "boolean", "array", "object", "null"], "value"),
}


def operator_arguments(operator: str, names: Mapping[str, str]) -> dict[str, Schema]:
    """Properties for arguments that are passed on to the operator as they are.

    Args:
        operator: the operator's class name, for the descriptions.
        names: kind (text, flag, number, list, map, any) -> names separated by spaces.
    """
    return {
        name: {
            "description": f"The argument {name} of Airflow's {operator}.",
            "type": _KINDS[kind][0],
            "default": None,
            "examples": [_KINDS[kind][1]],
        }
        for kind, listed in names.items()
        for name in listed.split()
    }
