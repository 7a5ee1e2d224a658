"""Ends what a server consists of, and finds what is left of one that was killed.

Three marks tell our processes: the session, whose number and first process the record has; the
folder of the server, in which its parts run; and an environment variable, which also those have
that left the session. Never a bare number, which may be a stranger's by now.
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import psutil

from liminal.home import Home
from liminal.runners.processes import describe, having, members, session_of, signal_session
from liminal.server.folder import ServerFolder
from liminal.server.record import ServerRecord, is_same
from liminal.server.settings import PART_VARIABLE, SERVER_VARIABLE

API_SERVER = "api-server"

JOB = "liminal.runners.job"
"""A word of the command of a container task's job."""

GRACE_SECONDS = 10.0
"""What tasks get to end what they started, and services to finish their requests."""

_HURRY_SECONDS = 6.0
"""After that long a service is asked a second time, which makes it hurry."""

_API_GRACE_SECONDS = 2.0
_KILL_SECONDS = 3.0
_POLL_SECONDS = 0.05

Sessions = dict[str, int]
"""Name of a part -> number of its session."""


def recorded_sessions(record: ServerRecord | None, folder: ServerFolder) -> Sessions:
    """The sessions of the record's parts that are still ours."""
    if record is None:
        return {}
    return {
        part.name: part.pid
        for part in record.parts
        if part.pid is not None
        and (is_same(part.pid, part.mark) or _is_ours(part.pid, folder.path))
    }


def end_parts(
    sessions: Sessions,
    *,
    reap: Callable[[], object] = lambda: None,
    hurry: Callable[[], bool] = lambda: False,
) -> None:
    """Ends the parts, the API server last: tasks that end report to it how they ended.

    Args:
        sessions: those of the parts.
        reap: called often: takes notice of children that ended.
        hurry: whether to wait no longer for anybody.
    """
    first = {name: session for name, session in sessions.items() if name != API_SERVER}
    for session in first.values():
        _ask(session)
    began = time.monotonic()
    asked_again = False
    while _any(first.values()) and time.monotonic() - began < GRACE_SECONDS and not hurry():
        reap()
        if not asked_again and time.monotonic() - began > _HURRY_SECONDS:
            asked_again = True
            for name, session in first.items():
                if name.startswith("service-"):
                    _ask(session)
        time.sleep(_POLL_SECONDS)
    kill_sessions(first.values(), reap)
    if (last := sessions.get(API_SERVER)) is not None:
        signal_session(last, signal.SIGTERM)
        until = time.monotonic() + _API_GRACE_SECONDS
        while members(last) and time.monotonic() < until and not hurry():
            reap()
            time.sleep(_POLL_SECONDS)
        kill_sessions([last], reap)


def kill_sessions(sessions: Iterable[int], reap: Callable[[], object] = lambda: None) -> None:
    """SIGKILL to all of them, until none is left or the kernel holds one."""
    left = list(sessions)
    until = time.monotonic() + _KILL_SECONDS
    while left := [session for session in left if members(session)]:
        for session in left:
            signal_session(session, signal.SIGKILL)
        reap()
        if time.monotonic() > until:
            return
        time.sleep(_POLL_SECONDS)


def strays(home: Home, part: str | None = None) -> tuple[int, ...]:
    """The processes of the home's server that are found without a record.

    Args:
        home: whose server.
        part: only those that this part started, and that no later attempt of a task takes up: the
            process of a container task survives its scheduler.
    """
    own = _ancestors()
    variables = {SERVER_VARIABLE: str(home.path)}
    if part is not None:
        found = having({**variables, PART_VARIABLE: part})
        return tuple(pid for pid in found if pid not in own and not _is_resumable(pid))
    # Airflow's workers write their titles over their environment: only the folder tells them.
    workers = (pid for pid in psutil.pids() if _cwd(pid) == str(home.airflow) and _is_airflow(pid))
    return tuple(sorted({*having(variables), *workers} - own))


def end_strays(pids: Sequence[int]) -> tuple[str, ...]:
    """Kills the processes; says which they were, in words."""
    words = tuple(describe(pid) for pid in pids)
    living = []
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            process.kill()
            living.append(process)
    psutil.wait_procs(living, timeout=_KILL_SECONDS)
    return words


def _ask(session: int) -> None:
    """SIGTERM to the leader, and to those that pass it on to a task: the workers below it.

    Not to all: a task's own process would get it twice, the second time while it ends in good
    order what it had started.

    Source: Airflow 3.3, LocalExecutor: idle workers ignore it, and go with the scheduler; a worker
    with a task forwards it, and the scheduler waits for it.
    """
    living = set(members(session))
    for pid in living:
        parent = _parent(pid)
        if pid == session or parent == session or parent not in living:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGTERM)


def _any(sessions: Iterable[int]) -> bool:
    return any(members(session) for session in sessions)


def _is_ours(session: int, folder: Path) -> bool:
    """Whether the session, whose leader is gone, runs in the server's folder."""
    if session_of(session) is not None:
        return False  # the number is another process's now
    return any(_cwd(pid) == str(folder) for pid in members(session))


def _cwd(pid: int) -> str | None:
    try:
        return str(psutil.Process(pid).cwd())
    except (psutil.Error, OSError):
        return None


def _is_airflow(pid: int) -> bool:
    try:
        return "airflow" in " ".join(psutil.Process(pid).cmdline())
    except (psutil.Error, OSError):
        return False


def _parent(pid: int) -> int | None:
    try:
        return int(psutil.Process(pid).ppid())
    except psutil.Error:
        return None


def _ancestors() -> frozenset[int]:
    """This process and those above it: `liminal stop` may be asked for by a task."""
    try:
        above = psutil.Process().parents()
    except psutil.Error:
        above = []
    return frozenset({os.getpid(), *(process.pid for process in above)})


def _is_resumable(pid: int) -> bool:
    """Whether it is, or belongs to, the job of a container task, which the next attempt takes up.

    The command of a job has the variables of its task; those of services have another pipeline.
    """
    try:
        process = psutil.Process(pid)
        if JOB in process.cmdline():
            return True
        environ = process.environ()
    except (psutil.Error, OSError):
        return False
    pipeline = environ.get("LIMINAL_PIPELINE", "")
    return "LIMINAL_RUN_ID" in environ and not pipeline.startswith("service-")
