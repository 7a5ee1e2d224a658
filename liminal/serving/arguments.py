"""A request's body as the argument of the user's function, by the parameter's annotation."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Union

from .json_text import parse_json
from .problems import Problem
from .shapes import Mismatch, Shape, UnknownShape, shape_of


class BadSignature(Exception):
    """A function that no request can call; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """How one function takes the body.

    Attributes:
        read: The positional arguments for a body; raises Problem 400 or 422.
        content_type: What the documentation says a client sends; None for no body.
        schema: The JSON Schema of the body.
        required: Whether an empty body is refused.
    """

    read: Callable[[bytes], tuple[object, ...]]
    content_type: str | None
    schema: dict[str, Any]
    required: bool


def argument_of(function: Callable[..., object], batched: bool = False) -> Argument:
    """How a function takes the body of a request.

    Args:
        function: The user's.
        batched: The function takes a list, of which each request is one item.

    Raises:
        BadSignature: It needs more than one argument, or its annotation is no JSON type.
    """
    parameter = _parameter(function)
    if parameter is None:
        if batched:
            raise BadSignature("takes no argument, and a batch is one")
        return Argument(read=lambda body: (), content_type=None, schema={}, required=False)
    annotation = _annotation(function, parameter)
    if batched:
        annotation = _item_annotation(annotation)
    try:
        argument = _argument(annotation)
    except UnknownShape as error:
        raise BadSignature(f'parameter "{parameter.name}": {error}') from error
    if parameter.default is inspect.Parameter.empty or batched:
        return argument
    return _with_default(argument)


def _parameter(function: Callable[..., object]) -> inspect.Parameter | None:
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except ValueError:  # some functions written in C tell nothing
        return inspect.Parameter("body", inspect.Parameter.POSITIONAL_ONLY)
    required = [
        one
        for one in parameters
        if one.default is one.empty and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
    ]
    if len(required) > 1:
        names = ", ".join(one.name for one in required)
        raise BadSignature(f"takes {len(required)} arguments ({names}); one, the body, is the most")
    if required and required[0].kind is inspect.Parameter.KEYWORD_ONLY:
        raise BadSignature(f'takes "{required[0].name}" by keyword only')
    positional = [
        one
        for one in parameters
        if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD, one.VAR_POSITIONAL)
    ]
    return positional[0] if positional else None


def _annotation(function: Callable[..., object], parameter: inspect.Parameter) -> object:
    """The parameter's annotation, evaluated where it is text (`from __future__`)."""
    annotation = parameter.annotation
    if not isinstance(annotation, str):
        return annotation
    inner = inspect.unwrap(function)
    inner = getattr(inner, "func", inner)  # functools.partial
    if not hasattr(inner, "__globals__"):
        inner = getattr(inner, "__func__", None) or type(inner).__call__
    try:
        return eval(annotation, inner.__globals__)  # noqa: S307  # the user's own source
    except Exception as error:
        raise BadSignature(f'parameter "{parameter.name}": {error}') from error


def _item_annotation(annotation: object) -> object:
    """What one item of a batch is: T of `list[T]`; any JSON value of a plain `list`."""
    if annotation is list:
        return Any
    if typing.get_origin(annotation) is list:
        return typing.get_args(annotation)[0]
    if annotation is inspect.Parameter.empty:
        return annotation
    raise BadSignature("has a batch, so its parameter must be a list")


def _argument(annotation: object) -> Argument:
    inner, optional = _without_none(annotation)
    if inner is inspect.Parameter.empty or inner is str:
        schema = {"type": "string"}
        return Argument(read=_read_text, content_type="text/plain", schema=schema, required=False)
    if inner is bytes:
        schema = {"type": "string", "format": "binary"}
        content_type = "application/octet-stream"
        return Argument(
            read=lambda body: (body,), content_type=content_type, schema=schema, required=False
        )
    shape = shape_of(annotation)
    return Argument(
        read=_json_reader(shape, optional),
        content_type="application/json",
        schema=shape.schema,
        required=not optional,
    )


def _without_none(annotation: object) -> tuple[object, bool]:
    """The X of `X | None`, and whether it was one."""
    if typing.get_origin(annotation) in (Union, types.UnionType):
        arguments = typing.get_args(annotation)
        others = [one for one in arguments if one is not type(None)]
        if len(others) < len(arguments):
            return (others[0] if len(others) == 1 else annotation), True
    return annotation, False


def _read_text(body: bytes) -> tuple[object, ...]:
    if not body:
        return (None,)
    try:
        return (body.decode("utf-8"),)
    except UnicodeDecodeError as error:
        detail = f"the body is not UTF-8 at byte {error.start}"
        raise Problem(400, "invalid-text", detail) from error


def _json_reader(shape: Shape, optional: bool) -> Callable[[bytes], tuple[object, ...]]:
    def read(body: bytes) -> tuple[object, ...]:
        if not body:
            if optional:
                return (None,)
            raise Problem(400, "invalid-json", "the body is empty, and JSON was expected")
        value = parse_json(body)
        try:
            return (shape.read(value, ""),)
        except Mismatch as mismatch:
            raise Problem(422, "mismatch", str(mismatch)) from mismatch

    return read


def _with_default(argument: Argument) -> Argument:
    def read(body: bytes) -> tuple[object, ...]:
        return argument.read(body) if body else ()

    return Argument(
        read=read, content_type=argument.content_type, schema=argument.schema, required=False
    )
