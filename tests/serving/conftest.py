"""Services for the tests: real ones as processes, and the application alone in this process."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from liminal.serving.access_log import AccessLog
from liminal.serving.app import create_app
from liminal.serving.config import read_config
from liminal.serving.functions import load_functions
from liminal.serving.lifecycle import Lifecycle
from liminal.serving.metrics import Metrics
from liminal.serving.results import Reply
from liminal.serving.wire import READY, VERSION, Call
from liminal.serving.worker import Worker

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 30


@dataclass(frozen=True)
class Answer:
    """One HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Service:
    """A running service, started by its real entry point."""

    def __init__(self, folder: Path, port: int, config_path: Path) -> None:
        self.folder = folder
        self.port = port
        self._out = (folder / "out.log").open("wb")
        self._err = (folder / "err.log").open("wb")
        command = [sys.executable, "-m", "liminal.serving", "--config", str(config_path)]
        self.process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=self._out,
            stderr=self._err,
        )

    @property
    def out(self) -> str:
        return (self.folder / "out.log").read_text()

    @property
    def err(self) -> str:
        return (self.folder / "err.log").read_text()

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The access lines so far."""
        return [json.loads(line) for line in self.out.splitlines() if line.startswith('{"time"')]

    def wait_until_ready(self) -> Service:
        self.wait_for(lambda: "ready on" in self.err or self.process.poll() is not None)
        assert self.process.poll() is None, self.err
        return self

    def request(
        self, path: str, body: bytes | str | None = None, method: str = "", **headers: str
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        try:
            names = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method or ("GET" if body is None else "POST"), path, body, names)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())
        finally:
            connection.close()

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_SECONDS)

    def exchange(self, data: bytes) -> bytes:
        """All that the service sends back for raw bytes until it closes the connection."""
        with self.connect() as connection:
            with contextlib.suppress(ConnectionError):  # answered before we have sent all
                connection.sendall(data)
            return self.read_all(connection)

    def metric(self, line: str) -> float:
        """The value of one metric, named as its line in /metrics begins; 0 without one."""
        for text in self.request("/metrics").body.decode().splitlines():
            if text.startswith(line):
                return float(text.rsplit(" ", 1)[1])
        return 0.0

    def pids(self) -> list[int]:
        """The worker processes, oldest first."""
        output = subprocess.run(
            ["ps", "-eww", "-o", "pid,args"], capture_output=True, text=True
        ).stdout
        found = [line.split(None, 1) for line in output.splitlines()[1:]]
        return sorted(
            int(pid)
            for pid, args in found
            if "liminal.serving.worker" in args and str(self.folder) in args
        )

    def at_once(self, count: int, path: str, **arguments: Any) -> list[Answer]:
        """The answers to `count` concurrent requests, in the order they came."""
        answers: list[Answer] = []

        def ask() -> None:
            answers.append(self.request(path, **arguments))

        threads = [threading.Thread(target=ask) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_SECONDS)
        return answers

    def in_background(self, path: str, **arguments: Any) -> threading.Thread:
        """Sends a request that the test waits for later; its answer is `thread.answer`."""

        class Request(threading.Thread):
            answer: Answer | None = None

            def run(request) -> None:  # noqa: N805
                with contextlib.suppress(OSError, http.client.HTTPException):
                    request.answer = self.request(path, **arguments)

        request = Request()
        request.start()
        return request

    @staticmethod
    def read_all(connection: socket.socket) -> bytes:
        parts = []
        try:
            while part := connection.recv(1 << 16):
                parts.append(part)
        except ConnectionError:
            pass
        return b"".join(parts)

    @staticmethod
    def wait_for(condition: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> None:
        until = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < until, "it did not happen in time"
            time.sleep(0.02)

    def stop(self, sign: signal.Signals = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(sign)
        try:
            return self.process.wait(PATIENCE_SECONDS)
        finally:
            if self.process.poll() is None:
                self.process.kill()
            self._out.close()
            self._err.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def write_service(folder: Path, source: str, **config: Any) -> Path:
    """Writes the user's module `serving` and a service.json with an endpoint for each function."""
    source = textwrap.dedent(source)
    (folder / "serving.py").write_text(source)
    batch = config.pop("batch", {})
    names = [
        line[4:].partition("(")[0]
        for line in source.splitlines()
        if line.startswith("def ") and not line.startswith(("def _", "def on_"))
    ]
    endpoints = [
        {"endpoint": f"/{name}", "module": "serving", "function": name, "batch": batch.get(name)}
        for name in names
    ]
    path = folder / "service.json"
    path.write_text(json.dumps({"service": "iris", "endpoints": endpoints, **config}))
    return path


StartService = Callable[..., Service]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartService]:
    """Starts services from the source of the user's module; stops them after the module's tests."""
    services: list[Service] = []

    def start_service(source: str, *, wait: bool = True, port: int = 0, **config: Any) -> Service:
        folder = tmp_path_factory.mktemp("service")
        config_path = write_service(folder, source, **{"workers": 1, **config})
        service = Service(folder, port or free_port(), config_path)
        services.append(service)
        return service.wait_until_ready() if wait else service

    yield start_service
    for service in services:  # all at once, then wait for each
        if service.process.poll() is None:
            service.process.terminate()
    for service in services:
        service.process.wait(PATIENCE_SECONDS)
        service.stop()


class InProcess:
    """Workers without processes: the real worker's answers, in the caller's thread."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def call(self, number: int, request_id: str, body: bytes) -> Reply:
        return self._worker.answer(Call(number, request_id, body))

    def ready(self) -> bool:
        return self._worker.answer(Call(READY, "", b"")).status == 200

    def versions(self) -> bytes:
        return self._worker.answer(Call(VERSION, "", b"")).body

    def descriptions(self) -> list[dict[str, Any]]:
        return self._worker.descriptions()


@pytest.fixture
def client_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., FlaskClient]]:
    """Flask's test client for the application around a user's module."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(source: str, **config: Any) -> FlaskClient:
        sys.modules.pop("serving", None)
        service = read_config(write_service(tmp_path, source, **config), cpus=1)
        app = create_app(
            service,
            InProcess(Worker(load_functions(service.endpoints))),
            metrics=Metrics(),
            lifecycle=Lifecycle(),
            access_log=AccessLog(
                os.open(tmp_path / "access.log", os.O_CREAT | os.O_WRONLY), "iris"
            ),
        )
        return app.test_client()

    yield make
    sys.modules.pop("serving", None)
