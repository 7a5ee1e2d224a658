"""An attempt -> the container that runs it, as data: no engine is asked here."""

import hashlib
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from liminal.plan.dag import MountPlan
from liminal.runners import Attempt, Work
from liminal.runners.docker.files import FILES, OUTPUT, UNREAD_OUTPUT, Placed, user_name
from liminal.runners.docker.images import ImageFacts
from liminal.runners.docker.quantities import memory_bytes, nano_cpus
from liminal.runners.docker.settings import Settings
from liminal.runners.places import expanded

PORT = 8080
"""Where a service listens in its container: no user needs a right for that port."""

_ENDS_AFTER_ITS_CHILD = "trap 'exit 143' TERM; "
"""Before each command: a shell would die of SIGTERM at once, and a container with its first
process; so whatever the shell runs in the foreground would be killed before it could end well.
With this the shell waits for that, and then begins nothing more."""


_LINGERS = """(
{command}
) & child=$!
trap 'kill -TERM "$child"' TERM
wait "$child"; status=$?
while kill -0 "$child" 2>/dev/null; do wait "$child"; status=$?; done
sleep 0.5
exit "$status"
"""
"""Around the command of who listens: with the container the engine ends what hands its port on,
and an answer that was still on its way there would be lost. So the container stays a little."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What is the same for all attempts of a task or service.

    Attributes:
        mounts: folder of this machine, and path in the container.
        user: whom the command runs as; None for the image's own.
        processors: how many the engine has, more than which it refuses.
    """

    work: Work
    image: ImageFacts
    settings: Settings
    mounts: tuple[tuple[Path, str, bool], ...]
    user: str | None
    processors: int

    @property
    def working_dir(self) -> str:
        """Where the command begins, and relative paths do."""
        return self.settings.working_dir or self.image.working_dir

    @property
    def gets_init(self) -> bool:
        """Whether the engine's own init is its first process, for want of the image's."""
        return not self.image.has_init or self.settings.entrypoint is not None

    @property
    def memory(self) -> str | None:
        """The limit of its memory as it was written; None where there is none."""
        return self.work.container.resources.memory or self.settings.memory_written

    @property
    def wants_cpus(self) -> float | None:
        """How many processors it asks for; None where it may use all."""
        written = self.work.container.resources.cpu
        return nano_cpus(written) / 1e9 if written else self.settings.cpus


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Who runs the command.

    Attributes:
        root_is_me: whether the engine runs without root, so that root in a container is this user.
    """

    uid: int
    gid: int
    root_is_me: bool

    def __str__(self) -> str:
        return "0:0" if self.root_is_me else f"{self.uid}:{self.gid}"


def user_for(work: Work, image: ImageFacts, settings: Settings, me: User) -> str | None:
    """Whom the command runs as: whoever owns what it writes into a volume must be this user.

    Our own images let anybody of group 0 write. Others may need the user that they name.
    """
    if settings.user is not None:
        return settings.user
    return str(me) if image.ours or work.container.mounts else None


def mounted(mounts: tuple[MountPlan, ...], working_dir: str, user_home: Path) -> Any:
    """Folder of this machine, path in the container, whether it is read-only: of each mount."""
    return tuple(
        (
            expanded(mount.source or "", user_home),
            posixpath.normpath(posixpath.join(working_dir, mount.path)),
            mount.read_only,
        )
        for mount in mounts
    )


def name_of(attempt: Attempt) -> str:
    """The container's name: readable, and of no other attempt of any home."""
    env = attempt.env_vars
    parts = [env.get("LIMINAL_PIPELINE", ""), attempt.work.name]
    parts += [] if attempt.copy is None else [str(attempt.copy)]
    readable = "-".join(re.sub(r"[^a-zA-Z0-9_.-]", "_", part)[:40] for part in parts)
    whole = "\0".join(
        (
            *(str(attempt.machine.home.path), env.get("LIMINAL_APP", "")),
            *(env.get("LIMINAL_PIPELINE", ""), env.get("LIMINAL_RUN_ID", "")),
            *(str(attempt.work), str(attempt.copy), str(attempt.number)),
        )
    )
    return f"liminal-{readable}-{hashlib.sha256(whole.encode()).hexdigest()[:12]}"


def labels_of(attempt: Attempt) -> dict[str, str]:
    """By which a container is found, by people and by the next run."""
    env = attempt.env_vars
    labels = {
        "liminal.app": env.get("LIMINAL_APP", ""),
        "liminal.pipeline": env.get("LIMINAL_PIPELINE", ""),
        f"liminal.{attempt.work.kind}": attempt.work.name,
        "liminal.run": env.get("LIMINAL_RUN_ID", ""),
        "liminal.try": str(attempt.number),
        "liminal.home": str(attempt.machine.home.path),
    }
    return labels if attempt.copy is None else {**labels, "liminal.copy": str(attempt.copy)}


def environment_of(
    attempt: Attempt, place: Place, of_the_home: Mapping[str, str]
) -> dict[str, str]:
    """The environment variables that the container gets beside those of its image."""
    env = {
        "env": "default",
        **of_the_home,
        **place.settings.env_vars,
        **attempt.env_vars,
        "LIMINAL_OUTPUT": OUTPUT if attempt.work.outputs else UNREAD_OUTPUT,
    }
    if place.user is not None and "HOME" not in place.image.env_vars:
        env.setdefault("HOME", "/tmp")  # noqa: S108  # else "/", where this user may not write
    if place.user is not None:  # who has no name there; Python's getpass looks here first
        env.setdefault("USER", user_name(place.user.partition(":")[0]))
        env.setdefault("LOGNAME", env["USER"])
    if attempt.files:
        env["LIMINAL_FILES"] = FILES
    if attempt.listen is not None:
        env["LIMINAL_HOST"], env["LIMINAL_PORT"] = "0.0.0.0", str(PORT)  # noqa: S104  # inside
    if attempt.stop.leader_only:
        env["DUMB_INIT_SETSID"] = "0"  # of dumb-init: signals go to the command alone
    elif place.gets_init:
        env["TINI_KILL_PROCESS_GROUP"] = "1"  # of Docker's init: they go to its children too
    return env


def files_of(attempt: Attempt, place: Place, user_home: Path) -> dict[str, Placed]:
    """Absolute path -> file, of the secrets, of the attempt's own, and the one for outputs.

    Raises:
        OSError: a secret cannot be read any more.
    """
    files = {OUTPUT: Placed(b"", 0o666)} if attempt.work.outputs else {}
    for name, content in attempt.files.items():
        files[f"{FILES}/{name}"] = Placed(content, 0o444)
    for secret in attempt.work.container.secrets:
        path = posixpath.normpath(posixpath.join(place.working_dir, secret.remote_path))
        files[path] = Placed(expanded(secret.file, user_home).read_bytes(), 0o440)
    return files


def host_options(place: Place, listen: tuple[str, int] | None) -> dict[str, Any]:
    """Keyword arguments of `docker.APIClient.create_host_config`, with values of their kinds."""
    from docker.types import DeviceRequest, LogConfig, Mount

    settings, resources = place.settings, place.work.container.resources
    options: dict[str, Any] = {
        # The output goes to us alone; what the engine kept of it could fill its disk.
        "log_config": LogConfig(type="none"),
        "init": place.gets_init,
        # Secrets, and our images, are for the group 0.
        "group_add": ["0"],
        "mounts": [
            *(
                Mount(target, str(source), type="bind", read_only=read_only)
                for source, target, read_only in place.mounts
            ),
            *settings.mounts,
        ],
        **settings.host,
    }
    if not settings.host.get("privileged"):
        options["security_opt"] = ["no-new-privileges"]
        if place.user is not None and settings.user is None:
            options["cap_drop"] = ["ALL"]
    memory = memory_bytes(resources.memory) if resources.memory else settings.memory
    if memory is not None:
        options["mem_limit"] = options["memswap_limit"] = memory
    cpus = place.wants_cpus
    if cpus is not None:
        options["nano_cpus"] = int(min(cpus, place.processors) * 10**9)
    if resources.gpu:
        options["device_requests"] = [DeviceRequest(count=resources.gpu, capabilities=[["gpu"]])]
    elif settings.device_requests:
        options["device_requests"] = [dict(one) for one in settings.device_requests]
    if settings.ulimits:
        options["ulimits"] = [dict(one) for one in settings.ulimits]
    bindings: dict[Any, Any] = dict(settings.ports)
    if listen is not None:
        bindings[PORT] = listen
    if bindings:
        options["port_bindings"] = bindings
    return options


def container_options(
    attempt: Attempt, place: Place, of_the_home: Mapping[str, str]
) -> dict[str, Any]:
    """Keyword arguments of `docker.APIClient.create_container`, without the host's."""
    settings = place.settings
    options: dict[str, Any] = {
        "image": place.image.reference,
        "name": name_of(attempt),
        "command": ["/bin/sh", "-c", command_of(attempt)],
        "environment": environment_of(attempt, place, of_the_home),
        "labels": {**settings.labels, **labels_of(attempt)},
        "working_dir": place.working_dir,
        "tty": settings.tty,
        "hostname": settings.hostname,
        "user": place.user,
        "ports": [*settings.ports, *([PORT] if attempt.listen is not None else [])],
    }
    if settings.entrypoint is not None:
        options["entrypoint"] = list(settings.entrypoint)
    elif not place.image.has_init:
        options["entrypoint"] = []
    return options


def too_long(options: Mapping[str, Any]) -> str | None:
    """Why the system would not start the command, in words; None when it would.

    Source: execve(2): MAX_ARG_STRLEN is 32 pages. In a container it is the init that fails, and
    says so only to who knows it.
    """
    limit = 131_072
    if len(options["command"][-1].encode()) >= limit:
        return "the command is longer than 128 KiB"
    for name, value in options["environment"].items():
        if len(f"{name}={value}".encode()) >= limit:
            return f'the environment variable "{name}" is longer than 128 KiB'
    return None


def command_of(attempt: Attempt) -> str:
    """What the shell of the image is given to run."""
    if attempt.listen is not None:
        return _LINGERS.format(command=attempt.command)
    if attempt.stop.leader_only:
        return attempt.command
    return _ENDS_AFTER_ITS_CHILD + attempt.command
