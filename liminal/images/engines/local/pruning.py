"""What the local engine keeps and nobody needs any more."""

from collections.abc import Iterator

from liminal.images.engines.local.environment import Environments
from liminal.images.engines.local.store import Store
from liminal.lock import hold


def prune(
    store: Store, environments: Environments, now: float, *, dry_run: bool
) -> tuple[str, ...]:
    """Removes earlier contents of images, and environments of none; a line for each.

    Raises:
        OSError: something could not be removed.
    """
    return (*_images(store, now, dry_run), *_environments(store, environments, now, dry_run))


def _images(store: Store, now: float, dry_run: bool) -> Iterator[str]:
    for name in store.names():
        # A build of the image would choose among what is removed here.
        with hold(store.of(name) / "lock"):
            unused = store.unused(name, now)
            if not dry_run:
                store.prune(name, now)
        yield from (f'image "{name}" as it was at {path.name}' for path in unused)


def _environments(
    store: Store, environments: Environments, now: float, dry_run: bool
) -> Iterator[str]:
    for key in environments.unused(store.used_environments(), now):
        if not dry_run:
            environments.remove(key)
        yield f"environment {key}"
