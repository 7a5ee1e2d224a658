"""The user's words as frozen values: what a liminal.yml says once it is compiled.

Everything right of the compiler speaks in these classes and none of it sees YAML. Tuples instead of
lists, so that a compiled application never changes. ``origin`` is where the thing stands.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from liminal.origin import Origin


@dataclass(frozen=True, slots=True)
class Placeholder:
    """``{{ name }}`` in a string.

    Attributes:
        expression: what stands between the braces, without the spaces around it.
        word: whether its value is one word of a command, also where the file gives it.
    """

    expression: str
    word: bool = False


@dataclass(frozen=True, slots=True)
class Deferred:
    """A string that only a run can complete: literal text and placeholders in their order."""

    parts: tuple[str | Placeholder, ...]

    def __str__(self) -> str:
        return "".join(
            part if isinstance(part, str) else f"{{{{ {part.expression} }}}}" for part in self.parts
        )


Text: TypeAlias = str | Deferred
"""A string, known now or at the run."""

Setting: TypeAlias = (
    "str | int | float | bool | Deferred | tuple[Setting, ...] | Mapping[str, Setting] | None"
)
"""A value of a plug-in's own key: frozen plain data."""


class TriggerRule(enum.Enum):
    """When a task runs, by the states of the tasks before it.

    Source: Airflow 3.3, ``airflow.task.trigger_rule.TriggerRule``.
    """

    ALL_SUCCESS = "all_success"
    ALL_FAILED = "all_failed"
    ALL_DONE = "all_done"
    ALL_SKIPPED = "all_skipped"
    ALL_DONE_MIN_ONE_SUCCESS = "all_done_min_one_success"
    ONE_SUCCESS = "one_success"
    ONE_FAILED = "one_failed"
    ONE_DONE = "one_done"
    NONE_FAILED = "none_failed"
    NONE_SKIPPED = "none_skipped"
    NONE_FAILED_MIN_ONE_SUCCESS = "none_failed_min_one_success"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Micro-batching of an endpoint: how many requests at most, and how long the first waits."""

    max_size: int
    max_wait_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A function of the user's at a path of a service."""

    path: str
    module: str
    function: str
    methods: tuple[str, ...]
    batch: Batch | None
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """Something to build.

    Attributes:
        folder: the absolute folder of the file that says `source`; paths are relative to it.
        source: the folder that goes into the image, relative to `folder`.
        python_version: as written, or None where the default is meant: the engine then takes the
            nearest that it has.
        requirements: path in `source`, or None for the one found there.
        pip_conf: path of a pip configuration file, relative to `folder`; ``~`` is allowed.
        build_secrets: id -> path of a file, mounted only while installing.
        settings: the keys of a plug-in's image type.
    """

    name: str
    type: str
    folder: str
    source: str
    origin: Origin
    python_version: str | None = None
    base_image: str | None = None
    requirements: str | None = None
    system_packages: tuple[str, ...] = ()
    build_packages: tuple[str, ...] = ()
    build_cmd: str | None = None
    no_cache: bool = False
    pip_conf: str | None = None
    build_secrets: Mapping[str, str] = field(default_factory=dict)
    ca_bundle: str | None = None
    dockerfile: str | None = None
    env_vars: Mapping[str, str] = field(default_factory=dict)
    endpoints: tuple[Endpoint, ...] = ()
    settings: Mapping[str, Setting] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """Storage that tasks and services mount: a local folder, a claim, or another source.

    Attributes:
        local_path: a folder, absolute or beginning with ``~``.
        claim_name: an existing Kubernetes claim; beside `local_path`, the one made for it.
        source: any other Kubernetes volume source, as Kubernetes writes it.
    """

    name: str
    origin: Origin
    local_path: str | None = None
    claim_name: str | None = None
    source: Mapping[str, Setting] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A volume at a path of a container; a relative path begins at the working directory."""

    name: str
    volume: str
    path: str
    sub_path: str | None
    read_only: bool
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A file whose content reaches only the tasks that name it.

    Attributes:
        local_path_file: absolute, or beginning with ``~``.
    """

    name: str
    local_path_file: str
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretMount:
    """A secret as a read-only file at `remote_path`."""

    secret: str
    remote_path: str
    sub_path: str | None
    read_only: bool
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What a container may use, in Kubernetes' own units (``500m``, ``2Gi``)."""

    cpu: str | None = None
    memory: str | None = None
    gpu: int | None = None


class Comparison(enum.Enum):
    """The operators of ``when``."""

    EQUAL = "=="
    NOT_EQUAL = "!="
    LESS = "<"
    LESS_OR_EQUAL = "<="
    GREATER = ">"
    GREATER_OR_EQUAL = ">="


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """``when``: a comparison of two texts, as numbers where both are numbers."""

    left: Text
    operator: Comparison
    right: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One step of a pipeline.

    Attributes:
        depends_on: the names of the tasks directly before it.
        copies: one tuple of variables a parallel copy; a single empty one for a plain task.
        outputs: names that the task writes as KEY=VALUE lines.
        arguments: arguments of the Airflow operator that we only pass on.
        settings: the keys of the task's type.
    """

    name: str
    type: str
    origin: Origin
    description: str | None = None
    executor: str | None = None
    depends_on: tuple[str, ...] = ()
    trigger_rule: TriggerRule = TriggerRule.ALL_SUCCESS
    retries: int = 0
    retry_delay_minutes: float = 5
    timeout_minutes: float | None = None
    env_vars: Mapping[str, Text] = field(default_factory=dict)
    variables: Mapping[str, Text] = field(default_factory=dict)
    when: Condition | None = None
    image: str | None = None
    cmd: Text | None = None
    mounts: tuple[Mount, ...] = ()
    secrets: tuple[SecretMount, ...] = ()
    copies: tuple[Mapping[str, str], ...] = ({},)
    resources: Resources = Resources()
    outputs: tuple[str, ...] = ()
    do_xcom_push: bool | None = None
    arguments: Mapping[str, Setting] = field(default_factory=dict)
    settings: Mapping[str, Setting] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetSchedule:
    """A run follows each update of all these assets."""

    assets: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsBackend:
    """Where the metrics of a pipeline go."""

    name: str
    type: str
    origin: Origin
    settings: Mapping[str, Setting] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertsBackend:
    """Who is told when a pipeline's JobResult is bad."""

    name: str
    type: str
    metrics_backend: str | None
    origin: Origin
    settings: Mapping[str, Setting] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """One DAG.

    Attributes:
        schedule: a cron expression or preset, assets, or None for runs by hand only.
        start_date, end_date: as ISO 8601 text, in `timezone` where they name none.
        timeout_minutes: a longer run fails with all its tasks.
        params: name -> JSON Schema of a run's typed inputs.
        metrics: the backends its metrics go to.
        tasks: in the order of the file; each names what it depends on.
    """

    name: str
    origin: Origin
    tasks: tuple[Task, ...]
    description: str | None = None
    owner: str | None = None
    tags: tuple[str, ...] = ()
    schedule: str | AssetSchedule | None = None
    start_date: str = "2020-01-01"
    end_date: str | None = None
    timezone: str = "UTC"
    timeout_minutes: float | None = None
    catchup: bool = False
    max_active_runs: int | None = None
    depends_on_past: bool = False
    default_args: Mapping[str, Setting] = field(default_factory=dict)
    params: Mapping[str, Mapping[str, Setting]] = field(default_factory=dict)
    metrics: tuple[MetricsBackend, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Autoscaling:
    """How many replicas a service may have, and the load that decides."""

    min: int
    max: int
    target_cpu_percent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """An HTTP service that runs an image of type python_server.

    Attributes:
        port: in the container.
        endpoints: those of its image, or its own where it names some.
        workers, threads: None takes the server's default for the container's own limits.
    """

    name: str
    image: str
    origin: Origin
    endpoints: tuple[Endpoint, ...] = ()
    description: str | None = None
    env_vars: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    secrets: tuple[SecretMount, ...] = ()
    port: int = 80
    replicas: int | None = None
    resources: Resources = Resources()
    autoscaling: Autoscaling | None = None
    workers: int | None = None
    threads: int | None = None
    request_timeout_seconds: float | None = None
    max_body_mb: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Executor:
    """Where tasks run, under a name."""

    name: str
    type: str
    origin: Origin
    settings: Mapping[str, Setting] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """One compiled layer of type sub.

    Attributes:
        folder: the folder of its liminal.yml, absolute.
        variables: dotted name -> value; maps are flattened.
    """

    name: str
    folder: str
    origin: Origin
    owner: str | None = None
    variables: Mapping[str, Text] = field(default_factory=dict)
    images: tuple[Image, ...] = ()
    pipelines: tuple[Pipeline, ...] = ()
    services: tuple[Service, ...] = ()
    executors: tuple[Executor, ...] = ()
    volumes: tuple[Volume, ...] = ()
    secrets: tuple[Secret, ...] = ()
    alerts: tuple[AlertsBackend, ...] = ()
