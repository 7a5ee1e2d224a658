"""Annotations as shapes: what a parsed JSON value must look like, and what it becomes."""

from __future__ import annotations

import datetime
import enum
import json
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, is_dataclass
from typing import Any, Literal, Union

Read = Callable[[object, str], object]
"""The checked value of a JSON value found at a path such as "rows[2].width"; raises Mismatch."""

_MAX_FAULTS = 10


class Mismatch(Exception):
    """A JSON value that has not the shape; `faults` are sentences that name the field."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)[:_MAX_FAULTS]
        super().__init__("; ".join(self.faults))


class UnknownShape(Exception):
    """An annotation that says nothing about JSON; the message names it."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How to read one kind of value, and its JSON Schema for the documentation."""

    read: Read
    schema: dict[str, Any] = field(default_factory=dict)


def shape_of(annotation: object, around: tuple[type, ...] = ()) -> Shape:
    """The shape that an annotation stands for.

    Knows the JSON types, `list`, `tuple`, `dict`, `Optional` and unions, `Literal`, enums, dates,
    dataclasses, `TypedDict` and pydantic models, each within the others.

    Args:
        annotation: Evaluated, not text.
        around: The classes whose fields are being read, outermost first.

    Raises:
        UnknownShape: The annotation is none of these.
    """
    simple = _SIMPLE.get(annotation) if isinstance(annotation, type) else None
    if simple is not None:
        return simple
    if annotation is Any or annotation is object:
        return Shape(lambda value, path: value)
    if annotation is None:
        return _SIMPLE[type(None)]
    if typing.get_origin(annotation) is not None:
        return _generic(annotation, around)
    if isinstance(annotation, type):
        return _class(annotation, around)
    if hasattr(annotation, "__supertype__"):  # NewType
        return shape_of(annotation.__supertype__, around)
    raise UnknownShape(f"{annotation} is not a type that JSON can hold")


def expected(what: str, value: object, path: str) -> Mismatch:
    """The mismatch of one value, in the words of JSON."""
    return Mismatch([f"{place(path)}: expected {what}, found {_name(value)}"])


def place(path: str) -> str:
    """How a message names the value at a path; the empty path is the body itself."""
    return f"field {json.dumps(path)}" if path else "the body"


def _name(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"the number {str(value)[:40]}"
        case str():
            return f"the text {json.dumps(value if len(value) <= 40 else value[:37] + '...')}"
        case list():
            return "a list"
        case _:
            return "an object"


def _bool(value: object, path: str) -> object:
    if isinstance(value, bool):
        return value
    raise expected("true or false", value, path)


def _int(value: object, path: str) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    raise expected("a whole number", value, path)


def _float(value: object, path: str) -> object:
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            pass
    raise expected("a number", value, path)


def _str(value: object, path: str) -> object:
    if isinstance(value, str):
        return value
    raise expected("text", value, path)


def _none(value: object, path: str) -> object:
    if value is None:
        return None
    raise expected("null", value, path)


def _date(value: object, path: str) -> object:
    try:
        return datetime.date.fromisoformat(str(_str(value, path)))
    except ValueError:
        raise expected("a date such as 2026-01-31", value, path) from None


def _datetime(value: object, path: str) -> object:
    text = str(_str(value, path))
    try:
        # Python 3.10 does not read the Z that most other languages write.
        return datetime.datetime.fromisoformat(text[:-1] + "+00:00" if text[-1:] == "Z" else text)
    except ValueError:
        raise expected("a time such as 2026-01-31T12:00:00Z", value, path) from None


def _dict(value: object, path: str) -> object:
    if isinstance(value, dict):
        return value
    raise expected("an object", value, path)


def _list(value: object, path: str) -> object:
    if isinstance(value, list):
        return value
    raise expected("a list", value, path)


_SIMPLE: dict[type, Shape] = {
    bool: Shape(_bool, {"type": "boolean"}),
    int: Shape(_int, {"type": "integer"}),
    float: Shape(_float, {"type": "number"}),
    str: Shape(_str, {"type": "string"}),
    type(None): Shape(_none, {"type": "null"}),
    dict: Shape(_dict, {"type": "object"}),
    list: Shape(_list, {"type": "array", "items": {}}),
    datetime.date: Shape(_date, {"type": "string", "format": "date"}),
    datetime.datetime: Shape(_datetime, {"type": "string", "format": "date-time"}),
}


def _generic(annotation: object, around: tuple[type, ...]) -> Shape:
    origin = typing.get_origin(annotation)
    arguments = typing.get_args(annotation)
    # Required and NotRequired came with Python 3.11, so by name.
    if origin is typing.Annotated or getattr(origin, "_name", "") in ("Required", "NotRequired"):
        return shape_of(arguments[0], around)
    if origin is Union or origin is types.UnionType:
        return _union([shape_of(argument, around) for argument in arguments])
    if origin is Literal:
        return _one_of({value: value for value in arguments})
    if origin in (list, Sequence, Iterable):
        return _items(shape_of(arguments[0], around))
    if origin in (dict, Mapping) and arguments[0] is str:
        return _values(shape_of(arguments[1], around))
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return _items(shape_of(arguments[0], around), tuple)
    if origin is tuple:
        return _positions([shape_of(argument, around) for argument in arguments])
    raise UnknownShape(f"{annotation} is not a type that JSON can hold")


def _class(annotation: type, around: tuple[type, ...]) -> Shape:
    if annotation in around:
        # A class within itself: its shape is made when a value goes that deep.
        return Shape(lambda value, path: shape_of(annotation).read(value, path))
    if issubclass(annotation, enum.Enum):
        return _one_of({member.value: member for member in annotation})
    if is_dataclass(annotation) or typing.is_typeddict(annotation):
        from .records import record_shape

        return record_shape(annotation, (*around, annotation))
    if hasattr(annotation, "model_validate") and hasattr(annotation, "model_json_schema"):
        from .records import pydantic_shape

        return pydantic_shape(annotation)
    raise UnknownShape(f'"{annotation.__name__}" is not a type that JSON can hold')


def _union(shapes: list[Shape]) -> Shape:
    def read(value: object, path: str) -> object:
        faults: list[str] = []
        for shape in shapes:
            try:
                return shape.read(value, path)
            except Mismatch as mismatch:
                faults.extend(mismatch.faults)
        raise Mismatch(faults)

    return Shape(read, {"anyOf": [shape.schema for shape in shapes]})


def _one_of(members: Mapping[Any, object]) -> Shape:
    def read(value: object, path: str) -> object:
        for key, member in members.items():
            if key == value and isinstance(key, bool) == isinstance(value, bool):
                return member
        raise expected("one of " + ", ".join(json.dumps(key) for key in members), value, path)

    return Shape(read, {"enum": list(members)})


def _items(item: Shape, kind: type[list[Any]] | type[tuple[Any, ...]] = list) -> Shape:
    def read(value: object, path: str) -> object:
        if not isinstance(value, list):
            raise expected("a list", value, path)
        return kind(read_all((item.read, one, f"{path}[{n}]") for n, one in enumerate(value)))

    return Shape(read, {"type": "array", "items": item.schema})


def _values(item: Shape) -> Shape:
    def read(value: object, path: str) -> object:
        if not isinstance(value, dict):
            raise expected("an object", value, path)
        parts = ((item.read, one, join(path, key)) for key, one in value.items())
        return dict(zip(value, read_all(parts), strict=True))

    return Shape(read, {"type": "object", "additionalProperties": item.schema})


def _positions(items: list[Shape]) -> Shape:
    def read(value: object, path: str) -> object:
        if not isinstance(value, list) or len(value) != len(items):
            raise expected(f"a list of {len(items)}", value, path)
        pairs = enumerate(zip(items, value, strict=True))
        return tuple(read_all((item.read, one, f"{path}[{n}]") for n, (item, one) in pairs))

    schemas = [item.schema for item in items]
    size = {"minItems": len(items), "maxItems": len(items)}
    return Shape(read, {"type": "array", "prefixItems": schemas, **size})


def join(path: str, key: str) -> str:
    """The path of a field of the object at a path."""
    return f"{path}.{key}" if path else key


def read_all(parts: Iterable[tuple[Read, object, str]]) -> list[object]:
    """The values of all parts, or one Mismatch with the faults of all."""
    values: list[object] = []
    faults: list[str] = []
    for read, value, path in parts:
        try:
            values.append(read(value, path))
        except Mismatch as mismatch:
            faults.extend(mismatch.faults)
            if len(faults) >= _MAX_FAULTS:
                break
    if faults:
        raise Mismatch(faults)
    return values
