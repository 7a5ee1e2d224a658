"""Image type ``python_server``: the user's source with the application that serves it over HTTP."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import liminal
from liminal.images.recipe import Addition, Recipe, read_recipe
from liminal.model import Endpoint, Image
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
        recipe = read_recipe(
            image,
            folder,
            additions=(Addition(folder=serving, name=ADDED_NAME),),
            requirements=(serving / "requirements.txt",),
        )
        if not image.endpoints:  # its services name some
            return recipe
        served = {"service": image.name, "endpoints": endpoints_served(image.endpoints)}
        return replace(recipe, serves=json.dumps(served, indent=1))


def endpoints_served(endpoints: Sequence[Endpoint]) -> list[dict[str, Any]]:
    """The endpoints as the serving application's ``service.json`` has them."""
    return [
        {
            "endpoint": one.path,
            "module": one.module,
            "function": one.function,
            "methods": list(one.methods),
            "batch": {"max_size": one.batch.max_size, "max_wait_ms": one.batch.max_wait_ms}
            if one.batch
            else None,
        }
        for one in endpoints
    ]
