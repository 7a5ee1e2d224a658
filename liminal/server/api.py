"""Airflow's public API, through its client library: its answers as our own values."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from liminal.errors import ServerError
from liminal.home import Home
from liminal.server.folder import ServerFolder
from liminal.server.record import read_server, supervisor
from liminal.server.secrets import USER, read_password

ALL = "~"
"""Stands for every pipeline, or every run."""

PAGE = 100
"""Entries of an answer; Airflow gives no more at once."""

UNFINISHED = frozenset({"queued", "running"})
"""States of a run that goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """A pipeline as the server knows it.

    Attributes:
        next_run: when its schedule runs it next, or None.
        broken: whether its file does not load any more.
    """

    name: str
    paused: bool
    next_run: datetime | None
    broken: bool
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """What a run of a pipeline takes.

    Attributes:
        paused: whether a run waits until somebody unpauses the pipeline.
        params: name -> JSON Schema.
    """

    paused: bool
    params: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run of a pipeline; times are None while it has not come so far."""

    pipeline: str
    run_id: str
    state: str
    began: datetime | None
    ended: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRun:
    """A task, or one copy of it, in a run.

    Attributes:
        copy: its number from 0, or None for a task without copies.
        state: None while it waits for others.
        attempt: the try, from 1; 0 before the first.
        seconds: how long it took, or None.
    """

    pipeline: str
    run_id: str
    task: str
    copy: int | None
    state: str | None
    attempt: int
    seconds: float | None

    @property
    def label(self) -> str:
        """``TASK``, or ``TASK[N]`` for a copy."""
        return self.task if self.copy is None else f"{self.task}[{self.copy}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportProblem:
    """A file of the dags folder that does not load, and why, in its last words."""

    file: str
    message: str


_TOLD = ("WARNING", "ERROR", "CRITICAL")
"""Levels of a log that are named before the line."""


class NoAnswer(ServerError):
    """The server does not answer; it may be starting its API again."""


class Api:
    """A server that is asked with the user's name and password."""

    def __init__(self, url: str, password: str) -> None:
        from airflow_client import client

        self._client = client
        configuration = client.Configuration(host=url)
        self._connection = client.ApiClient(configuration)
        with _answered(client):
            body = {"username": USER, "password": password}
            text = self._raw("POST", f"{url}/auth/token", body)
            configuration.access_token = json.loads(text)["access_token"]

    def pipelines(self) -> tuple[Pipeline, ...]:
        """All that the server knows and that still exist, by name."""
        api = self._client.DAGApi(self._connection)

        def page(offset: int) -> tuple[Sequence[Any], int]:
            answer = api.get_dags(limit=PAGE, offset=offset, exclude_stale=True)
            return answer.dags, answer.total_entries

        found = [_pipeline(dag) for dag in self._pages(page)]
        return tuple(sorted(found, key=lambda pipeline: pipeline.name))

    def details(self, pipeline: str) -> Details | None:
        """What a run of the pipeline takes; None where there is no such pipeline."""
        api = self._client.DAGApi(self._connection)
        with _answered(self._client):
            try:
                details = api.get_dag_details(pipeline)
            except self._client.exceptions.NotFoundException:
                return None
        if details.is_stale:
            return None
        params = (details.params or {}).items()
        return Details(
            paused=bool(details.is_paused),
            params={name: dict(param.get("schema") or {}) for name, param in params},
        )

    def trigger(self, pipeline: str, conf: Mapping[str, Any]) -> str:
        """Starts a run; gives its id.

        Raises:
            ServerError: the server refuses it; the message says why.
        """
        api = self._client.DagRunApi(self._connection)
        body = self._client.TriggerDAGRunPostBody(logical_date=None, conf=dict(conf))
        with _answered(self._client):
            return str(api.trigger_dag_run(pipeline, body).dag_run_id)

    def run(self, pipeline: str, run_id: str) -> Run:
        """The run as it is now."""
        api = self._client.DagRunApi(self._connection)
        with _answered(self._client):
            return _run(api.get_dag_run(pipeline, run_id))

    def latest_runs(self, pipeline: str = ALL, count: int = PAGE) -> tuple[Run, ...]:
        """The newest runs of the pipeline, or of all, newest first."""
        api = self._client.DagRunApi(self._connection)
        with _answered(self._client):
            answer = api.get_dag_runs(pipeline, limit=count, order_by=["-run_after"])
        return tuple(_run(run) for run in answer.dag_runs)

    def tasks(self, pipeline: str, run_id: str) -> tuple[TaskRun, ...]:
        """The tasks of a run, in the order in which they began; who waits comes last."""
        api = self._client.TaskInstanceApi(self._connection)

        def page(offset: int) -> tuple[Sequence[Any], int]:
            answer = api.get_task_instances(
                pipeline, run_id, limit=PAGE, offset=offset, order_by=["map_index"]
            )
            return answer.task_instances, answer.total_entries

        found = list(self._pages(page))
        found.sort(key=lambda one: (one.start_date is None, one.start_date, one.task_id))
        return tuple(_task(one) for one in found)

    def log(self, task: TaskRun) -> tuple[str, ...]:
        """What the task's last attempt wrote, by lines; empty before the first."""
        if task.attempt == 0:
            return ()
        api = self._client.TaskInstanceApi(self._connection)
        with _answered(self._client):
            try:
                answer = api.get_log_without_preload_content(
                    task.pipeline,
                    task.run_id,
                    task.task,
                    task.attempt,
                    full_content=True,
                    map_index=-1 if task.copy is None else task.copy,
                    accept="application/json",
                )
            except self._client.exceptions.NotFoundException:
                return ()
            content = json.loads(answer.data).get("content", ())
        return tuple(_log_lines(content))

    def import_problems(self) -> tuple[ImportProblem, ...]:
        """The files that do not load, by name."""
        api = self._client.ImportErrorApi(self._connection)

        def page(offset: int) -> tuple[Sequence[Any], int]:
            answer = api.get_import_errors(limit=PAGE, offset=offset)
            return answer.import_errors, answer.total_entries

        found = {problem.filename: problem.stack_trace for problem in self._pages(page)}
        return tuple(
            ImportProblem(file=file, message=_last_words(trace))
            for file, trace in sorted(found.items())
        )

    def _pages(self, page: Callable[[int], tuple[Sequence[Any], int]]) -> Iterator[Any]:
        offset = 0
        while True:
            with _answered(self._client):
                entries, total = page(offset)
            yield from entries
            offset += len(entries)
            if not entries or offset >= total:
                return

    def _raw(self, method: str, url: str, body: object) -> bytes:
        answer = self._connection.call_api(
            method, url, {"Content-Type": "application/json"}, body=body, _request_timeout=10.0
        )
        data: bytes = answer.read()
        if answer.status not in (200, 201):
            raise ServerError(f"the server refused the password (status {answer.status})")
        return data


def open_api(home: Home) -> Api:
    """The API of the home's server.

    Raises:
        ServerError: none runs, or it does not answer.
    """
    folder = ServerFolder(home.airflow)
    record = read_server(folder)
    password = read_password(folder)
    if supervisor(folder) is None or record is None or password is None:
        raise ServerError("no server runs", hint='"liminal start" starts it')
    try:
        return Api(record.url, password)
    except ImportError as problem:
        raise ServerError(
            "Airflow's client is not installed beside Liminal",
            hint="pip install 'liminal[airflow]'",
        ) from problem


@contextmanager
def _answered(client: Any) -> Iterator[None]:
    """Says in plain words what the server, or the lack of one, answered."""
    from urllib3.exceptions import HTTPError

    try:
        yield
    except client.exceptions.ApiException as problem:
        raise ServerError(f"the server refuses it: {_detail(problem)}") from problem
    except (HTTPError, OSError) as problem:
        raise ServerError(
            "the server does not answer", hint='"liminal status" says why'
        ) from problem


def _detail(problem: Any) -> str:
    try:
        detail = json.loads(problem.body)["detail"]
    except (ValueError, KeyError, TypeError):
        return f"status {problem.status}"
    if isinstance(detail, list):  # what FastAPI says of a body that does not fit
        detail = "; ".join(str(one.get("msg", one)) for one in detail)
    return str(detail)


def _pipeline(dag: Any) -> Pipeline:
    return Pipeline(
        name=dag.dag_id,
        paused=bool(dag.is_paused),
        next_run=dag.next_dagrun_run_after,
        broken=bool(dag.has_import_errors),
        tags=tuple(sorted(tag.name for tag in dag.tags)),
    )


def _run(run: Any) -> Run:
    return Run(
        pipeline=run.dag_id,
        run_id=run.dag_run_id,
        state=str(getattr(run.state, "value", run.state)),
        began=run.start_date or run.queued_at,
        ended=run.end_date,
    )


def _task(one: Any) -> TaskRun:
    return TaskRun(
        pipeline=one.dag_id,
        run_id=one.dag_run_id,
        task=one.task_id,
        copy=None if one.map_index < 0 else one.map_index,
        state=None if one.state is None else str(getattr(one.state, "value", one.state)),
        attempt=one.try_number,
        seconds=one.duration,
    )


def _log_lines(content: Any) -> Iterator[str]:
    """What was written, without what Airflow says about itself before and after the task."""
    within = False
    for entry in content:
        if isinstance(entry, str):
            yield from entry.splitlines()
            continue
        event, level = str(entry.get("event", "")), str(entry.get("level", "")).upper()
        if event.startswith("::"):
            within = event.startswith("::group::")
        elif not within or level in _TOLD:
            # What the task itself wrote comes as it is.
            written = str(entry.get("logger", "")).startswith("task.std")
            prefix = f"{level}: " if level in _TOLD and not written else ""
            yield from (prefix + line for line in event.splitlines() or [""])
            for error in entry.get("error_detail") or ():
                yield f"{error.get('exc_type')}: {error.get('exc_value')}"


def _last_words(trace: str) -> str:
    lines = [line for line in trace.strip().splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""
