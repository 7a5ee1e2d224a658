"""OpenTelemetry traces: one span a request, sent to the collector that the environment names."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
import urllib.request
from collections import deque
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from .exchange import Exchange

logger = logging.getLogger(__name__)

_QUEUE_SPANS = 2048
_TIMEOUT_SECONDS = 10
_SERVER = 2  # SpanKind
_ERROR = 2  # StatusCode


def tracer_from(environment: Mapping[str, str], service: str) -> Tracer | None:
    """The tracer that the standard variables ask for; None when they ask for none.

    Known are OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS and their TRACES forms,
    OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_BSP_SCHEDULE_DELAY, OTEL_TRACES_EXPORTER
    and OTEL_SDK_DISABLED.

    Source: OpenTelemetry specification, "OpenTelemetry Protocol Exporter".
    """
    url = environment.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "")
    base = environment.get("OTEL_EXPORTER_OTLP_ENDPOINT", "")
    if not url and base:
        url = base.rstrip("/") + "/v1/traces"
    off = environment.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if not url or off or environment.get("OTEL_TRACES_EXPORTER", "otlp") != "otlp":
        return None
    headers = environment.get(
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS", environment.get("OTEL_EXPORTER_OTLP_HEADERS", "")
    )
    resource = {
        "service.name": service,
        **_pairs(environment.get("OTEL_RESOURCE_ATTRIBUTES", "")),
    }
    if environment.get("OTEL_SERVICE_NAME"):
        resource["service.name"] = environment["OTEL_SERVICE_NAME"]
    try:
        pause_seconds = int(environment.get("OTEL_BSP_SCHEDULE_DELAY", "5000")) / 1000
    except ValueError:
        pause_seconds = 5.0
    return Tracer(url, _pairs(headers), resource, pause_seconds)


def _pairs(text: str) -> dict[str, str]:
    """The pairs of `a=1,b=2`, percent-encoded values decoded."""
    pairs = (item.partition("=") for item in text.split(",") if "=" in item)
    return {key.strip(): unquote(value.strip()) for key, _, value in pairs}


class Tracer:
    """Collects spans and sends them as OTLP over HTTP, in JSON.

    Written out here because the OpenTelemetry packages would add more to the image than all the
    rest. A collector that is down costs spans, never a request.
    """

    def __init__(
        self, url: str, headers: dict[str, str], resource: dict[str, str], pause_seconds: float
    ) -> None:
        self._url = url
        self._headers = {**headers, "Content-Type": "application/json"}
        self._resource = {"attributes": [_attribute(*item) for item in sorted(resource.items())]}
        self._pause_seconds = pause_seconds
        self._spans: deque[dict[str, Any]] = deque(maxlen=_QUEUE_SPANS)
        self._stopping = threading.Event()
        self._failed = False

    def start(self) -> None:
        """Sends what has come together, again and again, from a thread of its own."""
        threading.Thread(target=self._run, name="traces", daemon=True).start()

    def stop(self) -> None:
        """Sends what is left."""
        self._stopping.set()
        self._send()

    def record(self, exchange: Exchange, status: int) -> None:
        """Takes one answered request, unless its caller has decided against a trace."""
        if not exchange.sampled:
            return
        exchange.trace_id = exchange.trace_id or os.urandom(16).hex()
        end = time.time_ns()
        attributes: list[tuple[str, str | int]] = [
            ("http.request.method", exchange.method),
            ("http.response.status_code", status),
            ("url.path", exchange.path),
            ("client.address", exchange.client),
            ("http.request.id", exchange.request_id),
        ]
        span: dict[str, Any] = {
            "traceId": exchange.trace_id,
            "spanId": os.urandom(8).hex(),
            "name": f"{exchange.method} {exchange.endpoint}",
            "kind": _SERVER,
            "startTimeUnixNano": str(end - int(exchange.seconds() * 1e9)),
            "endTimeUnixNano": str(end),
            "attributes": [_attribute(*item) for item in attributes],
            "status": {"code": _ERROR} if status >= 500 else {},
        }
        if exchange.parent_id:
            span["parentSpanId"] = exchange.parent_id
        self._spans.append(span)

    def _run(self) -> None:
        while not self._stopping.wait(self._pause_seconds):
            self._send()

    def _send(self) -> None:
        spans = [self._spans.popleft() for _ in range(len(self._spans))]
        if not spans:
            return
        scope = {"scope": {"name": "liminal_serving"}, "spans": spans}
        body = {"resourceSpans": [{"resource": self._resource, "scopeSpans": [scope]}]}
        try:
            request = urllib.request.Request(  # noqa: S310  # the operator's own variable
                self._url, json.dumps(body).encode(), self._headers
            )
            urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS).close()  # noqa: S310
            self._failed = False
        except (OSError, ValueError) as error:
            if not self._failed:  # once, not every few seconds
                logger.warning("traces cannot be sent to %s: %s", self._url, error)
            self._failed = True


def _attribute(key: str, value: str | int) -> dict[str, Any]:
    kind = "intValue" if isinstance(value, int) else "stringValue"
    return {"key": key, "value": {kind: str(value)}}
