"""Strict JSON: a body's bytes to a value, or a `Problem` that names the place."""

from __future__ import annotations

import json
import math
import re
from typing import NoReturn

from .problems import Problem

MAX_DEPTH = 200

# A float overflows to infinity only with an exponent of three digits or with 309 digits; parsing
# floats in Python costs as much as all the rest, so only a text that may hold one pays for it.
_MAYBE_HUGE = re.compile(rb"[eE]\+?[0-9]{3}|[0-9]{309}")


def parse_json(body: bytes) -> object:
    """The value that a JSON text stands for.

    Stricter than `json.loads`: no NaN or infinities, no duplicate keys, UTF-8 only, at most
    `MAX_DEPTH` levels.

    Raises:
        Problem: 400 "invalid-json", with line and column where there is one.
    """
    try:
        text = body.decode("utf-8")
        parse_float = _finite_float if _MAYBE_HUGE.search(body) else None
        value: object = json.loads(
            text,
            parse_constant=_refuse_constant,
            parse_float=parse_float,
            object_pairs_hook=_object_without_duplicates,
        )
    except UnicodeDecodeError as error:
        raise _invalid(f"not UTF-8 at byte {error.start}") from error
    except json.JSONDecodeError as error:
        reason = error.msg[:1].lower() + error.msg[1:]
        raise _invalid(f"{reason} at line {error.lineno} column {error.colno}") from error
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:
        # CPython refuses integers of more than 4300 digits with a plain ValueError.
        raise _invalid("a number has too many digits") from error
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise _too_deep()
    return value


def _invalid(detail: str) -> Problem:
    return Problem(400, "invalid-json", f"the body is not valid JSON: {detail}")


def _too_deep() -> Problem:
    return _invalid(f"nested deeper than {MAX_DEPTH} levels")


def _refuse_constant(name: str) -> NoReturn:
    raise _invalid(f"{name} is not a JSON number")


def _finite_float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise _invalid("a number is too large")
    return value


def _object_without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _invalid(f"the key {json.dumps(key)} is there twice")
            seen.add(key)
    return value


def _depth(value: object) -> int:
    """How many lists and objects are within each other, level by level and not by recursion."""
    depth = 0
    level = [value]
    while level := [item for item in level if isinstance(item, dict | list)]:
        depth += 1
        level = [
            one for item in level for one in (item.values() if isinstance(item, dict) else item)
        ]
    return depth
