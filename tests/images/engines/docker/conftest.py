"""A real engine, and what a test asks of the images in it.

The base image is ``python:3.11-slim``: where it cannot be pulled, `tests/engine/start` makes a
stand-in of Debian's own Python under that name.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import pytest

from liminal.home import Home
from liminal.images.engines.docker import DockerEngine, DockerImage
from liminal.images.engines.docker.client import EngineProblem, connect, connected
from liminal.images.events import BuildEvent, Output, Step
from liminal.images.recipe import ImagePlan
from liminal.plugins import discover

PYTHON = "3.11"
BASE = f"python:{PYTHON}-slim"
PREFIX = f"liminal-tests-{os.environ.get('PYTEST_XDIST_WORKER', 'one')}-{os.getpid()}/"
"""Of this process alone, which removes such images in the end."""
HOW = "tests/engine/start installs and starts one on Debian, and makes the base image"


@dataclass
class Builder:
    """An engine with the events of its last build."""

    engine: DockerEngine
    events: list[BuildEvent] = field(default_factory=list)

    @property
    def client(self) -> Any:
        return self.engine.client

    def build(self, plan: ImagePlan) -> DockerImage:
        self.events.clear()
        return self.engine.build(plan, self.events.append)

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def steps(self) -> list[str]:
        return [event.name for event in self.of(Step)]

    def output(self) -> str:
        return "\n".join(event.line for event in self.of(Output))

    def id_of(self, name: str) -> str | None:
        found = self.engine.store.inspect(name)
        return None if found is None else str(found["Id"])

    def run(self, image: DockerImage | str, command: str, **settings: Any) -> str:
        """What the shell command writes in a container of the image; it must end well."""
        name = image if isinstance(image, str) else image.reference
        output = self.client.containers.run(
            name, ["/bin/sh", "-c", command], remove=True, stderr=True, **settings
        )
        return str(output.decode().strip())

    def venv_layer(self, image: DockerImage) -> str:
        """The layer with the virtual environment."""
        history = self.client.images.get(image.reference).history()
        steps = [one["CreatedBy"] for one in history]  # the newest first
        copied = re.compile(r"COPY \S+ (?:in )?/opt/venv")
        after = steps[: next(place for place, one in enumerate(steps) if copied.search(one))]
        nothing = re.compile(
            r"^(?:/bin/sh -c #\(nop\)\s+)?(?:ENV|USER|LABEL|CMD|ENTRYPOINT|EXPOSE)\b"
        )
        return self.layers(image)[-1 - sum(nothing.match(one) is None for one in after)]

    def layers(self, image: DockerImage) -> list[str]:
        return list(self.client.images.get(image.reference).attrs["RootFS"]["Layers"])


def builder_at(home: Path, **environ: str) -> Builder:
    given = {**os.environ, **environ}
    engine = DockerEngine(home=Home(home), environ=given, plugins=discover(), client=connect(given))
    return Builder(engine)


@pytest.fixture(scope="session")
def docker(require: Callable[[str, str], NoReturn]) -> Iterator[Any]:
    """A client of the engine, or the end of the test."""
    try:
        client = connect(os.environ)
    except EngineProblem as problem:
        require("docker", f"{problem.message}; {HOW}")
    try:
        if not client.images.list(BASE):
            require("docker", f"there is no image {BASE}; {HOW}")
        yield client
        for image in client.images.list(filters={"reference": f"{PREFIX}*"}):
            # Not its other names: a test may have given one of its own to the base image.
            for tag in image.tags:
                if tag.startswith(PREFIX):
                    client.images.remove(tag, force=True)
    finally:
        client.close()


@pytest.fixture
def builder(docker: Any, tmp_path: Path) -> Iterator[Builder]:
    """The docker engine, with a home of its own."""
    made = builder_at(tmp_path / "home")
    yield made
    made.client.close()


@pytest.fixture(name="builder_at")
def _builder_at(docker: Any) -> Iterator[Callable[..., Builder]]:
    """Makes an engine in a home, with environment variables on top of this process's."""
    made: list[Builder] = []

    def make(home: Path, **environ: str) -> Builder:
        made.append(builder_at(home, **environ))
        return made[-1]

    yield make
    for one in made:
        one.client.close()


@pytest.fixture
def image_name(request: pytest.FixtureRequest) -> str:
    """A name for the image of a test, and of no other."""
    readable = "".join(letter if letter.isalnum() else "-" for letter in request.node.name)
    different = hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:6]
    return f"{PREFIX}{readable.strip('-')[:50].strip('-').lower()}-{different}"


@dataclass
class OwnEngine:
    """A Docker engine of the test's own, to stop, or to fill its disk."""

    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def environ(self) -> dict[str, str]:
        return {"DOCKER_HOST": f"unix://{self.folder}/docker.sock"}

    def stop(self) -> None:
        """Ends it as a crash would."""
        self.process.kill()
        self.process.wait()


@pytest.fixture
def own_engine(docker: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnEngine]:
    """An engine whose disk has some 300 MB beside the base image; it has no network."""
    dockerd = shutil.which("dockerd")
    if dockerd is None or os.geteuid() != 0:
        pytest.skip("an engine of the test's own takes root and dockerd")
    folder = tmp_path_factory.mktemp("engine")
    data = folder / "data"
    data.mkdir()
    size = docker.images.get(BASE).attrs["Size"] + 300_000_000
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", data], check=True)
    process = subprocess.Popen(
        [
            # In a network of its own: another engine would take the bridge of the first away.
            "unshare", "--net", dockerd, f"--data-root={data}", f"--exec-root={folder}/exec",
            f"--pidfile={folder}/pid", f"--host=unix://{folder}/docker.sock", "--iptables=false",
        ],
        stdout=subprocess.DEVNULL,
        stderr=(folder / "log").open("wb"),
        start_new_session=True,
    )  # fmt: skip
    own = OwnEngine(folder, process)
    try:
        _wait_for(own)
        with connected({**os.environ, **own.environ}) as client:
            client.images.load(b"".join(docker.images.get(BASE).save(named=True)))
        yield own
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        _end_containerd(folder)
        subprocess.run(["umount", "--lazy", data], check=False)


def _wait_for(own: OwnEngine) -> None:
    end = time.monotonic() + 30
    while True:
        try:
            connect({**os.environ, **own.environ}).close()
            return
        except EngineProblem:
            if own.process.poll() is not None or time.monotonic() > end:
                pytest.fail((own.folder / "log").read_text()[-2000:])
            time.sleep(0.1)


def _end_containerd(folder: Path) -> None:
    """What a killed dockerd leaves: its containerd, and that one's shims."""
    import psutil

    for process in psutil.process_iter(["cmdline"]):
        if any(str(folder) in word for word in process.info["cmdline"] or ()):
            process.kill()
