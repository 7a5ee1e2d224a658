"""What a function returned, as an HTTP reply."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import json
from dataclasses import dataclass
from typing import Any

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
BYTES = "application/octet-stream"


class BadResult(Exception):
    """The function's result cannot be sent; the message is for the service's log."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer: status, content type and body."""

    status: int
    content_type: str
    body: bytes


def reply_from(result: object) -> Reply:
    """The reply that a function's result stands for.

    Text and bytes go out as they are, everything else as JSON; a `(result, status)` pair sets
    the status. Scalars and arrays of numpy, frames of pandas, dataclasses, pydantic models,
    dates and enums have a JSON form.

    Raises:
        BadResult: It has no JSON form.
    """
    status = 200
    if _is_pair_with_status(result):
        result, status = result  # type: ignore[misc]  # checked just above
    if isinstance(result, str):
        return Reply(status, TEXT, result.encode("utf-8", "replace"))
    if isinstance(result, bytes | bytearray | memoryview):
        return Reply(status, BYTES, bytes(result))
    return Reply(status, JSON, _json_text(result))


def _is_pair_with_status(result: object) -> bool:
    return (
        isinstance(result, tuple)
        and len(result) == 2
        and isinstance(result[1], int)
        and not isinstance(result[1], bool)
        and 200 <= result[1] <= 599
    )


def _json_text(value: object) -> bytes:
    try:
        try:
            text = _dump(value)
        except TypeError:
            # Keys that are numpy numbers or dates: rare, so paid for only when met.
            text = _dump(_with_plain_keys(value))
    except (TypeError, ValueError, RecursionError) as error:
        raise BadResult(f"the result has no JSON form: {error}") from error
    try:
        return text.encode()
    except UnicodeEncodeError:
        # A lone surrogate, which JSON can escape and UTF-8 cannot hold.
        return json.dumps(json.loads(text)).encode()


def _dump(value: object) -> str:
    return json.dumps(
        value, default=_plain, allow_nan=False, ensure_ascii=False, separators=(",", ":")
    )


def _plain(value: Any) -> object:
    """The plain form of one value that `json` does not know, its parts left as they are."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, set | frozenset):
        return list(value)
    # Duck-typed, so that numpy, pandas and pydantic stay the user's own choice.
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if hasattr(value, "to_dict") and hasattr(value, "columns"):
        return value.to_dict(orient="records")
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{type(value).__name__} is not JSON")


def _with_plain_keys(value: object) -> object:
    if isinstance(value, dict):
        return {_plain_key(key): _with_plain_keys(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_with_plain_keys(item) for item in value]
    if value is None or isinstance(value, str | int | float):
        return value
    return _with_plain_keys(_plain(value))


def _plain_key(key: object) -> object:
    return key if key is None or isinstance(key, str | int | float) else _plain(key)
