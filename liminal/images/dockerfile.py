"""Image type ``dockerfile``: the user's own Dockerfile."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from liminal.errors import BuildError
from liminal.images.recipe import Recipe, locate_file, locate_source
from liminal.model import Image
from liminal.plugins import Schema

DEFAULT_DOCKERFILE = "Dockerfile"


class Dockerfile:
    """An image that says itself how it is made; `source` is its build context."""

    properties: ClassVar[Mapping[str, Schema]] = {
        "dockerfile": {
            "description": "The Dockerfile, a path in the source.",
            "type": "string",
            "minLength": 1,
            "default": DEFAULT_DOCKERFILE,
            "examples": ["docker/train.Dockerfile"],
        }
    }
    # What the Dockerfile itself says.
    without: ClassVar[tuple[str, ...]] = (
        "python_version",
        "build_cmd",
        "pip_conf",
        "requirements",
        "system_packages",
        "build_packages",
        "base_image",
        "env_vars",
        "ca_bundle",
    )

    def recipe(self, image: Image, folder: Path) -> Recipe:
        """The Dockerfile and its context; only an engine that reads Dockerfiles can build it.

        Raises:
            BuildError: the Dockerfile, or a file that the image names, is missing or out of bounds.
        """
        source = locate_source(image, folder)
        written = image.dockerfile or DEFAULT_DOCKERFILE
        path = Path(os.path.realpath(source / written))
        if not path.is_file() or not path.is_relative_to(source):
            raise BuildError(
                f'image "{image.name}": its dockerfile "{written}" is not a file in "{source}"',
                hint="correct the path, which begins at the source folder",
            )
        secrets = {
            name: located
            for name, secret in sorted(image.build_secrets.items())
            if (located := locate_file(image, folder, f"build_secrets.{name}", secret)) is not None
        }
        return Recipe(
            name=image.name,
            source=source,
            dockerfile=path,
            build_secrets=secrets,
            no_cache=image.no_cache,
        )
