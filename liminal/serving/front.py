"""The front: the process that speaks HTTP, holds the connections and owns the workers."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import sys
import threading
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from .config import ServiceConfig
from .lifecycle import Lifecycle
from .pool import Pool

if TYPE_CHECKING:
    from flask import Flask

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontOptions:
    """What the server process tells the front.

    Attributes:
        server: Our end of the pipe to the server process.
        servers_end: The other end, which a fork copies: the front must let go of it, or it would
            never see that the server is gone.
    """

    config: ServiceConfig
    config_path: Path
    host: str
    port: int
    server: Connection
    servers_end: Connection


def make_front(options: FrontOptions) -> Flask:
    """The application for Granian, in Granian's worker process; starts the user's workers."""
    # A group of its own: Ctrl-C in a terminal reaches the server process alone, and the server
    # can end the whole group should the front die.
    os.setpgid(0, 0)
    options.servers_end.close()
    signal.set_wakeup_fd(-1)  # the server's, which the fork copied
    options.server.send(("started", str(os.getpid())))
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    return Front(options).start()


class Front:
    """Ties pool, application and the connection to the server process together."""

    def __init__(self, options: FrontOptions) -> None:
        self._options = options
        self._config = options.config
        self._lifecycle = Lifecycle()
        self._complete = threading.Event()
        self._talking = threading.Lock()
        self._pool = Pool(options.config, options.config_path, self)

    def start(self) -> Flask:
        """Starts the workers, and makes the application while they load."""
        self._pool.start()
        # Only now: these imports take a quarter of a second, and the workers take longest.
        from .access_log import AccessLog
        from .app import create_app
        from .metrics import Metrics
        from .slow_clients import SlowClients
        from .tracing import tracer_from

        self._metrics = Metrics()
        self._add_gauges()
        self._tracer = tracer_from(os.environ, self._config.service)
        self._access_log = AccessLog(sys.stdout.fileno(), self._config.service)
        app = create_app(
            self._config,
            self._pool,
            metrics=self._metrics,
            lifecycle=self._lifecycle,
            access_log=self._access_log,
            tracer=self._tracer,
        )
        self._access_log.start()
        if self._tracer is not None:
            self._tracer.start()
        # A timeout for the body to come, one to wait for a worker, one for the call, and some air.
        SlowClients(self._options.port, 3 * self._config.request_timeout_seconds + 2).start()
        self._complete.set()
        threading.Thread(target=self._obey, name="server", daemon=True).start()
        return app

    # What the pool tells.

    def loaded(self) -> None:
        """Tells the server that requests are answered, once the port really takes them."""
        address = (self._options.host, self._options.port)
        while not self._lifecycle.draining:
            try:
                socket.create_connection(address, timeout=1).close()
                break
            except OSError:
                time.sleep(0.005)
        self._tell("ready", "")

    def failed(self, message: str) -> None:
        """Tells the server that the service cannot start."""
        self._tell("failed", message)

    def replaced(self, reason: str) -> None:
        """Counts a worker's replacement."""
        self._complete.wait()  # a quick module can load and die while we still import
        self._metrics.worker_replaced(reason)

    # The server process.

    def _tell(self, word: str, text: str) -> None:
        # Without a server nobody listens; _obey() acts on that.
        with self._talking, contextlib.suppress(OSError):
            self._options.server.send((word, text))

    def _obey(self) -> None:
        """Stops when the server says so; and ends when the server is gone, which says so too."""
        if self._hear():
            self._stop()
            self._tell("stopped", "")
            self._hear()
        else:
            self._stop()
        # Nobody is left who would wait for us or end us.
        os.killpg(0, signal.SIGKILL)

    def _hear(self) -> bool:
        """Waits for the server's next word; False when there is no server any more."""
        try:
            self._options.server.recv()
        except (EOFError, OSError):
            return False
        return True

    def _stop(self) -> None:
        until = time.monotonic() + self._config.grace_seconds
        if not self._lifecycle.drain(self._config.grace_seconds):
            logger.warning("%d requests were not answered in time", self._lifecycle.in_flight)
        self._pool.stop(max(until - time.monotonic(), 1.0))
        self._access_log.flush()
        if self._tracer is not None:
            self._tracer.stop()

    def _add_gauges(self) -> None:
        gauge = self._metrics.gauge
        gauge("in_flight", "Requests without an answer yet.", lambda: self._lifecycle.in_flight)
        gauge("queue", "Requests that wait for a free worker.", lambda: self._pool.waiting)
        gauge("workers", "Workers that can take requests.", lambda: self._pool.loaded)
        self._metrics.model_versions(self._pool.versions)
