"""Runs a service on this machine in the foreground: the serving application in its image."""

import asyncio
import contextlib
import errno
import io
import json
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from liminal.errors import ServerError
from liminal.plan.dag import ContainerPlan
from liminal.plan.services import ServicePlan
from liminal.plugins import PluginError, Plugins
from liminal.runners import Attempt, LauncherType, Machine, Stop, Work
from liminal.runners.embedded.folder import RECORD, RunFolder, make_folder, prune, release
from liminal.runners.embedded.lines import LINE_LIMIT
from liminal.runners.embedded.recovery import recover
from liminal.runners.records import write_record

GRACE_SECONDS = 30.0
"""What a service gets to finish its requests; its own patience is a little shorter."""

READY = b"liminal_serving: ready on "
"""How the line begins by which the serving application says that it answers."""

_COMMAND = (
    'exec python -m liminal_serving --config "$LIMINAL_FILES/service.json"'
    ' --host "$LIMINAL_HOST" --port "$LIMINAL_PORT"'
)

_PORT_TAKEN = 6
"""The serving application's exit status when somebody else listens on its port."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Who is told what a service writes.

    Attributes:
        output: takes each line, with its end.
        ready: takes the address once the service answers there.
        notice: takes what the user should know besides.
    """

    output: Callable[[bytes], None]
    ready: Callable[[str], None]
    notice: Callable[[str], None]


def run_service(
    plan: ServicePlan,
    machine: Machine,
    plugins: Plugins,
    address: tuple[str, int],
    now: datetime,
    told: Told,
) -> None:
    """Runs the service until Ctrl-C or SIGTERM; requests in flight are finished then.

    Args:
        plan: the service.
        machine: with the service's image among those that are built.
        plugins: the types that are installed.
        address: host and port to listen on; port 0 takes a free one.
        now: the present moment.
        told: who is told what it writes.

    Raises:
        ServerError: it could not be started, or ended by itself.
        RunError: a mount or a secret cannot be where the service expects it.
    """
    asyncio.run(_serve(plan, machine, plugins, address, now, told))


async def _serve(
    plan: ServicePlan,
    machine: Machine,
    plugins: Plugins,
    address: tuple[str, int],
    now: datetime,
    told: Told,
) -> None:
    for words in await recover(machine, plugins):  # it may hold the port
        told.notice(words)
    address = _free(*address)
    work = _work(plan)
    launcher = _launcher_type(machine.engine, plugins).prepare([work], machine, told.notice)
    pipeline = f"service-{plan.service}"
    folder = make_folder(machine.home, plan.app, pipeline, now)
    state = "failed"
    try:
        write_record(folder.path / RECORD, _record(plan, "running"))
        stop = Stop(leader_only=True)
        lines = _Lines(told, address)
        with _signals(stop):
            attempt = Attempt(
                work=work,
                copy=None,
                number=1,
                command=_COMMAND,
                env_vars={
                    **plan.env_vars,
                    "LIMINAL_RUN_ID": folder.run_id,
                    # By these two the next command finds what a killed one left running.
                    "LIMINAL_PIPELINE": pipeline,
                },
                folder=folder.work / "service",
                machine=machine,
                stop=stop,
                files={"service.json": json.dumps(dict(plan.configuration)).encode()},
                listen=address,
            )
            ended = await launcher.run(attempt, lines.take)
        lines.end()
        if stop.asked and ended.status == 0:
            state = "success"
    finally:
        launcher.close()
        _end(folder, plan, state, told)
        prune(machine.home, plan.app, pipeline)
    if ended.status == _PORT_TAKEN:
        raise _port_taken(*address)
    if ended.status != 0:
        reason = ended.reason or "it was ended before it began"
        raise ServerError(
            f'service "{plan.service}" ended: {reason}', hint="what it wrote above says why"
        )
    if not stop.asked:
        raise ServerError(f'service "{plan.service}" ended by itself')


def _launcher_type(engine: str, plugins: Plugins) -> LauncherType:
    """What runs a service in an image that this engine built: the runner of the same name."""
    try:
        return cast(LauncherType, plugins.load("liminal.runners", engine))
    except PluginError as problem:
        raise ServerError(f'nothing here runs what the engine "{engine}" built: {problem}') from (
            problem
        )


def _record(plan: ServicePlan, state: str) -> dict[str, object]:
    return {"service": f'service "{plan.service}"', "state": state}


def _end(folder: RunFolder, plan: ServicePlan, state: str, told: Told) -> None:
    """Keep what came of it, and remove the rest; a full disk keeps nothing."""
    try:
        write_record(folder.path / RECORD, _record(plan, state))
    except OSError as error:
        told.notice(f"what came of the service could not be kept: {error.strerror}")
    for words in release(folder):
        told.notice(f"left behind: {words}")


def _work(plan: ServicePlan) -> Work:
    return Work(
        kind="service",
        name=plan.service,
        container=ContainerPlan(
            image=plan.image,
            env_vars=plan.env_vars,
            mounts=plan.mounts,
            secrets=plan.secrets,
            resources=plan.resources,
        ),
    )


class _Lines:
    """Takes output as it comes, and passes it on by lines; a very long one comes in pieces."""

    def __init__(self, told: Told, address: tuple[str, int]) -> None:
        host, port = address
        self._told = told
        # Where it listens in a container says nothing to who asks it.
        self._url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self._rest = bytearray()

    def take(self, data: bytes) -> None:
        for line in io.BytesIO(data):  # by "\n" alone, unlike `splitlines`
            self._rest += line
            while len(self._rest) > LINE_LIMIT:
                self._told.output(bytes(self._rest[:LINE_LIMIT]) + b"\n")
                del self._rest[:LINE_LIMIT]
            if line.endswith(b"\n"):
                self._pass_on()

    def end(self) -> None:
        if self._rest:
            self._rest += b"\n"
            self._pass_on()

    def _pass_on(self) -> None:
        line = bytes(self._rest)
        self._rest.clear()
        if line.startswith(READY):
            self._told.ready(self._url)
        else:
            self._told.output(line)


@contextlib.contextmanager
def _signals(stop: Stop) -> Iterator[None]:
    """Ask the service to end when a signal does; the second one hurries."""
    loop = asyncio.get_running_loop()
    handled = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def ask() -> None:
        stop.ask(1.0 if stop.asked else GRACE_SECONDS)

    for number in handled:
        loop.add_signal_handler(number, ask)
    try:
        yield
    finally:
        for number in handled:
            loop.remove_signal_handler(number)


def _free(host: str, port: int) -> tuple[str, int]:
    """The host and the port, or for port 0 one that is free: told before anything is started.

    Raises:
        ServerError: it is taken, or no address of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            return host, int(listener.getsockname()[1])
        except OverflowError as problem:
            raise ServerError(f"{port} is not a port") from problem
        except OSError as problem:
            if isinstance(problem, socket.gaierror) or problem.errno == errno.EADDRNOTAVAIL:
                raise ServerError(f'"{host}" is not an address of this machine') from problem
            raise _port_taken(host, port) from problem


def _port_taken(host: str, port: int) -> ServerError:
    return ServerError(
        f"port {port} on {host} is taken, or not yours to listen on",
        hint="take another one with --port, or a free one with --port 0",
    )
