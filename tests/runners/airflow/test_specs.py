"""Plans as operators, as data: without Airflow."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from liminal.compiler import compile_path
from liminal.model import TriggerRule
from liminal.plan import plans
from liminal.plugins import discover
from liminal.report.stages import as_json
from liminal.runners.airflow.specs import METRICS_OPERATOR, NoOperator, operator_specs

sys.path.insert(0, str(Path(__file__).parent.parent))

from runner_plans import end, operator, plan, start, task

GOLDEN = Path(__file__).parent / "expected.operators.json"
OPERATORS = {None: "a.Local", "": "a.Local", "local": "a.Local", "docker": "a.Docker"}


def test_the_operators_of_the_parity_project(update_golden: bool) -> None:
    plugins = discover()
    apps = compile_path(str(Path(__file__).parent / "parity"), {}, plugins).apps
    found = as_json(
        {
            one.pipeline: operator_specs(one, OPERATORS.get)
            for app in apps
            for one in plans(app, plugins).pipelines
        }
    )
    if update_golden:
        GOLDEN.write_text(found + "\n")
    assert found + "\n" == GOLDEN.read_text()


def test_start_and_end_enclose_the_others() -> None:
    specs = operator_specs(plan(start(), task("a", "true", "start"), end("a")), OPERATORS.get)
    assert [spec.phase for spec in specs] == ["setup", None, "teardown"]
    assert [spec.operator for spec in specs] == [METRICS_OPERATOR, "a.Local", METRICS_OPERATOR]


@pytest.mark.parametrize(
    ("rule", "decides"),
    [
        (TriggerRule.ALL_SUCCESS, None),
        (TriggerRule.NONE_FAILED, None),
        (TriggerRule.ALL_DONE, True),
        (TriggerRule.ONE_FAILED, True),
    ],
)
def test_end_decides_where_a_task_may_hide_a_failure(
    rule: TriggerRule, decides: bool | None
) -> None:
    made = plan(start(), task("a", "true", "start"), task("b", "true", "a", rule=rule), end("b"))
    assert operator_specs(made, OPERATORS.get)[-1].arguments.get("fails") is decides


def test_an_operator_of_airflows_keeps_its_arguments() -> None:
    (spec,) = operator_specs(plan(operator("sql")), OPERATORS.get)
    assert (spec.operator, spec.arguments, spec.phase) == ("a.B", {}, None)


def test_an_executor_without_an_operator_is_told() -> None:
    with pytest.raises(NoOperator, match='the executor type "emr"'):
        operator_specs(plan(task("a", executor="emr")), OPERATORS.get)
