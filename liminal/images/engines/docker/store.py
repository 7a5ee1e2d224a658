"""What the engine has: the images that we built in it, and those that they begin with."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from liminal.images.engines.docker.layout import (
    LABEL_BASE_DIGEST,
    LABEL_BASE_NAME,
    LABEL_SOURCE_HASH,
)
from liminal.images.engines.docker.reference import Reference

if TYPE_CHECKING:
    from docker import DockerClient


@dataclass(frozen=True, slots=True, kw_only=True)
class DockerImage:
    """An image that the docker engine built.

    Attributes:
        name: as in liminal.yml.
        hash: of everything that went in.
        reference: of this content and no other, ever.
        tag: what the name stands for in the engine, with its tag.
        id: the engine's own.
        size: in bytes, with what it shares with others.
        env_vars: what the image sets.
        digest: the registry's, once it is pushed.
        rebuilt: whether the last build made it.
    """

    name: str
    hash: str
    reference: str
    tag: str
    id: str
    size: int
    env_vars: Mapping[str, str]
    digest: str | None = None
    rebuilt: bool = False


@dataclass(frozen=True, slots=True)
class Store:
    """The images in the engine."""

    client: "DockerClient"

    def find(self, reference: Reference, hash: str) -> DockerImage | None:
        """The image of that hash, or None where it was not built, or somebody made another."""
        immutable = reference.immutable(hash)
        found = self.inspect(immutable)
        if found is None or _labels(found).get(LABEL_SOURCE_HASH) != hash:
            return None
        variables = (line.partition("=") for line in found["Config"].get("Env") or ())
        digests = found.get("RepoDigests") or ()
        return DockerImage(
            name=reference.written,
            hash=hash,
            reference=immutable,
            tag=str(reference),
            id=found["Id"],
            size=found["Size"],
            env_vars={name: value for name, _, value in variables},
            digest=next(
                (one for one in digests if one.rpartition("@")[0] == reference.repository), None
            ),
        )

    def select(self, image: DockerImage) -> None:
        """Makes the image's name stand for it."""
        current = self.inspect(image.tag)
        if current is None or current["Id"] != image.id:
            self.name(image.id, image.tag)

    def name(self, id: str, name: str) -> None:
        """Gives the image another name, which it takes from the one that has it."""
        repository, _, tag = name.rpartition(":")
        self.client.api.tag(id, repository, tag)

    def base_digest(self, base: str, built: str) -> str | None:
        """What the base image is now, or, where it was removed, was for the image built of it."""
        found = self.inspect(base)
        if found is not None:
            return digest_of(found)
        of = self.inspect(built)
        if of is None or _labels(of).get(LABEL_BASE_NAME) != base:
            return None
        return _labels(of).get(LABEL_BASE_DIGEST)

    def inspect(self, name: str) -> Any | None:
        """What the engine says of the image, or None where it has none of that name."""
        from docker.errors import APIError

        try:
            return self.client.images.get(name).attrs
        except APIError as error:
            # 400: no image could have the name, as that of a stage of the user's Dockerfile.
            if error.status_code in (400, 404):
                return None
            raise


def digest_of(inspected: Any) -> str:
    """The registry's digest where the image came from one, else the engine's own id."""
    digests = inspected.get("RepoDigests") or ()
    return str(digests[0]).rpartition("@")[2] if digests else str(inspected["Id"])


def _labels(inspected: Any) -> Mapping[str, str]:
    labels: Mapping[str, str] = (inspected.get("Config") or {}).get("Labels") or {}
    return labels
