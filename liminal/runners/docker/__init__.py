"""Runs a command in a container of its own, on the Docker engine that this machine has."""

import asyncio
import os
import posixpath
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from liminal.errors import RunError
from liminal.files import remove_tree
from liminal.images.engines.docker.client import EngineProblem, connect, explained, find_address
from liminal.runners import Abandoned, Attempt, ContainerImage, Exit, Machine, Recovered, Work
from liminal.runners.docker.images import ImageFacts, find_image, pull
from liminal.runners.docker.leftovers import remove_abandoned
from liminal.runners.docker.life import Life, Made
from liminal.runners.docker.quantities import memory_bytes, nano_cpus
from liminal.runners.docker.settings import Settings, not_taken, read_settings
from liminal.runners.docker.spec import (
    Place,
    User,
    container_options,
    files_of,
    host_options,
    mounted,
    name_of,
    too_long,
    user_for,
)
from liminal.runners.docker.stream import Delivery
from liminal.runners.env_file import read_env_file
from liminal.runners.places import make_volume, secret_problems, volume_problems
from liminal.runners.records import ATTEMPT_RECORD, write_record
from liminal.runners.threads import in_thread

if TYPE_CHECKING:
    from docker import DockerClient

POLL_SECONDS = 0.05
"""Between two looks at a container that is being ended."""

KILL_WAIT_SECONDS = 15.0
"""How long a container that got SIGKILL may take to be gone; then it is left behind."""


class DockerRunner:
    """The launcher of the executor type ``docker``.

    Args:
        identity: the user and the group whose files a task writes into volumes.
    """

    def __init__(self, identity: Callable[[], tuple[int, int]] | None = None) -> None:
        self._identity = identity or (lambda: (os.getuid(), os.getgid()))

    def prepare(
        self, works: Sequence[Work], machine: Machine, tell: Callable[[str], None]
    ) -> "DockerLauncher":
        """A launcher for these, with their images on the engine and their volumes made.

        Raises:
            RunError: no engine answers, or something that one of them needs is missing or wrong.
        """
        of_the_home = read_env_file(machine.home.env_file)
        try:
            client = connect(machine.environ)
        except EngineProblem as problem:
            raise RunError(problem.message, hint=problem.hint) from problem
        try:
            places = _Preparation(client, machine, self._identity(), tell).places(works)
            for work in works:
                for mount in work.container.mounts:
                    make_volume(mount, machine.user_home)
        except EngineProblem as problem:
            client.close()
            raise RunError(problem.message, hint=problem.hint) from problem
        except BaseException:
            client.close()
            raise
        return DockerLauncher(client, machine, places, of_the_home)

    async def recover(self, abandoned: Abandoned, machine: Machine) -> Recovered:
        """Remove the containers of a killed run."""
        return await in_thread(lambda: remove_abandoned(abandoned, machine))


class _Preparation:
    """What is made sure of before anything runs."""

    def __init__(
        self,
        client: "DockerClient",
        machine: Machine,
        identity: tuple[int, int],
        tell: Callable[[str], None],
    ) -> None:
        self._client = client
        self._machine = machine
        with explained("the Docker engine does not tell about itself"):
            info = client.info()
        options = info.get("SecurityOptions") or ()
        self._processors = int(info.get("NCPU") or os.cpu_count() or 1)
        self._me = User(
            uid=identity[0], gid=identity[1], root_is_me=any("rootless" in one for one in options)
        )
        self._images: dict[str, ImageFacts] = {}
        self._found: list[str] = []
        self._tell = tell

    def places(self, works: Sequence[Work]) -> Mapping[str, Place]:
        """Where each of them runs, by name.

        Raises:
            RunError: says all that is wrong.
            EngineProblem: the engine does not do what it is asked.
        """
        places: dict[str, Place] = {}
        for work in works:
            place = self._place(work)
            if place is not None:
                places[work.name] = place
        if self._found:
            raise RunError("\n".join(dict.fromkeys(self._found)))
        return places

    def _place(self, work: Work) -> Place | None:
        self._found += secret_problems(work, self._machine.user_home)
        settings = self._settings(work)
        image = self._image(work, settings)
        if image is None or settings is None:
            self._found += volume_problems(work)
            return None
        directory = settings.working_dir or image.working_dir
        self._found += volume_problems(work, directory)
        self._found += _outside(work)
        place = Place(
            work=work,
            image=image,
            settings=settings,
            mounts=mounted(work.container.mounts, directory, self._machine.user_home),
            user=user_for(work, image, settings, self._me),
            processors=self._processors,
        )
        self._check_options(place)
        return place

    def _settings(self, work: Work) -> Settings | None:
        for key in not_taken(work.settings):
            self._tell(f'the executor\'s key "{key}" is for Airflow alone')
        resources = work.container.resources
        try:
            settings = read_settings(work.settings)
            if resources.cpu:
                nano_cpus(resources.cpu)
            if resources.memory:
                memory_bytes(resources.memory)
        except ValueError as problem:
            self._found.append(f"{work}: {problem}")
            return None
        return settings

    def _check_options(self, place: Place) -> None:
        """Make what the engine will be sent: the docker package refuses values of a wrong kind."""
        from docker.errors import DockerException

        try:
            self._client.api.create_host_config(**host_options(place, None))
        except (DockerException, TypeError, ValueError, AttributeError, KeyError) as problem:
            self._found.append(f"{place.work}: the executor's keys: {problem}")
        cpus = place.wants_cpus
        if cpus is not None and cpus > place.processors:
            self._tell(
                f"{place.work} asks for {cpus:g} processors; the engine has {place.processors}"
            )

    def _image(self, work: Work, settings: Settings | None) -> ImageFacts | None:
        """What the engine knows of the image, which is fetched where it is missing."""
        name = work.container.image
        if name in self._images:
            return self._images[name]
        built = cast(Mapping[str, ContainerImage], self._machine.images.get("docker", {}))
        reference = built[name].reference if name in built else name
        facts = find_image(self._client, reference, name)
        if name in built and facts is None:
            self._found.append(f'{work}: the image "{name}" is not on the engine any more')
        elif name not in built and (facts is None or (settings and settings.force_pull)):
            facts = self._pulled(work, name)
        if facts is not None:
            self._images[name] = facts
        return facts

    def _pulled(self, work: Work, name: str) -> ImageFacts | None:
        self._tell(f'the image "{name}" is pulled')
        try:
            pull(self._client, name)
        except EngineProblem as problem:
            self._found.append(f"{work}: {problem.message}; this project does not build it")
            return None
        return find_image(self._client, name, name)


def _outside(work: Work) -> Iterator[str]:
    """Relative paths that lead out of the working directory, which other runners refuse too."""
    container = work.container
    paths = [mount.path for mount in container.mounts]
    for path in [*paths, *(secret.remote_path for secret in container.secrets)]:
        if posixpath.normpath(path).split("/")[0] in ("..", "."):
            yield f'{work}: "{path}" is not inside the working directory'


class DockerLauncher:
    """Runs attempts as containers. See `liminal.runners.Launcher`."""

    def __init__(
        self,
        client: "DockerClient",
        machine: Machine,
        places: Mapping[str, Place],
        of_the_home: Mapping[str, str],
    ) -> None:
        self._client = client
        self._machine = machine
        self._places = places
        self._of_the_home = of_the_home
        self._address = find_address(machine.environ)

    def close(self) -> None:
        """Let go of the connections to the engine."""
        self._client.close()

    async def run(self, attempt: Attempt, output: Callable[[bytes], None]) -> Exit:
        """Run the attempt in a container, and remove that again."""
        try:
            made = self._made(attempt)
            if (words := too_long(made.options)) is not None:
                return Exit(status=None, reason=f"could not be started: {words}")
            attempt.folder.mkdir(mode=0o700)
            write_record(attempt.folder / ATTEMPT_RECORD, self._record(attempt))
        except OSError as error:
            named = f': "{error.filename}"' if error.filename else ""
            reason = f"could not be started: {error.strerror or error}{named}"
            return Exit(status=None, reason=reason, left_behind=_remove(attempt.folder))
        ended = await _follow(Life(self._client.api, made, Delivery(output)), attempt)
        if ended.left_behind:
            return ended  # the record stays: the next run removes the container
        return Exit(
            status=ended.status,
            reason=ended.reason,
            outputs=ended.outputs,
            left_behind=_remove(attempt.folder),
        )

    def _record(self, attempt: Attempt) -> dict[str, object]:
        """What the next run must know; written before there is a container."""
        record: dict[str, object] = {"runner": "docker", "container": name_of(attempt)}
        socket = self._address.socket
        if self._address.named_by is not None or (socket is not None and socket.exists()):
            record["engine"] = self._address.url
        return record

    def _made(self, attempt: Attempt) -> Made:
        place = self._places[attempt.work.name]
        options = container_options(attempt, place, self._of_the_home)
        variables = {**place.image.env_vars, **options["environment"]}
        return Made(
            options=options,
            host=host_options(place, attempt.listen),
            files=files_of(attempt, place, self._machine.user_home),
            user_home=variables.get("HOME", "/") if place.image.named_user else None,
            memory=place.memory,
            image=place.image.name,
            address=self._address.url,
        )


async def _follow(life: Life, attempt: Attempt) -> Exit:
    """Let it live until it ends, or `attempt.stop` is asked; then end it in time."""
    living = in_thread(life.live)
    asked = asyncio.ensure_future(attempt.stop.wait())
    try:
        waited: set[asyncio.Future[Any]] = {living, asked}
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        if not living.done() and not await _end(life, attempt, living):
            return Exit(
                status=None,
                reason="could not be ended: the Docker engine does not answer",
                left_behind=(f'container "{life.name}"',),
            )
        return living.result()
    finally:
        asked.cancel()
        if not living.done():  # cancelled: better killed than left running
            life.abandon()
            in_thread(lambda: life.kill(signal.SIGKILL))
            await asyncio.wait({living}, timeout=KILL_WAIT_SECONDS)


async def _end(life: Life, attempt: Attempt, living: "asyncio.Future[Exit]") -> bool:
    """SIGTERM, and SIGKILL once the grace is over; says whether it is gone."""
    loop = asyncio.get_running_loop()
    life.abandon()
    asked = False
    killed: float | None = None
    while not living.done():
        if attempt.stop.seconds_left <= 0:
            if killed is None:
                killed = loop.time()
                in_thread(lambda: life.kill(signal.SIGKILL))
            elif loop.time() - killed > KILL_WAIT_SECONDS:
                return False
        elif not asked and life.takes_signals:
            asked = True
            in_thread(lambda: life.kill(signal.SIGTERM))
        await asyncio.wait({living}, timeout=POLL_SECONDS)
    return True


def _remove(folder: Path) -> tuple[str, ...]:
    try:
        remove_tree(folder)
    except OSError as error:
        return (f'folder "{folder}": {error.strerror or error}',)
    return ()
