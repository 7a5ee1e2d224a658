"""Compiling: 1,000 pipelines of 10 tasks, as one file and as 1,000, after imports."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.installed import CACHE, Installed
from benchmarks.measure import Figure
from benchmarks.projects import one_file, one_file_each

PIPELINES = 1_000
MANY = 10_000


def figures(installed: Installed) -> Iterator[Figure]:
    """Time and memory against ``yaml.load`` with the C loader, measured in fresh processes."""
    folder = CACHE / "compile"
    shutil.rmtree(folder, ignore_errors=True)
    big = one_file(folder / "big", PIPELINES)
    timed = _measured(installed, "stages", big)
    load = timed["load"]
    split = ", ".join(f"{name} {timed[name]:.2f} s" for name in sorted(timed))
    yield Figure(
        name="text to App to yaml.load(CSafeLoader)",
        value=timed["compile"] / load,
        unit="times",
        limit=1,
        details=split,
    )
    yield Figure(
        name="App to plan, of text to App",
        value=timed["plan"] / timed["compile"] * 100,
        unit="%",
        limit=20,
    )
    memory = {kind: _measured(installed, f"memory-{kind}", big)["mb"] for kind in ("load", "app")}
    yield Figure(
        name="peak memory, of that of the loaded YAML",
        value=memory["app"] / memory["load"],
        unit="times",
        limit=6,
        details=f"yaml.load {memory['load']:.0f} MB, compile {memory['app']:.0f} MB",
    )
    yield from _many_files(installed, folder)
    huge = one_file(folder / "huge", MANY)
    longer = _measured(installed, "stages", huge)
    yield Figure(
        name="10,000 pipelines to 10 times 1,000",
        value=longer["compile"] / (10 * timed["compile"]),
        unit="times",
        details=f"{longer['compile']:.2f} s; yaml.load {longer['load']:.2f} s",
    )


def _many_files(installed: Installed, folder: Path) -> Iterator[Figure]:
    project = one_file_each(folder / "each", PIPELINES)
    timed = _measured(installed, "cache", project)
    yield Figure(
        name="one changed file of 1,000, of validating all of them",
        value=timed["one changed"] / timed["nothing known"] * 100,
        unit="%",
        limit=10,
        details=", ".join(f"{name} {seconds:.2f} s" for name, seconds in sorted(timed.items())),
    )


def _measured(installed: Installed, what: str, path: Path) -> dict[str, float]:
    """What `compiling.py` measures in a process of its own, with the installed package."""
    script = Path(__file__).with_name("compiling.py")
    done = subprocess.run(
        [installed.bin / "python", script, what, path],
        env=dict(installed.environ),
        check=True,
        capture_output=True,
        text=True,
    )
    sys.stderr.write(done.stderr)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured
