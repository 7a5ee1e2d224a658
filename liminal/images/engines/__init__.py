"""What every engine is: the thing that turns a recipe into something that runs."""

from collections.abc import Mapping
from typing import Protocol, TypeVar

from liminal.home import Home
from liminal.images.built import BuiltImage
from liminal.images.events import Report
from liminal.images.recipe import ImagePlan
from liminal.plugins import Plugins

__all__ = ["Built", "BuiltImage", "Engine", "EngineType"]

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

    def push(self, image: BuiltImage, report: Report) -> Built:
        """The image with the digest that its registry gave it.

        Raises:
            BuildError: there is no registry for such images, or it did not take this one.
        """
        ...

    def cancel(self) -> None:
        """Ends the builds that run in other threads, and the processes they started."""
        ...


class EngineType(Protocol):
    """One folder in `liminal/images/engines`, found in the group ``liminal.engines``."""

    def refusal(self, environ: Mapping[str, str]) -> str | None:
        """Why the engine cannot work on this machine, in words; None when it can."""
        ...

    def open(
        self, *, home: Home, environ: Mapping[str, str], plugins: Plugins
    ) -> Engine[BuiltImage]:
        """The engine at work on this machine."""
        ...
