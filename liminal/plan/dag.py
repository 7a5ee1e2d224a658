"""App -> one plan a pipeline: its tasks, their order, and what each of them runs."""

from collections.abc import Mapping
from dataclasses import dataclass

from liminal.model import (
    AssetSchedule,
    Condition,
    MetricsBackend,
    Resources,
    Setting,
    Text,
    TriggerRule,
)
from liminal.steps import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class MountPlan:
    """A volume at a path.

    Attributes:
        volume: its name, for messages.
        source: the folder that `local_path` names, absolute, with `sub_path` appended; or None for
            a volume that only Kubernetes can mount.
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
        file: on this machine, as the user wrote it (``~`` not yet expanded); its content is read at
            the last moment and never part of a plan.
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
    resources: Resources = Resources()


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
    """

    name: str
    type: str
    executor: str | None
    executor_settings: Mapping[str, Setting]
    depends_on: tuple[str, ...]
    trigger_rule: TriggerRule
    retries: int
    retry_delay_minutes: float
    timeout_minutes: float | None
    when: Condition | None
    copies: tuple[Mapping[str, str], ...]
    outputs: tuple[str, ...]
    variables: Mapping[str, Text]
    step: Step
    container: ContainerPlan | None


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
