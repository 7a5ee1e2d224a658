"""One JSON line a request on standard output."""

from __future__ import annotations

import json
import os
from datetime import datetime, timezone

from .exchange import Exchange


class AccessLog:
    """Writes access lines to a file descriptor.

    Not through `logging`: its records cost as much as all the rest of a small request, and
    `os.write` of a whole line needs no lock against the other lines.
    """

    def __init__(self, descriptor: int, service: str) -> None:
        self._descriptor = descriptor
        self._service = service

    def write(self, exchange: Exchange, status: int, seconds: float, bytes_out: int) -> None:
        """Writes the line of one answered request."""
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
        try:
            os.write(self._descriptor, json.dumps(fields).encode() + b"\n")
        except OSError:
            pass  # nobody reads the log any more; the request was answered all the same
