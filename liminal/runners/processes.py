"""Processes on this machine: each in a session of its own, so that nothing of it outlives it."""

import asyncio
import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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


READ_BYTES = 256 * 1024
"""How much of a command's output is taken at once; the rest waits in the pipe, and it with it."""


class Process:
    """A running command. `exited` gets its return code, `closed` is done once its output ended.

    Not one of asyncio's: those start a thread for each process before Python 3.12.
    """

    def __init__(self, popen: "subprocess.Popen[bytes]", output: Callable[[bytes], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._popen = popen
        self._output = output
        self.exited: asyncio.Future[int] = self._loop.create_future()
        self.closed: asyncio.Future[None] = self._loop.create_future()
        self._pipe = popen.stdout
        if self._pipe is not None:
            os.set_blocking(self._pipe.fileno(), False)
            self._loop.add_reader(self._pipe.fileno(), self._read)
        self._pidfd = _pidfd_of(popen.pid)
        if self._pidfd is None:
            threading.Thread(target=self._wait, name="liminal-wait", daemon=True).start()
        else:
            self._loop.add_reader(self._pidfd, self._ended)

    @property
    def session(self) -> int:
        """Its process id, which is that of its session too."""
        return self._popen.pid

    def close(self) -> None:
        """Read no more of its output, and forget it; it must have ended."""
        self._close_pipe()
        self._close_pidfd()

    def _read(self) -> None:
        try:
            data = os.read(self._pipe.fileno(), READ_BYTES) if self._pipe is not None else b""
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._output(data)
        else:
            self._close_pipe()

    def _close_pipe(self) -> None:
        if self._pipe is not None:
            self._loop.remove_reader(self._pipe.fileno())
            self._pipe.close()
            self._pipe = None
        if not self.closed.done():
            self.closed.set_result(None)

    def _wait(self) -> None:
        self._popen.wait()
        with contextlib.suppress(RuntimeError):  # the event loop is gone: nobody waits
            self._loop.call_soon_threadsafe(self._ended)

    def _ended(self) -> None:
        self._close_pidfd()
        if not self.exited.done():
            self.exited.set_result(self._popen.wait())

    def _close_pidfd(self) -> None:
        if self._pidfd is not None:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None


def _pidfd_of(pid: int) -> int | None:
    """A file that can be read once the process has ended; None where the system has no such."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):  # macOS; Linux before 5.3, and some sandboxes
        return None


def start(
    arguments: Sequence[str], cwd: Path, env: Mapping[str, str], output: Callable[[bytes], None]
) -> Process:
    """The process of that command, with stdout and stderr in one, as a container's log has them.

    Raises:
        OSError: it cannot be started.
    """
    popen = subprocess.Popen(
        arguments,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=cwd,
        env=env,
        bufsize=0,
        start_new_session=True,
    )
    return Process(popen, output)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a process ended.

    Attributes:
        code: its return code, minus the number of the signal that killed it.
        leftover: the processes that it had left running, in words; they are ended.
        drained: whether its output ended too; else somebody outside of its session holds it.
    """

    code: int
    leftover: tuple[str, ...]
    drained: bool


async def finish(process: Process, stop: Stop) -> Ended:
    """Wait until it ends, or `stop` is asked; then end what remains of its session."""
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
        drained = process.closed.done()
        orderly = True
        return Ended(code=code, leftover=leftover, drained=drained)
    finally:
        asked.cancel()
        if not orderly:  # cancelled: better killed than left running
            signal_session(process.session, signal.SIGKILL)
        process.close()


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
    """SIGTERM to the session, or to its leader, and SIGKILL to what outlasts the grace."""
    if stop.leader_only and session in members(session):
        os.kill(session, signal.SIGTERM)
    else:
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
