"""Plans as short as a test wants them, and a machine to run them on. No part of them is a fake."""

import dataclasses
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from docker_parts import Container

from liminal.errors import LiminalError
from liminal.home import Home
from liminal.images.built import BuiltImage
from liminal.metrics.log import Log
from liminal.model import Condition, Deferred, Placeholder, Resources, Setting, Text, TriggerRule
from liminal.plan.dag import ContainerPlan, MountPlan, PipelinePlan, SecretPlan, TaskPlan
from liminal.plugins import Plugins
from liminal.runners import Machine
from liminal.runners.docker import DockerRunner
from liminal.runners.embedded.events import Event, RunResult
from liminal.runners.embedded.preparation import Request
from liminal.runners.embedded.run import run
from liminal.runners.local import LocalRunner
from liminal.steps import CallOperator, ReportMetrics, RunCommand, Step

NOW = datetime(2026, 3, 1, 12, 30, 5, 123456, tzinfo=timezone.utc)
PLUGINS = Plugins(
    {
        "liminal.runners": {"local": lambda: LocalRunner, "docker": lambda: DockerRunner},
        "liminal.metrics": {"log": lambda: Log},
    }
)
SOURCE = {"greet.py": "print('hello from the image')\n"}
"""The files of the image ``img``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """What the engine local gives us of an image."""

    name: str
    source: Path
    environment: Path
    site: Path | None = None
    env_vars: Mapping[str, str] = dataclasses.field(default_factory=dict)
    hash: str = "0" * 24
    rebuilt: bool = False


def text(value: str) -> Text:
    """The string with its placeholders, as the compiler reads it."""
    parts: list[str | Placeholder] = []
    rest = value
    while "{{" in rest:
        before, _, rest = rest.partition("{{")
        inside, _, rest = rest.partition("}}")
        parts += [before] if before else []
        parts.append(Placeholder(inside.strip()))
    return Deferred((*parts, *([rest] if rest else []))) if parts else value


def task(
    name: str,
    cmd: str | None = "true",
    *depends_on: str,
    step: Step | None = None,
    rule: TriggerRule = TriggerRule.ALL_SUCCESS,
    env_vars: Mapping[str, str] | None = None,
    variables: Mapping[str, str] | None = None,
    mounts: tuple[MountPlan, ...] = (),
    secrets: tuple[SecretPlan, ...] = (),
    image: str = "img",
    executor: str | None = None,
    retries: int = 0,
    delay: float = 0,
    timeout: float | None = None,
    when: Condition | None = None,
    copies: tuple[Mapping[str, str], ...] = ({},),
    outputs: tuple[str, ...] = (),
    settings: Mapping[str, Setting] | None = None,
    resources: Resources | None = None,
) -> TaskPlan:
    """A task that runs a command, or does the step."""
    container = ContainerPlan(
        image=image,
        env_vars={key: text(value) for key, value in (env_vars or {}).items()},
        mounts=mounts,
        secrets=secrets,
        resources=resources or Resources(),
    )
    return TaskPlan(
        name=name,
        type="python",
        executor=executor,
        executor_settings=settings or {},
        depends_on=depends_on,
        trigger_rule=rule,
        retries=retries,
        retry_delay_minutes=delay,
        timeout_minutes=timeout,
        when=when,
        copies=copies,
        outputs=outputs,
        variables={key: text(value) for key, value in (variables or {}).items()},
        step=step or RunCommand(command=text(cmd or "")),
        container=None if step else container,
    )


def start() -> TaskPlan:
    return task("start", step=ReportMetrics(moment="start"))


def end(*depends_on: str) -> TaskPlan:
    return task(
        "end", None, *depends_on, step=ReportMetrics(moment="end"), rule=TriggerRule.ALL_DONE
    )


def operator(name: str) -> TaskPlan:
    return task(name, step=CallOperator(operator="a.B", arguments={}))


def plan(
    *tasks: TaskPlan,
    name: str = "pipe",
    variables: Mapping[str, str] | None = None,
    **others: Any,
) -> PipelinePlan:
    """A pipeline of those tasks."""
    fields: dict[str, Any] = {
        "app": "app",
        "pipeline": name,
        "description": None,
        "owner": None,
        "tags": (),
        "schedule": None,
        "start_date": "2020-01-01",
        "end_date": None,
        "timezone": "UTC",
        "timeout_minutes": None,
        "catchup": False,
        "max_active_runs": None,
        "depends_on_past": False,
        "default_args": {},
        "params": {},
        "metrics": (),
    }
    layer = {key: text(value) for key, value in (variables or {}).items()}
    return PipelinePlan(**{**fields, **others}, variables=layer, tasks=tasks)


@dataclass(slots=True)
class Bench:
    """A machine, and the events of the runs on it."""

    machine: Machine
    events: list[Event]

    def run(self, pipeline: PipelinePlan, *, plugins: Plugins = PLUGINS, **asked: Any) -> RunResult:
        """What came of a run of the pipeline."""
        self.events.clear()
        request = Request(**{"now": NOW, **asked})
        return run(pipeline, request, self.machine, plugins, self.events.append)

    def of(self, kind: type) -> list[Any]:
        """The events of that class."""
        return [event for event in self.events if isinstance(event, kind)]

    def lines(self, label: str) -> list[str]:
        """What the task wrote."""
        return [
            line
            for one in self.events
            if type(one).__name__ == "TaskOutput" and one.label == label
            for line in one.lines
        ]


def _environ() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "DOCKER_HOST") if name in os.environ}


def shared(folder: Path, path: str = "shared") -> MountPlan:
    """A folder that commands find at ``shared``, whatever runs them."""
    return MountPlan(volume="shared", source=str(folder), path=path, read_only=False)


def bench(
    folder: Path,
    environment: Path,
    environ: Mapping[str, str] | None = None,
    reference: str | None = None,
) -> Bench:
    """A machine whose home is in that folder, with one image ``img``.

    Args:
        folder: for all that it has.
        environment: of the image, for processes.
        environ: of the command; by default one with a PATH alone.
        reference: of the image on a Docker engine, which is then the one for tasks.
    """
    source = folder / "img"
    source.mkdir(exist_ok=True)
    for name, content in SOURCE.items():
        (source / name).write_text(content)
    images: dict[str, Mapping[str, BuiltImage]] = {
        "local": {"img": Image(name="img", source=source, environment=environment)}
    }
    if reference is not None:
        images["docker"] = {"img": Container(name="img", reference=reference)}
    machine = Machine(
        home=Home(folder / "home"),
        images=images,
        engine="local" if reference is None else "docker",
        environ=environ if environ is not None else _environ(),
        user_home=folder,
    )
    return Bench(machine, [])


if __name__ == "__main__":
    # A run in a process of its own, for tests that kill it: FOLDER ENVIRONMENT PLAN [REFERENCE],
    # where PLAN is Python for a PipelinePlan.
    folder, environment, expression, *reference = sys.argv[1:]
    here = bench(Path(folder), Path(environment), reference=reference[0] if reference else None)
    request = Request(now=datetime.now(timezone.utc))
    pipeline = eval(expression)
    try:
        done = run(pipeline, request, here.machine, PLUGINS, lambda event: print(event, flush=True))
        problem = done.error()
    except LiminalError as raised:
        problem = raised
    print(f"MESSAGE {problem.message if problem else 'ok'}", flush=True)
    sys.exit(problem.exit_code if problem else 0)
