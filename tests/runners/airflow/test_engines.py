"""On the real Airflow: pipelines in containers, the iris example, and metrics that nobody takes."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import docker_parts
import pytest
from real_airflow import LIMINAL, PROJECT, Airflow

EXAMPLE = Path(__file__).parents[3] / "examples" / "iris"
PREFIX = f"liminal-tests-{os.environ.get('PYTEST_XDIST_WORKER', 'one')}-parity/"
BOXED = ("chain", "fails", "conditions", "copies", "retried", "bad_outputs")

UNHEARD = """
name: unheard
monitoring:
  metrics_backends: [{metrics_backend: gone, type: prometheus, url: "http://127.0.0.1:9"}]
pipelines:
  - pipeline: unheard
    tasks: [{task: only, image: img, cmd: echo worked}]
"""


def deployed(airflow: Airflow, project: Path, engine: str) -> None:
    airflow.command(LIMINAL, "build", project, "--engine", engine)
    airflow.command(LIMINAL, "deploy", project, "--engine", engine)


@pytest.fixture(scope="module")
def boxed(
    airflow: Airflow,
    require: Callable[[str, str], NoReturn],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Path]:
    """Some of the pipelines of test_parity.py, deployed to run in containers."""
    docker_parts.find_engine(require)
    project = tmp_path_factory.mktemp("boxed") / "parity"
    shutil.copytree(PROJECT, project)
    file = project / "liminal.yml"
    text = re.sub(r"- pipeline: (\w+)", r"- pipeline: boxed_\1", file.read_text())
    text = text.replace("name: parity", "name: boxed")
    text = re.sub(r"image: img\b", f"image: {PREFIX}img", text)
    # Only the slim image of this version is where the tests run.
    file.write_text(
        text.replace("    source: img\n", "    source: img\n    python_version: '3.11'\n")
    )
    deployed(airflow, project, "docker")
    yield project
    airflow.command(LIMINAL, "delete", "boxed")
    with docker_parts.client() as engine:
        for image in engine.images.list(name=f"{PREFIX}img"):
            for tag in image.tags:
                engine.images.remove(tag, force=True)


@pytest.fixture(scope="module")
def in_containers(airflow: Airflow, boxed: Path) -> Mapping[str, Any]:
    """Pipeline -> what came of its run on Airflow, in containers."""
    found = airflow.runs([(f"boxed_{name}", {}) for name in BOXED])
    assert found["errors"] == {}
    assert set(found["dags"]["boxed_chain"].values()) == {"DockerOperator", "MetricsOperator"}
    return {run["dag"].removeprefix("boxed_"): run for run in found["runs"]}


@pytest.mark.parametrize("name", BOXED)
def test_a_run_in_containers_ends_the_same(
    name: str, airflow: Airflow, boxed: Path, in_containers: Mapping[str, Any]
) -> None:
    words = ("run", boxed, f"boxed_{name}", "--engine", "docker", "--format", "json")
    here = json.loads(airflow.command(LIMINAL, *words, check=False))
    there = in_containers[name]
    assert there["state"] == here["state"]
    states: dict[str, set[str]] = {}
    for label, state in there["tasks"].items():
        states.setdefault(label.partition("[")[0], set()).add(state)
    for task in here["tasks"]:
        if task["task"] != "end":
            assert states[task["task"]] == {task["state"]}, task["task"]


def test_what_containers_said_and_wrote_arrives_and_none_is_left(
    airflow: Airflow, in_containers: Mapping[str, Any]
) -> None:
    assert "boxed boxed_chain first 0/1 1" in in_containers["chain"]["log"]
    assert "exit status 3" in in_containers["fails"]["log"]
    assert in_containers["conditions"]["xcoms"] == {"measure.score.-1": "0.93"}
    assert in_containers["copies"]["xcoms"] == {"split.part.0": "p0", "split.part.1": "p1"}
    assert docker_parts.containers(airflow.home) == []
    assert list((airflow.home / "jobs").iterdir()) == []


def test_the_iris_example_promotes_its_model(airflow: Airflow, tmp_path: Path) -> None:
    project = tmp_path / "iris"
    shutil.copytree(EXAMPLE, project, ignore=shutil.ignore_patterns("models", "__pycache__"))
    deployed(airflow, project, "local")
    try:
        found = airflow.runs([("iris_training", {})])
        assert found["errors"] == {}
        (run,) = found["runs"]
        assert run["state"] == "success", run["log"]
        assert set(run["tasks"].values()) == {"success"}
        version = (project / "models" / "production").read_text().strip()
        assert f"promoted {version}: its accuracy on held-out rows is " in run["log"]
    finally:
        airflow.command(LIMINAL, "delete", "iris")


def test_metrics_that_nobody_takes_fail_no_run(airflow: Airflow, tmp_path: Path) -> None:
    (tmp_path / "liminal.yml").write_text(UNHEARD)
    airflow.command(LIMINAL, "deploy", tmp_path, "--engine", "local")
    try:
        (run,) = airflow.runs([("unheard", {})])["runs"]
        assert run["state"] == "success", run["log"]
        assert run["tasks"] == {"start": "success", "only": "success", "end": "success"}
        said = 'the metrics backend "gone" did not take the metrics'
        assert run["log"].count(said) == 2  # at the start, and in the end
        assert "worked" in run["log"]
    finally:
        airflow.command(LIMINAL, "delete", "unheard")
