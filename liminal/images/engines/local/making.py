"""Makes an image of the local engine: the environment, the copy of the source, the record."""

import contextlib
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from liminal.errors import BuildError
from liminal.files import make_private_folder, remove_tree, sync_folder, write_atomic
from liminal.images.context import Changed
from liminal.images.engines.local import Inputs, LocalEngine
from liminal.images.engines.local.copying import copy_context
from liminal.images.engines.local.installer import Installer, installer_environ
from liminal.images.engines.local.interpreter import (
    DEFAULT_VERSION,
    Interpreter,
    running_interpreter,
)
from liminal.images.engines.local.lending import lent
from liminal.images.engines.local.overlay import link_packages
from liminal.images.engines.local.store import FORMAT, UNFINISHED, LocalImage
from liminal.images.engines.local.uv import download_interpreter, find_uv
from liminal.images.engines.process import StepFailed
from liminal.images.engines.remarks import remark, waits_for
from liminal.images.engines.steps import Steps
from liminal.images.events import Finished, Note, Report, Skipped, Started, Warning
from liminal.images.recipe import ImagePlan
from liminal.lock import hold

_ATTEMPTS = 3


def make_image(engine: LocalEngine, image: ImagePlan, report: Report) -> LocalImage:
    """Builds the image, unless another process has done it while this one waited.

    Raises:
        BuildError: nothing of the attempt is left, and what was built before remains.
        OSError: the same, for a disk that is full or not writable.
        Interrupted: the engine was cancelled.
    """
    name = image.image.name
    folder = engine.store.of(name)
    make_private_folder(folder)
    waiting, pause = waits_for(name, report), engine.processes.pause
    started = time.monotonic()
    with hold(folder / "lock", waiting=waiting, pause=pause) as lock:
        for attempt in range(_ATTEMPTS):
            inputs = engine.read(image)
            there = None if inputs.recipe.no_cache else engine.unchanged(inputs)
            if there is not None:
                report(Skipped(image=name, reason="built by another process meanwhile"))
                return there
            if attempt == 0:
                report(Started(image=name))
                _remark(inputs, report)
            try:
                built = _make(engine, inputs, report, lock)
            except Changed:
                continue  # the user saved a file meanwhile
            report(Finished(image=name, seconds=time.monotonic() - started))
            return built
    raise BuildError(
        f'image "{name}": its source changes all the time while it is copied',
        hint="stop what writes there, or leave its files out with a line in .dockerignore",
    )


def _remark(inputs: Inputs, report: Report) -> None:
    """Reports what the user may not expect of this image."""
    recipe = inputs.recipe
    name = recipe.name
    for key, value in (
        ("base_image", recipe.base_image),
        ("system_packages", recipe.system_packages),
        ("build_packages", recipe.build_packages),
    ):
        if value:
            message = f"{key} is not used: the local engine takes this machine as it is"
            report(Warning(image=name, message=message, hint="build it with --engine docker"))
    remark(name, inputs.context, report)
    found = inputs.interpreter
    if recipe.python_version is None and found and not found.is_version(DEFAULT_VERSION):
        message = (
            f"this machine has no Python {DEFAULT_VERSION}, which images have by default; "
            f"the image gets {found.version}, which runs Liminal"
        )
        report(Note(image=name, message=message))


def _make(engine: LocalEngine, inputs: Inputs, report: Report, lock: int) -> LocalImage:
    """One attempt; it leaves nothing when it fails."""
    name = inputs.recipe.name
    steps = Steps(name=name, processes=engine.processes, report=report)
    making = _Making(engine=engine, inputs=inputs, steps=steps, lock=lock)
    base = making.base()
    hash = inputs.hash(base)
    folder = engine.store.of(name)
    for leftover in folder.glob(f"{UNFINISHED}*"):
        remove_tree(leftover)
    made = folder / f"{UNFINISHED}{hash}"
    try:
        make_private_folder(made)
        making.fill(made, base, hash)
        final = folder / hash
        # What can be there is only a build whose environment is gone, and with it its use.
        remove_tree(final)
        made.rename(final)
    except BaseException:
        remove_tree(made)
        raise
    sync_folder(folder)
    engine.store.select(name, hash)
    built = engine.store.read(name, hash)
    if built is None:
        raise BuildError(f'image "{name}": it was removed while it was built')
    with contextlib.suppress(OSError):  # the build is good; the next one tries again
        engine.store.prune(name, time.time())
    return replace(built, rebuilt=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Making:
    """What the parts of an attempt share.

    Attributes:
        lock: descriptor of the image's lock.
    """

    engine: LocalEngine
    inputs: Inputs
    steps: Steps
    lock: int

    def base(self) -> Path:
        """The environment with the requirements; made unless it is there."""
        environ = installer_environ(self.engine.environ)
        interpreter = self._interpreter()
        recipe = self.inputs.recipe
        key = self.engine.key(recipe, interpreter)

        def fill(path: Path, lock: int) -> None:
            scratch = self.engine.home.environments / f"{key}.scratch"
            with lent(recipe, scratch, environ) as lent_environ:
                Installer(
                    recipe=recipe,
                    interpreter=interpreter,
                    uv=find_uv(self.engine.uv, environ),
                    environ=lent_environ,
                    scratch=scratch,
                    lock=lock,
                    steps=self.steps,
                ).fill(path)
            if self.engine.key(recipe, interpreter) != key:
                raise Changed("the requirements")

        return self._environment(key, fill, again=recipe.no_cache)

    def fill(self, folder: Path, base: Path, hash: str) -> None:
        """Puts all that the image is into the folder, the record last."""
        self.steps.begin("copying the source")
        copy_context(self.inputs.context, folder / "source")
        for addition, context in self.inputs.added:
            make_private_folder(folder / "site")
            copy_context(context, folder / "site" / addition.name)
        environment = self._run_build_cmd(folder, base, hash)
        self._compile(folder, environment)
        recipe = self.inputs.recipe
        record = {
            "format": FORMAT,
            "name": recipe.name,
            "app": self.inputs.app,
            "hash": hash,
            "environment": str(environment),
            "site": bool(recipe.additions),
            "env_vars": dict(recipe.env_vars),
        }
        write_atomic(folder / "image.json", json.dumps(record, indent=1).encode())

    def _interpreter(self) -> Interpreter:
        wanted = self.inputs.recipe.python_version
        if self.inputs.interpreter is not None or wanted is None:
            return self.inputs.interpreter or running_interpreter()
        self.steps.begin(f"getting Python {wanted}")
        return download_interpreter(
            wanted,
            find_uv(self.engine.uv, self.engine.environ),
            environ=self.engine.environ,
            memory=self.engine.memory,
            steps=self.steps,
            lock=self.lock,
        )

    def _environment(self, key: str, fill: Callable[[Path, int], None], *, again: bool) -> Path:
        return self.engine.environments.make(
            key,
            fill,
            again=again,
            waiting=waits_for(self.inputs.recipe.name, self.steps.report),
            pause=self.engine.processes.pause,
        )

    def _run_build_cmd(self, folder: Path, base: Path, hash: str) -> Path:
        """The environment of the image: with a build_cmd it is the image's own, on top of `base`.

        What the command installs must not reach the images that share `base`.
        """
        recipe = self.inputs.recipe
        command = recipe.build_cmd
        if command is None:
            return base

        def fill(path: Path, lock: int) -> None:
            self.steps.begin("running build_cmd")
            environ = installer_environ(self.engine.environ)
            bare = [str(base / "bin/python"), "-m", "venv", "--without-pip", str(path)]
            what = "making the virtual environment"
            self.steps.run(what, bare, folder=folder, environ=environ, lock=lock)
            link_packages(path, base)
            scratch = folder.with_name(f"{folder.name}.scratch")
            with lent(recipe, scratch, environ) as lent_environ:
                self.steps.run(
                    "build_cmd",
                    ["/bin/sh", "-c", command],
                    folder=folder / "source",
                    environ={**lent_environ, **_activated(path, environ), **recipe.env_vars},
                    lock=lock,
                    hint="correct build_cmd and build again; what was built before stays in place",
                )

        return self._environment(f"{base.name}-{hash}", fill, again=True)

    def _compile(self, folder: Path, environment: Path) -> None:
        """Compiles the copies; a file that is no Python, or an older one, is no error."""
        # By hash, because a run works in a copy of the copy, whose times may differ.
        arguments = [
            str(environment / "bin/python"), "-m", "compileall", "-qq",
            "--invalidation-mode", "checked-hash", ".",
        ]  # fmt: skip
        environ = installer_environ(self.engine.environ)
        with contextlib.suppress(StepFailed):
            self.engine.processes.run(
                arguments, folder=folder, environ=environ, output=lambda line: None
            )


def _activated(environment: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that put the environment's commands first."""
    path = f"{environment / 'bin'}{os.pathsep}{environ.get('PATH', os.defpath)}"
    return {"VIRTUAL_ENV": str(environment), "PATH": path}
