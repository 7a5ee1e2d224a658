"""Runs a command as a process of this machine, in the environment that the engine local built."""

import asyncio
import contextlib
import json
import os
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from liminal.errors import RunError
from liminal.files import remove_tree
from liminal.plan.dag import ContainerPlan, TaskPlan
from liminal.runners import OUTPUT_LIMIT, Attempt, Exit, LocalEnvironment, Machine
from liminal.runners.places import (
    SecretPlaces,
    link_volume,
    make_volume,
    place_mounts,
    place_secrets,
    problems,
    secret_file,
)
from liminal.runners.processes import explain, finish, having, members, oom_kills, start, started_at
from liminal.runners.processes import describe as describe_process
from liminal.runners.workspace import copy_tree

PROCESS_RECORD = "process.json"
"""The file in an attempt's folder that tells the next run what to end and remove, should this one
be killed: pid (of the session too), started (seconds since the epoch), temporary (a folder)."""

# What a task sees of the environment of `liminal run`. A container would see nothing of it, and a
# task that leans on a variable of somebody's shell breaks when it is deployed; so only what tells
# about the machine goes through, as an image would bring its own: who and where one is, the
# language, the way to the network, and the tools that the image's environment cannot hold.
# Credentials (AWS_…) do not: name them in env_vars or secrets, or put them into $LIMINAL_HOME/env.
PASSED_ON = frozenset(
    {
        *("HOME", "USER", "LOGNAME", "SHELL", "TZ", "LANG", "LANGUAGE"),
        *("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY", "NO_PROXY"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT"),
        *("NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO", "AWS_CA_BUNDLE"),
        *("JAVA_HOME", "SPARK_HOME", "HADOOP_HOME", "HADOOP_CONF_DIR"),
        *("CUDA_HOME", "CUDA_PATH", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"),
        *("LD_LIBRARY_PATH",),
    }
)

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class LocalRunner:
    """The launcher of the executor type ``local``."""

    def prepare(self, tasks: Sequence[TaskPlan], machine: Machine) -> "LocalLauncher":
        """A launcher for these tasks, with their volumes made and linked.

        Raises:
            RunError: an image is not built, a secret is missing, or a mount cannot be made.
        """
        found = [problem for task in tasks for problem in _problems(task, machine)]
        if found:
            built = all("is not built" in problem for problem in found)
            hint = "run `liminal build` first" if built else None
            raise RunError("\n".join(dict.fromkeys(found)), hint=hint)
        for task in tasks:
            for mount in _container(task).mounts:
                if os.path.isabs(mount.path):
                    link_volume(mount, machine)
                else:
                    make_volume(mount)
        return LocalLauncher(machine)


def _problems(task: TaskPlan, machine: Machine) -> Iterator[str]:
    container = _container(task)
    image = machine.images.get(container.image)
    if image is None:
        yield f'task "{task.name}": the image "{container.image}" is not built for this machine'
        return
    yield from problems(task, container, image)
    for secret in container.secrets:
        file = secret_file(secret, machine.user_home)
        if not file.is_file():
            yield f'task "{task.name}": the file "{secret.file}" of secret "{secret.name}" is missing'
        elif not os.access(file, os.R_OK):
            yield f'task "{task.name}": the file "{secret.file}" of secret "{secret.name}" is not readable'
        place = os.path.normpath(secret.remote_path)
        if os.path.isabs(place) and os.path.lexists(place):
            yield f'task "{task.name}": secret "{secret.name}" cannot be at "{place}": that exists'


def _container(task: TaskPlan) -> ContainerPlan:
    assert task.container is not None  # the runner gives us RunCommand steps only
    return task.container


class LocalLauncher:
    """Runs attempts as processes. See `liminal.runners.Launcher`."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._secrets: SecretPlaces | None = None

    async def run(self, attempt: Attempt, output: Callable[[bytes], None]) -> Exit:
        """Run the attempt in a copy of the image's source, and remove all of it again."""
        if self._secrets is None:
            self._secrets = SecretPlaces(attempt.folder.parent, self._machine.user_home)
        taken = []
        temporary = None
        try:
            for secret in _container(attempt.task).secrets:
                if os.path.isabs(secret.remote_path):
                    await self._secrets.take(secret)
                    taken.append(secret)
            temporary = Path(tempfile.mkdtemp(prefix="liminal-"))
            directory = await asyncio.to_thread(self._make_folder, attempt, temporary)
            ended = await self._run_process(attempt, directory, temporary, output)
        except OSError as error:
            ended = Exit(status=None, reason=f"could not be started: {error}")
        finally:
            for secret in taken:
                await self._secrets.give_back(secret)
            left = await asyncio.to_thread(_remove, attempt.folder, temporary)
        return Exit(
            status=ended.status,
            reason=ended.reason,
            outputs=ended.outputs,
            notes=ended.notes,
            left_behind=ended.left_behind + left,
        )

    def _make_folder(self, attempt: Attempt, temporary: Path) -> Path:
        """The working directory: the image's source, the volumes and the secrets."""
        container = _container(attempt.task)
        attempt.folder.mkdir(mode=0o700)
        _record(attempt.folder, {"temporary": str(temporary)})
        _output_file(attempt).touch()
        directory = attempt.folder / "source"
        copy_tree(self._machine.images[container.image].source, directory)
        place_mounts(container.mounts, directory)
        place_secrets(container.secrets, directory, self._machine.user_home)
        return directory

    async def _run_process(
        self, attempt: Attempt, directory: Path, temporary: Path, output: Callable[[bytes], None]
    ) -> Exit:
        before = oom_kills()
        env = self._environment(attempt, temporary)
        process = await start(("/bin/sh", "-c", attempt.command), directory, env, output)
        pid = process.session
        _record(
            attempt.folder,
            {"pid": pid, "started": started_at(pid), "temporary": str(temporary)},
        )
        code, leftover = await finish(process, attempt.stop)
        notes = tuple(f"ended {words}, which the task left running" for words in leftover)
        left_behind: tuple[str, ...] = ()
        if attempt.stop.asked or not process.closed.done():
            # It was ended from outside, or something keeps its output open without being in its
            # session: look for what escaped.
            left_behind = await asyncio.to_thread(_escaped, pid, env)
        return Exit(
            status=code,
            reason=explain(code, out_of_memory=oom_kills() > before),
            outputs=_read_outputs(attempt) if code == 0 else b"",
            notes=notes,
            left_behind=left_behind,
        )

    def _environment(self, attempt: Attempt, temporary: Path) -> Mapping[str, str]:
        image = self._machine.images[_container(attempt.task).image]
        env = {
            **_of_the_machine(self._machine.environ),
            **image.env_vars,
            **_of_the_home(self._machine),
            **attempt.env_vars,
            "LIMINAL_OUTPUT": str(_output_file(attempt)),
            "TMPDIR": str(temporary),
            "VIRTUAL_ENV": str(image.environment),
            "PYTHONUNBUFFERED": "1",
        }
        path = env.get("PATH", DEFAULT_PATH)
        env["PATH"] = f"{image.environment / 'bin'}{os.pathsep}{path}"
        if image.site is not None:
            wanted = env.get("PYTHONPATH")
            env["PYTHONPATH"] = f"{image.site}{os.pathsep}{wanted}" if wanted else str(image.site)
        return env


def _of_the_machine(environ: Mapping[str, str]) -> dict[str, str]:
    """What a task sees of the environment of the command."""
    passed = {
        name: value
        for name, value in environ.items()
        if name.upper() in PASSED_ON or name.startswith("LC_")
    }
    # Neither `pip` nor `python` of the environment that Liminal itself, or the user's shell, is in
    # may stand in for one that the image does not have.
    venv = environ.get("VIRTUAL_ENV")
    foreign = {os.path.join(venv, "bin")} if venv else set()
    parts = environ.get("PATH", DEFAULT_PATH).split(os.pathsep)
    passed["PATH"] = os.pathsep.join(
        part
        for part in parts
        if os.path.isabs(part)
        and part not in foreign
        and not os.path.exists(os.path.join(os.path.dirname(part), "pyvenv.cfg"))
    )
    return passed


def _of_the_home(machine: Machine) -> dict[str, str]:
    """The KEY=VALUE lines of ``$LIMINAL_HOME/env``; comments and lines without ``=`` are not."""
    try:
        lines = machine.home.env_file.read_text("utf-8").splitlines()
    except FileNotFoundError:
        return {}
    pairs = (line.strip().partition("=") for line in lines if not line.lstrip().startswith("#"))
    return {name.strip(): value for name, equals, value in pairs if equals and name.strip()}


def _output_file(attempt: Attempt) -> Path:
    return attempt.folder / "output"


def _record(folder: Path, content: Mapping[str, object]) -> None:
    """Write down what must be ended and removed; whole or not at all."""
    new = folder / f"{PROCESS_RECORD}.new"
    new.write_text(json.dumps(content), "utf-8")
    new.replace(folder / PROCESS_RECORD)


def _read_outputs(attempt: Attempt) -> bytes:
    """What the task wrote to LIMINAL_OUTPUT: never more than is needed to see that it is too much.

    The task owns the file, and may have put a pipe or a link to somewhere else in its place.
    """
    with contextlib.suppress(OSError):
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        with open(os.open(_output_file(attempt), flags), "rb") as file:
            if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return file.read(OUTPUT_LIMIT + 1)
    return b""


def _escaped(session: int, env: Mapping[str, str]) -> tuple[str, ...]:
    """The processes of an attempt that are still there, in words."""
    ours = {name: env[name] for name in ("LIMINAL_RUN_ID", "LIMINAL_OUTPUT") if name in env}
    return tuple(describe_process(pid) for pid in sorted({*members(session), *having(ours)}))


def _remove(folder: Path, temporary: Path | None) -> tuple[str, ...]:
    """Remove the folders of an attempt; the answer names what could not be removed."""
    left = []
    for one in (folder, temporary):
        if one is not None:
            try:
                remove_tree(one)
            except OSError as error:
                left.append(f'folder "{one}": {error.strerror or error}')
    return tuple(left)
