"""What an image is made of, for any engine: the value between an image type and an engine."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol

from liminal.errors import BuildError
from liminal.home import expand
from liminal.images.requirements import Requirements, read_requirements
from liminal.model import Image
from liminal.plugins import PluginError, Plugins, Schema


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePlan:
    """An image to build, with the application that it belongs to."""

    app: str
    image: Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """A folder that goes into an image beside the user's source.

    Attributes:
        folder: on this machine, absolute.
        name: what it is called in the image, in a folder that is on Python's path.
    """

    folder: Path
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """An image in no engine's words.

    Attributes:
        source: absolute, with symlinks resolved.
        python_version: as the user wrote it, or None for the default one.
        requirements: what is installed, the user's own and those of `additions`.
        system_packages, build_packages: of Debian; the latter are not in what is built.
        build_cmd: for ``/bin/sh -c`` in the copy of the source.
        pip_conf, ca_bundle: files, absolute.
        build_secrets: id -> file, absolute.
        serves: what the image serves where nobody says otherwise: a service.json. Its functions
            must be there.
        named_user: what runs in it must have a name, whoever it is: Java's Hadoop ends without one.
        no_cache: make everything again, the installed packages too.
        dockerfile: the user's own, absolute; whatever it says replaces the rest.
    """

    name: str
    source: Path
    python_version: str | None = None
    base_image: str | None = None
    requirements: Requirements = field(default_factory=Requirements)
    additions: tuple[Addition, ...] = ()
    system_packages: tuple[str, ...] = ()
    build_packages: tuple[str, ...] = ()
    build_cmd: str | None = None
    env_vars: Mapping[str, str] = field(default_factory=dict)
    pip_conf: Path | None = None
    ca_bundle: Path | None = None
    build_secrets: Mapping[str, Path] = field(default_factory=dict)
    serves: str | None = None
    named_user: bool = False
    no_cache: bool = False
    dockerfile: Path | None = None


class ImageType(Protocol):
    """One file in `liminal/images`.

    Attributes:
        properties: the type's own keys, as the properties of a JSON Schema.
    """

    properties: ClassVar[Mapping[str, Schema]]

    def recipe(self, image: Image, folder: Path) -> Recipe:
        """What the image is made of; reads the folder, changes nothing.

        Args:
            image: what the user says.
            folder: what the source begins at, absolute: that of the file which names it.

        Raises:
            BuildError: the source or a file that the image names is missing or out of bounds.
        """
        ...


def find_recipe(image: ImagePlan, plugins: Plugins) -> Recipe:
    """What the image is made of, by its type.

    Raises:
        BuildError: the type does not load, or a file that the image names is missing.
    """
    try:
        kind: ImageType = plugins.load("liminal.images", image.image.type)
    except PluginError as error:
        raise BuildError(f'image "{image.image.name}": {error}') from error
    return kind.recipe(image.image, Path(image.image.folder))


def read_recipe(
    image: Image,
    folder: Path,
    *,
    additions: tuple[Addition, ...] = (),
    requirements: tuple[Path, ...] = (),
) -> Recipe:
    """The recipe that all Python images share, with what a type adds to it.

    Args:
        image: what the user says.
        folder: what the source begins at, absolute: that of the file which names it.
        additions: folders that the type puts beside the source.
        requirements: what they need, as requirement files.

    Raises:
        BuildError: a file or folder that the image names is missing, or the source out of bounds.
    """
    source = locate_source(image, folder)
    return Recipe(
        name=image.name,
        source=source,
        python_version=image.python_version,
        base_image=image.base_image,
        requirements=read_requirements(image.name, source, image.requirements, requirements),
        additions=additions,
        system_packages=image.system_packages,
        build_packages=image.build_packages,
        build_cmd=image.build_cmd,
        env_vars=dict(image.env_vars),
        pip_conf=locate_file(image, folder, "pip_conf", image.pip_conf),
        ca_bundle=locate_file(image, folder, "ca_bundle", image.ca_bundle),
        build_secrets={
            name: found
            for name, path in sorted(image.build_secrets.items())
            if (found := locate_file(image, folder, f"build_secrets.{name}", path)) is not None
        },
        no_cache=image.no_cache,
    )


def locate_source(image: Image, folder: Path) -> Path:
    """The image's source folder, absolute, with symlinks resolved.

    Raises:
        BuildError: it is missing, no folder, or not inside `folder`.
    """
    root = Path(os.path.realpath(folder))
    source = Path(os.path.realpath(root / image.source))
    written = Path(image.source)
    if written.is_absolute() or image.source.startswith("~") or not source.is_relative_to(root):
        raise BuildError(
            f'image "{image.name}": its source "{image.source}" is not inside "{folder}"',
            hint="write a path that begins at the folder of the liminal.yml and stays in it",
        )
    if not source.is_dir():
        raise BuildError(
            f'image "{image.name}": its source "{image.source}" is not a folder in "{folder}"',
            hint="correct the path, which begins at the folder of the liminal.yml",
        )
    return source


def locate_file(image: Image, folder: Path, key: str, written: str | None) -> Path | None:
    """A file that helps to build and does not go into the image: it may be anywhere.

    Raises:
        BuildError: there is no such file.
    """
    if written is None:
        return None
    path = folder / expand(written)
    if not path.is_file():
        raise BuildError(
            f'image "{image.name}": its {key} "{written}" is not a file',
            hint="correct the path, which begins at the folder of the liminal.yml",
        )
    return path
