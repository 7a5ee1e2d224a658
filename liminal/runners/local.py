"""Runs a command as a process of this machine, in the environment that the engine local built."""

import asyncio
import contextlib
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

from liminal.errors import RunError
from liminal.files import remove_tree
from liminal.runners import (
    OUTPUT_LIMIT,
    Abandoned,
    Attempt,
    Exit,
    LocalEnvironment,
    Machine,
    Recovered,
    Work,
)
from liminal.runners.env_file import read_env_file
from liminal.runners.leftovers import end_abandoned
from liminal.runners.places import (
    SecretPlaces,
    link_volume,
    make_volume,
    place_mounts,
    place_secrets,
    problems,
    remove_recorded,
    secret_problems,
)
from liminal.runners.processes import describe as describe_process
from liminal.runners.processes import explain, finish, having, members, oom_kills, start, started_at
from liminal.runners.records import ATTEMPT_RECORD, write_record
from liminal.runners.workspace import copy_tree

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
        # By these `liminal stop` finds what a task of the embedded server left running.
        *("LIMINAL_SERVER", "LIMINAL_SERVER_PART"),
    }
)

TURN_SECONDS = 0.005
"""How long copying may keep other tasks waiting."""

SHORT_SECONDS = 1.0
"""A task that took less cannot have written so much that a thread is needed to remove it."""

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class LocalRunner:
    """The launcher of the executor type ``local``."""

    def prepare(
        self, works: Sequence[Work], machine: Machine, tell: Callable[[str], None]
    ) -> "LocalLauncher":
        """A launcher for these, with their volumes made and linked.

        Raises:
            RunError: an image is not built, a secret is missing, a mount cannot be made, or the
                home's file ``env`` cannot be read.
        """
        found = [problem for work in works for problem in _problems(work, machine)]
        if found:
            built = ", ".join(sorted(_environments(machine))) or "none"
            foreign = all("is not built" in problem for problem in found)
            hint = f"list it under images, with a source; built here: {built}" if foreign else None
            raise RunError("\n".join(dict.fromkeys(found)), hint=hint)
        env_vars = read_env_file(machine.home.env_file)
        for work in works:
            for mount in work.container.mounts:
                if Path(mount.path).is_absolute():
                    link_volume(mount, machine)
                else:
                    make_volume(mount, machine.user_home)
        writable = {
            mount.volume for work in works for mount in work.container.mounts if mount.read_only
        }
        for volume in sorted(writable):
            tell(f'volume "{volume}" is mounted read-only; on this machine it can be written')
        return LocalLauncher(machine, env_vars)

    async def recover(self, abandoned: Abandoned, machine: Machine) -> Recovered:
        """End the processes of a killed run, and remove its temporary folders and links."""
        words = await end_abandoned(abandoned.run, abandoned.records)
        remove_recorded(abandoned.run / "work")
        folders = [Path(one["temporary"]) for one in abandoned.records if "temporary" in one]
        left = tuple(words for folder in folders for words in _remove(folder, None))
        return Recovered(done=words, left=left)


def _environments(machine: Machine) -> Mapping[str, LocalEnvironment]:
    """Name -> what the engine of the same name as this runner built."""
    return cast(Mapping[str, LocalEnvironment], machine.images.get("local", {}))


def _words(error: OSError) -> str:
    named = f': "{error.filename}"' if error.filename else ""
    return f"{error.strerror or error}{named}"


def _problems(work: Work, machine: Machine) -> Iterator[str]:
    container = work.container
    image = _environments(machine).get(container.image)
    if image is None:
        yield f'{work}: the image "{container.image}" is not built by this project'
        return
    yield from problems(work, image)
    yield from secret_problems(work, machine.user_home)
    for secret in container.secrets:
        place = Path(os.path.normpath(secret.remote_path))
        if place.is_absolute() and os.path.lexists(place):
            yield f'{work}: secret "{secret.name}" cannot be at "{place}": that exists'


class LocalLauncher:
    """Runs attempts as processes. See `liminal.runners.Launcher`."""

    def __init__(self, machine: Machine, env_vars: Mapping[str, str]) -> None:
        self._machine = machine
        self._of_the_home = env_vars
        self._secrets: SecretPlaces | None = None

    def close(self) -> None:
        """Nothing is held between attempts."""

    async def run(self, attempt: Attempt, output: Callable[[bytes], None]) -> Exit:
        """Run the attempt in a copy of the image's source, and remove all of it again."""
        if self._secrets is None:
            self._secrets = SecretPlaces(attempt.folder.parent, self._machine.user_home)
        began = time.monotonic()
        taken = []
        temporary = None
        try:
            temporary = Path(tempfile.mkdtemp(prefix="liminal-"))
            attempt.folder.mkdir(mode=0o700)
            write_record(attempt.folder / ATTEMPT_RECORD, _record(temporary))
            for secret in attempt.work.container.secrets:
                if Path(secret.remote_path).is_absolute():
                    await self._secrets.take(secret)
                    taken.append(secret)
            if await self._make_folder(attempt):
                ended = await self._run_process(attempt, temporary, output)
            else:
                ended = Exit(status=None, reason="ended before it began")
        except OSError as error:
            ended = Exit(status=None, reason=f"could not be started: {_words(error)}")
        finally:
            for secret in taken:
                await self._secrets.give_back(secret)
            if time.monotonic() - began < SHORT_SECONDS:
                left = _remove(attempt.folder, temporary)
            else:
                left = await asyncio.to_thread(_remove, attempt.folder, temporary)
        return Exit(
            status=ended.status,
            reason=ended.reason,
            outputs=ended.outputs,
            notes=ended.notes,
            left_behind=ended.left_behind + left,
        )

    async def _make_folder(self, attempt: Attempt) -> bool:
        """Make the working directory; says whether it is complete, or nobody needs it any more."""
        container = attempt.work.container
        _output_file(attempt).touch()
        for name, content in attempt.files.items():
            _files_folder(attempt).mkdir(mode=0o700, exist_ok=True)
            (_files_folder(attempt) / name).write_bytes(content)
        directory = _working_directory(attempt)
        loop = asyncio.get_running_loop()
        until = loop.time() + TURN_SECONDS
        source = _environments(self._machine)[container.image].source
        for _ in copy_tree(source, directory):
            if loop.time() > until:
                await asyncio.sleep(0)  # let other tasks, and Ctrl-C, have their turn
                until = loop.time() + TURN_SECONDS
                if attempt.stop.asked:
                    return False
        place_mounts(container.mounts, directory, self._machine.user_home)
        place_secrets(container.secrets, directory, self._machine.user_home)
        return True

    async def _run_process(
        self, attempt: Attempt, temporary: Path, output: Callable[[bytes], None]
    ) -> Exit:
        before = oom_kills()
        env = self._environment(attempt, temporary)
        arguments = ("/bin/sh", "-c", attempt.command)
        process = start(arguments, _working_directory(attempt), env, output)
        pid = process.session
        write_record(
            attempt.folder / ATTEMPT_RECORD,
            {**_record(temporary), "pid": pid, "started": started_at(pid)},
        )
        ended = await finish(process, attempt.stop)
        left_behind: tuple[str, ...] = ()
        if attempt.stop.asked or not ended.drained:
            # It was ended from outside, or something keeps its output open without being in its
            # session: look for what escaped.
            left_behind = await asyncio.to_thread(_escaped, pid, env)
        return Exit(
            status=ended.code,
            reason=explain(ended.code, out_of_memory=oom_kills() > before),
            outputs=_read_outputs(attempt) if ended.code == 0 else b"",
            notes=tuple(f"ended {words}, which the task left running" for words in ended.leftover),
            left_behind=left_behind,
        )

    def _environment(self, attempt: Attempt, temporary: Path) -> Mapping[str, str]:
        image = _environments(self._machine)[attempt.work.container.image]
        env = {
            "env": "default",
            **_of_the_machine(self._machine.environ),
            **image.env_vars,
            **self._of_the_home,
            **attempt.env_vars,
            "LIMINAL_OUTPUT": str(_output_file(attempt)),
            **({"LIMINAL_FILES": str(_files_folder(attempt))} if attempt.files else {}),
            "TMPDIR": str(temporary),
            "VIRTUAL_ENV": str(image.environment),
            "PYTHONUNBUFFERED": "1",
        }
        if attempt.listen is not None:
            env["LIMINAL_HOST"], env["LIMINAL_PORT"] = attempt.listen[0], str(attempt.listen[1])
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
    parts = map(Path, environ.get("PATH", DEFAULT_PATH).split(os.pathsep))
    passed["PATH"] = os.pathsep.join(
        str(part)
        for part in parts
        if part.is_absolute() and not (part.parent / "pyvenv.cfg").exists()
    )
    return passed


def _working_directory(attempt: Attempt) -> Path:
    return attempt.folder / "source"


def _record(temporary: Path) -> dict[str, object]:
    """What the next run must know: the folder, then pid (of the session too) and its start."""
    return {"runner": "local", "temporary": str(temporary)}


def _files_folder(attempt: Attempt) -> Path:
    return attempt.folder / "files"


def _output_file(attempt: Attempt) -> Path:
    return attempt.folder / "output"


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
