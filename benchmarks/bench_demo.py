"""The demo: from a fresh copy of the checkout to a served prediction, with the registry near."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator

from benchmarks.installed import CACHE, CHECKOUT, Installed
from benchmarks.measure import Figure


def figures(installed: Installed) -> Iterator[Figure]:
    """``make demo`` once, with no virtual environment and empty caches."""
    copy = CACHE / "demo"
    shutil.rmtree(copy, ignore_errors=True)
    subprocess.run(["git", "clone", "--quiet", CHECKOUT, copy], check=True)
    begin = time.perf_counter()
    subprocess.run(
        ["make", "demo"],
        cwd=copy,
        env={**os.environ, "HOME": str(copy / "home")},
        check=True,
        capture_output=True,
    )
    yield Figure(
        name="make demo from nothing", value=time.perf_counter() - begin, unit="s", limit=60
    )
