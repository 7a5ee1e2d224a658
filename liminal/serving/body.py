"""The body of a request, within its limits."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from .problems import Problem

_PIECE = 1 << 16


def read_body(environ: Mapping[str, Any], max_bytes: int, timeout_seconds: float) -> bytes:
    """The whole body of a WSGI request.

    Bytes are counted as they come, because a chunked body does not announce its length.

    Raises:
        Problem: 400, 408, 413 or 415.
    """
    encoding = environ.get("HTTP_CONTENT_ENCODING", "identity")
    if encoding.lower() != "identity":
        # A few compressed kilobytes can be gigabytes; nobody compresses a row of features.
        raise _closing(415, "compressed", "a compressed body is not accepted")
    length = _length(environ)
    if length == 0 or (length is None and "HTTP_TRANSFER_ENCODING" not in environ):
        return b""
    if length is not None and length > max_bytes:
        raise _too_large(max_bytes)
    body = _read(environ["wsgi.input"], length, max_bytes, timeout_seconds)
    if length is not None and len(body) < length:
        raise _closing(400, "incomplete", "the connection ended before the body did")
    return body


def _length(environ: Mapping[str, Any]) -> int | None:
    text = environ.get("CONTENT_LENGTH")
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        raise _closing(400, "invalid-length", "Content-Length is not a number")
    return int(text[:20])


def _read(stream: Any, length: int | None, max_bytes: int, timeout_seconds: float) -> bytes:
    if length is not None and length <= _PIECE:
        whole: bytes = stream.read(length)
        return whole
    deadline = time.monotonic() + timeout_seconds
    pieces = []
    left = max_bytes + 1
    while left > 0:
        piece = stream.read(min(left, _PIECE))
        if not piece:
            break
        pieces.append(piece)
        left -= len(piece)
        if time.monotonic() > deadline:
            raise _closing(408, "slow-body", "the body took too long to arrive")
    if left <= 0:
        raise _too_large(max_bytes)
    return b"".join(pieces)


def _too_large(max_bytes: int) -> Problem:
    return _closing(413, "body-too-large", f"the body is larger than {max_bytes} bytes")


def _closing(status: int, error: str, detail: str) -> Problem:
    """A problem after which the connection is of no use: the rest of the body is still in it."""
    return Problem(status, error, detail, {"Connection": "close"})
