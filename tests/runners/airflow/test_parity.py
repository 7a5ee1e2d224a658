"""Whole pipelines on the real Airflow and by `liminal run`: the same outcome, the same words."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from real_airflow import LIMINAL, PROJECT, Airflow

INJECTION = """$(touch pwned) `touch pwned` '; touch pwned; " touch pwned {{ 7*7 }}"""

RUNS: Mapping[str, Mapping[str, str]] = {
    "chain": {},
    "fails": {},
    "hidden_failure": {},
    "branches": {},
    "conditions": {},
    "copies": {},
    "values": {"asked": INJECTION},
    "bad_outputs": {},
    "retried": {},
    "late": {},
}


@pytest.fixture(scope="module")
def on_airflow(airflow: Airflow) -> Mapping[str, Any]:
    """DAG -> what came of its run."""
    found = airflow.runs([*RUNS.items(), ("no_value", {}), ("templates", {})])
    assert found["errors"] == {}
    return {run["dag"]: run for run in found["runs"]}


@pytest.fixture(scope="module")
def by_hand(airflow: Airflow) -> Callable[[str], Any]:
    def run(name: str) -> Any:
        words = [word for pair in RUNS[name].items() for word in ("--var", "=".join(pair))]
        return json.loads(
            airflow.command(
                *(LIMINAL, "run", PROJECT, name, "--engine", "local", "--format", "json", *words),
                check=False,
            )
        )

    return run


@pytest.mark.parametrize("name", RUNS)
def test_a_run_ends_the_same(
    name: str, on_airflow: Mapping[str, Any], by_hand: Callable[[str], Any]
) -> None:
    here = by_hand(name)
    there = on_airflow[name]
    assert there["state"] == here["state"]
    states: dict[str, set[str]] = {}
    for label, state in there["tasks"].items():
        states.setdefault(label.partition("[")[0], set()).add(state)
    for task in here["tasks"]:
        if task["task"] != "end":  # Airflow's `end` fails where the run would else be a success
            assert states[task["task"]] == {task["state"]}, task["task"]


def test_what_the_run_supplies_is_one_word_and_never_syntax(
    airflow: Airflow, on_airflow: Mapping[str, Any]
) -> None:
    log = on_airflow["values"]["log"]
    assert f"<one><two><inside><{INJECTION}><x{INJECTION}y><hello task>" in log
    assert not list(airflow.folder.rglob("pwned"))


def test_a_variable_of_airflow_is_one_word_too(on_airflow: Mapping[str, Any]) -> None:
    assert on_airflow["no_value"]["state"] == "success"
    assert "it is $(touch pwned) {{ ds }}" in on_airflow["no_value"]["log"]


def test_what_is_not_ours_is_left_to_airflows_templates(on_airflow: Mapping[str, Any]) -> None:
    assert "<2026-01-03>" in on_airflow["templates"]["log"]
    assert on_airflow["templates"]["state"] == "failed"
    assert "{{ nothing.at.all }} has no value" in on_airflow["templates"]["log"]


def test_outputs_are_xcoms(on_airflow: Mapping[str, Any]) -> None:
    assert on_airflow["conditions"]["xcoms"] == {"measure.score.-1": "0.93"}
    assert on_airflow["copies"]["xcoms"] == {"split.part.0": "p0", "split.part.1": "p1"}


def test_a_failed_run_has_reported_its_result_and_only_once(
    on_airflow: Mapping[str, Any],
) -> None:
    results = [
        json.loads(line[line.index("{") : line.rindex("}") + 1])
        for line in on_airflow["fails"]["log"].splitlines()
        if '{"metric": "JobResult"' in line
    ]
    values = [one["value"] for one in results if one["dimensions"] == {"ApplicationName": "fails"}]
    assert values == [0]


def test_reasons_are_in_plain_words(on_airflow: Mapping[str, Any]) -> None:
    assert "exit status 3" in on_airflow["fails"]["log"]
    assert 'did not write its output "score"' in on_airflow["bad_outputs"]["log"]


def test_nothing_is_left_of_the_jobs(airflow: Airflow, on_airflow: Mapping[str, Any]) -> None:
    assert list((airflow.home / "jobs").iterdir()) == []


def test_f7_a_pipeline_that_does_not_load_says_where_and_the_others_work(
    airflow: Airflow, tmp_path: Path
) -> None:
    project = tmp_path / "broken"
    project.mkdir()
    (project / "liminal.yml").write_text(
        "name: broken\npipelines:\n"
        "  - pipeline: bad\n    tasks:\n      - task: far\n        image: a/b:1\n"
        "        pool_slots: 4711\n        cmd: echo\n"
        "  - pipeline: good\n    tasks:\n      - task: a\n        image: a/b:1\n        cmd: echo\n"
    )
    airflow.command(LIMINAL, "deploy", project, "--engine", "local")
    # What Airflow has against a task is refused before it is deployed, so far as it is known there.
    (plan,) = (airflow.home / "dags" / "broken" / "releases").glob("*/pipelines/bad.json")
    plan.write_text(plan.read_text().replace("4711", "0"))
    try:
        found = airflow.runs([])
        assert list(found["errors"]) == ["bad.py"]
        last = found["errors"]["bad.py"].strip().splitlines()[-1]
        assert 'liminal.yml:5:9: error[airflow]: task "far"' in last
        assert "good" in found["dags"]
        assert "chain" in found["dags"]
    finally:
        airflow.command(LIMINAL, "delete", "broken")
    assert airflow.runs([])["errors"] == {}
