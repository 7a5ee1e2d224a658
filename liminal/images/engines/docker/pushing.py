"""Pushes an image under both of its names: the user's, and the one of this content."""

from dataclasses import replace
from functools import partial

from liminal.errors import BuildError
from liminal.images.engines.docker.answers import unblocked
from liminal.images.engines.docker.client import explained
from liminal.images.engines.docker.store import DockerImage, Store
from liminal.images.engines.process import Processes
from liminal.images.events import Report, Step


def push_image(
    store: Store, image: DockerImage, processes: Processes, report: Report
) -> DockerImage:
    """The image with the digest that the registry gave it.

    Raises:
        BuildError: the registry did not take it.
        EngineProblem: the engine does not answer any more.
        Interrupted: the engine was cancelled.
    """
    digest = None
    # The immutable one first: whoever finds the other in the registry finds this one too.
    for name in (image.reference, image.tag):
        report(Step(image=image.name, name=f"pushing {name}"))
        digest = _push(store, image, name, processes) or digest
    repository = image.tag.rpartition(":")[0]
    return replace(image, digest=f"{repository}@{digest}" if digest else image.digest)


def _push(store: Store, image: DockerImage, name: str, processes: Processes) -> str | None:
    repository, _, tag = name.rpartition(":")
    digest = None
    with explained(f'image "{image.name}": "{name}" could not be pushed'):
        api = store.client.api
        pushed = partial(api.push, repository, tag, stream=True, decode=True)
        for answer in unblocked(pushed, processes):
            if "error" in answer:
                raise BuildError(
                    f'image "{image.name}": "{name}" could not be pushed: {answer["error"]}',
                    hint='log in to the registry ("docker login"), or correct the name, which '
                    "begins with the registry's",
                )
            digest = (answer.get("aux") or {}).get("Digest", digest)
    return digest
