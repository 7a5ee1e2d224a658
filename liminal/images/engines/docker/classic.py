"""The classic builder, for an engine without a command line that has BuildKit."""

import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from liminal.images.engines.docker.builders import Order
from liminal.images.engines.process import Processes, StepFailed

if TYPE_CHECKING:
    from docker import DockerClient

_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class ClassicBuilder:
    """The builder inside the engine, by its interface."""

    client: "DockerClient"
    environ: Mapping[str, str]

    @property
    def buildkit(self) -> bool:
        """False: no mounts."""
        return False

    def build(self, order: Order, processes: Processes, output: Callable[[str], None]) -> str:
        """The id of the image, see `Builder`."""
        image = None
        for answer in _unblocked(self._answers(order), processes):
            if "error" in answer:
                output(str(answer["error"]))
                raise StepFailed(str(answer["error"]), ())
            for line in str(answer.get("stream", "")).splitlines():
                output(line)
            image = (answer.get("aux") or {}).get("ID", image)
        if image is None:
            raise StepFailed("the engine ended the build without an image", ())
        return str(image)

    def _answers(self, order: Order) -> Iterator[dict[str, Any]]:
        from docker.errors import APIError, DockerException
        from requests.exceptions import RequestException

        try:
            yield from self.client.api.build(
                fileobj=order.tar,
                custom_context=True,
                dockerfile=order.dockerfile,
                labels=dict(order.labels),
                buildargs={name: self.environ[name] for name in order.arguments},
                nocache=order.no_cache,
                rm=True,
                forcerm=True,
                decode=True,
                timeout=None,
            )
        except APIError as error:
            raise StepFailed(str(error.explanation or error), ()) from error
        except (DockerException, RequestException, OSError) as error:
            raise StepFailed("the Docker engine does not answer any more", ()) from error


def _unblocked(answers: Iterator[dict[str, Any]], processes: Processes) -> Iterator[dict[str, Any]]:
    """The answers, which a cancelled build does not wait for: a silent step may take minutes.

    Raises:
        Interrupted: the engine was cancelled; the build ends when this process does.
    """
    waiting: queue.SimpleQueue[dict[str, Any] | BaseException | None] = queue.SimpleQueue()

    def read() -> None:
        try:
            for answer in answers:
                waiting.put(answer)
            waiting.put(None)
        except BaseException as error:
            waiting.put(error)

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            answer = waiting.get(timeout=_POLL_SECONDS)
        except queue.Empty:
            processes.check()
            continue
        if answer is None:
            return
        if isinstance(answer, BaseException):
            raise answer
        yield answer
