"""What every engine is: the thing that turns a recipe into something that runs."""

from collections.abc import Mapping
from typing import Protocol, TypeVar

from liminal.home import Home
from liminal.images.built import BuiltImage
from liminal.images.events import Report
from liminal.images.recipe import ImagePlan
from liminal.plugins import Plugins

__all__ = ["KEPT", "KEPT_SECONDS", "Built", "BuiltImage", "Engine", "EngineType"]

KEPT = 5
"""So many contents of a name stay, the current one among them,"""

KEPT_SECONDS = 24 * 60 * 60
"""and those that are younger. Nobody writes down who uses an image."""

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

    def find(self, image: ImagePlan) -> Built | None:
        """The image as it is now, if it was built; builds nothing.

        Raises:
            BuildError: some of what goes into it is missing, or the engine does not answer.
        """
        ...

    def push(self, image: BuiltImage, report: Report) -> Built:
        """The image with the digest that its registry gave it.

        Raises:
            BuildError: there is no registry for such images, or it did not take this one.
        """
        ...

    def named(self) -> Mapping[str, str]:
        """Name -> hash of what each name of an image stands for now.

        Raises:
            BuildError: the engine does not answer.
        """
        ...

    def prune(self, now: float, *, dry_run: bool) -> tuple[str, ...]:
        """Removes what no name stands for and was not used lately; says what, a line each.

        Of each name the last `KEPT` contents stay, and all that are younger than `KEPT_SECONDS`.

        Args:
            now: seconds since the epoch.
            dry_run: only say it.

        Raises:
            BuildError: something could not be removed; the rest was.
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
