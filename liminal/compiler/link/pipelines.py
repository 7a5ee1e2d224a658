"""Pipelines: the order of their tasks, and what a run is made of."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from liminal.compiler.defaults import TASK_LISTS
from liminal.compiler.graph import chain, ordered
from liminal.compiler.link.context import Context
from liminal.compiler.link.dates import dates
from liminal.compiler.link.default_args import check_default_args
from liminal.compiler.link.monitoring import pipeline_metrics
from liminal.compiler.link.params import check_params
from liminal.compiler.link.placeholders import check_placeholders
from liminal.compiler.link.schedules import schedule
from liminal.compiler.link.tasks import task
from liminal.compiler.link.values import frozen, strings
from liminal.compiler.nodes import Map
from liminal.model import Pipeline, Setting, Task


def pipelines(layer: Map, context: Context) -> tuple[Pipeline, ...]:
    """The layer's pipelines in the order of the file."""
    entries = context.unique(layer.sequence("pipelines"), "pipeline")
    return tuple(_pipeline(entry, layer, context) for entry in entries)


def _pipeline(entry: Map, layer: Map, context: Context) -> Pipeline:
    params = {name: _mapping(frozen(value)) for name, value in entry.mapping("params").items()}
    tasks = _tasks(entry, context)
    runs_by = schedule(entry, context)
    span = dates(entry, context)
    check_params(entry, runs_by is not None, context)
    check_default_args(entry, context)
    check_placeholders(entry, tasks, frozenset(params), context)
    return Pipeline(
        name=entry.text("pipeline") or "",
        origin=entry.at("pipeline"),
        tasks=tuple(made for _, made in tasks),
        description=entry.string("description"),
        owner=entry.string("owner") or layer.string("owner"),
        tags=strings(entry, "tags"),
        schedule=runs_by,
        start_date=span.start_date,
        end_date=span.end_date,
        timezone=span.timezone,
        timeout_minutes=entry.number("timeout_minutes"),
        catchup=entry.flag("catchup") or False,
        max_active_runs=entry.integer("max_active_runs"),
        depends_on_past=entry.flag("depends_on_past") or False,
        default_args=_mapping(frozen(entry.mapping("default_args"))),
        params=params,
        metrics=pipeline_metrics(entry, context),
    )


def _mapping(value: Setting) -> Mapping[str, Setting]:
    return value if isinstance(value, Mapping) else {}


def _tasks(pipeline: Map, context: Context) -> list[tuple[Map, Task]]:
    """Each task with its entry, in the order of the file."""
    entries = [
        (key, entry) for key in TASK_LISTS for entry in _unique_tasks(pipeline, key, context)
    ]
    names = {entry.text("task") or "": entry for _, entry in entries}
    needs = _needs(entries)
    for entry in names.values():
        for upstream, origin in entry.sequence("depends_on").texts():
            if upstream not in names:
                own = entry.text("task") or ""
                context.unknown("task", upstream, names, origin, besides=own)
    _, cycles = ordered(needs)
    for cycle in cycles:
        origin = names[cycle[0]].at("depends_on")
        context.error("task-cycle", f"tasks depend on each other: {chain(cycle)}", origin)
    always_run = pipeline.flag("always_run") or False
    found = []
    for _, entry in entries:
        name = entry.text("task") or ""
        known = [need for need in needs[name] if need in names]
        made = _task(entry, known, always_run, context)
        if made is not None:
            found.append((entry, made))
    return found


def _task(entry: Map, depends_on: Sequence[str], always_run: bool, context: Context) -> Task | None:
    """The task; one that a layer puts around all its pipelines is made once, and then copied."""
    key = (id(entry), always_run)
    if key not in context.tasks:
        context.tasks[key] = (entry, task(entry, depends_on, always_run, context))
    made = context.tasks[key][1]
    if made is None or made.depends_on == tuple(depends_on):
        return made
    return replace(made, depends_on=tuple(depends_on))


def _unique_tasks(pipeline: Map, key: str, context: Context) -> Iterator[Map]:
    met = {
        entry.text("task"): entry
        for earlier in TASK_LISTS[: TASK_LISTS.index(key)]
        for entry in pipeline.sequence(earlier).mappings()
    }
    for entry in context.unique(pipeline.sequence(key), "task"):
        first = met.get(entry.text("task"))
        if first is None:
            yield entry
            continue
        context.error(
            "duplicate-task",
            f'pipeline "{pipeline.text("pipeline")}" has a second task "{entry.text("task")}"; '
            f"the first is at {first.at('task')}",
            entry.at("task"),
            'the base layer adds "start" and "end"' if first.origin.file == "base layer" else None,
        )


def _needs(entries: list[tuple[str, Map]]) -> dict[str, list[str]]:
    """Task -> the tasks directly before it.

    Without ``depends_on`` that is the task above. The first task of each list, and one that says
    ``depends_on: []``, come after everything in the lists before: what a layer puts before a
    pipeline's own tasks is done before any of them.
    """
    needs: dict[str, list[str]] = {}
    barrier: list[str] = []
    current = ""
    previous: str | None = None
    for key, entry in entries:
        name = entry.text("task") or ""
        if key != current:
            barrier = _leaves(needs)
            current, previous = key, None
        named = [upstream for upstream, _ in entry.sequence("depends_on").texts()]
        if not named:
            alone = previous is None or "depends_on" in entry
            named = barrier if alone else [previous or ""]
        needs[name] = named
        previous = name
    return needs


def _leaves(needs: Mapping[str, list[str]]) -> list[str]:
    needed = {name for names in needs.values() for name in names}
    return [name for name in needs if name not in needed]
