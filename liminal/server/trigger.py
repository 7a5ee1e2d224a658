"""``liminal trigger``: starts a run on the embedded server, and follows it."""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from liminal.errors import Interrupted, ServerError, UsageError
from liminal.home import Home
from liminal.server.api import UNFINISHED, Api, Details, NoAnswer, Run, TaskRun
from liminal.server.folder import ServerFolder
from liminal.server.record import supervisor
from liminal.suggest import nearest

DEPLOYED_SECONDS = 6.0
"""How long a pipeline that was just deployed is waited for; the server finds it within 5."""

LAST_LINES = 10
"""Lines of a failed task's log that are shown."""

_JUST_NOW_SECONDS = 60.0
_POLL_SECONDS = 0.5
_API_TRIES = 60

Answer = TypeVar("Answer")


def find_details(
    api: Api, home: Home, pipeline: str, pause: Callable[[float], None] = time.sleep
) -> Details:
    """What a run of the pipeline takes.

    One that the server does not know is waited for while the dags folder has just changed.

    Raises:
        UsageError: there is no such pipeline.
    """
    patience = DEPLOYED_SECONDS if _changed_just_now(home) else 0.0
    while True:
        details = api.details(pipeline)
        if details is not None:
            return details
        if patience <= 0:
            raise unknown_pipeline(api, pipeline)
        pause(_POLL_SECONDS)
        patience -= _POLL_SECONDS


def configuration(
    variables: Mapping[str, str], params: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """The run's configuration of ``--var``; a param that is no string gets what its text means.

    Raises:
        UsageError: a text is not what the param takes.
    """
    conf: dict[str, Any] = {}
    for name, text in variables.items():
        conf[name] = _value(name, text, params.get(name, {}))
    return conf


def follow(
    api: Api,
    pipeline: str,
    run_id: str,
    home: Home,
    tell: Callable[[TaskRun], None],
    pause: Callable[[float], None] = time.sleep,
) -> Run:
    """Waits until the run ends, and tells each change of a task's state.

    Raises:
        Interrupted: Ctrl-C; the run goes on.
        ServerError: the server went away.
    """
    states: dict[str, tuple[str | None, int]] = {}
    try:
        while True:
            run = _patiently(lambda: api.run(pipeline, run_id), home, pause)
            for task in _patiently(lambda: api.tasks(pipeline, run_id), home, pause):
                now = (task.state, task.attempt)
                if task.state is not None and states.get(task.label) != now:
                    states[task.label] = now
                    tell(task)
            if run.state not in UNFINISHED:
                return run
            pause(_POLL_SECONDS)
    except KeyboardInterrupt as problem:
        raise Interrupted(
            f"the run {run_id} of {pipeline} goes on",
            hint=f'"liminal logs {pipeline} --follow" follows it',
        ) from problem


def unknown_pipeline(api: Api, pipeline: str) -> UsageError:
    """That there is none of that name, with the nearest, or with what does not load."""
    known = [one.name for one in api.pipelines()]
    meant = nearest(pipeline, known)
    question = f'; did you mean "{meant}"?' if meant else ""
    problems = api.import_problems()
    hint: str | None
    if problems and not meant:
        hint = f"{problems[0].file} does not load: {problems[0].message}"
    elif known and not meant:
        hint = f"known: {', '.join(known)}"
    else:
        hint = None if meant else '"liminal deploy" gives the server its pipelines'
    return UsageError(f'the server has no pipeline named "{pipeline}"{question}', hint=hint)


def _patiently(ask: Callable[[], Answer], home: Home, pause: Callable[[float], None]) -> Answer:
    """The answer, of a server that may be starting its API again meanwhile."""
    for _ in range(_API_TRIES):
        try:
            return ask()
        except NoAnswer as problem:
            if supervisor(ServerFolder(home.airflow)) is None:
                raise ServerError(
                    "the server was stopped while the run went on",
                    hint='the run goes on after the next "liminal start"',
                ) from problem
            pause(1.0)
    return ask()


def _changed_just_now(home: Home) -> bool:
    try:
        folders = [home.dags, *(path for path in home.dags.iterdir() if path.is_dir())]
        changed = max(folder.stat().st_mtime for folder in folders)
    except OSError:
        return False
    return time.time() - changed < _JUST_NOW_SECONDS


def _value(name: str, text: str, schema: Mapping[str, Any]) -> Any:
    kinds = schema.get("type", "string")
    kinds = [kinds] if isinstance(kinds, str) else list(kinds)
    if "string" in kinds:
        return text
    try:
        return json.loads(text)
    except ValueError as problem:
        raise UsageError(
            f'--var {name}: "{text}" is not {" or ".join(kinds)}', hint="write it as JSON"
        ) from problem
