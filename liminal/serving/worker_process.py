"""One worker as the front sees it: a process, its control socket and its slots."""

from __future__ import annotations

import contextlib
import json
import select
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .problems import Problem, busy
from .results import Reply
from .wire import Call, receive_reply, send_call, set_timeout


class LoadFailure(Exception):
    """A worker that did not come up; the message is what its user should read."""


@dataclass(slots=True)
class LateCall:
    """A call that was answered with 504 and may still run."""

    slot: socket.socket
    since: float


@dataclass(slots=True, eq=False)
class WorkerProcess:
    """A started worker. `busy`, `idle` and `late` change under the pool's lock only.

    Attributes:
        idle: Slots without a call, the one used last at the end.
        busy: Calls in flight, the late ones included.
        late: Calls that passed their deadline.
        loaded_at: Monotonic time; 0 before.
    """

    process: subprocess.Popen[bytes]
    control: socket.socket
    wake_writer: socket.socket
    wake_reader: socket.socket
    idle: list[socket.socket] = field(default_factory=list)
    busy: int = 0
    late: list[LateCall] = field(default_factory=list)
    loaded_at: float = 0.0

    @classmethod
    def start(cls, config_path: Path) -> WorkerProcess:
        """Starts a worker; it loads while we go on."""
        ours, theirs = socket.socketpair()
        wake_reader, wake_writer = socket.socketpair()
        wake_reader.setblocking(False)
        with theirs:
            # -u: what the user's functions print is seen when they print it.
            command = [sys.executable, "-u", "-m", f"{__package__}.worker"]
            process = subprocess.Popen(
                [*command, str(config_path), str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
            )
        return cls(process, ours, wake_writer, wake_reader)

    def wait_until_loaded(self) -> list[dict[str, Any]]:
        """The descriptions of the endpoints, once the user's modules are imported.

        Raises:
            LoadFailure: They cannot be imported, or the worker ended.
        """
        text = b""
        while not text.endswith(b"\n"):
            try:
                part = self.control.recv(1 << 16)
            except OSError:
                part = b""
            if not part:
                raise LoadFailure(f"a worker ended while loading: {_ending(self.process)}")
            text += part
        report: dict[str, Any] = json.loads(text)
        if "failed" in report:
            raise LoadFailure(report["failed"])
        self.loaded_at = time.monotonic()
        descriptions: list[dict[str, Any]] = report["loaded"]
        return descriptions

    def open_slot(self) -> socket.socket:
        """A new slot, with a thread of its own in the worker.

        Raises:
            OSError: The worker is gone.
            Problem: 503, this process has no file descriptor left.
        """
        try:
            ours, theirs = socket.socketpair()
        except OSError as error:
            raise busy("busy", "too many connections are open") from error
        with theirs:
            try:
                socket.send_fds(self.control, [b"s"], [theirs.fileno()])
            except OSError:
                ours.close()
                raise
        return ours

    def ask(self, number: int, timeout_seconds: float) -> Reply | None:
        """The answer to one of our own questions, on a slot for this once; None for no answer."""
        try:
            with self.open_slot() as slot:
                set_timeout(slot, timeout_seconds)
                send_call(slot, Call(number, "", b""))
                return receive_reply(slot)
        except (OSError, Problem):
            return None

    def wake(self) -> None:
        """Ends the `wait_for_news` under way in another thread, or the next one."""
        # Closed meanwhile, so nobody waits.
        with contextlib.suppress(OSError):
            self.wake_writer.send(b"w")

    def wait_for_news(self, timeout_seconds: float | None) -> tuple[bool, bool, list[LateCall]]:
        """Waits; returns whether the worker died, whether we were woken, and late calls now over.

        A worker says nothing on its control socket after it has loaded, so anything to read
        there is its end.
        """
        late = {call.slot.fileno(): call for call in list(self.late)}
        poll = select.poll()  # not select(): descriptors above 1023 are normal here
        for descriptor in (self.control.fileno(), self.wake_reader.fileno(), *late):
            poll.register(descriptor, select.POLLIN)
        timeout_ms = None if timeout_seconds is None else timeout_seconds * 1000
        found = {descriptor for descriptor, _ in poll.poll(timeout_ms)}
        woken = self.wake_reader.fileno() in found
        if woken:
            self.wake_reader.recv(1 << 10)
        over = [call for descriptor, call in late.items() if descriptor in found]
        return self.control.fileno() in found, woken, over

    def release(self) -> None:
        """Lets the worker call `on_stop()` and end by itself."""
        # It has ended already.
        with contextlib.suppress(OSError):
            # close() would not reach a thread that waits for the worker to load.
            self.control.shutdown(socket.SHUT_RDWR)

    def end(self, timeout_seconds: float = 0.0) -> str:
        """Waits for the end, kills the worker when that takes too long, says how it ended."""
        try:
            self.process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for part in (self.control, self.wake_reader, self.wake_writer, *self.idle):
            part.close()
        for call in self.late:
            call.slot.close()
        return _ending(self.process)


def _ending(process: subprocess.Popen[bytes]) -> str:
    code = process.wait()
    if code < 0:
        return f"killed by signal {-code} ({signal.Signals(-code).name})"
    return f"exit status {code}"
