"""``liminal start``: the embedded Airflow, and the services beside it."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from liminal.errors import Interrupted, ServerError
from liminal.files import write_atomic
from liminal.home import Home
from liminal.server import settings
from liminal.server.database import airflow_version, last_job, prepare_database
from liminal.server.ending import (
    API_SERVER,
    end_strays,
    kill_sessions,
    recorded_sessions,
    strays,
)
from liminal.server.folder import ServerFolder, make_folder
from liminal.server.leftovers import Leftovers
from liminal.server.parts import Command
from liminal.server.ports import choose_port, near_port
from liminal.server.pulse import Pulse
from liminal.server.record import (
    ServerRecord,
    Taken,
    hold_server,
    read_server,
    start_mark,
    supervisor,
    write_server,
)
from liminal.server.secrets import keep_secrets
from liminal.server.supervisor import Supervisor

DEFAULT_PORT = 8080

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A service that is to run beside Airflow.

    Attributes:
        folder: of its application.
        engine: what its image is built with.
    """

    name: str
    folder: Path
    engine: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What the server is started on and from.

    Attributes:
        leftovers: ends what is left of a server.
        python: the interpreter that runs Liminal; Airflow is installed beside it.
    """

    home: Home
    environ: Mapping[str, str]
    leftovers: Leftovers
    python: Path


def running(home: Home, port: int | None) -> ServerRecord | None:
    """The server that runs already; None where there is none.

    Raises:
        ServerError: it answers on another port than this one.
    """
    folder = ServerFolder(home.airflow)
    if supervisor(folder) is None:
        return None
    record = read_server(folder)
    if record is None or not record.lives:  # it took the lock just now
        raise ServerError("a server is being started already", hint="liminal status")
    if port is not None and record.url != _url(port):
        raise ServerError(
            f"the server runs already, on {record.url} (process {record.pid})",
            hint='"liminal stop" ends it',
        )
    return record


def run_server(
    machine: Machine,
    port: int,
    services: Sequence[Wanted],
    tell: Tell,
    ready: Callable[[ServerRecord], None],
) -> None:
    """Runs a server until a signal asks it to end; nothing of it is left then.

    Args:
        machine: where.
        port: of Airflow; 0 takes a free one.
        services: those to run beside it.
        tell: takes what happens, in words.
        ready: called once, when everything answers.

    Raises:
        ServerError: it could not be started, or failed again and again.
        Interrupted: it was asked to end before it was ready.
    """
    version = airflow_version()
    os.umask(0o077)
    folder = make_folder(machine.home)
    try:
        with hold_server(folder):
            try:
                _run(machine, folder, version, port, services, tell, ready)
            except OSError as error:
                where = f' "{error.filename}"' if error.filename else ""
                raise ServerError(f"the server cannot write{where}: {error.strerror}") from error
    except Taken as problem:
        raise ServerError(
            f"another server of this home is being started (process {problem.holder.pid})",
            hint="liminal status",
        ) from problem


def _run(
    machine: Machine,
    folder: ServerFolder,
    version: str,
    port: int,
    services: Sequence[Wanted],
    tell: Tell,
    ready: Callable[[ServerRecord], None],
) -> None:
    _clean_up(machine.home, folder, tell)
    port = choose_port(port)
    base = ServerRecord(
        pid=os.getpid(),
        mark=start_mark(os.getpid()) or "",
        state="starting",
        url=_url(port),
        version=version,
    )
    write_server(folder, base)
    secrets = keep_secrets(folder)
    values = settings.settings(folder, machine.home.dags, port, secrets)
    write_atomic(folder.config, settings.as_text(values).encode())
    env = settings.environment(machine.environ, machine.home, folder, values, machine.python)
    prepare_database(folder, version, machine.python, env, tell)
    for log in folder.log("supervisor").parent.glob("*.log"):
        if log.stem not in ("supervisor", "migration"):
            log.replace(log.with_name(f"{log.name}.1"))
    tell(f"starting Airflow {version}")
    Supervisor(
        leftovers=machine.leftovers,
        folder=folder,
        base=base,
        commands=[
            *(_airflow(name, machine, folder, env, port) for name in _PARTS),
            *_services(services, machine, folder, port),
        ],
        triggerer=_airflow("triggerer", machine, folder, env, port),
        pulse=Pulse(_url(port), secrets.password),
        last_job=last_job(folder),
        tell=tell,
    ).run(ready)


def _clean_up(home: Home, folder: ServerFolder, tell: Tell) -> None:
    """Ends what a server that was killed left running; tasks in containers go on.

    The new scheduler gives their next attempts the same process or container.
    """
    record = read_server(folder)
    sessions = recorded_sessions(record, folder)
    if record is not None and record.state in ("starting", "ready", "stopping"):
        tell("the server before this one was killed")
    for name in sessions:
        tell(f"ending {name} of it")
    kill_sessions(sessions.values())
    left = [pid for part in (*_PARTS, "triggerer") for pid in strays(home, part)]
    left += [
        pid
        for part in (record.parts if record else ())
        if part.kind == "service"
        for pid in strays(home, part.name)
    ]
    for words in end_strays(left):
        tell(f"ended {words} of it")


_PARTS = {
    # The slowest first. Logs are read from the files: serving them needs another port, on all
    # addresses.
    API_SERVER: ("api-server",),
    "scheduler": ("scheduler", "--skip-serve-logs"),
    "dag-processor": ("dag-processor",),
}


def _airflow(
    name: str, machine: Machine, folder: ServerFolder, env: Mapping[str, str], port: int
) -> Command:
    words = _PARTS.get(name, (name, "--skip-serve-logs"))
    return Command(
        name=name,
        kind="airflow",
        arguments=(str(machine.python), "-m", "airflow", *words),
        cwd=folder.path,
        env=env,
        log=folder.log(name),
        url=_url(port) if name == API_SERVER else None,
    )


def _services(
    services: Sequence[Wanted], machine: Machine, folder: ServerFolder, port: int
) -> list[Command]:
    taken = {port}
    commands = []
    for number, service in enumerate(services, start=1):
        own = near_port(port + number, taken)
        taken.add(own)
        commands.append(_service(service, machine, folder, own))
    return commands


def _service(service: Wanted, machine: Machine, folder: ServerFolder, port: int) -> Command:
    return Command(
        name=f"service-{service.name}",
        kind="service",
        arguments=(
            *(str(machine.python), "-m", "liminal", "serve", service.name),
            *("--path", str(service.folder), "--port", str(port), "--engine", service.engine),
        ),
        cwd=folder.path,
        env={
            **machine.environ,
            settings.SERVER_VARIABLE: str(machine.home.path),
            "LIMINAL_HOME": str(machine.home.path),
            "PYTHONUNBUFFERED": "1",
        },
        log=folder.log(f"service-{service.name}"),
        url=_url(port),
        health=f"{_url(port)}/readyz",
    )


def _url(port: int) -> str:
    return f"http://{settings.HOST}:{port}"


def detach(machine: Machine, arguments: Sequence[str], cwd: Path, tell: Tell) -> ServerRecord | int:
    """Starts the same command as a process that goes on, and waits until it is ready.

    Args:
        machine: where.
        arguments: of ``liminal``.
        cwd: where the command runs.
        tell: takes each line that it writes until then.

    Returns:
        The server, or the exit status of the command that did not start it.

    Raises:
        Interrupted: Ctrl-C; the server is stopped.
    """
    folder = make_folder(machine.home)
    log = folder.log("supervisor")
    if log.exists():
        log.replace(log.with_name(f"{log.name}.1"))
    with log.open("ab") as output:
        log.chmod(0o600)
        child = subprocess.Popen(
            [str(machine.python), "-m", "liminal", *arguments],
            cwd=cwd,
            env={**machine.environ, "LIMINAL_HOME": str(machine.home.path)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        with log.open(encoding="utf-8", errors="replace") as lines:
            while True:
                ended = child.poll()
                record = read_server(folder)
                ready = record is not None and record.pid == child.pid and record.state == "ready"
                for line in lines.read().splitlines():
                    tell(line)
                if ready and record is not None:
                    return record
                if ended is not None:
                    return ended
                time.sleep(0.1)
    except KeyboardInterrupt as problem:
        child.terminate()
        child.wait()
        raise Interrupted("the server is stopped") from problem


def this_python() -> Path:
    """The interpreter that runs Liminal."""
    return Path(sys.executable)
