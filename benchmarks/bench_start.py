"""Start-up: whole processes against ``python -c "import click"``, and a build with no change."""

from collections.abc import Iterator

from benchmarks.installed import Installed
from benchmarks.measure import Figure, in_turns, seconds_of


def figures(installed: Installed) -> Iterator[Figure]:
    """``--help``, ``validate`` and a second ``build``."""
    cwd, environ = installed.iris, installed.environ
    seconds_of(installed.command("build"), cwd, environ)
    python = str(installed.bin / "python")
    medians = in_turns(
        {
            "click": lambda: seconds_of([python, "-c", "import click"], cwd, environ),
            "help": lambda: seconds_of(installed.command("--help"), cwd, environ),
            "validate": lambda: seconds_of(installed.command("validate"), cwd, environ),
            "build": lambda: seconds_of(installed.command("build"), cwd, environ),
        }
    )
    details = ", ".join(f"{name} {value * 1000:.0f} ms" for name, value in medians.items())
    click, validate = medians["click"], medians["validate"]
    yield Figure(
        name="liminal --help to import click",
        value=medians["help"] / click,
        unit="times",
        limit=3,
        details=details,
    )
    yield Figure(
        name="liminal validate to import click", value=validate / click, unit="times", limit=6
    )
    yield Figure(
        name="liminal build with nothing changed to validate",
        value=medians["build"] / validate,
        unit="times",
        limit=2,
    )
