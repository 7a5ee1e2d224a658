"""Airflow's parse of 1,000 deployed pipelines against files written by hand, and dag-factory.

Processor times, because a parse waits for nothing; each in a fresh process with the same Airflow.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.installed import CACHE, CHECKOUT, Installed
from benchmarks.measure import Figure

PIPELINES, TASKS = 1000, 10
PROCESSED = 60
"""Pipelines for the real DAG processor, which forks for each file."""

ROUNDS = 3

_HEAD = """
import pendulum
from airflow.sdk import DAG
from liminal.runners.airflow.metrics import MetricsOperator
from liminal.runners.airflow.operators import LocalOperator
"""
_BY_HAND = """
with DAG(
    dag_id="pipe_{number:04}", schedule="0 10 * * *", catchup=False,
    start_date=pendulum.datetime(2026, 1, 1), tags=["liminal", "many"],
):
    before = start = MetricsOperator(task_id="start", moment="start", retries=0).as_setup()
    for t in range({tasks}):
        command = f"python work.py --step {{t}}"
        named = dict(task_id=f"task_{{t}}", image="some/image:1", command=command, retries=0)
        task = LocalOperator(**named)
        before >> task
        before = task
    end = MetricsOperator(task_id="end", moment="end", retries=0)
    before >> end
    end.as_teardown(setups=start)
"""
_DAG_FACTORY = """
from airflow.sdk import DAG
from dagfactory import load_yaml_dags
load_yaml_dags(globals_dict=globals(), config_filepath={config!r})
"""

# Prints the seconds of the processor that a DagBag takes, the median of a few in one process for
# what a task pays, and the peak of the memory in MB.
_PARSE = """
import json, os, resource, statistics, sys, time
out = os.dup(1); os.dup2(2, 1)
import airflow.sdk
import liminal.runners.airflow.factory, liminal.runners.airflow.metrics
import liminal.runners.airflow.load, liminal.runners.airflow.operators
try:
    import dagfactory
except ImportError:
    pass
from airflow.dag_processing.dagbag import DagBag
taken = []
for _ in range(int(sys.argv[2])):
    begin = time.process_time()
    bag = DagBag(sys.argv[1])
    taken.append(time.process_time() - begin)
assert not bag.import_errors, bag.import_errors
os.write(out, json.dumps([len(bag.dags), statistics.median(taken)]).encode())
"""


@dataclass(frozen=True, slots=True)
class Place:
    """The environment with Airflow, and the folders that are compared."""

    python: Path
    folder: Path
    environ: Mapping[str, str]

    def seconds(self, dags: Path, expected: int, times: int = 1) -> float:
        """The processor time of a parse."""
        found = subprocess.run(
            [self.python, "-c", _PARSE, dags, str(times)],
            env=self.environ,
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        count, seconds = json.loads(found.stdout)
        if count != expected:
            raise RuntimeError(f"{dags} has {count} DAGs")
        return float(seconds)


def figures(installed: Installed) -> Iterator[Figure]:
    """Parsing everything, parsing one for a task, and one loop of the DAG processor."""
    place = _place(installed)
    try:
        yield from _parses(place)
        yield from _tasks(place)
        yield from _loops(place)
    finally:
        shutil.rmtree(place.folder)


def _parses(place: Place) -> Iterator[Figure]:
    _write(place, PIPELINES)
    medians = _in_turns(
        {
            name: lambda name=name: place.seconds(place.folder / name, PIPELINES)  # type: ignore[misc]
            for name in ("deployed", "one-file", "files", "dag-factory")
        }
    )
    details = ", ".join(f"{name} {value:.2f} s" for name, value in medians.items())
    yield Figure(
        name=f"DagBag of {PIPELINES} pipelines to one file by hand",
        value=medians["deployed"] / medians["one-file"],
        unit="times",
        limit=1.0,
        details=details,
    )
    yield Figure(
        name="the same to dag-factory",
        value=medians["deployed"] / medians["dag-factory"],
        unit="times",
        limit=0.25,
    )


def _tasks(place: Place) -> Iterator[Figure]:
    loader = place.folder / "deployed" / "many" / f"pipe_{PIPELINES // 2:04}.py"
    single = place.folder / "single.py"
    single.write_text(_HEAD + _BY_HAND.format(number=0, tasks=TASKS))
    medians = _in_turns(
        {
            "deployed": lambda: place.seconds(loader, 1, times=15),
            "by hand": lambda: place.seconds(single, 1, times=15),
        }
    )
    yield Figure(
        name=f"what a task of {PIPELINES} pays to a file with its DAG by hand",
        value=medians["deployed"] / medians["by hand"],
        unit="times",
        limit=2.0,
        details=", ".join(f"{name} {value * 1000:.1f} ms" for name, value in medians.items()),
    )


def _loops(place: Place) -> Iterator[Figure]:
    _write(place, PROCESSED)
    samples: dict[str, list[tuple[float, int]]] = {}
    for _ in range(3):
        for name in ("deployed", "files", "one-file"):
            samples.setdefault(name, []).append(_loop(place, name))
    seconds = {name: statistics.median(one[0] for one in all_) for name, all_ in samples.items()}
    memory = {name: statistics.median(one[1] for one in all_) for name, all_ in samples.items()}
    yield Figure(
        name=f"a loop of the DAG processor over {PROCESSED} to files by hand",
        value=seconds["deployed"] / seconds["files"],
        unit="times",
        limit=1.1,
        details=", ".join(f"{name} {value:.1f} s" for name, value in seconds.items()),
    )
    yield Figure(
        name="its memory to the same",
        value=memory["deployed"] / memory["files"],
        unit="times",
        limit=1.1,
        details=", ".join(f"{name} {value} MB" for name, value in memory.items()),
    )


def _loop(place: Place, name: str) -> tuple[float, int]:
    """Processor time and peak of memory of ``airflow dag-processor --num-runs 1``."""
    bundle = {
        "name": "bench",
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "kwargs": {"path": str(place.folder / name)},
    }
    home = place.folder / "airflow"
    shutil.rmtree(home, ignore_errors=True)
    environ = {
        **place.environ,
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps([bundle]),
    }
    quiet = {"env": environ, "check": True, "stdout": subprocess.DEVNULL, "stderr": -3}
    airflow = [place.python, "-m", "airflow"]
    subprocess.run([*airflow, "db", "migrate"], **quiet)  # type: ignore[call-overload]
    script = (
        "import json, resource, subprocess, sys\n"
        "subprocess.run(sys.argv[1:], check=True, stdout=-3, stderr=-3)\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(json.dumps([used.ru_utime + used.ru_stime, used.ru_maxrss // 1024]))\n"
    )
    words = [sys.executable, "-c", script, *map(str, airflow), "dag-processor", "--num-runs", "1"]
    done = subprocess.run(words, env=environ, check=True, capture_output=True)
    seconds, memory = json.loads(done.stdout)
    return seconds, memory


def _in_turns(timed: Mapping[str, Callable[[], float]]) -> dict[str, float]:
    samples: dict[str, list[float]] = {name: [] for name in timed}
    for _ in range(ROUNDS):
        for name, time_one in timed.items():
            samples[name].append(time_one())
    return {name: statistics.median(values) for name, values in samples.items()}


def _place(installed: Installed) -> Place:
    """An environment with Airflow and dag-factory, which no other part of Liminal needs."""
    venv, folder = CACHE / "airflow", CACHE / "airflow-parse"
    uv = str(Path(sys.executable).parent / "uv")
    if not (venv / "bin" / "python").exists():
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, venv], check=True)
    pip = [uv, "pip", "install", "--quiet", "--python", venv / "bin" / "python"]
    pip += ["--constraint", CHECKOUT / "constraints.txt"]
    subprocess.run([*pip, f"{CHECKOUT}[airflow]", "dag-factory"], check=True)
    subprocess.run([*pip, "--reinstall", "--no-deps", CHECKOUT], check=True)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
        "LIMINAL_HOME": installed.environ["LIMINAL_HOME"],
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "600",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
    }
    return Place(venv / "bin" / "python", folder, environ)


def _write(place: Place, count: int) -> None:
    """The same pipelines in each form."""
    folder = place.folder
    for name in ("project", "deployed", "one-file", "files", "dag-factory"):
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir()
    (folder / "project" / "liminal.yml").write_text(_liminal_yml(count))
    subprocess.run(
        [
            *(place.python, "-m", "liminal", "deploy", folder / "project", "--engine", "local"),
            *("--dags-folder", folder / "deployed"),
        ],
        env=place.environ,
        check=True,
        capture_output=True,
    )
    by_hand = [_BY_HAND.format(number=number, tasks=TASKS) for number in range(count)]
    (folder / "one-file" / "all.py").write_text(_HEAD + "".join(by_hand))
    for number, text in enumerate(by_hand):
        (folder / "files" / f"pipe_{number:04}.py").write_text(_HEAD + text)
    config = folder / "dag-factory" / "all.yml"
    config.write_text(_dag_factory_yml(count))
    loader = _DAG_FACTORY.format(config=str(config))
    (folder / "dag-factory" / "all.py").write_text(loader)


def _liminal_yml(count: int) -> str:
    tasks = "".join(
        f"      - task: task_{t}\n        image: some/image:1\n"
        f"        cmd: python work.py --step {t}\n"
        for t in range(TASKS)
    )
    return "name: many\npipelines:\n" + "".join(
        f"  - pipeline: pipe_{number:04}\n    schedule: 0 10 * * *\n"
        f"    start_date: 2026-01-01\n    tasks:\n{tasks}"
        for number in range(count)
    )


def _dag_factory_yml(count: int) -> str:
    operators = "liminal.runners.airflow"
    metrics, local = f"{operators}.metrics.MetricsOperator", f"{operators}.operators.LocalOperator"
    tasks = f"    - {{task_id: start, operator: {metrics}, moment: start}}\n"
    before = "start"
    for t in range(TASKS):
        tasks += (
            f"    - {{task_id: task_{t}, operator: {local}, image: 'some/image:1',"
            f" command: python work.py --step {t}, dependencies: [{before}]}}\n"
        )
        before = f"task_{t}"
    tasks += (
        f"    - {{task_id: end, operator: {metrics}, moment: end,"
        f" dependencies: [task_{TASKS - 1}]}}\n"
    )
    return "".join(
        f"pipe_{number:04}:\n  schedule: 0 10 * * *\n  catchup: false\n"
        f"  default_args: {{start_date: '2026-01-01', owner: me}}\n"
        f"  tags: [liminal]\n  tasks:\n{tasks}"
        for number in range(count)
    )
