"""A stage of the compilation -> YAML or JSON."""

import dataclasses
import enum
import json
from collections.abc import Mapping
from typing import Any

import yaml

from liminal.model import Deferred
from liminal.origin import Origin


def as_yaml(value: object) -> str:
    """The value as YAML, keys in their own order."""
    return yaml.safe_dump(plain(value), sort_keys=False, allow_unicode=True, width=100)


def as_json(value: object) -> str:
    """The value as JSON."""
    return json.dumps(plain(value), indent=2, ensure_ascii=False)


def plain(value: object) -> Any:
    """The value as dicts, lists and scalars; what says nothing is left out of dataclasses."""
    match value:
        case Deferred():
            return str(value)
        case Origin():
            return str(value)
        case enum.Enum():
            return value.value
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = ((f.name, getattr(value, f.name)) for f in dataclasses.fields(value))
            said = {name: plain(item) for name, item in fields}
            return {name: item for name, item in said.items() if item not in (None, [], {}, [{}])}
        case _:
            return value
