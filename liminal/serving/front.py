"""The front: the process that speaks HTTP, holds the connections and owns the workers."""

from __future__ import annotations

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
from typing import Any

from flask import Flask

from .access_log import AccessLog
from .app import create_app
from .config import ServiceConfig
from .lifecycle import Lifecycle
from .metrics import Metrics
from .pool import Pool
from .tracing import Tracer

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
    front = Front(options)
    front.start()
    return front.app


class Front:
    """Ties pool, application and the connection to the server process together."""

    def __init__(self, options: FrontOptions) -> None:
        self._options = options
        self._config = options.config
        self._lifecycle = Lifecycle()
        self._metrics = Metrics()
        self._pool = Pool(options.config, options.config_path, self)
        self._talking = threading.Lock()
        self._add_gauges()

    def start(self) -> None:
        """Starts the workers before anything else, because they take longest."""
        self._pool.start()
        self.app = create_app(
            self._config,
            self._pool,
            metrics=self._metrics,
            lifecycle=self._lifecycle,
            access_log=AccessLog(sys.stdout.fileno(), self._config.service),
            tracer=None,
        )
        threading.Thread(target=self._obey, name="server", daemon=True).start()

    # What the pool tells.

    def loaded(self, descriptions: list[dict[str, Any]]) -> None:
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
        self._metrics.worker_replaced(reason)

    # The server process.

    def _tell(self, word: str, text: str) -> None:
        with self._talking:
            try:
                self._options.server.send((word, text))
            except OSError:
                pass  # the server is gone, and _obey() acts on that

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

    def _add_gauges(self) -> None:
        gauge = self._metrics.gauge
        gauge("in_flight", "Requests without an answer yet.", lambda: self._lifecycle.in_flight)
        gauge("queue", "Requests that wait for a free worker.", lambda: self._pool.waiting)
        gauge("workers", "Workers that can take requests.", lambda: self._pool.loaded)
        self._metrics.model_versions(self._pool.versions)
