"""Shapes of classes with named fields: dataclasses, `TypedDict` and pydantic models."""

from __future__ import annotations

import dataclasses
import difflib
import json
import logging
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .shapes import Mismatch, Read, Shape, expected, join, place, read_all, shape_of

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Field:
    shape: Shape
    required: bool
    default: object


def record_shape(annotation: type, around: tuple[type, ...]) -> Shape:
    """The shape of a dataclass or a `TypedDict`: its fields, no others.

    Args:
        annotation: The class.
        around: The classes whose fields are being read, this one last.
    """
    if typing.is_typeddict(annotation):
        fields = _typed_dict_fields(annotation, around)
        return Shape(_record_reader(fields, dict), _record_schema(annotation, fields))
    fields = _dataclass_fields(annotation, around)
    return Shape(_record_reader(fields, _maker(annotation)), _record_schema(annotation, fields))


def pydantic_shape(model: Any) -> Shape:
    """The shape of a pydantic model; pydantic itself does the work."""

    def read(value: object, path: str) -> object:
        try:
            return model.model_validate(value)
        except ValueError as error:
            raise Mismatch(_pydantic_faults(error, path)) from error

    return Shape(read, model.model_json_schema(ref_template="#/components/schemas/{model}"))


def _pydantic_faults(error: Any, path: str) -> list[str]:
    faults = []
    for fault in error.errors(include_url=False, include_input=False, include_context=False):
        where = path
        for step in fault["loc"]:
            where = f"{where}[{step}]" if isinstance(step, int) else join(where, str(step))
        message = fault["msg"]
        # The text of the user's own validators stays in the log.
        if fault["type"] in ("value_error", "assertion_error"):
            logger.info("%s refused: %s", place(where), message)
            message = "refused by the model's own check"
        faults.append(f"{place(where)}: {message[:1].lower()}{message[1:]}")
    return faults


def _dataclass_fields(annotation: Any, around: tuple[type, ...]) -> dict[str, _Field]:
    hints = typing.get_type_hints(annotation)
    return {
        item.name: _Field(
            shape_of(hints[item.name], around),
            item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING,
            item.default,
        )
        for item in dataclasses.fields(annotation)
        if item.init
    }


def _typed_dict_fields(annotation: Any, around: tuple[type, ...]) -> dict[str, _Field]:
    return {
        name: _Field(
            shape_of(hint, around), name in annotation.__required_keys__, dataclasses.MISSING
        )
        for name, hint in typing.get_type_hints(annotation).items()
    }


def _maker(annotation: type) -> Callable[[dict[str, object]], object]:
    def make(values: dict[str, object]) -> object:
        return annotation(**values)

    return make


def _record_reader(fields: dict[str, _Field], make: Callable[[dict[str, object]], object]) -> Read:
    required = [name for name, item in fields.items() if item.required]

    def read(value: object, path: str) -> object:
        if not isinstance(value, dict):
            raise expected("an object", value, path)
        faults = [f"{place(join(path, name))} is missing" for name in required if name not in value]
        faults += [_unknown(join(path, key), key, fields) for key in value if key not in fields]
        known = [key for key in value if key in fields]
        try:
            values = read_all(
                (fields[key].shape.read, value[key], join(path, key)) for key in known
            )
        except Mismatch as mismatch:
            raise Mismatch([*faults, *mismatch.faults]) from None
        if faults:
            raise Mismatch(faults)
        try:
            return make(dict(zip(known, values, strict=True)))
        except ValueError as error:
            # A check in __post_init__: the client is to blame, but its text may hold more
            # than a client should see.
            logger.info("%s refused: %s", place(path), error)
            raise Mismatch([f"{place(path)}: refused by the class's own check"]) from error

    return read


def _unknown(path: str, key: str, fields: dict[str, _Field]) -> str:
    near = difflib.get_close_matches(key, fields, n=1)
    hint = f"; did you mean {json.dumps(near[0])}?" if near else ""
    return f"{place(path)} is unknown{hint}"


def _record_schema(annotation: type, fields: dict[str, _Field]) -> dict[str, Any]:
    properties = {}
    for name, item in fields.items():
        properties[name] = dict(item.shape.schema)
        if item.default is None or isinstance(item.default, str | int | float):
            properties[name]["default"] = item.default
    schema: dict[str, Any] = {
        "type": "object",
        "title": annotation.__name__,
        "properties": properties,
        "required": [name for name, item in fields.items() if item.required],
        "additionalProperties": False,
    }
    return schema
