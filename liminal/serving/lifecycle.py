"""Whether the service starts, serves or stops, and how many requests it holds."""

from __future__ import annotations

import threading


class Lifecycle:
    """Counts the requests in flight, and waits for them when the service stops."""

    def __init__(self) -> None:
        self._idle = threading.Condition()
        self._in_flight = 0
        self._draining = False

    @property
    def draining(self) -> bool:
        """Whether the service stops: what is in flight goes on, new requests are refused."""
        return self._draining

    @property
    def in_flight(self) -> int:
        """Requests that have no answer yet."""
        return self._in_flight

    def __enter__(self) -> None:
        """Counts one request for as long as the `with` block lasts."""
        with self._idle:
            self._in_flight += 1

    def __exit__(self, *error: object) -> None:
        with self._idle:
            self._in_flight -= 1
            if self._draining and not self._in_flight:
                self._idle.notify_all()

    def drain(self, seconds: float) -> bool:
        """Refuses new requests and waits for those in flight; False when some are left."""
        with self._idle:
            self._draining = True
            return self._idle.wait_for(lambda: not self._in_flight, seconds)
