"""The Docker engine that this machine has: where it answers, and its problems in plain words."""

import errno
import hashlib
import json
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from docker import DockerClient

CONNECT_SECONDS = 3
"""How long an engine may take to say which version it is."""

API_SECONDS = 60
"""How long it may take for one answer; waiting for a container has no limit."""

PLATFORM = "DOCKER_DEFAULT_PLATFORM"
"""The variable by which Docker's command line is told for which platform to build."""

_DOCKER_SOCKET = "/var/run/docker.sock"
_PODMAN_IDLE_SECONDS = 60
_PODMAN_START_SECONDS = 4.0


class EngineProblem(Exception):
    """The engine cannot be used, or did not do what it was asked.

    Attributes:
        message: what is wrong, with the address, in one line.
        hint: what to do about it.
    """

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Address:
    """Where an engine is to be found.

    Attributes:
        url: as DOCKER_HOST has it.
        named_by: what says so: ``DOCKER_HOST``, ``the Docker context "x"``, or None for a socket
            that is where such sockets are.
    """

    url: str
    named_by: str | None = None

    @property
    def socket(self) -> Path | None:
        """The path of a Unix socket; None for another kind of address."""
        scheme, _, path = self.url.partition("://")
        return Path("/" + path.lstrip("/")) if scheme in ("unix", "http+unix") else None

    def __str__(self) -> str:
        return f"{self.url} (from {self.named_by})" if self.named_by else self.url


def find_address(environ: Mapping[str, str]) -> Address:
    """Where the command line of Docker would look for its engine, then where Podman has its own.

    Source: docker/cli: DOCKER_HOST, DOCKER_CONTEXT, then the configuration's currentContext.
    """
    if environ.get("DOCKER_HOST"):
        return Address(environ["DOCKER_HOST"], "DOCKER_HOST")
    named = _of_context(environ)
    if named is not None:
        return named
    for path in _sockets(environ):
        if _is_socket(path):
            return Address(f"unix://{path}")
    return Address(f"unix://{_DOCKER_SOCKET}")


@contextmanager
def connected(environ: Mapping[str, str]) -> Iterator["DockerClient"]:
    """A client of the engine for the length of the block.

    Raises:
        EngineProblem: no engine answers, or it is not ours to use.
    """
    client = connect(environ)
    try:
        yield client
    finally:
        client.close()


def connect(environ: Mapping[str, str]) -> "DockerClient":
    """A client of the engine, which answers; safe in several threads.

    Where only Podman is installed, and no service of it runs, one is started: it ends by itself
    a minute after it was last used.

    Raises:
        EngineProblem: no engine answers, or it is not ours to use.
    """
    import docker  # a tenth of a second: only who needs the engine pays for it
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    address = find_address(environ)
    if address.named_by is None and not _is_socket(address.socket):
        address = podman_service(environ) or address
    variables = {**environ, "DOCKER_HOST": address.url}
    try:
        client = docker.from_env(
            environment=variables, timeout=CONNECT_SECONDS, use_ssh_client=True
        )
        # from_env has asked for the version already; a context without a daemon ends there.
        client.ping()
    except (DockerException, RequestException, OSError, ValueError) as error:
        raise _refused(address, error) from error
    client.api.timeout = API_SECONDS
    return client


def is_podman(client: "DockerClient") -> bool:
    """Whether the engine is Podman, which speaks Docker's language."""
    components = client.version().get("Components") or ()
    return any("podman" in str(one.get("Name", "")).lower() for one in components)


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Makes of what the engine, or the way to it, refuses an `EngineProblem`.

    Args:
        what: what was tried, for a sentence: ``the container could not be started``.
    """
    from docker.errors import APIError, DockerException
    from requests.exceptions import RequestException
    from urllib3.exceptions import HTTPError  # of answers in pieces; nobody translates it

    try:
        yield
    except APIError as error:
        reason = str(error.explanation or error).strip()
        raise EngineProblem(f"{what}: {reason}", _hint_for(reason)) from error
    except (DockerException, RequestException, HTTPError) as error:
        message = f"{what}: the Docker engine does not answer any more"
        raise EngineProblem(message, "start it, and try again") from error


def _hint_for(reason: str) -> str | None:
    if "no space left" in reason.lower():
        return 'free some space: "docker system df" shows what takes it'
    return None


def _refused(address: Address, error: Exception) -> EngineProblem:
    """Why an engine cannot be used, from the innermost error that tells."""
    from docker.errors import InvalidVersion

    for cause in _causes(error):
        if isinstance(cause, PermissionError) or getattr(cause, "errno", 0) == errno.EACCES:
            return EngineProblem(
                f"the Docker engine at {address} is not yours to use: permission denied",
                'join its group ("sudo usermod -aG docker $USER", then log in again), '
                "or build without Docker: --engine local",
            )
    text = str(error)
    if isinstance(error, InvalidVersion) or ("API version" in text and "too" in text):
        return EngineProblem(
            f"the Docker engine at {address} speaks another version of its language: {text}",
            "update it to 20.10 or later",
        )
    if "paramiko" in text:
        return EngineProblem(
            f"the Docker engine at {address} is reached by ssh, for which a package is missing",
            'pip install "docker[ssh]"',
        )
    start = "start it (on Debian: sudo systemctl start docker)"
    if address.named_by:
        start = f"correct {address.named_by}, or start the engine there"
    return EngineProblem(
        f"no Docker engine answers at {address}", f"{start}, or do without: --engine local"
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    pending: list[BaseException] = [error]
    while pending:
        cause = pending.pop()
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        # urllib3 and requests keep the cause among the arguments only.
        others = (cause.__cause__, cause.__context__, *cause.args)
        pending += [other for other in others if isinstance(other, BaseException)]


def _of_context(environ: Mapping[str, str]) -> Address | None:
    folder = Path(environ.get("DOCKER_CONFIG") or _home(environ) / ".docker")
    name = environ.get("DOCKER_CONTEXT") or _read(folder / "config.json").get("currentContext")
    if not isinstance(name, str) or name in ("", "default"):
        return None
    meta = folder / "contexts/meta" / hashlib.sha256(name.encode()).hexdigest() / "meta.json"
    try:
        url = _read(meta)["Endpoints"]["docker"]["Host"]
    except (KeyError, TypeError):
        return None
    return Address(str(url), f'the Docker context "{name}"')


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _home(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("HOME") or Path.home())


def _sockets(environ: Mapping[str, str]) -> Iterator[Path]:
    """Where engines listen: as a system's service, without root, Docker Desktop; then Podman."""
    runtime = environ.get("XDG_RUNTIME_DIR")
    yield Path(_DOCKER_SOCKET)
    if runtime:
        yield Path(runtime, "docker.sock")
    yield _home(environ) / ".docker/run/docker.sock"
    if runtime:
        yield Path(runtime, "podman/podman.sock")
    yield Path("/run/podman/podman.sock")


def _is_socket(path: Path | None) -> bool:
    try:
        return path is not None and stat.S_ISSOCK(path.stat().st_mode)
    except OSError:
        return False


def podman_service(environ: Mapping[str, str]) -> Address | None:
    """The address of a service of Podman that we start; None where there is no Podman."""
    import subprocess

    podman = shutil.which("podman", path=environ.get("PATH"))
    if podman is None:
        return None
    folder = Path(
        environ.get("XDG_RUNTIME_DIR") or Path(tempfile.gettempdir(), f"liminal-{os.getuid()}")
    )
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():  # somebody else's folder in /tmp
        return None
    path = folder / "liminal-podman.sock"
    address = Address(f"unix://{path}")
    if _accepts(path):
        return address
    path.unlink(missing_ok=True)
    subprocess.Popen(
        [podman, "system", "service", f"--time={_PODMAN_IDLE_SECONDS}", address.url],
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    end = time.monotonic() + _PODMAN_START_SECONDS
    while not _accepts(path) and time.monotonic() < end:
        time.sleep(0.02)
    return address


def _accepts(path: Path) -> bool:
    import socket

    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except OSError:
            return False
    return True
