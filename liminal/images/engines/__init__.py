"""What every engine is: the thing that turns a recipe into something that runs."""

from collections.abc import Mapping
from typing import Protocol, TypeVar

from liminal.home import Home
from liminal.images.events import Report
from liminal.images.recipe import ImagePlan
from liminal.plugins import Plugins


class BuiltImage(Protocol):
    """What all engines can say about an image that they built."""

    @property
    def name(self) -> str:
        """The image's name, as in liminal.yml."""
        ...

    @property
    def hash(self) -> str:
        """Of everything that went in: the same hash is the same image."""
        ...

    @property
    def env_vars(self) -> Mapping[str, str]:
        """What the image sets for whatever runs in it."""
        ...

    @property
    def rebuilt(self) -> bool:
        """Whether this build made it; False when nothing had changed."""
        ...


Built = TypeVar("Built", bound=BuiltImage, covariant=True)


class Engine(Protocol[Built]):
    """One way to build images; usable from several threads at once."""

    def build(self, image: ImagePlan, report: Report) -> Built:
        """The image as it is now, built if anything that goes into it changed.

        A build that fails or is interrupted leaves what was last built under the name in place.

        Raises:
            BuildError: with the failing step and the last lines of its output.
        """
        ...

    def cancel(self) -> None:
        """Ends the builds that run in other threads, and the processes they started."""
        ...


class EngineType(Protocol):
    """One file in `liminal/images/engines`, found in the group ``liminal.engines``."""

    def open(
        self, *, home: Home, environ: Mapping[str, str], plugins: Plugins
    ) -> Engine[BuiltImage]:
        """The engine at work on this machine."""
        ...
