"""Measures compilation inside one process, after imports: ``compiling.py WHAT PATH``, JSON out."""

import json
import resource
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import yaml

from liminal.compiler import (
    Checker,
    base_layer,
    compile_path,
    compose,
    defaults,
    inherit,
    variables,
)
from liminal.compiler.document import parse
from liminal.compiler.legacy import modernize
from liminal.compiler.link.tasks import TASK_DEFAULT_KEYS
from liminal.plan import plans
from liminal.plugins import discover

ROUNDS = 5
PLUGINS = discover()


def stages(path: str) -> dict[str, float]:
    """Medians in seconds: the whole, ``yaml.load``, each stage by itself, and the plan."""
    text = Path(path).read_text(encoding="utf-8")
    checker = Checker(compose(PLUGINS))
    document, _ = parse(text, path)
    assert document.root is not None
    root = document.root
    layer = inherit.resolve([modernize(root)], base_layer())[0][0]
    filled = defaults.apply(layer, TASK_DEFAULT_KEYS)
    apps = compile_path(path, {}, PLUGINS).required_apps()
    return medians(
        {
            "load": lambda: yaml.load(text, yaml.CSafeLoader),
            "compile": lambda: compile_path(path, {}, PLUGINS),
            "1 document": lambda: parse(text, path),
            "2 schema": lambda: checker.check(root),
            "3 inherit": lambda: inherit.resolve([modernize(root)], base_layer()),
            "4 defaults": lambda: defaults.apply(layer, TASK_DEFAULT_KEYS),
            "5 variables": lambda: variables.substitute(filled, {}),
            "plan": lambda: [plans(app, PLUGINS) for app in apps],
        }
    )


def medians(timed: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Each in turn, so that what slows the machine for a while slows all of them."""
    samples: dict[str, list[float]] = {name: [] for name in timed}
    for _ in range(ROUNDS):
        for name, run in timed.items():
            begin = time.perf_counter()
            run()
            samples[name].append(time.perf_counter() - begin)
    return {name: statistics.median(values) for name, values in samples.items()}


def grown(make: Callable[[], object]) -> dict[str, float]:
    """By how many megabytes the peak of the process grew."""
    unit = 1024 * 1024 if sys.platform == "darwin" else 1024
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    kept = make()
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    del kept
    return {"mb": (after - before) / unit}


def load_file(path: str) -> object:
    """The file as PyYAML loads it."""
    return yaml.load(Path(path).read_text(encoding="utf-8"), yaml.CSafeLoader)


def cache(path: str) -> dict[str, float]:
    """Validating with nothing known, with nothing changed, and after a change to one file."""
    from liminal.compiler.known import check_path

    folder = Path(path).with_name("known")
    samples: dict[str, list[float]] = {
        "nothing known": [],
        "nothing changed": [],
        "one changed": [],
    }
    file = Path(path) / "app_00500" / "liminal.yml"
    for turn in range(ROUNDS):
        shutil.rmtree(folder, ignore_errors=True)
        for name in samples:
            if name == "one changed":
                file.write_text(file.read_text() + f"# {turn}\n")
            begin = time.perf_counter()
            checked = check_path(path, {}, PLUGINS, folder)
            samples[name].append(time.perf_counter() - begin)
            assert not checked.findings
    return {name: statistics.median(values) for name, values in samples.items()}


def main() -> None:
    """Prints what was measured as one JSON object."""
    what, path = sys.argv[1:]
    match what:
        case "stages":
            measured = stages(path)
        case "memory-load":
            measured = grown(lambda: load_file(path))
        case "memory-app":
            measured = grown(lambda: compile_path(path, {}, PLUGINS))
        case _:
            measured = cache(path)
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
