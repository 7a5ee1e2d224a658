"""``liminal status``: the server, its pipelines and services, and the images of this home."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from liminal import __version__
from liminal.errors import ServerError
from liminal.home import Home
from liminal.server.api import Api, ImportProblem, Pipeline, Run, open_api
from liminal.server.ending import recorded_sessions
from liminal.server.folder import ServerFolder
from liminal.server.record import PartRecord, ServerRecord, read_server, supervisor
from liminal.server.supervisor import FULL_BYTES

ASKED_ALONE = 20
"""Pipelines whose last run is asked for one by one, when it is not among the newest of all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineStatus:
    """A pipeline and its last run, if it has run."""

    pipeline: Pipeline
    last: Run | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageStatus:
    """What the name of an image stands for in an engine."""

    name: str
    hash: str
    engine: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How everything is.

    Attributes:
        state: ``stopped``, ``starting``, ``ready``, ``unhealthy``, ``stopping``, ``failed`` or
            ``killed``.
        reasons: why it is not well, in words.
        pid: of the supervisor.
        parts: Airflow's, and the services.
        known: whether the server answered, so that pipelines and problems are all there are.
    """

    state: str
    reasons: tuple[str, ...]
    url: str | None
    pid: int | None
    liminal: str
    airflow: str | None
    home: Path
    parts: tuple[PartRecord, ...]
    pipelines: tuple[PipelineStatus, ...]
    problems: tuple[ImportProblem, ...]
    images: tuple[ImageStatus, ...]
    known: bool


def status(
    home: Home, images: tuple[ImageStatus, ...], connect: Callable[[Home], Api] = open_api
) -> Status:
    """How everything is now; quick also where nothing runs."""
    folder = ServerFolder(home.airflow)
    record = read_server(folder)
    lives = supervisor(folder) is not None
    state, reasons = _state(record, lives, folder)
    pipelines: tuple[PipelineStatus, ...] = ()
    problems: tuple[ImportProblem, ...] = ()
    known = False
    if lives and state in ("ready", "unhealthy"):
        try:
            api = connect(home)
            pipelines, problems = _pipelines(api), api.import_problems()
            known = True
        except ServerError as problem:
            state, reasons = "unhealthy", (*reasons, problem.message)
    return Status(
        state=state,
        reasons=reasons,
        url=record.url if record and lives else None,
        pid=record.pid if record and lives else None,
        liminal=__version__,
        airflow=record.version if record else None,
        home=home.path,
        parts=record.parts if record and (lives or state == "killed") else (),
        pipelines=pipelines,
        problems=problems,
        images=images,
        known=known,
    )


def _state(
    record: ServerRecord | None, lives: bool, folder: ServerFolder
) -> tuple[str, tuple[str, ...]]:
    if lives:
        reasons = record.reasons if record else ()
        if _is_full(folder) and "the disk is full" not in reasons:
            reasons = ("the disk is full", *reasons)
        state = record.state if record else "starting"
        return ("unhealthy" if state == "ready" and reasons else state), reasons
    if record is None or record.state in ("stopped", "failed"):
        return (record.state if record else "stopped"), ()
    left = recorded_sessions(record, folder)
    words = f"{', '.join(sorted(left))} still run" if left else "nothing of it runs"
    return "killed", (f'the supervisor was killed; {words}: "liminal stop" ends all of it',)


def _is_full(folder: ServerFolder) -> bool:
    try:
        return shutil.disk_usage(folder.path).free < FULL_BYTES
    except OSError:
        return False


def _pipelines(api: Api) -> tuple[PipelineStatus, ...]:
    last: dict[str, Run] = {}
    for run in api.latest_runs():
        last.setdefault(run.pipeline, run)
    pipelines = api.pipelines()
    missing = [pipeline.name for pipeline in pipelines if pipeline.name not in last]
    if len(missing) <= ASKED_ALONE:
        for name in missing:
            for run in api.latest_runs(name, 1):
                last[name] = run
    return tuple(
        PipelineStatus(pipeline=pipeline, last=last.get(pipeline.name)) for pipeline in pipelines
    )
