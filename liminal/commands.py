"""What the commands do between their options and their reports."""

import contextlib
import os
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from liminal.errors import BuildError, UsageError
from liminal.home import Home
from liminal.images.build import Result, build_all
from liminal.images.engines import BuiltImage, Engine, EngineType
from liminal.images.events import Report
from liminal.model import App
from liminal.plan.dag import PipelinePlan, TaskPlan, pipeline_plan
from liminal.plan.images import ImagePlan, image_plans
from liminal.plan.services import ServicePlan, service_plans
from liminal.plugins import PluginError, Plugins, UnknownType
from liminal.suggest import nearest

if TYPE_CHECKING:
    from liminal.compiler import Compilation
    from liminal.deploy.release import Release
    from liminal.runners import Machine

Named = TypeVar("Named")


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    """This machine, as the command found it: read once, at the edge.

    Attributes:
        user_home: what ``~`` stands for.
    """

    home: Home
    environ: Mapping[str, str]
    user_home: Path
    plugins: Plugins

    def machine(self, images: Mapping[str, Mapping[str, BuiltImage]], engine: str) -> "Machine":
        """What a runner needs to know of it.

        Args:
            images: engine -> name -> image.
            engine: the one for tasks that have no executor.
        """
        from liminal.runners import Machine  # with asyncio, which a build has no use for

        return Machine(
            home=self.home,
            images=images,
            engine=engine,
            environ=self.environ,
            user_home=self.user_home,
        )


AUTOMATIC = ("docker", "local")
"""The engines that ``auto`` tries, in this order: the last one works everywhere."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The engine that a command works with.

    Attributes:
        because: why ``auto`` took it, in words; None where the user named it.
    """

    name: str
    because: str | None = None


def choose_engine(name: str, here: Here) -> Choice:
    """The engine of that name; of ``auto``, the first that works here.

    Raises:
        UsageError: there is no such engine, or it does not load.
    """
    if name != "auto":
        _engine_type(name, here)
        return Choice(name)
    reasons = []
    for candidate in AUTOMATIC[:-1]:
        reason = _engine_type(candidate, here).refusal(here.environ)
        if reason is None:
            return Choice(candidate, "an engine answers; --engine local does without")
        reasons.append(reason)
    return Choice(AUTOMATIC[-1], "; ".join(reasons))


def open_engine(name: str, here: Here) -> Engine[BuiltImage]:
    """The engine of that name, at work on this machine.

    Raises:
        UsageError: there is no such engine, or it does not load.
    """
    kind = _engine_type(name, here)
    return kind.open(home=here.home, environ=here.environ, plugins=here.plugins)


def named_images(here: Here) -> dict[str, Mapping[str, str]]:
    """Engine -> name -> hash, of the images that were built; none of an engine that is down.

    Of the local engine, and of the one that builds are for where that is another.
    """
    found: dict[str, Mapping[str, str]] = {}
    with contextlib.suppress(UsageError):  # LIMINAL_ENGINE names none; other commands say so
        chosen = choose_engine(here.environ.get("LIMINAL_ENGINE", "auto"), here).name
        for name in dict.fromkeys(("local", chosen)):
            with contextlib.suppress(BuildError):
                found[name] = open_engine(name, here).named()
    return found


def _engine_type(name: str, here: Here) -> EngineType:
    try:
        return cast(EngineType, here.plugins.load("liminal.engines", name))
    except UnknownType as problem:
        hint = f"known: {', '.join(('auto', *problem.known))}"
        raise UsageError(f'no engine is named "{name}"', hint=hint) from problem
    except PluginError as problem:
        hint = "mend or remove the package that it came with, or choose another --engine"
        raise UsageError(str(problem), hint=hint) from problem


def build_images(
    images: Iterable[ImagePlan],
    engine: Engine[BuiltImage],
    jobs: int | None,
    report: Report,
    *,
    push: bool = False,
) -> tuple[Result[BuiltImage], ...]:
    """Builds the images side by side, and gives their results in the order of their names."""
    ordered = sorted(images, key=lambda image: image.image.name)
    return build_all(ordered, engine, jobs or os.cpu_count() or 1, report, push=push)


def built(results: Iterable[Result[BuiltImage]]) -> dict[str, BuiltImage]:
    """Name -> image.

    Raises:
        BuildError: one of them could not be built.
    """
    images = {}
    for result in results:
        if result.error is not None:
            raise result.error
        if result.built is not None:
            images[result.built.name] = result.built
    return images


def recovered(here: Here, engine: str) -> tuple[str, ...]:
    """Cleans up after runs and services whose command was killed; says what was found."""
    # Loaded here and not above, because only `liminal prune` needs it.
    import asyncio

    from liminal.runners.embedded.recovery import recover

    return asyncio.run(recover(here.machine({}, engine), here.plugins))


def all_images(
    apps: Iterable[App], names: Sequence[str] = (), no_cache: bool = False
) -> list[ImagePlan]:
    """The images of the applications, or those of them that are named.

    Raises:
        UsageError: one is named that no application builds.
    """
    plans = {plan.image.name: plan for app in apps for plan in image_plans(app)}
    chosen = [_named("image", name, plans) for name in names] if names else list(plans.values())
    if no_cache:
        return [replace(plan, image=replace(plan.image, no_cache=True)) for plan in chosen]
    return chosen


def find_pipeline(apps: Iterable[App], name: str | None, plugins: Plugins) -> PipelinePlan:
    """The pipeline of that name, or the only one there is.

    Raises:
        UsageError: there is none of that name, or several, or several and none was named.
    """
    found = [(app.name, one.name, (app, one)) for app in apps for one in app.pipelines]
    app, pipeline = _chosen("pipeline", name, found)
    return pipeline_plan(app, pipeline, plugins)


def find_service(apps: Iterable[App], name: str | None) -> ServicePlan:
    """The service of that name, or the only one there is.

    Raises:
        UsageError: there is none of that name, or several, or several and none was named.
    """
    found = [(app.name, plan.service, plan) for app in apps for plan in service_plans(app)]
    return _chosen("service", name, found)


def images_of(app: str, apps: Iterable[App], names: Container[str]) -> list[ImagePlan]:
    """Those of the named images that this application builds.

    Another application may have an image of the same name, with other code.
    """
    own = all_images(one for one in apps if one.name == app)
    return [image for image in own if image.image.name in names]


def images_by_engine(
    tasks: Iterable[TaskPlan], engine: str, plugins: Plugins
) -> Mapping[str, frozenset[str]]:
    """Engine -> the names of the images that these tasks need of it.

    Args:
        tasks: those that will run.
        engine: the one for tasks that have no executor; it is always in the answer.
        plugins: the types that are installed: an executor that is named like an engine runs what
            that engine built.
    """
    engines = plugins.names("liminal.engines")
    wanted: dict[str, set[str]] = {engine: set()}
    for task in tasks:
        needs = task.executor or engine
        if task.container is not None and needs in engines:
            wanted.setdefault(needs, set()).add(task.container.image)
    return {name: frozenset(images) for name, images in wanted.items()}


def references_of(
    apps: Iterable[App], engine: str, here: Here, tell: Callable[[str], None]
) -> dict[str, str]:
    """Name of an image -> what a container of just this content is started by.

    Args:
        apps: the applications to be deployed.
        engine: the one that tasks without an executor run on; only containers have references.
        here: this machine, on which the images were built.
        tell: takes what the user should know.
    """
    plans = all_images(apps)
    if engine != "docker" or not plans:
        return {}
    found = {}
    try:
        opened = open_engine(engine, here)
        for plan in plans:
            built = opened.find(plan)
            if built is not None and built.reference is not None:
                found[plan.image.name] = built.reference
            else:
                tell(
                    f'image "{plan.image.name}" is not built as it is now: deployed tasks run '
                    'whatever its name stands for; "liminal build" first pins them to this content'
                )
    except BuildError as problem:
        tell(f"images are deployed by their names: {problem.message}")
    return found


def releases(
    compilation: "Compilation", plugins: Plugins, engine: str, references: Mapping[str, str]
) -> "tuple[Release, ...]":
    """What is to be deployed of the applications, by name.

    Args:
        compilation: of the project.
        plugins: the types that are installed.
        engine: the one that tasks without an executor run on.
        references: name of an image -> what the docker executor runs it by. An image that is not
            among them is run by its name, so that a task gets what was last built of it.

    Raises:
        ConfigurationError: there are errors among the findings; nothing may change then.
        UsageError: a task's executor has no operator for Airflow.
    """
    # With the report and the serial form, which no other command needs.
    from liminal.deploy.release import release
    from liminal.report.graph import graph
    from liminal.report.graph_mermaid import as_mermaid

    apps = compilation.required_apps()
    _check_operators(apps, plugins)
    documents = [one.root for one in compilation.documents if one.root is not None]
    resolved = {layer.string("name"): layer for layer in compilation.resolved}
    return tuple(
        release(
            app,
            documents,
            resolved[app.name],
            plugins,
            engine,
            lambda executor, name: references.get(name, name) if executor == "docker" else name,
            lambda plan: as_mermaid(graph(plan)),
        )
        for app in apps
    )


def _check_operators(apps: Iterable[App], plugins: Plugins) -> None:
    """Refuses what would only be an import error in Airflow."""
    found = []
    for app in apps:
        types = {executor.name: executor.type for executor in app.executors}
        for pipeline in app.pipelines:
            for task in pipeline.tasks:
                kind = types.get(task.executor or "")
                if kind is None or not plugins.task(task.type).container:
                    continue
                if getattr(plugins.executor(kind), "operator", None) is None:
                    found.append(
                        f'{task.origin}: task "{task.name}" cannot be deployed: its executor '
                        f'"{task.executor}" is of type "{kind}", which has no operator yet'
                    )
    if found:
        raise UsageError("\n".join(found), hint="take an executor of type local or docker")


def parse_variables(pairs: Iterable[str]) -> dict[str, str]:
    """``K=V`` words as a mapping.

    Raises:
        UsageError: a word has no ``=``.
    """
    variables = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise UsageError(f'--var "{pair}" is not NAME=VALUE')
        variables[name] = value
    return variables


def now() -> datetime:
    """The present moment, in UTC."""
    return datetime.now(timezone.utc)


def _chosen(kind: str, name: str | None, found: Sequence[tuple[str, str, Named]]) -> Named:
    """The one of that name, or the only one, of (application, name, thing)."""
    if name is None:
        if not found:
            raise UsageError(f"the project has no {kind}")
        names = sorted({called for _, called, _ in found})
        if len(names) > 1:
            raise UsageError(
                f"the project has {len(names)} {kind}s; name one", hint=", ".join(names)
            )
        name = names[0]
    by_name: dict[str, list[tuple[str, Named]]] = {}
    for app, called, thing in found:
        by_name.setdefault(called, []).append((app, thing))
    meant = _named(kind, name, by_name)
    if len(meant) > 1:
        owners = " and ".join(f'"{app}"' for app, _ in meant)
        raise UsageError(
            f'the applications {owners} have a {kind} named "{name}" each',
            hint="name the folder of the application as PATH",
        )
    return meant[0][1]


def _named(kind: str, name: str, found: Mapping[str, Named]) -> Named:
    if name in found:
        return found[name]
    known = sorted(found)
    meant = nearest(name, known)
    question = f'; did you mean "{meant}"?' if meant else ""
    hint = f"known: {', '.join(known)}" if known and not meant else None
    raise UsageError(f'no {kind} is named "{name}"{question}', hint=hint)
