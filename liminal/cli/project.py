"""What most commands begin with: this machine, the project, its images."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from liminal.cli.console import colours, echo, is_ascii, say
from liminal.errors import UsageError

if TYPE_CHECKING:
    from liminal import commands
    from liminal.compiler import Compilation
    from liminal.images.engines import BuiltImage
    from liminal.images.events import BuildEvent, Report
    from liminal.images.recipe import ImagePlan
    from liminal.model import App


def find_here() -> commands.Here:
    """This machine: the one place where the process's environment is read."""
    from liminal.commands import Here
    from liminal.home import find_home
    from liminal.plugins import discover

    user_home = Path.home()
    try:
        home = find_home(os.environ, user_home)
    except ValueError as problem:
        raise UsageError(str(problem), hint="write the whole path") from problem
    return Here(
        home=home,
        environ=dict(os.environ),
        user_home=user_home,
        plugins=discover(),
    )


def schema_text(here: commands.Here) -> str:
    """The JSON Schema of a liminal.yml with the types that are installed, as a file holds it."""
    import json

    from liminal.compiler.schema import compose

    return json.dumps(compose(here.plugins), indent=2, ensure_ascii=False) + "\n"


def compiled(path: str, here: commands.Here) -> Compilation:
    """The layers under the path, with what was found wrong with them."""
    from liminal.compiler import compile_path

    return compile_path(path, here.environ, here.plugins)


def applications(path: str, here: commands.Here) -> tuple[App, ...]:
    """The applications under the path, with their warnings told."""
    compilation = compiled(path, here)
    apps = compilation.required_apps()
    warn(compilation)
    return apps


def warn(compilation: Compilation) -> None:
    """Tells what is worth a look in a project that has no errors."""
    from liminal.errors import has_errors
    from liminal.report.findings import as_text

    if compilation.findings and not has_errors(compilation.findings):
        say(as_text(compilation.findings, colours(sys.stderr)))


def chosen_engine(name: str, here: commands.Here) -> str:
    """The engine that ``--engine`` means; says which one ``auto`` took, and why."""
    from liminal import commands

    choice = commands.choose_engine(name, here)
    if choice.because is not None:
        say(f"engine {choice.name}: {choice.because}")
    return choice.name


def built_images(
    images: Sequence[ImagePlan], engine: str, here: commands.Here
) -> dict[str, BuiltImage]:
    """Name -> image, as they are now."""
    from liminal import commands

    if not images:
        return {}
    opened = commands.open_engine(engine, here)
    with build_told() as tell:
        return commands.built(commands.build_images(images, opened, None, tell))


@contextlib.contextmanager
def build_told() -> Iterator[Report]:
    """Tells what happens in a build: a terminal has bars that move, anything else plain lines."""
    if not sys.stderr.isatty() or os.environ.get("CI") or os.environ.get("TERM") == "dumb":
        yield _tell_build
        return
    import shutil
    import time

    from liminal.report.live import LiveBuild

    with LiveBuild(
        write=lambda text: echo(text, file=sys.stderr, nl=False, color=True),
        clock=time.monotonic,
        columns=lambda: shutil.get_terminal_size().columns,
        colour=colours(sys.stderr),
        ascii_only=is_ascii(sys.stderr),
    ) as live:
        yield live.tell


def _tell_build(event: BuildEvent) -> None:
    """Writes what happens in a build, but not what its steps write: an error has the last of it."""
    from liminal.images.events import Output
    from liminal.report.build import line

    if not isinstance(event, Output):
        say(line(event, colour=colours(sys.stderr)))
