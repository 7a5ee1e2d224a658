"""Processes on this machine: each in a session of its own, so that nothing of it outlives it."""

import asyncio
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from liminal.runners import Stop

KILL_WAIT_SECONDS = 5.0
"""How long a process that got SIGKILL may take to go; longer only when the kernel holds it."""

DRAIN_SECONDS = 1.0
"""How long output may come from a process that left the session and kept the pipe."""

POLL_SECONDS = 0.02
"""Between two looks at a session that is being ended: not every system tells when it is empty."""


class Process(asyncio.SubprocessProtocol):
    """A running command. `exited` gets its return code, `closed` is done once its output ended."""

    def __init__(self, output: Callable[[bytes], None]) -> None:
        loop = asyncio.get_running_loop()
        self._output = output
        self._transport: asyncio.SubprocessTransport | None = None
        self.exited: asyncio.Future[int] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.SubprocessTransport)
        self._transport = transport

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Pass on what it wrote."""
        self._output(data)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        """Its output has ended."""
        if not self.closed.done():
            self.closed.set_result(None)

    def process_exited(self) -> None:
        """It has ended."""
        code = self.transport.get_returncode()
        if not self.exited.done():
            self.exited.set_result(0 if code is None else code)

    @property
    def transport(self) -> asyncio.SubprocessTransport:
        """The event loop's side of it."""
        assert self._transport is not None
        return self._transport

    @property
    def session(self) -> int:
        """Its process id, which is that of its session too."""
        return self.transport.get_pid()


async def start(
    arguments: Sequence[str], cwd: Path, env: Mapping[str, str], output: Callable[[bytes], None]
) -> Process:
    """The process of that command, with stdout and stderr in one, as a container's log has them.

    Raises:
        OSError: it cannot be started.
    """
    loop = asyncio.get_running_loop()
    _, process = await loop.subprocess_exec(
        lambda: Process(output),
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=cwd,
        env=dict(env),
        start_new_session=True,
    )
    return process


async def finish(process: Process, stop: Stop) -> tuple[int, tuple[str, ...]]:
    """Wait until it ends, or `stop` is asked; then end what remains of its session.

    Returns:
        Its return code, and the processes that it had left running.
    """
    asked = asyncio.ensure_future(stop.wait())
    orderly = False
    try:
        waited: set[asyncio.Future[Any]] = {process.exited, asked}
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        if stop.asked:
            await end_session(process.session, stop)
            leftover: tuple[str, ...] = ()
        else:
            leftover = await end_leftover(process.session)
        code = await process.exited
        if not process.closed.done():
            await asyncio.wait({process.closed}, timeout=DRAIN_SECONDS)
        orderly = True
        return code, leftover
    finally:
        asked.cancel()
        if not orderly:  # cancelled: better killed than left running
            signal_session(process.session, signal.SIGKILL)
        process.transport.close()


async def end_leftover(session: int) -> tuple[str, ...]:
    """End what a command left running in its session, as the end of a container does.

    Returns:
        What it was, in words.
    """
    left = members(session)
    if not left:
        return ()
    words = tuple(describe(pid) for pid in left)
    await _kill(session)
    return words


async def end_session(session: int, stop: Stop) -> None:
    """SIGTERM to all of the session, and SIGKILL to what is still there when the grace is over."""
    signal_session(session, signal.SIGTERM)
    while members(session) and (left := stop.seconds_left) > 0:
        await asyncio.sleep(min(POLL_SECONDS, left))
    await _kill(session)


async def _kill(session: int) -> None:
    loop = asyncio.get_running_loop()
    until = loop.time() + KILL_WAIT_SECONDS
    while members(session) and loop.time() < until:
        signal_session(session, signal.SIGKILL)
        await asyncio.sleep(POLL_SECONDS)


def members(session: int) -> tuple[int, ...]:
    """The living processes of the session.

    A zombie is not one: where the system's first process reaps nothing, as in many containers,
    zombies stay.
    """
    return tuple(pid for pid in psutil.pids() if session_of(pid) == session and _lives(pid))


def signal_session(session: int, number: signal.Signals) -> None:
    """Send the signal to every process group of the session: to all of a group at one moment."""
    groups = set()
    for pid in members(session):
        try:
            groups.add(os.getpgid(pid))
        except ProcessLookupError:
            continue
    for group in sorted(groups):
        try:
            os.killpg(group, number)
        except (ProcessLookupError, PermissionError):
            continue  # gone, or of another user by a set-user-id program


def describe(pid: int) -> str:
    """The process in words: its number and command, without arguments: they may hold secrets."""
    try:
        return f"process {pid} ({psutil.Process(pid).name()})"
    except psutil.Error:
        return f"process {pid}"


def started_at(pid: int) -> float | None:
    """When the process was started, in seconds since the epoch; None when it is gone."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return None


def having(variables: Mapping[str, str]) -> tuple[int, ...]:
    """The living processes of ours that have these environment variables."""
    found = []
    for pid in psutil.pids():
        try:
            process = psutil.Process(pid)
            environ = process.environ()
            if variables.items() <= environ.items() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(pid)
        except (psutil.Error, OSError, ValueError):  # gone, another user's, or the system's own
            continue
    return tuple(found)


def session_of(pid: int) -> int | None:
    """The number of the process's session; None when it is gone."""
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None


def _lives(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:
        return True


def explain(code: int, *, out_of_memory: bool) -> str | None:
    """Why a command with that return code failed, in plain words; None when it did not.

    Args:
        code: minus the signal's number when it was killed by one.
        out_of_memory: whether the kernel ended a process for want of memory meanwhile.
    """
    if code == 0:
        return None
    if code == 127:
        return "exit status 127: command not found"
    if code == 126:
        return "exit status 126: the command is not executable"
    number = -code if code < 0 else code - 128
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"exit status {code}"
    # A shell says 128 + number when a process that it waited for was killed.
    words = f"killed by signal {name}" if code < 0 else f"exit status {code}: killed by {name}"
    return words + (" (out of memory?)" if name == "SIGKILL" and out_of_memory else "")


def oom_kills() -> int:
    """How often the kernel ended a process for want of memory since it began; 0 where not told."""
    try:
        with open("/proc/vmstat", encoding="ascii") as counters:
            lines = counters.read().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)
