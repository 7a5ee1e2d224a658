"""What tests of the docker runner need: an engine, and images as Liminal builds them."""

import io
import shutil
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
CHECKOUT = Path(__file__).parent.parent.parent

# As `liminal build` makes them: an application's folder, an init, a user of group 0.
DOCKERFILE = f"""
FROM {BASE}
ENV HOME=/home/liminal PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin PYTHONUNBUFFERED=1 \
    PYTHONPATH=/opt/venv
RUN mkdir -m 775 /home/liminal && chown 10001:0 /home/liminal
COPY venv /opt/venv
WORKDIR /app
COPY app /app
RUN chown -R 10001:0 /app && chmod -R g=u /app
LABEL liminal.app=app liminal.source-hash=test
USER 10001:0
ENTRYPOINT ["/opt/venv/bin/dumb-init", "--"]
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


def build(folder: Path, tag: str, files: dict[str, str], *requirements: str) -> str:
    """An image with these files at its working directory; its reference."""
    folder.mkdir(parents=True)
    venv, app = folder / "venv", folder / "app"
    command = [
        *(str(Path(sys.executable).parent / "uv"), "pip", "install", "--quiet"),
        *("--target", str(venv), "--python-version", "3.11", "--python-platform", "linux"),
        *("--constraint", str(CHECKOUT / "constraints.txt"), "dumb-init", *requirements),
    ]
    subprocess.run(command, check=True)
    app.mkdir()
    for name, content in files.items():
        (app / name).write_text(content)
    if requirements:
        shutil.copytree(CHECKOUT / "liminal" / "serving", venv / "liminal_serving")
    (folder / "Dockerfile").write_text(DOCKERFILE)
    with client() as engine:
        engine.images.build(path=str(folder), tag=tag, rm=True, forcerm=True)
    return tag


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
