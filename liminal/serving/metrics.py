"""`/metrics`: what the service did, for Prometheus."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.core import InfoMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# From a linear model's answer to a large model's; upper bounds in seconds.
_BUCKETS = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
)


class Metrics:
    """The counters of one service. The front is one process, so they are simply its own."""

    def __init__(self) -> None:
        # A time of making for every line: nobody asks for it.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # untyped upstream
        self.registry = CollectorRegistry()
        prefix = "liminal_serving"
        self._requests = Counter(
            f"{prefix}_requests",
            "Requests answered.",
            ("endpoint", "method", "status"),
            registry=self.registry,
        )
        self._errors = Counter(
            f"{prefix}_errors",
            "Requests answered with a 5xx status, by the error the client was told.",
            ("endpoint", "error"),
            registry=self.registry,
        )
        self._durations = Histogram(
            f"{prefix}_request_duration_seconds",
            "From the first byte to the answer.",
            ("endpoint",),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._replacements = Counter(
            f"{prefix}_worker_replacements",
            "Workers replaced, by reason.",
            ("reason",),
            registry=self.registry,
        )
        # labels() checks its arguments anew on every call, which costs more than the counting.
        self._known_requests: dict[tuple[str, str, int], Counter] = {}
        self._known_durations: dict[str, Histogram] = {}

    def request(self, endpoint: str, method: str, status: int, seconds: float) -> None:
        """Counts one answered request."""
        key = (endpoint, method, status)
        counter = self._known_requests.get(key)
        if counter is None:
            counter = self._known_requests[key] = self._requests.labels(*key)
        counter.inc()
        histogram = self._known_durations.get(endpoint)
        if histogram is None:
            histogram = self._known_durations[endpoint] = self._durations.labels(endpoint)
        histogram.observe(seconds)

    def error(self, endpoint: str, error: str) -> None:
        """Counts one answer with a 5xx status."""
        self._errors.labels(endpoint, error).inc()

    def worker_replaced(self, reason: str) -> None:
        """Counts one replaced worker."""
        self._replacements.labels(reason).inc()

    def gauge(self, name: str, help_text: str, read: Callable[[], float]) -> None:
        """Adds a value that is read when somebody asks for the metrics."""
        Gauge(f"liminal_serving_{name}", help_text, registry=self.registry).set_function(read)

    def model_versions(self, read: Callable[[], bytes]) -> None:
        """Adds the models' versions, read as a JSON object by module."""
        self.registry.register(_ModelVersions(read))

    def text(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)


class _ModelVersions(Collector):
    def __init__(self, read: Callable[[], bytes]) -> None:
        self._read = read

    def describe(self) -> Iterable[Metric]:
        """Nothing, so that registering it asks no worker."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """One sample a module."""
        family = InfoMetricFamily(
            "liminal_serving_model",
            "The model's version, as the module tells it.",
            labels=["module"],
        )
        for module, version in sorted(json.loads(self._read()).items()):
            family.add_metric([module], {"version": version})
        yield family
