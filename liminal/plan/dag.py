"""App -> one plan a pipeline: its tasks, their order, and what each of them runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from heapq import heapify, heappop, heappush
from pathlib import PurePath

from liminal.model import (
    App,
    AssetSchedule,
    Condition,
    Executor,
    MetricsBackend,
    Mount,
    Pipeline,
    Resources,
    SecretMount,
    Setting,
    Task,
    Text,
    TriggerRule,
)
from liminal.plugins import Plugins
from liminal.steps import RunCommand, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class MountPlan:
    """A volume at a path.

    Attributes:
        volume: its name, for messages.
        source: the folder that `local_path` names, absolute or beginning with ``~``, with
            `sub_path` appended; or None for a volume that only Kubernetes can mount.
        path: in the container; a relative one begins at the working directory.
    """

    volume: str
    source: str | None
    path: str
    read_only: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretPlan:
    """A secret as a read-only file.

    Attributes:
        file: on this machine, absolute or beginning with ``~``; its content is read at the last
            moment and never part of a plan.
    """

    name: str
    file: str
    remote_path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerPlan:
    """What a container task needs around its command.

    Attributes:
        image: the name; None for a task that runs in no image.
        env_vars: the task's own, with LIMINAL_APP, LIMINAL_PIPELINE and LIMINAL_TASK.
    """

    image: str
    env_vars: Mapping[str, Text]
    mounts: tuple[MountPlan, ...] = ()
    secrets: tuple[SecretPlan, ...] = ()
    resources: Resources = field(default_factory=Resources)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPlan:
    """One task.

    Attributes:
        executor: the type of its executor, or None for the engine that built its image.
        executor_settings: the executor's own keys.
        depends_on: the names of the tasks directly before it.
        copies: one mapping of variables for each parallel copy; they are environment variables
            and placeholders. A plain task has a single empty one.
        outputs: names that the task writes as KEY=VALUE lines to the file in $LIMINAL_OUTPUT.
        variables: placeholders that only this task sees.
        container: None unless the step is a RunCommand.
        do_xcom_push: whether Airflow keeps the task's result; None leaves that to the operator.
        arguments: of the Airflow operator, which only Airflow knows.
    """

    name: str
    type: str
    executor: str | None = None
    executor_settings: Mapping[str, Setting] = field(default_factory=dict)
    depends_on: tuple[str, ...] = ()
    trigger_rule: TriggerRule = TriggerRule.ALL_SUCCESS
    retries: int = 0
    retry_delay_minutes: float
    timeout_minutes: float | None = None
    when: Condition | None = None
    copies: tuple[Mapping[str, str], ...] = ({},)
    outputs: tuple[str, ...] = ()
    variables: Mapping[str, Text] = field(default_factory=dict)
    step: Step
    container: ContainerPlan | None = None
    description: str | None = None
    do_xcom_push: bool | None = None
    arguments: Mapping[str, Setting] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelinePlan:
    """One DAG.

    Attributes:
        variables: dotted name -> the layer's value, which a run's configuration may replace.
        tasks: in an order in which each comes after those that it depends on.
    """

    app: str
    pipeline: str
    description: str | None
    owner: str | None
    tags: tuple[str, ...]
    schedule: str | AssetSchedule | None
    start_date: str
    end_date: str | None
    timezone: str
    timeout_minutes: float | None
    catchup: bool
    max_active_runs: int | None
    depends_on_past: bool
    default_args: Mapping[str, Setting]
    params: Mapping[str, Mapping[str, Setting]]
    variables: Mapping[str, Text]
    metrics: tuple[MetricsBackend, ...]
    tasks: tuple[TaskPlan, ...]


def pipeline_plan(app: App, pipeline: Pipeline, plugins: Plugins) -> PipelinePlan:
    """All that a runner needs to know of the pipeline."""
    executors = {executor.name: executor for executor in app.executors}
    return PipelinePlan(
        app=app.name,
        pipeline=pipeline.name,
        description=pipeline.description,
        owner=pipeline.owner,
        tags=tuple(sorted({"liminal", app.name, *pipeline.tags})),
        schedule=pipeline.schedule,
        start_date=pipeline.start_date,
        end_date=pipeline.end_date,
        timezone=pipeline.timezone,
        timeout_minutes=pipeline.timeout_minutes,
        catchup=pipeline.catchup,
        max_active_runs=pipeline.max_active_runs,
        depends_on_past=pipeline.depends_on_past,
        default_args=pipeline.default_args,
        params=pipeline.params,
        variables=app.variables,
        metrics=pipeline.metrics,
        tasks=tuple(
            _task_plan(app, pipeline, task, executors, plugins) for task in _in_order(pipeline)
        ),
    )


def _in_order(pipeline: Pipeline) -> Sequence[Task]:
    """The tasks, each after those it depends on, else as in the file."""
    met: set[str] = set()
    for task in pipeline.tasks:
        if not met.issuperset(task.depends_on):
            return _sorted(pipeline.tasks)
        met.add(task.name)
    return pipeline.tasks


def _sorted(tasks: Sequence[Task]) -> list[Task]:
    place = {task.name: index for index, task in enumerate(tasks)}
    sorter = TopologicalSorter({task.name: task.depends_on for task in tasks})
    sorter.prepare()
    ready = [place[name] for name in sorter.get_ready()]
    heapify(ready)
    ordered = []
    while ready:
        task = tasks[heappop(ready)]
        ordered.append(task)
        sorter.done(task.name)
        for name in sorter.get_ready():
            heappush(ready, place[name])
    return ordered


def _task_plan(
    app: App,
    pipeline: Pipeline,
    task: Task,
    executors: Mapping[str, Executor],
    plugins: Plugins,
) -> TaskPlan:
    step = plugins.task(task.type).step(task)
    executor = executors[task.executor] if task.executor else None
    return TaskPlan(
        name=task.name,
        type=task.type,
        executor=executor.type if executor else None,
        executor_settings=executor.settings if executor else {},
        depends_on=task.depends_on,
        trigger_rule=task.trigger_rule,
        retries=task.retries,
        retry_delay_minutes=task.retry_delay_minutes,
        timeout_minutes=task.timeout_minutes,
        when=task.when,
        copies=task.copies,
        outputs=task.outputs,
        variables=task.variables,
        step=step,
        container=_container(app, pipeline, task) if isinstance(step, RunCommand) else None,
        description=task.description,
        do_xcom_push=task.do_xcom_push,
        arguments=task.arguments,
    )


def _container(app: App, pipeline: Pipeline, task: Task) -> ContainerPlan:
    identity = {
        "LIMINAL_APP": app.name,
        "LIMINAL_PIPELINE": pipeline.name,
        "LIMINAL_TASK": task.name,
    }
    return ContainerPlan(
        image=task.image or "",
        env_vars={**task.env_vars, **identity},
        mounts=mount_plans(app, task.mounts),
        secrets=secret_plans(app, task.secrets),
        resources=task.resources,
    )


def mount_plans(app: App, mounts: tuple[Mount, ...]) -> tuple[MountPlan, ...]:
    """The mounts with the folders that they lead to."""
    if not mounts:
        return ()
    folders = {volume.name: volume.local_path for volume in app.volumes}
    return tuple(
        MountPlan(
            volume=mount.volume,
            source=str(PurePath(folder, mount.sub_path or ""))
            if (folder := folders[mount.volume])
            else None,
            path=mount.path,
            read_only=mount.read_only,
        )
        for mount in mounts
    )


def secret_plans(app: App, secrets: tuple[SecretMount, ...]) -> tuple[SecretPlan, ...]:
    """The secrets with the files that hold them."""
    if not secrets:
        return ()
    files = {secret.name: secret.local_path_file for secret in app.secrets}
    return tuple(
        SecretPlan(name=secret.secret, file=files[secret.secret], remote_path=secret.remote_path)
        for secret in secrets
    )
