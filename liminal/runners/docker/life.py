"""One container from its making to its removal, on a thread that may wait for the engine."""

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from liminal.images.engines.docker.client import EngineProblem
from liminal.runners import Exit
from liminal.runners.docker.files import (
    OUTPUT,
    USERS,
    Placed,
    archive,
    first_bytes,
    with_user,
)
from liminal.runners.docker.stream import close, read, unframed
from liminal.runners.processes import explain

if TYPE_CHECKING:
    from docker import APIClient

GONE_SECONDS = 10.0
"""How long a container that somebody else is removing may take to go."""

_SETTLE_SECONDS = 0.2
"""A signal that reaches a container's first process before it looks for any is lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What a container is made of.

    Attributes:
        options: keyword arguments of `docker.APIClient.create_container`.
        host: those of `create_host_config`.
        files: absolute path -> file, put there before it starts.
        user_home: where whom it runs as is at home, for an entry in its /etc/passwd; None where
            nothing in it asks for one.
        memory: the limit as it was written; None where there is none.
        image: its name in the user's words.
        address: where the engine is, for messages.
    """

    options: Mapping[str, Any]
    host: Mapping[str, Any]
    files: Mapping[str, Placed]
    user_home: str | None
    memory: str | None
    image: str
    address: str


class Life:
    """A container. `live` is called once; `kill` and `abandon` may come from other threads."""

    def __init__(self, api: "APIClient", made: Made, output: Callable[[bytes], None]) -> None:
        self._api = api
        self._made = made
        self._output = output
        self._unwanted = threading.Event()
        self._killed = threading.Event()
        self._started_at: float | None = None

    @property
    def name(self) -> str:
        """The container's."""
        return str(self._made.options["name"])

    @property
    def takes_signals(self) -> bool:
        """Whether a signal would reach the command."""
        return (
            self._started_at is not None and time.monotonic() - self._started_at > _SETTLE_SECONDS
        )

    def abandon(self) -> None:
        """Start nothing, if nothing has started yet."""
        self._unwanted.set()

    def live(self) -> Exit:
        """Make it, run it to its end and remove it; the answer tells how it ended."""
        try:
            ended = self._run()
        except _Lost as lost:
            ended = Exit(status=None, reason=str(lost))
        finally:
            left = self.remove()
        return Exit(
            status=ended.status, reason=ended.reason, outputs=ended.outputs, left_behind=left
        )

    def _run(self) -> Exit:
        with self._asked():
            self._create()
            # Before it starts: the engine keeps nothing for who comes late.
            socket = self._api.attach_socket(
                self.name, params={"stdout": 1, "stderr": 1, "stream": 1}
            )
        try:
            if self._unwanted.is_set():
                return Exit(status=None, reason="ended before it began")
            problem = self._start()
            if problem is not None:
                return Exit(status=None, reason=problem)
            self._started_at = time.monotonic()
            if self._killed.is_set():  # before there was anybody to get it
                self.kill(signal.SIGKILL)
            pieces = read(socket)
            for data in pieces if self._made.options.get("tty") else unframed(pieces):
                self._output(data)
        finally:
            close(socket)
        return self._end()

    def _create(self) -> None:
        from docker.errors import APIError

        host = self._api.create_host_config(**self._made.host)
        try:
            self._api.create_container(**self._made.options, host_config=host)
        except APIError as error:
            if error.status_code != 409:
                raise
            # Ours by its name: an answer that never reached us.
            self.remove()
            self._api.create_container(**self._made.options, host_config=host)
        files = {**self._made.files, **self._users()}
        if files:
            self._api.put_archive(self.name, "/", archive(files))

    def _users(self) -> Mapping[str, Placed]:
        """The image's /etc/passwd with whom it runs as, where that is needed and it has none.

        Not for every image: it takes the engine longer than a short task, and little needs it.
        """
        user, home = self._made.options["user"], self._made.user_home
        if user is None or home is None:
            return {}
        users = with_user(self._read(USERS) or b"", user, home)
        return {} if users is None else {USERS: Placed(users, 0o644)}

    def _start(self) -> str | None:
        """Start it; the answer says why that was not possible."""
        from docker.errors import APIError

        with self._asked():
            try:
                self._api.start(self.name)
            except APIError as error:
                return _refusal(str(error.explanation or error), self._made.image)
        return None

    def _end(self) -> Exit:
        """How it ended, once it has."""
        with self._asked(running=True):
            status = int(self._api.wait(self.name)["StatusCode"])
            state = self._api.inspect_container(self.name)["State"]
            wanted = status == 0 and OUTPUT in self._made.files
            outputs = self._read(OUTPUT) if wanted else b""
            # An init starts in any image, and then finds nothing to run.
            no_shell = status == 127 and self._read("/bin/sh") is None
        if status != 0 and state.get("OOMKilled"):
            limit = f" (limit {self._made.memory})" if self._made.memory else ""
            return Exit(status=status, reason=f"out of memory{limit}")
        if no_shell:
            return Exit(status=None, reason=_refusal(_NO_SHELL, self._made.image))
        return Exit(
            status=status,
            reason=explain(status, out_of_memory=False),
            outputs=outputs or b"",
        )

    def _read(self, path: str) -> bytes | None:
        """The begin of the file at that path in the container; None where nothing is there."""
        from docker.errors import NotFound

        try:
            pieces, _ = self._api.get_archive(self.name, path)
        except NotFound:
            return None
        with contextlib.closing(pieces):
            return first_bytes(pieces)

    def kill(self, number: signal.Signals) -> None:
        """Send the signal, if there is still somebody to get it."""
        from docker.errors import DockerException
        from requests.exceptions import RequestException

        if number == signal.SIGKILL:
            self._killed.set()
        with contextlib.suppress(DockerException, RequestException, OSError):
            self._api.kill(self.name, int(number))

    def remove(self) -> tuple[str, ...]:
        """Remove it, whatever state it is in; the answer says why it is still there."""
        try:
            remove_container(self._api, self.name)
        except EngineProblem as problem:
            return (f'container "{self.name}": {problem.message}',)
        return ()

    @contextlib.contextmanager
    def _asked(self, *, running: bool = False) -> Iterator[None]:
        """Makes of what goes wrong with the engine an end of this life, in words."""
        from docker.errors import APIError, DockerException, NotFound
        from requests.exceptions import RequestException

        when = "while the task ran" if running else "before the task began"
        try:
            yield
        except NotFound as error:
            if running:
                raise _Lost("its container was removed by somebody else") from error
            raise _Lost(f"could not be started: {_reason(error)}") from error
        except APIError as error:
            words = (
                "the Docker engine does not say how it ended" if running else "could not be started"
            )
            raise _Lost(f"{words}: {_reason(error)}") from error
        except (RequestException, DockerException, OSError) as error:
            raise _Lost(
                f"the Docker engine stopped answering ({self._made.address}) {when}"
            ) from error


_NO_SHELL = "/bin/sh: no such file"


class _Lost(Exception):
    """The container cannot be followed to its end, for the reason in words."""


def remove_container(api: "APIClient", name: str) -> None:
    """Remove the container with all that is in it, and wait until it is gone.

    Raises:
        EngineProblem: it could not be removed.
    """
    from docker.errors import APIError, DockerException, NotFound
    from requests.exceptions import RequestException

    until = time.monotonic() + GONE_SECONDS
    while True:
        try:
            api.remove_container(name, v=True, force=True)
            return
        except NotFound:
            return
        except APIError as error:
            # 409: somebody else is removing it, and may not succeed.
            if error.status_code != 409 or time.monotonic() > until:
                raise EngineProblem(_reason(error)) from error
        except (RequestException, DockerException, OSError) as error:
            raise EngineProblem("the Docker engine does not answer any more") from error
        time.sleep(0.05)


def _reason(error: Any) -> str:
    return str(error.explanation or error).strip()


def _refusal(explanation: str, image: str) -> str:
    """Why a container did not start, in plain words where the engine's are known."""
    text = " ".join(explanation.split())
    if "/bin/sh" in text and "no such file" in text:
        return f'could not be started: the image "{image}" has no /bin/sh, which runs the command'
    if "[[gpu]]" in text or "could not select device driver" in text:
        return "could not be started: the Docker engine has no GPU to give"
    if "no space left" in text:
        return "could not be started: no space is left on the disk of the Docker engine"
    return f"could not be started: {text}"
