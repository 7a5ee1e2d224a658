"""Everything that goes into an image of the docker engine, as it is now, and the hash of it all."""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from liminal.errors import BuildError
from liminal.home import Home
from liminal.images.context import Context, hash_file, read_context
from liminal.images.engines.docker.dockerfile import LISTER, SERVED, Installation, dockerfile
from liminal.images.engines.docker.settings import InstallerSettings, read_settings
from liminal.images.engines.docker.tarball import Piece, digest_of, pieces_of, written
from liminal.images.engines.local.interpreter import DEFAULT_VERSION
from liminal.images.recipe import Recipe
from liminal.images.requirements import DEPENDENCIES_SCRIPT, without_editable

_HASH_LENGTH = 16
_FORMAT = 1

LOCKED = "liminal/locked.txt"
"""In the folder ``install``: what uv.lock says, as a requirement file."""

_FROM = re.compile(r"^\s*FROM\s+(?:--\S+\s+)*(\S+)", re.IGNORECASE | re.MULTILINE)
_LOCKED_FOLDER = re.compile(r'(?:directory|editable|path) = "([^"]+)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What goes into an image.

    Attributes:
        context: the user's source.
        install: the folder that the requirements are installed from; a uv.lock is still missing.
        settings: what the user's environment tells installers.
        base: the image that it begins with; "" where a Dockerfile of the user's says so.
        own_dockerfile: the path of the user's Dockerfile in `context`, or None.
        own_bases: the images that it begins with.
    """

    app: str
    recipe: Recipe
    base: str
    context: Context
    additions: tuple[Context, ...]
    install: tuple[Piece, ...]
    installation: Installation
    settings: InstallerSettings
    own_dockerfile: str | None = None
    own_bases: tuple[str, ...] = ()

    def text(self, *, buildkit: bool) -> str:
        """The Dockerfile that we make; "" where the user has one."""
        if self.own_dockerfile is not None:
            return ""
        return dockerfile(self.recipe, self.base, self.installation, buildkit=buildkit)

    def pieces(self, *, locked: bytes | None = None) -> Iterator[Piece]:
        """What is sent to the builder, apart from the Dockerfile that we make.

        Args:
            locked: the content of the file `LOCKED`.
        """
        if self.own_dockerfile is not None:
            yield from pieces_of(self.context, "")
            return
        recipe = self.recipe
        if self.installation.files:
            yield from self.install
            if locked is not None:
                yield Piece(path=f"install/{LOCKED}", content=locked)
        for addition, context in zip(recipe.additions, self.additions, strict=True):
            yield from pieces_of(context, f"site/{addition.name}")
        if recipe.serves is not None:
            yield Piece(path=f"ours/{SERVED}", content=recipe.serves.encode())
        yield from pieces_of(self.context, "source", shared=True)

    def hash(self, base_digest: str, platform: str = "") -> str:
        """The image's.

        Args:
            base_digest: of the base image: another one is another image.
            platform: what it is for, as ``linux/arm64``: a base image's digest may be that of
                a list with one for each.
        """
        recipe = self.recipe
        digest = hashlib.sha256()
        lock = recipe.requirements.lock
        for part in (
            f"{_FORMAT} {base_digest}",
            platform,
            # Which builder there is changes nothing of what the image is.
            self.text(buildkit=True),
            self.own_dockerfile or "",
            digest_of(self.pieces()),
            hash_file(lock) if lock is not None else "",
        ):
            digest.update(part.encode(errors="surrogateescape") + b"\0")
        return digest.hexdigest()[:_HASH_LENGTH]


def read_inputs(app: str, recipe: Recipe, environ: Mapping[str, str], home: Home) -> Inputs:
    """What goes into the image now.

    Raises:
        BuildError: some of it is missing or out of bounds, or cannot be read.
    """
    context = read_context(recipe.name, recipe.source, apart=(home.path,))
    own = None
    if recipe.dockerfile is not None:
        own = _checked_dockerfile(recipe, recipe.dockerfile, context)
    settings = read_settings(recipe, environ)
    install = tuple(_install(recipe)) if recipe.requirements.files else ()
    return Inputs(
        app=app,
        recipe=recipe,
        base="" if own else _base(recipe),
        context=context,
        additions=tuple(read_context(recipe.name, one.folder) for one in recipe.additions),
        install=install,
        installation=_installation(recipe, settings),
        settings=settings,
        own_dockerfile=own,
        own_bases=() if recipe.dockerfile is None else _bases(recipe.dockerfile),
    )


def _base(recipe: Recipe) -> str:
    return recipe.base_image or f"python:{recipe.python_version or DEFAULT_VERSION}-slim"


def _bases(path: Path) -> tuple[str, ...]:
    """The images that the Dockerfile names, as far as they are known before it is built."""
    found = _FROM.findall(path.read_text("utf-8", "replace"))
    return tuple(dict.fromkeys(name for name in found if "$" not in name and name != "scratch"))


def _checked_dockerfile(recipe: Recipe, path: Path, context: Context) -> str:
    """The user's Dockerfile as a path in the context, where the .dockerignore leaves it in."""
    relative = path.relative_to(recipe.source).as_posix()
    if any(entry.path == relative and entry.kind == "file" for entry in context.entries):
        return relative
    raise BuildError(
        f'image "{recipe.name}": its Dockerfile "{relative}" is left out of the build',
        hint=f'add the line "!{relative}" to .dockerignore',
    )


def _installation(recipe: Recipe, settings: InstallerSettings) -> Installation:
    needed = recipe.requirements
    files = [_place(recipe, file) for file in needed.files]
    listed = None
    if needed.lock is not None:
        files[0] = LOCKED
    elif files and files[0].endswith(".toml"):
        listed = files[0]
    return Installation(
        files=tuple(files),
        with_pip=settings.with_pip,
        index=settings.index,
        variables=bool(settings.variables),
        packages=bool(needed.packages or needed.lock),
        listed=listed,
    )


def _place(recipe: Recipe, file: Path) -> str:
    """Where in the folder ``install`` a requirement file is: as in the source, for what it names.

    Raises:
        BuildError: it is the user's, and outside of the source.
    """
    if file.is_relative_to(recipe.source):
        return file.relative_to(recipe.source).as_posix()
    if file in recipe.requirements.files:  # an image type's own
        name = file.parent.name if file.name == "requirements.txt" else file.stem
        return f"liminal/{name}.txt"
    raise BuildError(
        f'image "{recipe.name}": "{file}" is outside its source, where an image cannot see it',
        hint="copy it into the source, or build without Docker: --engine local",
    )


def _install(recipe: Recipe) -> Iterator[Piece]:
    """The folder to install from: what is needed and no more, so that no other change counts."""
    needed = recipe.requirements
    listed = needed.lock is None and needed.files[0].suffix == ".toml"
    files = {LISTER: DEPENDENCIES_SCRIPT.encode()} if listed else {}
    for file in (*needed.files, *needed.included):
        place = _place(recipe, file)
        plain = file.suffix == ".toml"
        files[place] = file.read_bytes() if plain else _portable(file)
    folders: list[Piece] = []
    for package in (*needed.packages, *_locked_packages(recipe)):
        place = _place(recipe, package)
        if package.is_dir():
            folders += pieces_of(_package_context(recipe, package), place)
        else:
            files[place] = package.read_bytes()
    for piece in (*written(files), *folders):
        yield replace(piece, path=f"install/{piece.path}")


def _portable(file: Path) -> bytes:
    return without_editable(file.read_text("utf-8-sig", "surrogateescape")).encode(
        errors="surrogateescape"
    )


def _package_context(recipe: Recipe, package: Path) -> Context:
    """A local package; without what building it leaves there, or it would never be the same."""
    found = read_context(recipe.name, package)
    kept = tuple(
        entry
        for entry in found.entries
        if entry.path.split("/", 1)[0] not in ("build", "dist") and ".egg-info" not in entry.path
    )
    return replace(found, entries=kept)


def _locked_packages(recipe: Recipe) -> Iterator[Path]:
    """The folders and archives of this machine that a uv.lock names, without the project's own."""
    lock = recipe.requirements.lock
    if lock is None:
        return
    for written_path in sorted(set(_LOCKED_FOLDER.findall(lock.read_text("utf-8")))):
        path = Path(os.path.realpath(lock.parent / written_path))
        if path != lock.parent and path.exists():
            yield path
