import pytest
from runner_plans import NOW, end, operator, plan, start, task

from liminal.errors import UsageError
from liminal.runners.embedded.dry import describe
from liminal.runners.embedded.preparation import Request

PLAN = plan(
    start(),
    task("a", "echo {{ who }} {{ ds }}", "start", outputs=("k",)),
    task("m", "echo {{ X }} {{ tasks.a.k }}", "a", copies=({"X": "1"}, {"X": "2"})),
    task("secret", "echo {{ HOME }} {{ who }}", "m"),
    operator("sql"),
    end("secret"),
    variables={"who": "me"},
)


def test_commands_are_shown_as_far_as_they_are_known() -> None:
    planned = describe(PLAN, Request(now=NOW, variables={"who": "you & me"}))
    assert [(one.label, one.command) for one in planned] == [
        ("start", None),
        ("a", "echo 'you & me' '2026-03-01'"),
        ("m[0]", "echo 1 '{{ tasks.a.k }}'"),
        ("m[1]", "echo 2 '{{ tasks.a.k }}'"),
        ("secret", "echo {{ HOME }} {{ who }}"),
        ("sql", None),
        ("end", None),
    ]
    assert [one.does for one in planned if one.command is None] == [
        "reports the start of the run",
        "runs on Airflow only (type python)",
        "reports the end of the run",
    ]
    assert planned[1].image == "img"


def test_only_the_selected_tasks_are_shown() -> None:
    planned = describe(PLAN, Request(now=NOW, from_task="m"))
    assert [(one.label, one.after) for one in planned] == [
        ("m[0]", ()),
        ("m[1]", ()),
        ("secret", ("m",)),
        ("end", ("secret",)),
    ]
    with pytest.raises(UsageError):
        describe(PLAN, Request(now=NOW, task="x"))
