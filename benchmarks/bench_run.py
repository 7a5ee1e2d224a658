"""Running: what ``liminal run`` adds to the processes of a pipeline of 20 tasks."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.installed import CACHE, Installed
from benchmarks.measure import Figure, in_turns, seconds_of

TASKS = 20


def figures(installed: Installed) -> Iterator[Figure]:
    """20 tasks that each run ``true``, one after the other and side by side."""
    for kind in ("chain", "parallel"):
        project = _project(kind)
        command = installed.command("run")
        seconds_of(command, project, installed.environ)
        medians = in_turns(
            {
                "run": lambda: seconds_of(command, project, installed.environ),  # noqa: B023  # called in this turn
                "none": lambda: seconds_of(
                    installed.command("run", "--dry-run"),
                    project,  # noqa: B023  # as above
                    installed.environ,
                ),
                "by hand": _by_hand,
            },
            rounds=7,
        )
        overhead = (medians["run"] - medians["none"] - medians["by hand"]) / TASKS
        details = ", ".join(f"{name} {value * 1000:.0f} ms" for name, value in medians.items())
        yield Figure(
            name=f"overhead per task of liminal run, {kind}, over the processes by hand",
            value=(medians["run"] - medians["by hand"]) / TASKS * 1000,
            unit="ms",
            limit=30,
            details=details,
        )
        yield Figure(
            name="  of it without the start of the command itself", value=overhead * 1000, unit="ms"
        )


def _by_hand() -> float:
    begin = time.perf_counter()
    for _ in range(TASKS):
        subprocess.run(["/bin/sh", "-c", "true"], check=True, env=dict(os.environ))
    return time.perf_counter() - begin


def _project(kind: str) -> Path:
    folder = CACHE / f"run-{kind}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    depends = "        depends_on: []\n" if kind == "parallel" else ""
    tasks = "".join(
        f"      - task: t{number}\n        image: bench\n        cmd: 'true'\n{depends}"
        for number in range(TASKS)
    )
    (folder / "liminal.yml").write_text(
        f"name: bench-{kind}\nimages:\n  - image: bench\n    source: .\n"
        f"pipelines:\n  - pipeline: bench-{kind}\n    tasks:\n{tasks}"
    )
    return folder
