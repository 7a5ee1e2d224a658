"""A complete document -> App: every name that refers to something is followed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from liminal.compiler.link.context import Context
from liminal.compiler.link.crons import Crons
from liminal.compiler.link.images import images
from liminal.compiler.link.keys import check_keys
from liminal.compiler.link.monitoring import alerts, metrics
from liminal.compiler.link.pipelines import pipelines
from liminal.compiler.link.services import services
from liminal.compiler.link.storage import secrets, volumes
from liminal.compiler.link.values import settings
from liminal.compiler.nodes import Map
from liminal.compiler.variables import flat, text
from liminal.errors import Diagnostic
from liminal.model import App, Executor
from liminal.plugins import PluginError, Plugins


@dataclass(frozen=True, slots=True, kw_only=True)
class Linked:
    """What linking made of one layer.

    Attributes:
        consulted: the files and folders that the findings depend on, beside the layers -> the
            state of each before it was read.
    """

    app: App
    findings: tuple[Diagnostic, ...]
    consulted: Mapping[Path, list[str | int]]


def link(
    layer: Map,
    plugins: Plugins,
    folder_of: Callable[[str], str],
    environ_names: frozenset[str],
    crons: Crons,
) -> Linked:
    """The application that the layer describes, and the findings about its references.

    Args:
        layer: an application that the schema allows, complete with defaults and variables.
        plugins: the types that are installed.
        folder_of: the absolute folder of a file that an Origin names.
        environ_names: the names of the environment's variables, which a run may use.
        crons: judges schedules, each once for all applications.
    """
    context = Context(
        plugins=plugins, folder_of=folder_of, environ_names=environ_names, crons=crons
    )
    context.variables = {name: text(value) for name, value, _ in flat(layer.mapping("variables"))}
    context.variable_maps = layer.mapping("variables")
    context.executors = {one.name: one for one in _executors(layer, context)}
    context.volumes = {one.name: one for one in volumes(layer, context)}
    context.secrets = {one.name: one for one in secrets(layer, context)}
    context.images = {one.name: one for one in images(layer, context)}
    context.metrics = metrics(layer, context)
    app = App(
        name=layer.text("name") or "",
        folder=folder_of(layer.origin.file),
        origin=layer.at("name"),
        owner=layer.string("owner"),
        variables=context.variables,
        images=tuple(sorted(context.images.values(), key=lambda image: image.name)),
        pipelines=pipelines(layer, context),
        services=services(layer, context),
        executors=tuple(context.executors.values()),
        volumes=tuple(context.volumes.values()),
        secrets=tuple(context.secrets.values()),
        alerts=alerts(layer, context),
    )
    return Linked(app=app, findings=tuple(context.findings), consulted=context.consulted)


def _executors(layer: Map, context: Context) -> list[Executor]:
    found = []
    for entry in context.unique(layer.sequence("executors"), "executor"):
        type_name = entry.string("type") or ""
        try:
            type_ = context.plugins.executor(type_name)
        except PluginError as problem:
            context.error("plugin", str(problem), entry.at("type"))
            continue
        check_keys(entry, f'executor "{entry.text("executor")}"', type_, context)
        found.append(
            Executor(
                name=entry.text("executor") or "",
                type=type_name,
                origin=entry.origin,
                settings=settings(entry, type_.properties),
            )
        )
    return found
