"""A compiled application -> its release: every file of it, and the hash that names it. Pure."""

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import yaml

from liminal.compiler.nodes import Map, Seq, Value
from liminal.deploy.layout import as_record
from liminal.model import App, Pipeline
from liminal.origin import Origin
from liminal.plan.dag import PipelinePlan, TaskPlan, pipeline_plan
from liminal.plan.serial import CompiledPipeline, Source, as_json
from liminal.plugins import Plugins

_HASH_DIGITS = 16

# What is shown on Airflow's pages is for everybody who may look at them. Source: Airflow 3.3,
# `airflow/sdk/_shared/secrets_masker`, DEFAULT_SENSITIVE_FIELDS.
_SENSITIVE = re.compile(
    "access_?key|api_?key|passphrase|passw|private_?key|secret_|_secret|token", re.I
)
_HIDDEN = "***"


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One state of an application.

    Attributes:
        hash: of everything in it.
        plans: pipeline -> its compiled form, as a file holds it; by name.
        hashes: pipeline -> the hash of that.
    """

    app: str
    hash: str
    plans: Mapping[str, bytes]
    hashes: Mapping[str, str]

    def manifest(self) -> bytes:
        """The content of ``release.json``."""
        return as_record({"app": self.app, "pipelines": dict(sorted(self.hashes.items()))})


def release(
    app: App,
    documents: Iterable[Map],
    resolved: Map,
    plugins: Plugins,
    engine: str,
    reference: Callable[[str, str], str],
    picture: Callable[[PipelinePlan], str],
) -> Release:
    """The release of the application.

    Args:
        app: compiled.
        documents: the layers as they were read.
        resolved: the application with its parents, defaults and variables in place.
        plugins: the types that are installed.
        engine: the one that tasks without an executor run on.
        reference: type of an executor and name of an image -> what its tasks run the image by.
        picture: the graph of a pipeline, in Mermaid's words.
    """
    written = _by_name(_layer(documents, app.name), "pipelines", "pipeline")
    complete = _by_name(resolved, "pipelines", "pipeline")
    plans = {
        pipeline.name: as_json(
            _compiled(
                app,
                pipeline,
                _deployed(app, pipeline_plan(app, pipeline, plugins), engine, reference),
                written.get(pipeline.name),
                complete.get(pipeline.name, Map(pipeline.origin)),
                plugins,
                picture,
            )
        ).encode()
        for pipeline in sorted(app.pipelines, key=lambda one: one.name)
    }
    hashes = {name: _hash(plan) for name, plan in plans.items()}
    whole = "".join(f"{name} {plan}\n" for name, plan in hashes.items())
    return Release(app=app.name, hash=_hash(whole.encode()), plans=plans, hashes=hashes)


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:_HASH_DIGITS]


def _compiled(
    app: App,
    pipeline: Pipeline,
    plan: PipelinePlan,
    written: Map | None,
    complete: Map,
    plugins: Plugins,
    picture: Callable[[PipelinePlan], str],
) -> CompiledPipeline:
    tasks = {
        name: task
        for key in ("before_tasks", "tasks", "after_tasks")
        for name, task in _by_name(complete, key, "task").items()
    }
    return CompiledPipeline(
        plan=plan,
        source=Source(
            origin=_relative(app, pipeline.origin),
            text=_as_yaml(complete if written is None else written),
        ),
        tasks={
            task.name: Source(
                origin=_relative(app, task.origin), text=_as_yaml(tasks.get(task.name))
            )
            for task in pipeline.tasks
        },
        operators=_operators(plan, plugins),
        picture=picture(plan),
    )


def _operators(plan: PipelinePlan, plugins: Plugins) -> Mapping[str, str]:
    """Type of an executor -> its operator; a type that has none is not in it."""
    types = sorted({task.executor for task in plan.tasks if task.executor is not None})
    found = {name: getattr(plugins.executor(name), "operator", None) for name in types}
    return {name: operator for name, operator in found.items() if operator is not None}


def _deployed(
    app: App, plan: PipelinePlan, engine: str, reference: Callable[[str, str], str]
) -> PipelinePlan:
    """The plan as another machine can use it."""
    backends = (replace(backend, origin=_relative(app, backend.origin)) for backend in plan.metrics)
    tasks = (_placed(task, engine, reference) for task in plan.tasks)
    return replace(plan, metrics=tuple(backends), tasks=tuple(tasks))


def _placed(task: TaskPlan, engine: str, reference: Callable[[str, str], str]) -> TaskPlan:
    """The task with an executor, and its image by what it is to be run by."""
    if task.container is None:
        return task
    executor = task.executor or engine
    container = replace(task.container, image=reference(executor, task.container.image))
    return replace(task, container=container, executor=executor)


def _relative(app: App, origin: Origin) -> Origin:
    """The same place, seen from the application's folder; the same wherever that lies."""
    if not os.path.isfile(origin.file):  # the built-in layer
        return Origin(origin.file, origin.line, origin.column)
    file = os.path.relpath(os.path.abspath(origin.file), app.folder)
    return Origin(file.replace(os.sep, "/"), origin.line, origin.column)


def _layer(documents: Iterable[Map], name: str) -> Map:
    found = (layer for layer in documents if layer.string("name") == name)
    return next(found, Map(Origin("", 1, 1)))


def _by_name(entry: Map, key: str, name: str) -> dict[str, Map]:
    items = (item for item in entry.sequence(key) if isinstance(item, Map))
    return {called: item for item in items if (called := item.text(name)) is not None}


def _as_yaml(value: Value) -> str:
    plain = _plain(value)
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=100) if plain else ""


def _plain(value: Value) -> object:
    if isinstance(value, Map):
        return {
            key: _HIDDEN if isinstance(item, str) and _SENSITIVE.search(key) else _plain(item)
            for key, item in value.items()
        }
    if isinstance(value, Seq):
        return [_plain(item) for item in value]
    return value
