"""Image type ``spark``: the user's source with Spark, in which tasks of type spark run."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from liminal.images.recipe import Recipe, read_recipe
from liminal.images.requirements import Requirements
from liminal.model import Image
from liminal.plugins import Schema

JAVA = "default-jre-headless"
"""Debian's package of the Java that Spark 4 runs on: 17 in Debian 12, 21 in Debian 13."""

_PYSPARK_LINE = re.compile(r"^\s*pyspark(?:-client|-connect)?\s*(?:[\[=<>!~;@#\\]|$)", re.M | re.I)
_PYSPARK_WORD = re.compile(r"""["']pyspark(?:-client|-connect)?\s*(?:[\[=<>!~;@"'])""", re.I)


class Spark:
    """A Python image with pyspark, which brings spark-submit along."""

    properties: ClassVar[Mapping[str, Schema]] = {}

    def recipe(self, image: Image, folder: Path) -> Recipe:
        """The source and its requirements; pyspark and Java too where the user names none.

        A `base_image` is taken to have the Java that it needs.

        Raises:
            BuildError: a file or folder that the image names is missing or out of bounds.
        """
        recipe = replace(read_recipe(image, folder), named_user=True)
        if not _names_pyspark(recipe.requirements):
            added = Path(__file__).with_name("spark.txt")
            needed = read_recipe(image, folder, requirements=(added,)).requirements
            recipe = replace(recipe, requirements=needed)
        has_java = any("jre" in name or "jdk" in name for name in recipe.system_packages)
        if has_java or recipe.base_image is not None:
            return recipe
        return replace(recipe, system_packages=(*recipe.system_packages, JAVA))


def _names_pyspark(requirements: Requirements) -> bool:
    return any(
        (_PYSPARK_WORD if file.suffix == ".toml" else _PYSPARK_LINE).search(
            file.read_text(encoding="utf-8-sig", errors="replace")
        )
        for file in (*requirements.files, *requirements.included)
    )
