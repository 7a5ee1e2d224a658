"""A resolved document -> the same with every default in its place.

Nothing is left to look up elsewhere: each pipeline has its complete list of tasks, and each task
and service all that its type, its pipeline and its layer say of it.
"""

from collections.abc import Mapping

from liminal.compiler.document import Refused
from liminal.compiler.merge import joined, maps
from liminal.compiler.nodes import Map, Place, Seq, Value
from liminal.compiler.schema import DEFAULT_TASK_TYPE
from liminal.errors import error

PIPELINE_MARKER = "pipeline"
"""The type of the entry of `pipeline_defaults.tasks` that stands for the pipeline's own tasks."""

TASK_LISTS = ("before_tasks", "tasks", "after_tasks")
"""The keys under which a complete pipeline holds its tasks, in the order in which they run."""

MAX_DEFAULTED_NODES, DEFAULTED_A_NAME = 300_000, 50
"""Nodes that defaults may add to any application, and for each pipeline, task and service more."""

_NOT_FOR_PIPELINES = (*TASK_LISTS, "description")


def apply(layer: Map, operator_keys: frozenset[str]) -> Map:
    """The layer with defaults merged into its pipelines, tasks and services.

    Args:
        layer: an application with its parents merged in.
        operator_keys: the keys of a pipeline that are defaults for each of its tasks.

    Raises:
        Refused: the defaults, repeated everywhere, go beyond a limit.
    """
    _check_growth(layer)
    entries: list[tuple[str, Value, Place]] = []
    if "pipelines" in layer:
        defaults = _Defaults(layer, operator_keys)
        pipelines = layer.sequence("pipelines").each(defaults.pipeline)
        entries.append(("pipelines", pipelines, layer.places["pipelines"]))
    if "services" in layer and "service_defaults" in layer:
        shared = layer.mapping("service_defaults").without("description")
        services = layer.sequence("services").each(lambda service: maps(shared, service))
        entries.append(("services", services, layer.places["services"]))
    return layer.with_entries(entries)


class _Defaults:
    """What a layer says for all of its pipelines."""

    def __init__(self, layer: Map, operator_keys: frozenset[str]) -> None:
        own = layer.mapping("pipeline_defaults")
        self._operator_keys = operator_keys
        self._around = _around(own)
        self._by_type: Mapping[str, Value] = layer.mapping("task_defaults")
        shared = own.without(*_NOT_FOR_PIPELINES)
        if "always_run" in layer and "always_run" not in shared:
            always = layer["always_run"]
            shared = shared.with_entries([("always_run", always, layer.places["always_run"])])
        self._shared = shared

    def pipeline(self, pipeline: Map) -> Map:
        """The pipeline with its own tasks and, in keys of their own, those around them."""
        complete = maps(self._shared, pipeline)
        for_tasks = complete.without(*(key for key in complete if key not in self._operator_keys))
        for_tasks = _default_retries(complete.mapping("default_args"), for_tasks)
        before, after = self._around
        entries: list[tuple[str, Value, Place]] = []
        for key, tasks in zip(TASK_LISTS, (before, pipeline.sequence("tasks"), after), strict=True):
            place = pipeline.places.get("tasks")
            if place is not None:
                complete_tasks = tasks.each(lambda task: self._task(task, for_tasks))
                entries.append((key, complete_tasks, place))
        return complete.with_entries(entries)

    def _task(self, task: Map, for_tasks: Map) -> Map:
        of_type = self._by_type.get(task.string("type") or DEFAULT_TASK_TYPE)
        if isinstance(of_type, Map):
            task = maps(of_type, task)
        return maps(for_tasks, task)


def _default_retries(arguments: Map, for_tasks: Map) -> Map:
    """With those that the pipeline gives in Airflow's words, where it gives none in ours."""
    entries: list[tuple[str, Value, Place]] = []
    retries, delay_seconds = arguments.integer("retries"), arguments.number("retry_delay")
    if retries is not None and retries >= 0 and "retries" not in for_tasks:
        entries.append(("retries", retries, arguments.places["retries"]))
    if delay_seconds is not None and delay_seconds >= 0 and "retry_delay_minutes" not in for_tasks:
        place = arguments.places["retry_delay"]
        entries.append(("retry_delay_minutes", delay_seconds / 60, place))
    return for_tasks.with_entries(entries) if entries else for_tasks


def _around(defaults: Map) -> tuple[Seq, Seq]:
    """The tasks before and after each pipeline's own, from all three keys that may hold some.

    Without a marker among `tasks`, all of those come before the pipeline's own.
    """
    before, after = Seq(defaults.origin), Seq(defaults.origin)
    tasks = defaults.sequence("tasks")
    part = before
    for task, place in zip(tasks, tasks.places, strict=True):
        if isinstance(task, Map) and task.string("type") == PIPELINE_MARKER:
            part = after
        else:
            part.put(task, place)
    return (
        joined(defaults.sequence("before_tasks"), before),
        joined(after, defaults.sequence("after_tasks")),
    )


def _check_growth(layer: Map) -> None:
    """Refuses what would be megabytes of tasks out of a few lines, before it is made."""
    of_type = {name: _size(value) for name, value in layer.mapping("task_defaults").items()}
    defaults = layer.mapping("pipeline_defaults")
    for_pipeline = _size(defaults) + sum(
        of_type.get(task.string("type") or DEFAULT_TASK_TYPE, 0)
        for key in TASK_LISTS
        for task in defaults.sequence(key).mappings()
    )
    for_service = _size(layer.mapping("service_defaults"))
    names = len(layer.sequence("services"))
    growth = for_service * names
    for pipeline in layer.sequence("pipelines").mappings():
        tasks = pipeline.sequence("tasks")
        names += 1 + len(tasks)
        growth += for_pipeline + sum(
            of_type.get(task.string("type") or DEFAULT_TASK_TYPE, 0) for task in tasks.mappings()
        )
    limit = MAX_DEFAULTED_NODES + DEFAULTED_A_NAME * names
    if growth > limit:
        largest = max(
            ("task_defaults", "pipeline_defaults", "service_defaults"),
            key=lambda section: _size(layer.mapping(section)),
        )
        raise Refused(
            error(
                "too-many-values",
                f"defaults expand to {growth:,} values over all pipelines, tasks and services",
                layer.at(largest),
                f"at most {limit:,} are allowed here",
            )
        )


def _size(value: Value) -> int:
    """The nodes of a value."""
    if isinstance(value, Map):
        return 1 + sum(map(_size, value.values()))
    return 1 + sum(map(_size, value)) if isinstance(value, Seq) else 1
