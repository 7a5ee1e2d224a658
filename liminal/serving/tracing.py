"""OpenTelemetry traces."""

from __future__ import annotations

from .exchange import Exchange


class Tracer:
    def record(self, exchange: Exchange, status: int) -> None: ...
