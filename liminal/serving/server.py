"""The server process: starts Granian, takes the signals, decides the exit status."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import resource
import signal
import socket
import sys
import threading
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.mp import MPServer

from .config import ServiceConfig
from .front import FrontOptions, make_front
from .pool import QUEUE_LIMIT

EXIT_LOAD = 5
EXIT_SERVER = 6

_MAX_HEADER_BYTES = 64 * 1024
_HEADER_SECONDS = 10
_CONNECTIONS = 4096
# Threads beside those whose request runs or waits: slow bodies, and health checks among them.
_SPARE_THREADS = 256
# After the grace period nothing is in flight; this ends idle connections that stay open.
_KILL_SECONDS = 3

# Granian writes to standard output, which belongs to the access log.
_LOGGING = {
    "handlers": {
        "console": {
            "formatter": "generic",
            "class": "logging.StreamHandler",
            "stream": "ext://sys.stderr",
        }
    },
    "loggers": {"_granian": {"handlers": ["console"], "propagate": False}},
}


class PortTaken(Exception):
    """Another process listens on the port; the message names it."""


def serve(config: ServiceConfig, config_path: Path, host: str, port: int) -> int:
    """Runs the service until a signal stops it; returns the exit status.

    Raises:
        PortTaken: Another process listens there.
    """
    port = find_port(host, port)
    _raise_descriptor_limit()
    if sys.platform == "linux":
        # One way for Python 3.10 to 3.14; and a forked front shares Granian's and our pages.
        multiprocessing.set_start_method("fork", force=True)
    ours, theirs = multiprocessing.Pipe()
    options = FrontOptions(
        config=config,
        config_path=config_path,
        host=host,
        port=port,
        server=theirs,
        servers_end=ours,
    )
    return Server(options, ours).run()


def find_port(host: str, port: int) -> int:
    """The port, or a free one for 0.

    Granian's own socket has SO_REUSEPORT, with which a second service on the same port would
    start, and take half of the requests; this one has not.

    Raises:
        PortTaken: Another process listens there, or the address is not ours to bind.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = error.strerror or str(error)
            raise PortTaken(f"port {port} on {host} is taken or not ours: {reason}") from error
        found: int = probe.getsockname()[1]
        return found


def _raise_descriptor_limit() -> None:
    """Every connection and every slot is a descriptor; the usual 1024 are few."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4 * _CONNECTIONS if hard == resource.RLIM_INFINITY else min(hard, 4 * _CONNECTIONS)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class Server:
    """Granian with one worker process, the front, and the conversation with it."""

    def __init__(self, options: FrontOptions, front: Connection) -> None:
        self._options = options
        self._front = front
        self._status = EXIT_SERVER
        self._front_pid = 0
        self._announced = False
        self._stop_asked = False
        self._stopped = threading.Event()
        self._granian = _granian(options)
        # Python runs a signal's handler in the main thread, which waits for Granian's event; a
        # signal that the kernel gave to another thread would wait as long. Its number is
        # written here at once, whichever thread it met.
        self._signals, self._signals_writer = socket.socketpair()
        self._signals_writer.setblocking(False)

    def run(self) -> int:
        """Serves until stopped; returns the exit status."""
        signal.set_wakeup_fd(self._signals_writer.fileno(), warn_on_full_buffer=False)
        threading.Thread(target=self._obey_signals, name="signals", daemon=True).start()
        threading.Thread(target=self._listen, name="front", daemon=True).start()
        # Granian's status knows nothing of ours.
        with contextlib.suppress(SystemExit):
            self._granian.serve(target_loader=partial(make_front, self._options), wrap_loader=False)
        self._end_group()
        return self._status

    def _obey_signals(self) -> None:
        """Stops gracefully at the first SIGINT or SIGTERM, at once at the second."""
        while True:
            for number in self._signals.recv(64):
                if number not in (signal.SIGINT, signal.SIGTERM):
                    continue
                if self._stop_asked:
                    self._granian.interrupt()
                    continue
                self._stop_asked = True
                self._status = 0
                self._granian.respawn_failed_workers = False
                threading.Thread(target=self._stop_gracefully, name="stop", daemon=True).start()

    def _stop_gracefully(self) -> None:
        # No front, so nothing is in flight.
        with contextlib.suppress(OSError):
            self._front.send("stop")
        # The front keeps the grace period; the second more is for the word to come back.
        self._stopped.wait(self._options.config.grace_seconds + 1)
        self._granian.interrupt()

    def _listen(self) -> None:
        """Hears what the front has to tell."""
        while True:
            try:
                word, text = self._front.recv()
            except (EOFError, OSError):
                return
            match word:
                case "started":
                    # A front before this one died; what it left must not go on.
                    self._end_group()
                    self._front_pid = int(text)
                case "ready" if not self._announced:
                    self._announced = True
                    _say(f"ready on http://{self._address()}")
                case "failed" if not self._stop_asked:
                    self._status = EXIT_LOAD
                    _say(text)
                    self._granian.respawn_failed_workers = False
                    self._granian.interrupt()
                    # Nothing is in flight, and the front may be too young to hear a SIGTERM.
                    self._end_group()
                case "stopped":
                    self._stopped.set()

    def _end_group(self) -> None:
        """Kills the last front's process group: workers that outlived it, usually none."""
        if self._front_pid:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._front_pid, signal.SIGKILL)

    def _address(self) -> str:
        host = self._options.host
        return f"{f'[{host}]' if ':' in host else host}:{self._options.port}"


class _Granian(MPServer):
    """Granian's supervisor, but its reaction to SIGINT and SIGTERM is ours."""

    def signal_handler_interrupt(self, *args: object, **kwargs: object) -> None:
        """Nothing: `Server` has heard of the signal already."""

    def interrupt(self) -> None:
        """What Granian does by itself at a signal: ends the front and returns from serve()."""
        super().signal_handler_interrupt()  # type: ignore[no-untyped-call]  # untyped upstream


def _granian(options: FrontOptions) -> _Granian:
    running = options.config.workers * options.config.threads
    return _Granian(
        target="liminal_serving",
        address=options.host,
        port=options.port,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,
        # One front: it only carries bodies to the workers and back, and has all the numbers.
        workers=1,
        respawn_failed_workers=True,
        workers_kill_timeout=_KILL_SECONDS,
        # Granian counts connections here, the idle ones too; requests are counted by the pool.
        backlog=_CONNECTIONS,
        backpressure=_CONNECTIONS,
        blocking_threads=running + QUEUE_LIMIT + _SPARE_THREADS,
        http1_settings=HTTP1Settings(
            header_read_timeout=_HEADER_SECONDS * 1000, max_buffer_size=_MAX_HEADER_BYTES
        ),
        log_level=LogLevels.error,
        log_dictconfig=_LOGGING,
    )


def _say(text: str) -> None:
    sys.stderr.write(f"liminal_serving: {text}\n")
    sys.stderr.flush()
