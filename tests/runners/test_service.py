"""``liminal serve``: a real service in its own environment, started and ended as a user does."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import docker_parts
import psutil
import pytest

from liminal.home import Home
from liminal.runners.embedded.folder import KEPT_RUNS, RECORD, make_folder, release
from liminal.runners.embedded.lines import LINE_LIMIT
from liminal.runners.service import READY, Told, _Lines

LIMINAL = Path(sys.executable).parent / "liminal"
PATIENCE_SECONDS = 60

PROJECT = """
name: parrot
images:
  - image: parrot
    type: python_server
    source: .
    endpoints:
      - {endpoint: /echo, module: parrot, function: echo}
      - {endpoint: /slow, module: parrot, function: slow}
      - {endpoint: /files, module: parrot, function: files}
volumes:
  - volume: data
    local: {path: data}
secrets:
  - secret: token
    local_path_file: token.txt
services:
  - service: parrot
    image: parrot
    env_vars: {GREETING: "{{ greeting }}"}
    mounts: [{mount: data, volume: data, path: data}]
    secrets: [{secret: token, remote_path: secrets/token}]
    workers: 1
variables: {greeting: hello}
"""

PARROT = """
import os, pathlib, time

def echo(body: dict) -> dict:
    return {"greeting": os.environ["GREETING"], "heard": body}

def slow(body):
    pathlib.Path("data/started").touch()
    time.sleep(1.5)
    return "done"

def files():
    return {
        "token": pathlib.Path("secrets/token").read_text(),
        "data": sorted(path.name for path in pathlib.Path("data").iterdir()),
    }
"""


@pytest.fixture(scope="session")
def service_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LIMINAL_HOME that all of these tests share, so that one environment serves them."""
    return tmp_path_factory.mktemp("service-home")


@pytest.fixture
def parrot(tmp_path: Path) -> Path:
    """A project with one service."""
    (tmp_path / "liminal.yml").write_text(PROJECT)
    (tmp_path / "parrot.py").write_text(PARROT)
    (tmp_path / "token.txt").write_text("canary-4711")
    (tmp_path / ".dockerignore").write_text("data\ntoken.txt\n")
    return tmp_path


RUNNING: "list[Serving]" = []


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """Ends what a test started, also where the test failed half-way."""
    yield
    while RUNNING:
        running = RUNNING.pop()
        if running.process.poll() is None:
            running.end(signal.SIGTERM)


class Serving:
    """A running ``liminal serve``."""

    def __init__(self, command: Sequence[str], project: Path, home: Path, *words: str) -> None:
        self.process = subprocess.Popen(
            [*command, *words],
            cwd=project,
            env={**os.environ, "LIMINAL_HOME": str(home)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        RUNNING.append(self)
        self.lines: list[str] = []
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self.lines.append(line)
            if " answers on " in line:
                self._ready.set()
        self._ready.set()

    @property
    def url(self) -> str:
        assert self._ready.wait(PATIENCE_SECONDS), self.said
        line = next((line for line in self.lines if " answers on " in line), None)
        assert line is not None, self.said
        return line.split(" answers on ")[1].split(";")[0]

    @property
    def said(self) -> str:
        return "".join(self.lines)

    def ask(self, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(self.url + path, data=data, timeout=30) as answer:
            text = answer.read().decode()
        return json.loads(text) if text[:1] in "{[" else text

    def end(self, number: int = signal.SIGINT) -> int:
        self.process.send_signal(number)
        status = self.process.wait(PATIENCE_SECONDS)
        self._reader.join(PATIENCE_SECONDS)
        return status


Serve = Callable[..., Serving]


@pytest.fixture(params=["local", "docker"])
def serve(request: pytest.FixtureRequest, parrot: Path, service_home: Path) -> Iterator[Serve]:
    """Starts the service of the project as it is, as processes or in a container."""
    if request.param == "local":
        local = [str(LIMINAL), "serve", "--engine", "local"]
        yield lambda *words: Serving(local, parrot, service_home, *(words or ("--port", "0")))
        return
    request.getfixturevalue("docker_engine")
    image = f"image: {docker_parts.PREFIX}parrot\n"
    text = PROJECT.replace("image: parrot\n", f'{image}    python_version: "3.11"\n', 1)
    (parrot / "liminal.yml").write_text(text.replace("    image: parrot\n", f"    {image}"))
    docker = [str(LIMINAL), "serve", "--engine", "docker"]
    yield lambda *words: Serving(docker, parrot, service_home, *(words or ("--port", "0")))
    left = docker_parts.containers(service_home)
    docker_parts.remove_all(service_home)
    assert left == []


@pytest.fixture
def serving(serve: Serve) -> Iterator[Serving]:
    """The service, answering; killed in the end if the test did not end it."""
    running = serve()
    assert running.url
    yield running
    if running.process.poll() is None:
        running.end(signal.SIGTERM)


def processes_of(project: Path, home: Path) -> list[int]:
    """What still runs with the project's or the home's path on its command line."""
    return [
        one.pid
        for one in psutil.process_iter(["cmdline", "status"])
        if one.info["status"] != psutil.STATUS_ZOMBIE
        and any(
            str(place) in word for word in one.info["cmdline"] or () for place in (project, home)
        )
    ]


def test_it_answers_with_its_variables_volume_and_secret(serving: Serving) -> None:
    assert serving.ask("/echo", {"a": 1}) == {"greeting": "hello", "heard": {"a": 1}}
    assert serving.ask("/files") == {"token": "canary-4711", "data": []}
    assert "canary-4711" not in serving.said
    assert f"curl --data '{{}}' {serving.url}/echo" in serving.said


def test_ctrl_c_finishes_what_is_in_flight_and_ends_with_0(
    serving: Serving, parrot: Path, service_home: Path
) -> None:
    answers: list[Any] = []
    asking = threading.Thread(target=lambda: answers.append(serving.ask("/slow", {})))
    asking.start()
    while not (parrot / "data" / "started").exists():
        time.sleep(0.02)
    assert serving.end() == 0
    asking.join(PATIENCE_SECONDS)
    assert answers == ["done"]
    assert processes_of(parrot, service_home) == []
    assert not list(service_home.glob("runs/*/*/*/work"))


def test_a_taken_port_is_told_before_anything_starts(serve: Serve) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        running = serve("--port", str(port))
        assert running.process.wait(PATIENCE_SECONDS) == 6
    running._reader.join(PATIENCE_SECONDS)
    assert f"port {port} on 127.0.0.1 is taken" in running.said
    assert "--port 0" in running.said


def test_a_module_that_does_not_import_ends_it_with_the_users_traceback(
    serve: Serve, parrot: Path
) -> None:
    (parrot / "parrot.py").write_text(PARROT + "\nraise ValueError('not today')\n")
    running = serve()
    assert running.process.wait(PATIENCE_SECONDS) == 6
    running._reader.join(PATIENCE_SECONDS)
    assert "ValueError: not today" in running.said
    assert "parrot.py" in running.said
    assert "this is a bug of Liminal" not in running.said


def test_what_a_killed_command_left_is_ended_by_the_next(
    serving: Serving, serve: Serve, parrot: Path, service_home: Path
) -> None:
    os.kill(serving.process.pid, signal.SIGKILL)
    serving.process.wait(PATIENCE_SECONDS)
    following = serve()
    assert following.url
    assert 'service "parrot" was killed' in following.said
    assert following.end() == 0
    assert processes_of(parrot, service_home) == []


def test_the_last_runs_are_kept_with_how_they_ended(parrot: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    for _ in range(KEPT_RUNS + 3):
        earlier = datetime(2026, 1, 1, tzinfo=timezone.utc)
        release(make_folder(Home(home), "parrot", "service-parrot", earlier))
    command = [str(LIMINAL), "serve", "--engine", "local", "--port", "0"]
    running = Serving(command, parrot, home)
    assert running.url
    (going,) = home.glob("runs/*/*/*/lock")
    record = going.parent / RECORD
    assert json.loads(record.read_text())["state"] == "running"
    assert running.end() == 0
    assert json.loads(record.read_text()) == {"service": 'service "parrot"', "state": "success"}
    assert len(list(home.glob("runs/parrot/service-parrot/*"))) == KEPT_RUNS


def test_a_line_without_end_comes_in_pieces_and_costs_no_more_than_its_length() -> None:
    taken: list[bytes] = []
    ready: list[str] = []
    lines = _Lines(Told(output=taken.append, ready=ready.append, notice=print), ("127.0.0.1", 80))
    lines.take(b"short\r\n" + READY[:5])
    lines.take(READY[5:] + b"http://x\nrest")
    began = time.process_time()
    for _ in range(100_000):
        lines.take(b"x" * 512)
    assert time.process_time() - began < 5
    assert len(taken) > 700
    lines.end()
    assert ready == ["http://127.0.0.1:80"]
    assert taken[0] == b"short\r\n"
    assert all(len(one) <= LINE_LIMIT + 1 for one in taken)
    whole = b"".join(one.removesuffix(b"\n") for one in taken[1:])
    assert whole == b"rest" + b"x" * 51_200_000
