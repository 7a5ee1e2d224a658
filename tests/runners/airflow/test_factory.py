"""Plans as DAGs: what Airflow stores of them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from real_airflow import HERE, Airflow

PROLOGUE = """
import dataclasses, sys
sys.path.insert(0, {runners!r})
from runner_plans import plan, task, start, end
from liminal.model import AssetSchedule
from liminal.origin import Origin
from liminal.plan.serial import CompiledPipeline, Source
from liminal.runners.airflow.factory import Unbuildable, dag_of
from airflow.serialization.serialized_objects import DagSerialization
OPERATORS = {{"local": "liminal.runners.airflow.operators.LocalOperator"}}
def compiled(made):
    source = Source(origin=Origin("liminal.yml", 3, 5), text="a: 1\\n")
    tasks = tuple(
        dataclasses.replace(one, executor="local") if one.container else one for one in made.tasks
    )
    return CompiledPipeline(
        plan=dataclasses.replace(made, tasks=tasks), source=source, operators=OPERATORS,
        tasks={{one.name: source for one in tasks}},
    )
def stored(made):
    return DagSerialization.to_dict(dag_of(compiled(made)))["dag"]
"""


def ask(airflow: Airflow, script: str) -> Any:
    prologue = PROLOGUE.format(runners=str(Path(__file__).parent.parent))
    return json.loads(
        airflow.command(sys.executable, HERE / "in_airflow.py", stdin=prologue + script)
    )


def test_a_copied_operator_is_stored_as_one_that_was_made(airflow: Airflow) -> None:
    script = """
made = plan(
    start(), task("a", "echo 1", "start", retries=2, timeout=3),
    task("b", "echo 2", "a", retries=2, timeout=3), task("c", "echo 3", "a", retries=2, timeout=3),
    task("d", "echo 4", "b", "c"), end("d"),
    variables={"x": "1"}, owner="me", depends_on_past=True, default_args={"pool_slots": 2},
)
copied = stored(made)
from liminal.runners.airflow.operators import ContainerOperator
ContainerOperator.is_plain = False
answer = [copied, stored(made)]
"""
    copied, plain = ask(airflow, script)
    assert copied == plain


def test_what_a_pipeline_says_is_what_its_dag_has(airflow: Airflow) -> None:
    script = """
answer = stored(plan(
    start(), task("a", "true", "start"), end("a"),
    description="words", owner="me", tags=("liminal", "app"), schedule="30 2 * * *",
    start_date="2026-01-01", end_date="2027-01-01", timezone="Europe/Amsterdam",
    timeout_minutes=45, catchup=True, max_active_runs=2,
    params={"n": {"type": "integer", "default": 3, "minimum": 1}}, variables={"v": "1"},
))
"""
    dag = ask(airflow, script)
    assert dag["dag_id"] == "pipe"
    assert dag["description"] == "words"
    assert sorted(dag["tags"]) == ["app", "liminal"]
    assert dag["timezone"] == "Europe/Amsterdam"
    assert dag["dagrun_timeout"] == 45 * 60
    assert dag["catchup"] is True
    assert dag["max_active_runs"] == 2
    assert dag["timetable"]["__var"]["timezone"] == "Europe/Amsterdam"
    assert dag["has_on_failure_callback"] is True
    params = {name: one["schema"] for name, one in dag["params"]}
    assert params["n"]["__var"] == {"type": "integer", "minimum": 1}
    tasks = {one["__var"]["task_id"]: one["__var"] for one in dag["tasks"]}
    assert tasks["start"]["is_setup"]
    assert tasks["end"]["is_teardown"]
    assert tasks["a"]["owner"] == "me"
    assert tasks["a"]["doc_md"] == "```yaml\na: 1\n```"


def test_f35_a_clock_change_leaves_out_no_day_and_doubles_none(airflow: Airflow) -> None:
    script = """
import pendulum
dag = DagSerialization.from_dict(DagSerialization.to_dict(dag_of(compiled(plan(
    task("a"), schedule="30 2 * * *", timezone="Europe/Amsterdam", start_date="2026-01-01",
)))))
answer = [
    info.run_after.in_timezone("Europe/Amsterdam").isoformat()
    for month, day in ((3, 28), (10, 24))
    for info in dag.iter_dagrun_infos_between(
        pendulum.datetime(2026, month, day), pendulum.datetime(2026, month, day + 3)
    )
]
"""
    assert ask(airflow, script) == [
        "2026-03-28T02:30:00+01:00",
        "2026-03-29T03:30:00+02:00",  # there is no 02:30
        "2026-03-30T02:30:00+02:00",
        "2026-10-24T02:30:00+02:00",
        "2026-10-25T02:30:00+01:00",  # the second one, and not the first
        "2026-10-26T02:30:00+01:00",
    ]


def test_assets_start_a_pipeline(airflow: Airflow) -> None:
    script = 'answer = stored(plan(task("a"), schedule=AssetSchedule(assets=("s3://b/x",))))'
    assert "s3://b/x" in json.dumps(ask(airflow, script)["timetable"])


def test_copies_are_one_mapped_task(airflow: Airflow) -> None:
    script = """
answer = stored(plan(task("a", copies=({"x": "1"}, {"x": "2"})), task("b", "true", "a")))
"""
    tasks = {one["__var"]["task_id"]: one["__var"] for one in ask(airflow, script)["tasks"]}
    assert tasks["a"]["_is_mapped"]
    assert tasks["a"]["downstream_task_ids"] == ["b"]


def test_no_environment_variable_and_no_secret_is_stored(airflow: Airflow) -> None:
    script = """
answer = stored(plan(task("a", env_vars={"PASSWORD": "canary-1"})))
"""
    assert "canary-1" not in json.dumps(ask(airflow, script))


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ('plan(task("a"), timezone="No/Where")', 'pipeline "pipe"'),
        ('plan(dataclasses.replace(task("a"), arguments={"pool_slots": 0}))', 'task "a"'),
    ],
)
def test_what_airflow_refuses_is_told_with_its_place(
    airflow: Airflow, broken: str, words: str
) -> None:
    script = f"""
try:
    answer = stored({broken})
except Unbuildable as problem:
    answer = str(problem)
"""
    assert str(ask(airflow, script)).startswith(f"liminal.yml:3:5: error[airflow]: {words}: ")
