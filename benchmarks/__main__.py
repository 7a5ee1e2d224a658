"""Runs the benchmarks that are named, or all of them, and prints their figures."""

import importlib
import sys
from pathlib import Path

from benchmarks.installed import install


def main() -> None:
    """Prints a line a figure; the status is 0 also where one is missed: machines differ."""
    folder = Path(__file__).parent
    names = sys.argv[1:] or sorted(path.stem for path in folder.glob("bench_*.py"))
    installed = install()
    for name in names:
        module = importlib.import_module(f"benchmarks.{name}")
        print(f"\n{(module.__doc__ or name).splitlines()[0]}", flush=True)
        for figure in module.figures(installed):
            print(figure, flush=True)


if __name__ == "__main__":
    main()
