"""Image type ``python_server``: the user's source with the application that serves it over HTTP."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import liminal
from liminal.images.recipe import Addition, Recipe, read_recipe
from liminal.model import Image
from liminal.plugins import Schema

ADDED_NAME = "liminal_serving"
"""The package name of the serving application in the image, where Liminal is not installed."""


class PythonServer:
    """An image from which services run, and tasks too."""

    properties: ClassVar[Mapping[str, Schema]] = {"endpoints": {"$ref": "#/$defs/endpoints"}}

    def recipe(self, image: Image, folder: Path) -> Recipe:
        """The source and its requirements, with `liminal/serving` and its own.

        Raises:
            BuildError: a file or folder that the image names is missing or out of bounds.
        """
        serving = Path(liminal.__file__).parent / "serving"
        return read_recipe(
            image,
            folder,
            additions=(Addition(folder=serving, name=ADDED_NAME),),
            requirements=(serving / "requirements.txt",),
        )
