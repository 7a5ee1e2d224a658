"""The classic builder, for an engine without a command line that has BuildKit."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from liminal.images.engines.docker.answers import unblocked
from liminal.images.engines.docker.builders import Order
from liminal.images.engines.docker.client import PLATFORM
from liminal.images.engines.process import Processes, StepFailed

if TYPE_CHECKING:
    from docker import DockerClient


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
        for answer in unblocked(lambda: self._answers(order), processes):
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
        from urllib3.exceptions import HTTPError

        try:
            yield from self.client.api.build(
                fileobj=order.tar,
                custom_context=True,
                dockerfile=order.dockerfile,
                labels=dict(order.labels),
                buildargs={name: self.environ[name] for name in order.arguments},
                nocache=order.no_cache,
                platform=self.environ.get(PLATFORM) or None,
                rm=True,
                forcerm=True,
                decode=True,
                timeout=None,
            )
        except APIError as error:
            raise StepFailed(str(error.explanation or error), ()) from error
        except (DockerException, RequestException, HTTPError, OSError) as error:
            raise StepFailed("the Docker engine does not answer any more", ()) from error
