"""Fills a virtual environment: with uv, or with venv and pip where uv cannot run or may not.

uv does not read pip's configuration, so an image with a `pip_conf` is installed by pip.
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from liminal.images.context import read_context
from liminal.images.engines.local.copying import copy_context
from liminal.images.engines.local.interpreter import Interpreter
from liminal.images.engines.steps import Steps
from liminal.images.events import Warning
from liminal.images.recipe import Recipe
from liminal.images.requirements import DEPENDENCIES_SCRIPT, without_editable

# What of a user's shell would lead an installer into another environment, or make it leave out
# the bytecode.
_ASTRAY = re.compile(
    r"VIRTUAL_ENV|CONDA_PREFIX|__PYVENV_LAUNCHER__|PYTHON(?:HOME|PATH|STARTUP|PYCACHEPREFIX|"
    r"DONTWRITEBYTECODE|SAFEPATH|USERBASE)|PIP_(?:TARGET|PREFIX|ROOT|USER|PYTHON|NO_COMPILE|"
    r"REQUIRE_VIRTUALENV|REQUIREMENT|EDITABLE|DRY_RUN|REPORT)|UV_(?:PYTHON|PROJECT\w*|SYSTEM_PYTHON|"
    r"WORKING_DIR|NO_CACHE|COMPILE_BYTECODE|VENV_\w+|BREAK_SYSTEM_PACKAGES)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Installer:
    """Installs what a recipe requires.

    Attributes:
        uv: its binary, or None where it cannot run.
        environ: for its processes; without what would lead them astray.
        scratch: a folder for files that nobody needs afterwards.
        lock: descriptor of the lock that its processes hold on to.
    """

    recipe: Recipe
    interpreter: Interpreter
    uv: str | None
    environ: Mapping[str, str]
    scratch: Path
    lock: int
    steps: Steps

    @property
    def with_pip(self) -> bool:
        """Whether pip does it."""
        return self.uv is None or self.recipe.pip_conf is not None

    def fill(self, environment: Path) -> None:
        """Makes the environment, with everything in it and compiled.

        Raises:
            BuildError: with the step that failed, and the installer's last lines.
        """
        self.steps.begin(f"making the virtual environment with Python {self.interpreter.version}")
        if self.with_pip:
            self._make_with_venv(environment)
        else:
            self._make_with_uv(environment)
        if not self.recipe.requirements.files:
            return
        self.steps.begin("installing the requirements")
        folder, files = self._prepare(environment)
        arguments = self._pip(environment) if self.with_pip else self._uv_pip(environment)
        for file in files:
            arguments += ["-r", str(file)]
        hint = _requirements_hint(self.recipe)
        self._run("installing the requirements", arguments, folder, hint)

    def _make_with_uv(self, environment: Path) -> None:
        seed = ["--seed"] if self.recipe.build_cmd is not None else []
        arguments = [
            str(self.uv), "venv", "--quiet", "--no-project", *seed,
            "--python", self.interpreter.path, str(environment),
        ]  # fmt: skip
        self._run("making the virtual environment", arguments, self.scratch)

    def _make_with_venv(self, environment: Path) -> None:
        self._run(
            "making the virtual environment",
            [self.interpreter.path, "-m", "venv", str(environment)],
            self.scratch,
            "install what this Python lacks (on Debian: apt install python3-venv)",
        )

    def _uv_pip(self, environment: Path) -> list[str]:
        refresh = ["--refresh"] if self.recipe.no_cache else []
        python = str(environment / "bin/python")
        return [
            str(self.uv), "pip", "install", "--no-progress", "--compile-bytecode", *refresh,
            "--python", python,
        ]  # fmt: skip

    def _pip(self, environment: Path) -> list[str]:
        refresh = ["--no-cache-dir"] if self.recipe.no_cache else []
        return [
            str(environment / "bin/python"), "-m", "pip", "install", "--no-input", "--compile",
            "--disable-pip-version-check", "--progress-bar", "off", *refresh,
        ]  # fmt: skip

    def _prepare(self, environment: Path) -> tuple[Path, list[Path]]:
        """The folder to install from, and the requirement files for the installer."""
        needed = self.recipe.requirements
        source = self.recipe.source
        files = list(needed.files)
        if any(package.is_relative_to(source) for package in needed.packages):
            # Building a package writes into its folder, which is the user's.
            source = self._copy_source()
            files = [self._moved(file, source) for file in files]
        if needed.lock is not None:
            files = self._locked(files)
        if self.with_pip:
            files = [self._listed(file, environment) for file in files]
        return source, files

    def _copy_source(self) -> Path:
        needed = self.recipe.requirements
        copy = self.scratch / "source"
        copy_context(read_context(self.recipe.name, self.recipe.source), copy)
        for file in (*needed.files, *needed.included):
            if file.is_relative_to(self.recipe.source) and file.suffix != ".toml":
                moved = self._moved(file, copy)
                moved.parent.mkdir(parents=True, exist_ok=True)
                moved.write_text(without_editable(file.read_text("utf-8-sig")), "utf-8")
        return copy

    def _moved(self, file: Path, copy: Path) -> Path:
        source = self.recipe.source
        return copy / file.relative_to(source) if file.is_relative_to(source) else file

    def _locked(self, files: list[Path]) -> list[Path]:
        """The files with the exact versions of uv.lock in place of the pyproject.toml."""
        if self.uv is None:
            message = "uv.lock is not read, because uv does not run here"
            self.steps.report(Warning(image=self.recipe.name, message=message))
            return files
        locked = self.scratch / "locked.txt"
        arguments = [
            self.uv, "export", "--quiet", "--frozen", "--no-dev", "--no-editable",
            "--no-emit-project", "--no-header", "--output-file", str(locked),
        ]  # fmt: skip
        hint = 'run "uv lock" and see what it says'
        self._run("reading uv.lock", arguments, files[0].parent, hint)
        return [locked, *files[1:]]

    def _listed(self, file: Path, environment: Path) -> Path:
        """A requirement file with the dependencies of a pyproject.toml, for pip."""
        if file.suffix != ".toml":
            return file
        listed = self.scratch / "dependencies.txt"
        self._run(
            f"reading {file.name}",
            [str(environment / "bin/python"), "-c", DEPENDENCIES_SCRIPT, str(file), str(listed)],
            self.scratch,
            "write the dependencies to a requirements.txt",
        )
        return listed

    def _run(
        self, what: str, arguments: Sequence[str], folder: Path, hint: str | None = None
    ) -> None:
        self.steps.run(
            what, arguments, folder=folder, environ=self.environ, lock=self.lock, hint=hint
        )


def installer_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without what would lead an installer astray."""
    return {name: value for name, value in environ.items() if not _ASTRAY.fullmatch(name)}


def _requirements_hint(recipe: Recipe) -> str:
    file = recipe.requirements.files[0]
    shown = os.path.relpath(file, recipe.source) if file.is_relative_to(recipe.source) else file
    return f"correct {shown} and build again; what was built before is still in place"
