"""What tests of the docker runner need: an engine, and images as Liminal builds them."""

import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import docker
from docker.errors import DockerException, ImageNotFound

BASE = "python:3.11-slim"
LIMINAL = Path(sys.executable).parent / "liminal"
PREFIX = f"liminal-tests-{os.environ.get('PYTEST_XDIST_WORKER', 'one')}-runners/"
"""Of the images that this process alone builds."""

PROJECT = """
name: app
images:
  - image: {name}
    type: python
    source: source
    python_version: "3.11"
"""

Require = Callable[[str, str], NoReturn]


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """What an engine with containers gives us of an image."""

    name: str
    reference: str
    hash: str = "0" * 24
    env_vars: dict[str, str] = field(default_factory=dict)
    rebuilt: bool = False


def find_engine(require: Require) -> None:
    """Skips the test where no engine answers, or it has no base image."""
    try:
        with client() as engine:
            engine.images.get(BASE)
    except ImageNotFound:
        require("docker", f"pull {BASE}")
    except DockerException as problem:
        require("docker", f"install docker.io, and start its daemon: {problem}")


def build(folder: Path, name: str, files: dict[str, str]) -> str:
    """An image of ours with these files at its working directory; its reference."""
    source = folder / "source"
    source.mkdir(parents=True)
    for path, content in files.items():
        (source / path).write_text(content)
    (folder / "liminal.yml").write_text(PROJECT.format(name=f"{PREFIX}{name}"))
    environ = {**os.environ, "LIMINAL_HOME": str(folder / "home")}
    command = [LIMINAL, "build", "--engine", "docker", "--format", "json"]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (built,) = json.loads(done.stdout)
    return str(built["reference"])


def remove_images() -> None:
    """Remove what this process built."""
    with client() as engine:
        for image in engine.images.list(filters={"reference": f"{PREFIX}*"}):
            for tag in image.tags:
                if tag.startswith(PREFIX):
                    engine.images.remove(tag, force=True)


def bare_image(engine: Any, tag: str) -> str:
    """An image with a single file: no shell, no libraries."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("file"))
    engine.api.import_image_from_data(packed.getvalue(), repository=tag, tag="latest")
    return tag


@contextmanager
def client(url: str | None = None) -> Iterator[Any]:
    """A client of the engine."""
    opened = docker.DockerClient(url) if url else docker.from_env()
    try:
        yield opened
    finally:
        opened.close()


def containers(home: Path, url: str | None = None) -> list[Any]:
    """The containers that runs of that home left, or are about."""
    with client(url) as engine:
        found = engine.api.containers(all=True, filters={"label": f"liminal.home={home}"})
        return [engine.containers.get(one["Id"]) for one in found]


def remove_all(home: Path) -> None:
    """Remove what a failed test left."""
    with client() as engine:
        for one in engine.api.containers(all=True, filters={"label": f"liminal.home={home}"}):
            engine.api.remove_container(one["Id"], force=True, v=True)
