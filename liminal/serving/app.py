"""The application: the user's endpoints, and Flask for everything else."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, Protocol

from flask import Flask

from .access_log import AccessLog
from .body import read_body
from .config import Endpoint, ServiceConfig
from .exchange import Exchange
from .lifecycle import Lifecycle
from .metrics import Metrics
from .own_paths import READINESS, add_own_paths
from .problems import Problem, problem_body
from .results import JSON, Reply
from .tracing import Tracer

logger = logging.getLogger(__name__)

Environ = dict[str, Any]
Headers = list[tuple[str, str]]
StartResponse = Callable[..., Any]

_STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}
_COUNTED_METHODS = frozenset(("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"))


class Workers(Protocol):
    """Who runs the user's functions; `pool.Pool` in a service."""

    def call(self, number: int, request_id: str, body: bytes) -> Reply:
        """The reply to one request for the endpoint with this number; raises Problem."""

    def ready(self) -> bool:
        """Whether requests can be answered now."""

    def versions(self) -> bytes:
        """The model versions, as a JSON object by module."""

    def descriptions(self) -> list[dict[str, Any]]:
        """What the documentation says of each endpoint, in their order."""


def create_app(
    config: ServiceConfig,
    workers: Workers,
    *,
    metrics: Metrics,
    lifecycle: Lifecycle,
    access_log: AccessLog,
    tracer: Tracer | None = None,
) -> Flask:
    """The Flask application of a service.

    Flask answers our own paths and the unknown ones. The user's endpoints are taken out before
    Flask sees them: of a small model's request, Flask's own work is a third.
    """
    app = Flask(__name__, static_folder=None)
    add_own_paths(app, config, workers, metrics, lifecycle)
    application = Application(config, workers, app.wsgi_app, metrics, lifecycle, access_log, tracer)
    app.wsgi_app = application  # type: ignore[method-assign]  # Flask's documented way
    return app


class Application:
    """The WSGI callable: endpoints, request ids, access lines, metrics and limits."""

    def __init__(
        self,
        config: ServiceConfig,
        workers: Workers,
        others: Callable[[Environ, StartResponse], Iterable[bytes]],
        metrics: Metrics,
        lifecycle: Lifecycle,
        access_log: AccessLog,
        tracer: Tracer | None,
    ) -> None:
        self._routes = {
            # WSGI has the path's UTF-8 bytes as Latin-1 characters.
            endpoint.endpoint.encode().decode("latin-1"): (number, endpoint)
            for number, endpoint in enumerate(config.endpoints)
        }
        self._max_bytes = int(config.max_body_mb * 1024 * 1024)
        self._timeout_seconds = config.request_timeout_seconds
        self._workers = workers
        self._others = others
        self._metrics = metrics
        self._lifecycle = lifecycle
        self._access_log = access_log
        self._tracer = tracer

    def __call__(self, environ: Environ, start_response: StartResponse) -> list[bytes]:
        """Answers one request."""
        exchange = Exchange.begin(environ)
        route = self._routes.get(environ["PATH_INFO"])
        with self._lifecycle:
            if route is None:
                status, headers, body = self._other(environ)
            else:
                exchange.endpoint = route[1].endpoint
                status, headers, body = self._endpoint(environ, exchange, *route)
            self._account(exchange, status, len(body))
        headers.append(("X-Request-Id", exchange.request_id))
        start_response(_STATUS_LINES.get(status) or f"{status} Unknown", headers)
        return [b"" if exchange.method == "HEAD" else body]

    def _endpoint(
        self, environ: Environ, exchange: Exchange, number: int, endpoint: Endpoint
    ) -> tuple[int, Headers, bytes]:
        try:
            reply = self._reply(environ, exchange, number, endpoint)
            more: Headers = []
        except Problem as problem:
            exchange.error = problem.error
            body = problem_body(problem, exchange.request_id)
            reply = Reply(problem.status, JSON, body)
            more = list(problem.headers.items())
        if reply.status == 500:
            exchange.error = "function-failed"
        headers = [("Content-Type", reply.content_type), ("Content-Length", str(len(reply.body)))]
        return reply.status, headers + more, reply.body

    def _reply(
        self, environ: Environ, exchange: Exchange, number: int, endpoint: Endpoint
    ) -> Reply:
        method = exchange.method
        if method not in endpoint.methods and not (method == "HEAD" and "GET" in endpoint.methods):
            allowed = ", ".join(endpoint.methods)
            detail = f"{endpoint.endpoint} answers {allowed}"
            raise Problem(405, "method-not-allowed", detail, {"Allow": allowed})
        if self._lifecycle.draining:
            headers = {"Retry-After": "1", "Connection": "close"}
            raise Problem(503, "stopping", "the service is stopping", headers)
        body = read_body(environ, self._max_bytes, self._timeout_seconds)
        exchange.bytes_in = len(body)
        return self._workers.call(number, exchange.request_id, body)

    def _other(self, environ: Environ) -> tuple[int, Headers, bytes]:
        """The reply of Flask, whole."""
        answered: list[tuple[str, Headers]] = []

        def start_response(status: str, headers: Headers, exc_info: object = None) -> None:
            answered.append((status, headers))

        body = b"".join(self._others(environ, start_response))
        status, headers = answered[-1]
        return int(status[:3]), headers, body

    def _is_readiness(self, exchange: Exchange) -> bool:
        """Whether it is our own probe that answers "not ready", which is no error."""
        return exchange.path == READINESS and exchange.endpoint != READINESS

    def _account(self, exchange: Exchange, status: int, bytes_out: int) -> None:
        seconds = exchange.seconds()
        method = exchange.method if exchange.method in _COUNTED_METHODS else "other"
        self._metrics.request(exchange.endpoint, method, status, seconds)
        if status >= 500 and not self._is_readiness(exchange):
            self._metrics.error(exchange.endpoint, exchange.error or "internal")
        if self._tracer is not None:
            self._tracer.record(exchange, status)
        self._access_log.add(exchange, status, seconds, bytes_out)
