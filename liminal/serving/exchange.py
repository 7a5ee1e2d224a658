"""One request and what is known of it by the time it is answered."""

from __future__ import annotations

import random
import re
import time
from dataclasses import dataclass, field
from typing import Any

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
# Source: W3C Trace Context, section 3.2: version, trace id, parent id, flags.
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


@dataclass(slots=True)
class Exchange:
    """One request on its way through the application.

    Attributes:
        request_id: The client's own if it sent a decent one, else a new one.
        trace_id, parent_id, sampled: From `traceparent`; empty and True without.
        endpoint: The path that the metrics count it under; unknown paths share one.
        error: The word of the problem it ended with, if any.
    """

    request_id: str
    trace_id: str
    parent_id: str
    sampled: bool
    method: str
    path: str
    client: str
    started: float = field(default_factory=time.perf_counter)
    endpoint: str = "other"
    bytes_in: int = 0
    error: str = ""

    @classmethod
    def begin(cls, environ: dict[str, Any]) -> Exchange:
        """The exchange that a WSGI environment begins."""
        request_id = environ.get("HTTP_X_REQUEST_ID", "")
        if not _REQUEST_ID.fullmatch(request_id):
            # Kept where Flask's part of the application finds it. Not from os.urandom, whose
            # system call gives the interpreter's lock away; an id is no secret.
            request_id = environ["HTTP_X_REQUEST_ID"] = f"{random.getrandbits(128):032x}"
        trace_id = parent_id = ""
        sampled = True
        trace = _TRACEPARENT.fullmatch(environ.get("HTTP_TRACEPARENT", ""))
        if trace is not None and trace[1].strip("0") and trace[2].strip("0"):
            trace_id, parent_id = trace[1], trace[2]
            sampled = bool(int(trace[3], 16) & 1)
        return cls(
            request_id=request_id,
            trace_id=trace_id,
            parent_id=parent_id,
            sampled=sampled,
            method=environ["REQUEST_METHOD"],
            path=environ["PATH_INFO"],
            client=environ.get("REMOTE_ADDR", ""),
        )

    def seconds(self) -> float:
        """Since the request came."""
        return time.perf_counter() - self.started


def request_id_of(environ: dict[str, Any]) -> str:
    """The request's id, once its exchange has begun."""
    request_id: str = environ["HTTP_X_REQUEST_ID"]
    return request_id
