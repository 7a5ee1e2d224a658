"""One JSON line a request on standard output."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections import deque
from datetime import datetime, timezone

from .exchange import Exchange

_GATHER_SECONDS = 0.05


class AccessLog:
    """Writes access lines to a file descriptor, many at once.

    Not through `logging`, and not line by line: either costs a small request more than the
    rest of the application, the system call because of the interpreter's lock around it.
    """

    def __init__(self, descriptor: int, service: str) -> None:
        self._descriptor = descriptor
        self._service = service
        self._lines: deque[bytes] = deque()
        self._some = threading.Event()
        self._writing = threading.Lock()

    def start(self) -> None:
        """Writes the lines from now on, at most a twentieth of a second after their requests."""
        threading.Thread(target=self._run, name="access-log", daemon=True).start()

    def add(self, exchange: Exchange, status: int, seconds: float, bytes_out: int) -> None:
        """Takes the line of one answered request."""
        fields: dict[str, object] = {
            "time": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
            "service": self._service,
            "request_id": exchange.request_id,
            "client": exchange.client,
            "method": exchange.method,
            "path": exchange.path,
            "status": status,
            "duration_ms": round(seconds * 1000, 3),
            "bytes_in": exchange.bytes_in,
            "bytes_out": bytes_out,
        }
        if exchange.trace_id:
            fields["trace_id"] = exchange.trace_id
        if exchange.error:
            fields["error"] = exchange.error
        self._lines.append(json.dumps(fields).encode() + b"\n")
        if not self._some.is_set():
            self._some.set()

    def flush(self) -> None:
        """Writes what is there."""
        with self._writing:
            data = b"".join(self._lines.popleft() for _ in range(len(self._lines)))
            # Where nobody reads the log any more, requests are answered all the same.
            with contextlib.suppress(OSError):
                while data:
                    data = data[os.write(self._descriptor, data) :]

    def _run(self) -> None:
        while self._some.wait():
            time.sleep(_GATHER_SECONDS)
            self._some.clear()
            self.flush()
