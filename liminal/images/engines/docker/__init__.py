"""Engine ``docker``: images that a Docker engine, or Podman, builds.

The record of an image is the image itself: its tag with the content hash, and its labels. This file
decides whether there is anything to do; `building` does it.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from liminal.errors import BuildError
from liminal.home import Home
from liminal.images.built import BuiltImage
from liminal.images.engines.docker.builders import Builder, find_builder
from liminal.images.engines.docker.client import PLATFORM, EngineProblem, connect, explained
from liminal.images.engines.docker.inputs import Inputs, read_inputs
from liminal.images.engines.docker.reference import Reference, read_reference
from liminal.images.engines.docker.store import DockerImage, Store, digest_of
from liminal.images.engines.process import Processes
from liminal.images.events import Report, Skipped
from liminal.images.recipe import ImagePlan, find_recipe
from liminal.lock import hold
from liminal.plugins import Plugins

if TYPE_CHECKING:
    from docker import DockerClient

__all__ = ["Docker", "DockerEngine", "DockerImage"]


@dataclass(frozen=True, kw_only=True)
class DockerEngine:
    """Builds in a Docker engine; safe in several threads and processes.

    Attributes:
        client: of the engine, which answered when it was opened.
        processes: those of all builds of this engine.
    """

    home: Home
    environ: Mapping[str, str]
    plugins: Plugins
    client: "DockerClient"
    processes: Processes = field(default_factory=Processes)

    @property
    def store(self) -> Store:
        """The images in the engine."""
        return Store(self.client)

    @cached_property
    def platform(self) -> str:
        """What images are built for: as the user says it to Docker, else what the engine is."""
        version = self.client.version()
        return self.environ.get(PLATFORM) or f"{version.get('Os')}/{version.get('Arch')}"

    @cached_property
    def builder(self) -> Builder:
        """What builds; looked for only when there is something to build."""
        return find_builder(self.client, self.environ, self.home.path / "docker-command.json")

    def build(self, image: ImagePlan, report: Report) -> DockerImage:
        """The image as it is now, built if anything that goes into it changed.

        Raises:
            BuildError: with the failing step and the last lines of its output; what was last
                built under the name remains.
            Interrupted: `cancel` was called.
        """
        name = image.image.name
        try:
            with explained(f'image "{name}"'):
                inputs = self.read(image)
                there = None if inputs.recipe.no_cache else self.unchanged(inputs)
                if there is not None:
                    report(Skipped(image=name, reason="nothing changed"))
                    return there
                # Loaded here and not above, because mostly there is nothing to build.
                from liminal.images.engines.docker.building import make_image

                return make_image(self, image, report)
        except EngineProblem as problem:
            raise BuildError(problem.message, hint=problem.hint) from problem
        except OSError as error:
            place = f' "{error.filename}":' if error.filename else ""
            message = f'image "{name}":{place} {error.strerror or error}'
            raise BuildError(message, hint="free some space, or make it readable") from error

    def cancel(self) -> None:
        """Ends the builds that run in other threads, and the processes they started."""
        self.processes.cancel()

    def find(self, image: ImagePlan) -> DockerImage | None:
        """The image as it is now, if it was built.

        Raises:
            BuildError: some of what goes into it is missing, or the engine does not answer.
        """
        try:
            with explained(f'image "{image.image.name}"'):
                return self.unchanged(self.read(image))
        except EngineProblem as problem:
            raise BuildError(problem.message, hint=problem.hint) from problem

    def push(self, image: BuiltImage, report: Report) -> DockerImage:
        """Pushes both names of the image; the answer has the digest that the registry gave it.

        Raises:
            BuildError: the registry did not take it.
            Interrupted: `cancel` was called.
        """
        from liminal.images.engines.docker.pushing import push_image

        try:
            with explained(f'image "{image.name}"'):
                found = self.store.find(read_reference(image.name), image.hash)
            if found is None:
                raise BuildError(f'image "{image.name}": it was removed since it was built')
            pushed = push_image(self.store, found, self.processes, report)
            return replace(pushed, rebuilt=image.rebuilt)
        except EngineProblem as problem:
            raise BuildError(problem.message, hint=problem.hint) from problem

    def named(self) -> Mapping[str, str]:
        """Name -> hash of all that we built in the engine, from whichever home.

        Raises:
            BuildError: the engine does not answer any more.
        """
        from liminal.images.engines.docker.listing import named_images

        try:
            with explained("images could not be listed"):
                return named_images(self.client)
        except EngineProblem as problem:
            raise BuildError(problem.message, hint=problem.hint) from problem

    def prune(self, now: float, *, dry_run: bool) -> tuple[str, ...]:
        """Removes earlier contents of images, and what interrupted builds left, by our labels.

        Raises:
            BuildError: the engine does not answer any more.
        """
        from liminal.images.engines.docker.pruning import prune

        try:
            with explained("images could not be removed"), ExitStack() as stack:
                # Between its build and its naming an image looks like what a killed build left.
                for lock in sorted(self.home.locks.glob("*.lock")):
                    stack.enter_context(hold(lock, pause=self.processes.pause))
                return prune(self.client, now, dry_run=dry_run)
        except EngineProblem as problem:
            raise BuildError(problem.message, hint=problem.hint) from problem

    def read(self, image: ImagePlan) -> Inputs:
        """What goes into the image now.

        Raises:
            BuildError: some of it is missing or out of bounds, or cannot be read.
        """
        recipe = find_recipe(image, self.plugins)
        return read_inputs(image.app, recipe, self.environ, self.home)

    def reference(self, inputs: Inputs) -> Reference:
        """The name of the image.

        Raises:
            BuildError: it is one that nothing can be built under.
        """
        return read_reference(inputs.recipe.name)

    def unchanged(self, inputs: Inputs) -> DockerImage | None:
        """The image that was built of the same, now the one that its name stands for, or None."""
        base = self.base_digest(inputs)
        if base is None:
            return None
        found = self.store.find(self.reference(inputs), self.hash(inputs, base))
        if found is not None:
            self.store.select(found)
        return found

    def hash(self, inputs: Inputs, base_digest: str) -> str:
        """The hash of the image that is built of that here."""
        return inputs.hash(base_digest, self.platform)

    def base_digest(self, inputs: Inputs) -> str | None:
        """What the base images are now; None where the one that we would build on is not there."""
        if inputs.own_dockerfile is None:
            return self.store.base_digest(inputs.base, inputs.recipe.name)
        # BuildKit may use a base that the engine then does not list: it counts as unchanged.
        found = [self.store.inspect(base) for base in inputs.own_bases]
        return " ".join(digest_of(one) for one in found if one is not None)

    def lock(self, name: str) -> Path:
        """The file that whoever builds an image of that name holds."""
        return self.home.locks / f"{Reference.file_name(name)}.lock"


class Docker:
    """The engine's entry point."""

    def refusal(self, environ: Mapping[str, str]) -> str | None:
        """Why there is no engine to build with, in words; None when one answers."""
        try:
            connect(environ).close()
        except EngineProblem as problem:
            return problem.message
        return None

    def open(self, *, home: Home, environ: Mapping[str, str], plugins: Plugins) -> DockerEngine:
        """The engine at work.

        Raises:
            BuildError: no engine answers.
        """
        try:
            client = connect(environ)
        except EngineProblem as problem:
            raise BuildError(problem.message, hint=problem.hint) from problem
        return DockerEngine(home=home, environ=environ, plugins=plugins, client=client)
