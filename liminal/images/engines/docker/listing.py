"""Which images of ours an engine has: found by their labels."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from liminal.images.engines.docker.layout import LABEL_SOURCE_HASH

if TYPE_CHECKING:
    from docker import DockerClient


def named_images(client: "DockerClient") -> Mapping[str, str]:
    """Name -> hash of the content that it stands for; without the tag where that is ``latest``."""
    found = {}
    for image in client.api.images(filters={"label": LABEL_SOURCE_HASH}):
        hash = str(image["Labels"][LABEL_SOURCE_HASH])
        for tag in image.get("RepoTags") or ():
            if tag != "<none>:<none>" and not tag.endswith(hash):
                found[tag.removesuffix(":latest")] = hash
    return dict(sorted(found.items()))
