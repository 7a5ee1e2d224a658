"""What of the images in the engine nobody needs any more: found by our labels."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from liminal.images.engines import KEPT, KEPT_SECONDS
from liminal.images.engines.docker.layout import LABEL_SOURCE_HASH

if TYPE_CHECKING:
    from docker import DockerClient

_NAMED_AFTER_SECONDS = 60 * 60
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)")


def prune(client: "DockerClient", now: float, *, dry_run: bool) -> tuple[str, ...]:
    """Removes images of ours that no name stands for, but for the last ones; a line for each.

    An image that a container has stays.
    """
    images = client.api.images(filters={"label": LABEL_SOURCE_HASH})
    removed = []
    for what, name in _unneeded(client, images, now):
        if dry_run or _remove(client, name):
            removed.append(what)
    return tuple(removed)


def _unneeded(
    client: "DockerClient", images: list[Mapping[str, Any]], now: float
) -> Iterator[tuple[str, str]]:
    """What it is, and the name or id to remove it by."""
    of_repository: dict[str, list[tuple[float, str]]] = {}
    for image in images:
        tags = [tag for tag in image.get("RepoTags") or () if tag != "<none>:<none>"]
        # An interrupted build's, or one whose name went to another; a build of somebody else's may
        # be about to give a new one its name.
        if not tags and now - float(image["Created"]) > _NAMED_AFTER_SECONDS:
            yield f"image without a name {image['Id'][7:19]}", image["Id"]
        hash = image["Labels"][LABEL_SOURCE_HASH]
        immutable = [tag for tag in tags if tag.endswith(hash)]
        if len(immutable) == len(tags):  # else it is what some name stands for
            for tag in immutable:
                made = of_repository.setdefault(tag.rpartition(":")[0], [])
                if (used := _used_at(client, image["Id"])) is not None:
                    made.append((used, tag))
    for made in of_repository.values():
        # The current one is not among them.
        for at, tag in sorted(made)[: max(0, len(made) - (KEPT - 1))]:
            if now - at > KEPT_SECONDS:
                yield f"image {tag}", tag


def _used_at(client: "DockerClient", id: str) -> float | None:
    """When a name was last given to it, in seconds since the epoch; None where nobody knows.

    Not when it was created: that is a fixed moment, so that the same source is the same image.
    """
    metadata = client.images.get(id).attrs.get("Metadata") or {}
    found = _MOMENT.fullmatch(str(metadata.get("LastTagTime", "")))
    if found is None or found[1].startswith("0001"):
        return None
    # In parts: before Python 3.11 no more than six digits may stand after the point.
    zone = found[3].replace("Z", "+00:00")
    return datetime.fromisoformat(found[1] + zone).timestamp() + float(found[2] or 0)


def _remove(client: "DockerClient", name: str) -> bool:
    from docker.errors import APIError

    try:
        client.api.remove_image(name)
    except APIError as error:
        if error.status_code in (404, 409):  # it is gone, or in use
            return False
        raise
    return True
