"""What two applications cannot both have: they share one Airflow and one store of images."""

from collections.abc import Iterable, Iterator
from itertools import chain

from liminal.errors import Diagnostic, error, warning
from liminal.model import App, Image
from liminal.origin import Origin


def clashes(apps: Iterable[App]) -> Iterator[Diagnostic]:
    """The findings about names that several applications use, each at the later of two places."""
    apps = tuple(apps)
    return chain(_pipelines(apps), _services(apps), _images(apps))


def _pipelines(apps: tuple[App, ...]) -> Iterator[Diagnostic]:
    """Airflow lets the two take the DAG from each other at every parse, without an error."""
    first: dict[str, tuple[str, Origin]] = {}
    for app in apps:
        for pipeline in app.pipelines:
            owner, origin = first.setdefault(pipeline.name, (app.name, pipeline.origin))
            if owner != app.name:
                yield error(
                    "duplicate-pipeline",
                    f'a second pipeline is named "{pipeline.name}"; '
                    f'the first, of application "{owner}", is at {origin}',
                    pipeline.origin,
                    "rename one of the two: a DAG's id is unique on its server",
                )


def _services(apps: tuple[App, ...]) -> Iterator[Diagnostic]:
    """A warning only: they can live side by side, but a command cannot tell which one is meant."""
    first: dict[str, tuple[str, Origin]] = {}
    for app in apps:
        for service in app.services:
            owner, origin = first.setdefault(service.name, (app.name, service.origin))
            if owner != app.name:
                yield warning(
                    "duplicate-service",
                    f'a second service is named "{service.name}"; '
                    f'the first, of application "{owner}", is at {origin}',
                    service.origin,
                    "rename one of the two",
                )


def _images(apps: tuple[App, ...]) -> Iterator[Diagnostic]:
    """An image that both inherit is one; two sources would be built over each other."""
    first: dict[str, tuple[str, Image]] = {}
    for app in apps:
        for image in app.images:
            owner, other = first.setdefault(image.name, (app.name, image))
            if (other.folder, other.source) != (image.folder, image.source):
                yield warning(
                    "duplicate-image",
                    f'image "{image.name}" has another source in application "{owner}", '
                    f"at {other.origin}",
                    image.origin,
                    "give the two different names, or the one built last is used for both",
                )
