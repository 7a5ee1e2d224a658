"""F15: cron expressions that Airflow takes, and those that it takes and should not."""

import pytest

from liminal.compiler.link.crons import MAX_LENGTH, MAX_LONG_LOOKS, PRESETS, Crons


@pytest.mark.parametrize(
    "expression",
    [
        *PRESETS,
        "* * * * *",
        "*/5 * * * *",
        "0 10 * * *",
        "0 0 29 2 *",
        "0 0 L * *",
        "0 0 * * MON#1",
        "0 0 * JAN-MAR mon-fri",
        "30 6,18 1-15/2 * 1,3,5",
        "0 0 * * 7",
        "0  0 * * *",
        # A day of the month or one of the week, as cron has it: it fires on Mondays of February.
        "0 0 30 2 MON",
        "0 0 ? * *",
    ],
)
def test_schedule_that_airflow_takes(expression: str) -> None:
    assert Crons().problem(expression) is None


@pytest.mark.parametrize("expression", ["0 0 30 2 *", "0 0 31 2 *", "0 0 31 4,6,9,11 *"])
def test_f15_day_that_never_comes(expression: str) -> None:
    problem = Crons().problem(expression)
    assert problem is not None
    assert (problem.code, problem.message) == (
        "never-fires",
        f'the schedule "{expression}" never fires',
    )


@pytest.mark.parametrize(
    ("expression", "message", "hint"),
    [
        ("* * * * * *", 'the schedule "* * * * * *" has 6 fields', "a minute is the shortest"),
        ("0 0 * * * 0 2030", 'the schedule "0 0 * * * 0 2030" has 7 fields', "five fields"),
        ("0 0 * *", 'the schedule "0 0 * *" has 4 fields', "five fields: minute, hour"),
        ("60 * * * *", 'the schedule "60 * * * *" has the minute "60"', "allowed: 0-59"),
        ("0 24 * * *", 'the schedule "0 24 * * *" has the hour "24"', "allowed: 0-23"),
        ("0 0 32 * *", 'the schedule "0 0 32 * *" has the day of the month "32"', "1-31, or L"),
        ("0 0 * 13 *", 'the schedule "0 0 * 13 *" has the month "13"', "1-12, or jan-dec"),
        ("0 0 * * MON#6", 'the schedule "0 0 * * MON#6" has the day of the week "MON#6"', "0-7"),
        ("*/0 * * * *", 'the schedule "*/0 * * * *" has the minute "*/0"', "allowed: 0-59"),
        ("once in a blue moon", 'the schedule "once in a blue moon" has the minute "once"', "0-59"),
        ("H R * * *", 'the schedule "H R * * *" leaves its time to chance', "write numbers"),
        ("0 r(1-5) * * *", 'the schedule "0 r(1-5) * * *" leaves its time to chance', "numbers"),
        ("", "the schedule is empty", "leave it out to run by hand"),
        ("0," * 200 + "0 * * * *", "the schedule is 409 characters long", f"at most {MAX_LENGTH}"),
    ],
)
def test_f15_no_schedule(expression: str, message: str, hint: str) -> None:
    problem = Crons().problem(expression)
    assert problem is not None
    assert (problem.code, problem.message) == ("bad-schedule", message)
    assert hint in (problem.hint or "")


@pytest.mark.parametrize(
    ("word", "meant"),
    [("daily", "@daily"), ("@Daily", "@daily"), ("@montly", "@monthly"), ("hourly", "@hourly")],
)
def test_nearest_preset(word: str, meant: str) -> None:
    problem = Crons().problem(word)
    assert problem is not None
    assert problem.message == f'"{word}" is not a schedule; did you mean "{meant}"?'


def test_presets_are_listed_where_none_is_near() -> None:
    problem = Crons().problem("@reboot")
    assert problem is not None
    assert "@continuous, @daily, @hourly" in (problem.hint or "")


def test_each_expression_is_judged_once() -> None:
    crons = Crons()
    assert crons.problem("0 0 30 2 *") is crons.problem("0 0 30 2 *")


def test_number_of_long_looks_has_an_end() -> None:
    crons = Crons()
    judged = [crons.problem(f"{i % 60} {i // 60} 31 1 *") for i in range(MAX_LONG_LOOKS + 1)]
    assert not any(judged[:-1])
    assert judged[-1] is not None
    assert judged[-1].message == "there are more unusual schedules than can be looked at"


def test_thousand_common_schedules_need_no_long_look() -> None:
    crons = Crons()
    assert not any(crons.problem(f"{i % 60} {i // 60} 1-28/3 * 1,5") for i in range(1000))
