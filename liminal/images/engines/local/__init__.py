"""Engine ``local``: images as virtual environments and copies of the source, without Docker.

This file decides whether there is anything to do, and must do so fast; `making` does it.
"""

import errno
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from liminal.errors import BuildError
from liminal.home import Home
from liminal.images.built import BuiltImage
from liminal.images.context import Context, read_context
from liminal.images.engines.local.environment import Environments, environment_key
from liminal.images.engines.local.interpreter import Interpreter, find_interpreter
from liminal.images.engines.local.store import LocalImage, Store
from liminal.images.engines.process import Processes
from liminal.images.events import Report, Skipped
from liminal.images.recipe import Addition, ImagePlan, Recipe, find_recipe
from liminal.plugins import Plugins

__all__ = ["Inputs", "Local", "LocalEngine", "LocalImage"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Everything that goes into an image, as it is now.

    Attributes:
        context: the user's source.
        additions: what the image type adds, in the recipe's order.
        interpreter: None where this machine does not have the version, not yet.
        key: of the environment; None without an interpreter.
    """

    app: str
    recipe: Recipe
    context: Context
    additions: tuple[Context, ...]
    interpreter: Interpreter | None
    key: str | None

    @property
    def added(self) -> tuple[tuple[Addition, Context], ...]:
        """What the image type adds, each with its files."""
        return tuple(zip(self.recipe.additions, self.additions, strict=True))

    def hash(self, environment: Path) -> str:
        """The image's, once it is known which environment it gets."""
        digest = hashlib.sha256()
        recipe = self.recipe
        for part in (
            environment.name,
            self.context.digest,
            *(f"{addition.name} {context.digest}" for addition, context in self.added),
            recipe.build_cmd or "",
            *(f"{name}={value}" for name, value in sorted(recipe.env_vars.items())),
        ):
            digest.update(part.encode(errors="surrogateescape") + b"\0")
        return digest.hexdigest()[:24]


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalEngine:
    """Builds under ``$LIMINAL_HOME``, on this machine; safe in several threads and processes.

    Attributes:
        uv: the binary of uv; None for the one that is installed with Liminal.
        processes: those of all builds of this engine.
    """

    home: Home
    environ: Mapping[str, str]
    plugins: Plugins
    uv: str | None = None
    processes: Processes = field(default_factory=Processes)

    @property
    def store(self) -> Store:
        """The images that were built."""
        return Store(self.home.images)

    @property
    def environments(self) -> Environments:
        """The environments that they share."""
        return Environments(self.home.environments)

    @property
    def memory(self) -> Path:
        """The file that remembers this machine's interpreters."""
        return self.home.environments / "interpreters.json"

    def build(self, image: ImagePlan, report: Report) -> LocalImage:
        """The image as it is now, built if anything that goes into it changed.

        Raises:
            BuildError: with the failing step and the last lines of its output; what was last
                built under the name remains.
            Interrupted: `cancel` was called.
        """
        name = image.image.name
        with _explained(name, self.home):
            inputs = self.read(image)
            there = None if inputs.recipe.no_cache else self.unchanged(inputs)
            if there is not None:
                report(Skipped(image=name, reason="nothing changed"))
                return there
            # Loaded here and not above, because mostly there is nothing to build.
            from liminal.images.engines.local.making import make_image

            return make_image(self, image, report)

    def find(self, image: ImagePlan) -> LocalImage | None:
        """The image as it is now, if it was built.

        Raises:
            BuildError: some of what goes into it is missing.
        """
        return self.unchanged(self.read(image))

    def push(self, image: BuiltImage, report: Report) -> LocalImage:
        """Never: an environment of this machine is of use here only.

        Raises:
            BuildError: always.
        """
        raise BuildError(
            f'image "{image.name}": the local engine builds for this machine only',
            hint="push with --engine docker",
        )

    def named(self) -> Mapping[str, str]:
        """Name -> hash of what each name of an image stands for now."""
        return self.store.named()

    def prune(self, now: float, *, dry_run: bool) -> tuple[str, ...]:
        """Removes earlier contents of images, and the environments that no image has any more.

        Raises:
            BuildError: something could not be removed.
        """
        from liminal.images.engines.local.pruning import prune

        try:
            return prune(self.store, self.environments, now, dry_run=dry_run)
        except OSError as error:
            raise BuildError(f'"{error.filename}" cannot be removed: {error.strerror}') from error

    def cancel(self) -> None:
        """Ends the builds that run in other threads, and the processes they started."""
        self.processes.cancel()

    def read(self, image: ImagePlan) -> Inputs:
        """What goes into the image now.

        Raises:
            BuildError: some of it is missing or out of bounds, or cannot be read.
        """
        recipe = find_recipe(image, self.plugins)
        if recipe.dockerfile is not None:
            raise BuildError(
                f'image "{recipe.name}": the local engine cannot build a Dockerfile',
                hint="build it with --engine docker",
            )
        interpreter = find_interpreter(recipe.python_version, self.environ, self.memory)
        return Inputs(
            app=image.app,
            recipe=recipe,
            context=read_context(recipe.name, recipe.source, apart=(self.home.path,)),
            additions=tuple(
                read_context(recipe.name, addition.folder) for addition in recipe.additions
            ),
            interpreter=interpreter,
            key=None if interpreter is None else self.key(recipe, interpreter),
        )

    def key(self, recipe: Recipe, interpreter: Interpreter) -> str:
        """Of the environment for the recipe.

        Raises:
            BuildError: a local package cannot be read.
        """
        user_home = Path(self.environ.get("HOME") or Path.home())
        return environment_key(recipe, interpreter, self.environ, user_home)

    def unchanged(self, inputs: Inputs) -> LocalImage | None:
        """The image that was built of the same, now the one that its name stands for, or None."""
        environment = None if inputs.key is None else self.environments.find(inputs.key)
        if environment is None:
            return None
        name, hash = inputs.recipe.name, inputs.hash(environment)
        there = self.store.read(name, hash)
        if there is not None and self.store.current(name) != hash:
            self.store.select(name, hash)
        return there


class Local:
    """The engine's entry point."""

    def refusal(self, environ: Mapping[str, str]) -> str | None:
        """None: it needs nothing but the Python that runs Liminal."""
        return None

    def open(self, *, home: Home, environ: Mapping[str, str], plugins: Plugins) -> LocalEngine:
        """The engine at work on this machine."""
        return LocalEngine(home=home, environ=environ, plugins=plugins)


@contextmanager
def _explained(name: str, home: Home) -> Iterator[None]:
    """Makes of a disk that is full, or a folder that is not ours, an error that says what to do."""
    try:
        yield
    except OSError as error:
        place = Path(str(error.filename or home.path))
        reason = f'image "{name}": "{place}": {error.strerror or error}'
        if not (place.is_relative_to(home.path) or home.path.is_relative_to(place)):
            raise BuildError(
                reason, hint="make it readable, or take it out of the image"
            ) from error
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        advice = "free some space" if full else "make the folder writable"
        hint = f"{advice}, or set LIMINAL_HOME to a folder elsewhere"
        raise BuildError(reason, hint=hint) from error
