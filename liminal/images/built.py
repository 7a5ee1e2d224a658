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
    def rebuilt(self) -> bool:
        """Whether this build made it; False when nothing had changed."""
        ...
