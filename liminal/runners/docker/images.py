"""The images of tasks, as the engine knows them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from liminal.images.engines.docker.client import EngineProblem, explained
from liminal.images.engines.docker.layout import LABEL_NAMED_USER, LABEL_SOURCE_HASH

if TYPE_CHECKING:
    from docker import DockerClient


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """What matters of an image for the containers of it.

    Attributes:
        reference: what the engine knows it by.
        name: the same in the user's words.
        ours: whether Liminal built it, so that any user of group 0 may write in it.
        has_init: whether its entry point is the init of ours, which forwards signals.
        named_user: whether the user needs an entry in its /etc/passwd, whoever it is.
        user: the one that it names; empty for root.
        env_vars: what it sets.
    """

    reference: str
    name: str
    ours: bool
    has_init: bool
    named_user: bool
    working_dir: str
    user: str
    env_vars: Mapping[str, str]


def find_image(client: "DockerClient", reference: str, name: str) -> ImageFacts | None:
    """The image of that reference; None when the engine has no such.

    Raises:
        EngineProblem: the engine does not say.
    """
    from docker.errors import ImageNotFound

    with explained(f'the image "{name}" could not be looked at'):
        try:
            found = client.api.inspect_image(reference)  # type: ignore[no-untyped-call]  # has no types
        except ImageNotFound:
            return None
    return _facts(found.get("Config") or {}, reference, name)


def _facts(config: Mapping[str, Any], reference: str, name: str) -> ImageFacts:
    entrypoint = config.get("Entrypoint") or []
    labels = config.get("Labels") or {}
    pairs = [one.split("=", 1) for one in config.get("Env") or () if "=" in one]
    return ImageFacts(
        reference=reference,
        name=name,
        ours=LABEL_SOURCE_HASH in labels,
        has_init=bool(entrypoint) and PurePosixPath(entrypoint[0]).name == "dumb-init",
        named_user=LABEL_NAMED_USER in labels,
        working_dir=config.get("WorkingDir") or "/",
        user=config.get("User") or "",
        env_vars=dict(pairs),
    )


def pull(client: "DockerClient", reference: str) -> None:
    """Fetch the image from its registry.

    Raises:
        EngineProblem: it could not be fetched.
    """
    from docker.utils import parse_repository_tag

    repository, tag = parse_repository_tag(reference)
    what = f'the image "{reference}" could not be pulled'
    with explained(what):
        for line in client.api.pull(repository, tag=tag or "latest", stream=True, decode=True):
            if "error" in line:
                raise EngineProblem(f"{what}: {line['error']}")
