"""What can build a context on this machine: BuildKit, the classic builder, or Podman."""

import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from liminal.images.engines.docker.client import find_address, is_podman
from liminal.images.engines.process import Processes

if TYPE_CHECKING:
    from docker import DockerClient

_ASK_SECONDS = 20
_FIRST_WITHOUT = 23
"""Docker's command line has BuildKit built in before this version, and in buildx from it on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One build, for any builder.

    Attributes:
        tar: the context, at its beginning.
        dockerfile: its path in the context.
        secrets: id -> file, absolute.
        arguments: build arguments by name; the values come from the environment.
        lock: descriptor of the lock that a process of the build holds on to.
    """

    tar: BinaryIO
    dockerfile: str
    labels: Mapping[str, str]
    secrets: Mapping[str, Path] = field(default_factory=dict)
    arguments: Sequence[str] = ()
    no_cache: bool = False
    lock: int


class Builder(Protocol):
    """Builds contexts; usable from several threads at once."""

    @property
    def buildkit(self) -> bool:
        """Whether it knows mounts: caches, secrets and folders that only a step sees."""
        ...

    def build(self, order: Order, processes: Processes, output: Callable[[str], None]) -> str:
        """The id of the image.

        Args:
            order: what to build.
            processes: those of the engine, by which a build is cancelled.
            output: takes each line that the builder writes, maybe from another thread.

        Raises:
            StepFailed: it could not be built.
            Interrupted: the engine was cancelled.
        """
        ...


def find_builder(client: "DockerClient", environ: Mapping[str, str]) -> Builder:
    """The best builder for the engine that the client speaks to."""
    if is_podman(client):
        podman = shutil.which("podman", path=environ.get("PATH"))
        if podman is not None:
            from liminal.images.engines.docker.podman import PodmanCommand

            return PodmanCommand(podman, environ)
    else:
        for path in _command_lines(environ):
            kind = _kind(path, environ)
            if kind is not None:
                from liminal.images.engines.docker.buildkit import BuildKitCommand

                to_engine = {**environ, "DOCKER_HOST": find_address(environ).url}
                return BuildKitCommand(path, kind == "buildx", to_engine)
    from liminal.images.engines.docker.classic import ClassicBuilder

    return ClassicBuilder(client, environ)


def _command_lines(environ: Mapping[str, str]) -> Iterator[str]:
    """Every ``docker`` on the path: the first may be one without BuildKit."""
    seen = set()
    for folder in environ.get("PATH", "").split(":"):
        found = shutil.which("docker", path=folder) if folder else None
        if found is not None and (real := str(Path(found).resolve())) not in seen:
            seen.add(real)
            yield found


def _kind(path: str, environ: Mapping[str, str]) -> str | None:
    """``buildx`` or ``built-in``; None where the command line has no BuildKit."""
    # Both at once: each is a process, which somebody waits for who changed one line.
    with ThreadPoolExecutor(2) as pool:
        buildx = pool.submit(_answer, [path, "buildx", "version"], environ)
        version = _answer([path, "--version"], environ) or ""
        if buildx.result() is not None:
            return "buildx"
    digits = version.removeprefix("Docker version ").partition(".")[0]
    return "built-in" if digits.isdigit() and int(digits) < _FIRST_WITHOUT else None


def _answer(words: list[str], environ: Mapping[str, str]) -> str | None:
    try:
        done = subprocess.run(
            words,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_ASK_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
