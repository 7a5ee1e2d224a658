"""Where metrics go, and who is told."""

from liminal.compiler.link.context import Context
from liminal.compiler.link.values import settings, strings
from liminal.compiler.nodes import Map
from liminal.model import AlertsBackend, MetricsBackend
from liminal.plugins import PluginError
from liminal.suggest import misspelt

_OLD_BACKENDS = {"cloudwatch": "aws_cloudwatch"}
"""What Apache Liminal called a backend -> the type that it is today."""


def metrics(layer: Map, context: Context) -> tuple[MetricsBackend, ...]:
    """The layer's metrics backends."""
    found = []
    entries = layer.mapping("monitoring").sequence("metrics_backends")
    for entry in context.unique(entries, "metrics_backend"):
        backend = _metrics_backend(entry, entry.text("metrics_backend") or "", context)
        if backend:
            found.append(backend)
    return tuple(found)


def pipeline_metrics(pipeline: Map, context: Context) -> tuple[MetricsBackend, ...]:
    """The backends of one pipeline: those it names in the old form, else all of the layer's."""
    old = pipeline.mapping("metrics")
    names = strings(old, "backends")
    if not names:
        return context.metrics
    found = []
    by_name = {backend.name: backend for backend in context.metrics}
    for name in names:
        type_name = _OLD_BACKENDS.get(name, name)
        if name in by_name:
            found.append(by_name[name])
        elif type_name in context.plugins.names("liminal.metrics"):
            found.append(
                MetricsBackend(
                    name=name,
                    type=type_name,
                    origin=old.at("backends"),
                    settings={"namespace": old.string("namespace") or "Liminal"},
                )
            )
        else:
            known = {*by_name, *context.plugins.names("liminal.metrics")}
            context.unknown("metrics-backend", name, known, old.at("backends"))
    return tuple(found)


def alerts(layer: Map, context: Context) -> tuple[AlertsBackend, ...]:
    """The layer's alerts backends, each of which may watch a metrics backend."""
    found = []
    known = {backend.name for backend in context.metrics}
    entries = layer.mapping("monitoring").sequence("alerts_backends")
    for entry in context.unique(entries, "alerts_backend"):
        watched = entry.string("metrics_backend")
        if watched is not None and watched not in known:
            context.unknown("metrics-backend", watched, known, entry.at("metrics_backend"))
        type_name = entry.string("type") or ""
        try:
            keys = context.plugins.load("liminal.alerts", type_name).properties
        except PluginError as problem:
            context.error("plugin", str(problem), entry.at("type"))
            continue
        found.append(
            AlertsBackend(
                name=entry.text("alerts_backend") or "",
                type=type_name,
                metrics_backend=watched,
                origin=entry.origin,
                settings=settings(entry, keys),
            )
        )
    return tuple(found)


def _metrics_backend(entry: Map, name: str, context: Context) -> MetricsBackend | None:
    type_name = entry.string("type") or ""
    try:
        backend = context.plugins.metrics(type_name)
    except PluginError as problem:
        context.error("plugin", str(problem), entry.at("type"))
        return None
    for key in backend.required:
        if key not in entry and not misspelt(key, entry):
            message = f'metrics backend "{name}" has no "{key}"'
            context.error("missing-key", message, entry.origin, f'add "{key}: …"')
    return MetricsBackend(
        name=name,
        type=type_name,
        origin=entry.origin,
        settings=settings(entry, backend.properties),
    )
