"""What a client is told when a request has no result: a status and a small JSON body."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType

NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class Problem(Exception):
    """A request that ends without a result; raised anywhere, answered in one place.

    Attributes:
        status: The HTTP status, 400 to 599.
        error: A short fixed word for programs, such as "invalid-json".
        detail: One sentence for people. Never text from the user's exceptions.
        headers: More response headers, such as Retry-After.
    """

    def __init__(
        self, status: int, error: str, detail: str, headers: Mapping[str, str] = NO_HEADERS
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.error = error
        self.detail = detail
        self.headers = headers


def busy(error: str, detail: str) -> Problem:
    """A 503 that asks the client to come again in a second."""
    return Problem(503, error, detail, {"Retry-After": "1"})


def problem_body(problem: Problem, request_id: str) -> bytes:
    """The JSON text of a problem: `error`, `detail` and the id that the log repeats."""
    fields = {"error": problem.error, "detail": problem.detail, "request_id": request_id}
    return json.dumps(fields).encode()
