"""Containers: what ``liminal run`` adds to ``docker run`` by hand, for a pipeline of 10 tasks.

LIMINAL_BENCH_IMAGE names another image than `IMAGE`.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.installed import CACHE, Installed
from benchmarks.measure import Figure, in_turns, seconds_of

TASKS = 10
IMAGE = "python:3.11-slim"


def figures(installed: Installed) -> Iterator[Figure]:
    """10 containers that each run ``true``, one after the other."""
    image = os.environ.get("LIMINAL_BENCH_IMAGE", IMAGE)
    if shutil.which("docker") is None or _by_hand(image, check=False) is None:
        print(f"no Docker engine answers, or it has no {image}")
        return
    project = _project(image)
    command = installed.command("run", "--engine", "local")
    medians = in_turns(
        {
            "run": lambda: seconds_of(command, project, installed.environ),
            "none": lambda: seconds_of([*command, "--dry-run"], project, installed.environ),
            "by hand": lambda: _by_hand(image) or 0.0,
        },
        rounds=5,
    )
    details = ", ".join(f"{name} {value * 1000:.0f} ms" for name, value in medians.items())
    yield Figure(
        name="overhead per task of liminal run over docker run by hand",
        value=(medians["run"] - medians["by hand"]) / TASKS * 1000,
        unit="ms",
        limit=100,
        details=details,
    )
    yield Figure(
        name="  of it without the start of the command itself",
        value=(medians["run"] - medians["none"] - medians["by hand"]) / TASKS * 1000,
        unit="ms",
    )


def _by_hand(image: str, *, check: bool = True) -> float | None:
    """The seconds of as many containers; None where one cannot run."""
    begin = time.perf_counter()
    for _ in range(TASKS if check else 1):
        command = ["docker", "run", "--rm", "--init", image, "/bin/sh", "-c", "true"]
        if subprocess.run(command, check=check, capture_output=True).returncode:
            return None
    return time.perf_counter() - begin


def _project(image: str) -> Path:
    folder = CACHE / "run-docker"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    tasks = "".join(
        f"      - task: t{number}\n        image: {image}\n        cmd: 'true'\n"
        "        executor: containers\n"
        for number in range(TASKS)
    )
    (folder / "liminal.yml").write_text(
        "name: bench-docker\nexecutors:\n  - executor: containers\n    type: docker\n"
        f"pipelines:\n  - pipeline: bench-docker\n    tasks:\n{tasks}"
    )
    return folder
