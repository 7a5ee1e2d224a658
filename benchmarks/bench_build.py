"""Building: what a change to one source file costs, against a build from nothing."""

import time
from collections.abc import Iterator

from benchmarks.installed import Installed
from benchmarks.measure import Figure, in_turns, seconds_of


def figures(installed: Installed) -> Iterator[Figure]:
    """One source file changed: no package is installed, which the time shows."""
    file = installed.iris / "training.py"
    original = file.read_text()

    def changed() -> float:
        file.write_text(f"{original}\n# {time.time_ns()}\n")
        return seconds_of(installed.command("build"), installed.iris, installed.environ)

    def everything() -> float:
        command = installed.command("build", "--no-cache")
        return seconds_of(command, installed.iris, installed.environ)

    medians = in_turns({"changed": changed, "everything": everything}, rounds=3)
    file.write_text(original)
    yield Figure(
        name="build after a change to one source file",
        value=medians["changed"],
        unit="s",
        details=f"all of it again, packages in uv's cache: {medians['everything']:.2f} s",
    )
