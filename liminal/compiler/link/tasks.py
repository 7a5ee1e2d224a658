"""One task: its place in the pipeline, what it runs, and all that it refers to."""

import itertools
from collections.abc import Mapping, Sequence

from liminal.compiler.link.conditions import condition
from liminal.compiler.link.context import Context
from liminal.compiler.link.images import image_reference
from liminal.compiler.link.keys import check_keys
from liminal.compiler.link.mount_paths import check_mount_paths
from liminal.compiler.link.quantities import check_resources
from liminal.compiler.link.storage import mounts, secret_mounts
from liminal.compiler.link.values import env_vars, resources, settings, strings
from liminal.compiler.nodes import Map
from liminal.compiler.schema import DEFAULT_TASK_TYPE
from liminal.compiler.variables import flat, text
from liminal.model import Task, Text, TriggerRule
from liminal.plugins import PluginError, TaskType
from liminal.suggest import misspelt

MAX_COPIES = 1000
"""Parallel copies of one task; Airflow's own limit on mapped tasks is 1024."""
MAX_ALL_COPIES = 50_000
"""Parallel copies of all tasks of an application."""

DEFAULT_RETRY_DELAY_MINUTES = 5
OPERATOR_KEYS = frozenset(
    "pool pool_slots priority_weight weight_rule queue wait_for_downstream"
    " ignore_first_depends_on_past wait_for_past_depends_before_skipping max_active_tis_per_dag"
    " max_active_tis_per_dagrun retry_exponential_backoff task_display_name map_index_template"
    " doc_md".split()
)
"""Keys that are passed on to Airflow's operator; a pipeline may give defaults for them."""

_OPERATOR_KEYS = dict.fromkeys(sorted(OPERATOR_KEYS))
TASK_DEFAULT_KEYS = OPERATOR_KEYS | {"retries", "retry_delay_minutes"}
"""The keys of a pipeline that are defaults for each of its tasks."""


def task(entry: Map, depends_on: Sequence[str], always_run: bool, context: Context) -> Task | None:
    """The task, or None when its type does not load.

    Args:
        entry: complete with defaults.
        depends_on: the names of the tasks before it, whether it names them or not.
        always_run: whether the pipeline lets tasks run whatever happened before.
        context: what the layer defines, and where findings go.
    """
    type_name = entry.string("type") or DEFAULT_TASK_TYPE
    try:
        type_ = context.plugins.task(type_name)
    except PluginError as problem:
        context.error("plugin", str(problem), entry.at("type"))
        return None
    made = Task(
        name=entry.text("task") or "",
        type=type_name,
        origin=entry.origin,
        description=entry.string("description"),
        executor=entry.string("executor"),
        depends_on=tuple(depends_on),
        trigger_rule=_trigger_rule(entry, always_run),
        retries=entry.integer("retries") or 0,
        retry_delay_minutes=_retry_delay_minutes(entry),
        timeout_minutes=entry.number("timeout_minutes"),
        env_vars=env_vars(entry),
        variables=_variables(entry, context),
        when=condition(entry, context),
        image=image_reference(entry, context),
        cmd=text(cmd) if (cmd := entry.string("cmd")) is not None else None,
        mounts=mounts(entry, context),
        secrets=secret_mounts(entry, context),
        copies=_copies(entry, context),
        resources=resources(entry),
        outputs=strings(entry, "outputs"),
        do_xcom_push=entry.flag("do_xcom_push"),
        arguments=settings(entry, _OPERATOR_KEYS),
        settings=settings(entry, type_.properties),
    )
    _check(entry, made, type_, context)
    return made


def _trigger_rule(entry: Map, always_run: bool) -> TriggerRule:
    default = TriggerRule.ALL_DONE if always_run else TriggerRule.ALL_SUCCESS
    return _TRIGGER_RULES.get(entry.string("trigger_rule") or "", default)


def _retry_delay_minutes(entry: Map) -> float:
    given = entry.number("retry_delay_minutes")
    return DEFAULT_RETRY_DELAY_MINUTES if given is None else given


def _variables(entry: Map, context: Context) -> dict[str, Text]:
    """The task's variables: its own map, or the layer's map that it names."""
    named = entry.string("variables")
    own = entry.mapping("variables")
    if named is not None:
        own = context.variable_maps.mapping(named)
        if not isinstance(context.variable_maps.get(named), Map):
            known = [key for key, value in context.variable_maps.items() if isinstance(value, Map)]
            context.unknown(
                "variables", named, known, entry.at("variables"), words="map in variables"
            )
    return {name: text(value) for name, value, _ in flat(own)}


def _copies(entry: Map, context: Context) -> tuple[Mapping[str, str], ...]:
    """One mapping of variables a copy: each combination of the matrix, each split."""
    if "matrix" not in entry and "executors" not in entry:
        return _ONE_COPY
    matrix = entry.mapping("matrix")
    splits = entry.integer("executors")
    key = "matrix" if matrix else "executors"
    count = _count(matrix, splits)
    context.copies += count
    if count > MAX_COPIES or context.copies > MAX_ALL_COPIES:
        alone = count > MAX_COPIES
        what = f'task "{entry.text("task")}" has' if alone else "the tasks up to this one have"
        limit = MAX_COPIES if alone else MAX_ALL_COPIES
        message = f"{what} more than {limit:,} parallel copies"
        context.error("too-many-copies", message, entry.at(key), f"at most {limit:,} are allowed")
        return _ONE_COPY
    axes = [[(name, value) for value, _ in matrix.sequence(name).texts()] for name in matrix]
    if splits is not None:
        axes.append([("LIMINAL_SPLIT_ID", str(split)) for split in range(splits)])
    total = {"LIMINAL_NUM_SPLITS": str(splits)} if splits is not None else {}
    return tuple({**dict(copy), **total} for copy in itertools.product(*axes))


def _count(matrix: Map, splits: int | None) -> int:
    """How many copies there are; of too many, only that it is too many."""
    count = 1 if splits is None else splits
    for name in matrix:
        if count <= MAX_COPIES:
            count *= len(matrix.sequence(name))
    return count


_TRIGGER_RULES = {rule.value: rule for rule in TriggerRule}
_ONE_COPY: tuple[Mapping[str, str], ...] = ({},)


def _check(entry: Map, made: Task, type_: TaskType, context: Context) -> None:
    for key in type_.required:
        if key not in entry and not misspelt(key, entry):
            hint = f'add "{key}: …", or a default for it in task_defaults.{made.type}'
            message = f'task "{made.name}" has no "{key}"'
            context.error("missing-key", message, entry.origin, hint)
    check_keys(entry, f'task "{made.name}"', type_, context)
    check_mount_paths(entry, context)
    check_resources(entry, context)
    if made.executor is None:
        return
    executor = context.executors.get(made.executor)
    if executor is None:
        context.unknown("executor", made.executor, context.executors, entry.at("executor"))
        return
    step = type_.step(made)
    if not isinstance(step, context.plugins.executor(executor.type).steps):
        context.error(
            "wrong-executor",
            f'executor "{made.executor}" of type {executor.type} '
            f'cannot run task "{made.name}" of type {made.type}',
            entry.at("executor"),
            f"executors that can: {', '.join(_able(step, context)) or 'none'}",
        )


def _able(step: object, context: Context) -> list[str]:
    return sorted(
        name
        for name, executor in context.executors.items()
        if isinstance(step, context.plugins.executor(executor.type).steps)
    )
