"""Image type ``python``: the user's source and what it requires."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from liminal.images.recipe import Recipe, read_recipe
from liminal.model import Image
from liminal.plugins import Schema


class Python:
    """An image in which tasks run."""

    properties: ClassVar[Mapping[str, Schema]] = {}

    def recipe(self, image: Image, folder: Path) -> Recipe:
        """The source, its requirements, and nothing of ours.

        Raises:
            BuildError: a file or folder that the image names is missing or out of bounds.
        """
        return read_recipe(image, folder)
