"""What came of the build of an image, whatever engine did it."""

from collections.abc import Mapping
from typing import Protocol


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
    def reference(self) -> str | None:
        """What a container of this content, and no other, is started by; None without containers.

        A deployment names it, so that what it runs never changes behind its back.
        """
        ...

    @property
    def digest(self) -> str | None:
        """The name and digest that a registry gave it, once it was pushed."""
        ...

    @property
    def rebuilt(self) -> bool:
        """Whether this build made it; False when nothing had changed."""
        ...
