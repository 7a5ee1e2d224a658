"""What a good author of Dockerfiles writes by hand, and a hasty one, for a Python project."""

import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.installed import CACHE
from liminal.images.engines.docker.builders import Builder, find_builder
from liminal.images.engines.docker.buildkit import BuildKitCommand
from liminal.images.engines.docker.client import EngineProblem, connect

BASE = "python:3.11-slim"
LABEL = "liminal.bench"
"""Of what is built by hand, by which it is removed."""

BEST = f"""\
FROM {BASE} AS system
RUN mkdir -p /home/app /app && chown 10001:0 /home/app /app && chmod 775 /home/app /app \\
    && echo "app:x:10001:0::/home/app:/bin/sh" >> /etc/passwd

FROM system AS build
RUN --mount=type=cache,id=bench-by-hand,target=/var/cache/pip export PIP_CACHE_DIR=/var/cache/pip \\
    && python3 -m pip -q install --no-compile --target /opt/init dumb-init \\
    && python3 -m pip -q install --no-compile --target /opt/uv uv
RUN --mount=type=cache,id=bench-by-hand,target=/var/cache/pip \\
    --mount=type=bind,source=requirements.txt,target=/tmp/requirements.txt \\
    python3 -m venv --without-pip /opt/venv \\
    && UV_SYSTEM_CERTS=1 /opt/uv/bin/uv pip install --no-progress --compile-bytecode \\
    --link-mode copy --cache-dir /var/cache/pip --python /opt/venv -r /tmp/requirements.txt

FROM system
COPY --from=build /opt/init /opt/init
COPY --from=build /opt/venv /opt/venv
ENV PATH="/opt/venv/bin:$PATH" HOME=/home/app PYTHONUNBUFFERED=1
WORKDIR /app
COPY --chown=10001:0 . .
USER 10001:0
RUN python -m compileall -qq .
ENTRYPOINT ["/opt/init/bin/dumb-init", "--"]
CMD ["python"]
"""

NAIVE = """\
FROM {base}
COPY . .
RUN pip install -r requirements.txt
CMD ["python"]
"""

FULL = f"""\
FROM {BASE}
RUN apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get install -y -q \\
    --no-install-recommends build-essential curl git wget procps unzip autoconf automake libtool \\
    libbz2-dev libcurl4-openssl-dev libffi-dev libjpeg-dev libpng-dev libpq-dev libreadline-dev \\
    libsqlite3-dev libssl-dev libxml2-dev libxslt1-dev libyaml-dev zlib1g-dev \\
    && rm -rf /var/lib/apt/lists/*
"""
"""In place of the full image ``python:3.11``, which has more of the like: of buildpack-deps 36 -dev
packages, ImageMagick, Mercurial and Subversion. So the real one is larger, and this one fair."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A Docker engine, and the command line with BuildKit that Liminal builds with."""

    command: BuildKitCommand
    environ: Mapping[str, str]

    def build(self, name: str, folder: Path, text: str) -> float:
        """Seconds of ``docker build``; the Dockerfile is no part of the context."""
        file = folder.parent / f"{folder.name}.Dockerfile"
        file.write_text(text)
        words = ("build", "--quiet", f"--label={LABEL}=1", "--tag", name, "--file", str(file), ".")
        begin = time.perf_counter()
        subprocess.run(
            [self.command.path, *words],
            cwd=folder,
            env={**self.command.environ, "DOCKER_BUILDKIT": "1"},
            check=True,
            capture_output=True,
        )
        return time.perf_counter() - begin

    def run(self, name: str, *words: str) -> float:
        """Seconds of ``docker run``."""
        begin = time.perf_counter()
        command = [self.command.path, "run", "--rm", name, *words]
        subprocess.run(command, env=dict(self.command.environ), check=True, capture_output=True)
        return time.perf_counter() - begin

    def size(self, name: str) -> int:
        """Bytes of an image, with those of its base."""
        words = [self.command.path, "image", "inspect", "--format", "{{.Size}}", name]
        return int(subprocess.run(words, check=True, capture_output=True).stdout)


@contextmanager
def engine(environ: Mapping[str, str], prefix: str) -> Iterator[Engine | None]:
    """The engine of this machine; None where none answers, or it lacks the base or BuildKit.

    Args:
        environ: what ``liminal`` gets.
        prefix: what the names of images begin with that are removed in the end.
    """
    try:
        client = connect(environ)
    except EngineProblem as problem:
        print(problem.message)
        yield None
        return
    builder: Builder = find_builder(client, environ, CACHE / "docker-command.json")
    if not client.images.list(BASE) or not isinstance(builder, BuildKitCommand):
        print(f"the Docker engine has no {BASE}, or there is no BuildKit")
        yield None
        return
    try:
        yield Engine(builder, {**environ, "LIMINAL_ENGINE": "docker"})
    finally:
        for image in client.images.list(filters={"reference": f"{prefix}*"}):
            for tag in image.tags:
                if tag.startswith(prefix):
                    client.images.remove(tag, force=True)
        for image in client.images.list(filters={"label": f"{LABEL}=1"}):
            client.images.remove(image.id, force=True)
        client.close()


def load() -> str:
    """How busy the machine is, for who judges a figure."""
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
