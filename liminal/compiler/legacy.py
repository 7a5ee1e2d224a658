"""Documents written for Apache Liminal -> the same in today's keys."""

from liminal.compiler.merge import maps
from liminal.compiler.nodes import Map, Place, Value


def modernize(root: Map) -> Map:
    """The layer with ``env`` as ``env_vars``, and each service's name in its key ``service``."""
    entries: list[tuple[str, Value, Place]] = []
    if "pipelines" in root:
        pipelines = root.sequence("pipelines").each(_pipeline)
        entries.append(("pipelines", pipelines, root.places["pipelines"]))
    if "services" in root:
        services = root.sequence("services").each(_service)
        entries.append(("services", services, root.places["services"]))
    if "pipeline_defaults" in root:
        defaults = _pipeline(root.mapping("pipeline_defaults"))
        entries.append(("pipeline_defaults", defaults, root.places["pipeline_defaults"]))
    if "service_defaults" in root:
        defaults = _env_vars(root.mapping("service_defaults"))
        entries.append(("service_defaults", defaults, root.places["service_defaults"]))
    if "task_defaults" in root:
        by_type = root.mapping("task_defaults")
        renamed = by_type.with_entries(
            (kind, _env_vars(by_type.mapping(kind)), by_type.places[kind])
            for kind, value in by_type.items()
            if isinstance(value, Map)
        )
        entries.append(("task_defaults", renamed, root.places["task_defaults"]))
    return root.with_entries(entries)


def _pipeline(pipeline: Map) -> Map:
    return pipeline.with_entries(
        (key, tasks, pipeline.places[key])
        for key in ("before_tasks", "tasks", "after_tasks")
        if key in pipeline
        for before in (pipeline.sequence(key),)
        for tasks in (before.each(_env_vars),)
        if tasks is not before
    )


def _service(service: Map) -> Map:
    service = _env_vars(service)
    if "name" not in service:
        return service
    if service.text("service"):
        return service.without("name")
    named = service.with_entries([("service", service["name"], service.places["name"])])
    return named.without("name")


def _env_vars(entry: Map) -> Map:
    if "env" not in entry:
        return entry
    merged = maps(entry.mapping("env"), entry.mapping("env_vars"))
    place = entry.places.get("env_vars", entry.places["env"])
    return entry.without("env", "env_vars").with_entries([("env_vars", merged, place)])
