"""The paths that a service has by itself: health, metrics and documentation."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from .config import ServiceConfig
from .exchange import request_id_of
from .lifecycle import Lifecycle
from .metrics import CONTENT_TYPE, Metrics
from .openapi import openapi_document
from .problems import Problem, problem_body
from .results import JSON

if TYPE_CHECKING:
    from .app import Workers

logger = logging.getLogger(__name__)

READINESS = "/readyz"
OWN_PATHS = ("/healthz", READINESS, "/metrics", "/openapi.json", "/docs")


def add_own_paths(
    app: Flask, config: ServiceConfig, workers: Workers, metrics: Metrics, lifecycle: Lifecycle
) -> None:
    """Adds our paths to the application; a path of the user's wins over one of ours."""
    for path in collisions(config):
        logger.warning('the endpoint "%s" takes the place of the service\'s own path', path)

    @app.get("/healthz")
    def healthz() -> Response:
        """This process lives."""
        return Response(b'{"status":"ok"}', content_type=JSON)

    @app.get(READINESS)
    def readyz() -> Response:
        """Requests can be answered."""
        if lifecycle.draining:
            return Response(b'{"status":"stopping"}', 503, content_type=JSON)
        if not workers.ready():
            return Response(b'{"status":"not ready"}', 503, content_type=JSON)
        return Response(b'{"status":"ready"}', content_type=JSON)

    @app.get("/metrics")
    def metrics_text() -> Response:
        """What the service did."""
        return Response(metrics.text(), content_type=CONTENT_TYPE)

    @app.get("/openapi.json")
    def openapi() -> Response:
        """What the service takes and answers."""
        document = openapi_document(config, workers.descriptions())
        return Response(json.dumps(document), content_type=JSON)

    @app.get("/docs")
    def docs() -> Response:
        """A page on which to try the endpoints."""
        page = (Path(__file__).parent / "docs.html").read_bytes()
        return Response(page, content_type="text/html; charset=utf-8")

    app.register_error_handler(HTTPException, _http_problem)
    app.register_error_handler(Exception, _internal_problem)


def collisions(config: ServiceConfig) -> list[str]:
    """The endpoints that take one of our own paths."""
    return sorted(one.endpoint for one in config.endpoints if one.endpoint in OWN_PATHS)


def _http_problem(error: HTTPException) -> Response:
    status = error.code or 500
    word = error.name.lower().replace(" ", "-")
    return _response(
        Problem(status, word, f"{request.method} {request.path}: {error.name.lower()}")
    )


def _internal_problem(error: Exception) -> Response:
    logger.exception("%s %s failed", request.method, request.path)
    return _response(Problem(500, "internal", "the service itself failed; its log has more"))


def _response(problem: Problem) -> Response:
    body = problem_body(problem, request_id_of(request.environ))
    return Response(body, problem.status, problem.headers, content_type=JSON)
