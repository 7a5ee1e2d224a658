"""Each trigger rule against what Airflow does.

Source: Airflow 3.3, airflow/ti_deps/deps/trigger_rule_dep.py and the table in
docs/core-concepts/dags.rst, "Trigger Rules".
"""

import itertools

import pytest

from liminal.model import TriggerRule as Rule
from liminal.runners.embedded.states import (
    Decision,
    RunState,
    TaskState,
    count,
    decide,
    run_state,
    sum_of,
)

LETTERS = {
    "s": TaskState.SUCCESS,
    "k": TaskState.SKIPPED,
    "f": TaskState.FAILED,
    "u": TaskState.UPSTREAM_FAILED,
    ".": TaskState.NONE,
    "r": TaskState.RUNNING,
    "y": TaskState.UP_FOR_RETRY,
}
RUN, WAIT, SKIP, FAIL = Decision.RUN, Decision.WAIT, Decision.SKIP, Decision.FAIL

CASES = {
    Rule.ALL_SUCCESS: [
        ("ss", RUN), ("s.", WAIT), ("sr", WAIT), ("sy", WAIT), ("sf", FAIL), ("f.", FAIL),
        ("u.", FAIL), ("sk", SKIP), ("k.", SKIP), ("kf", FAIL), ("ku", FAIL),
    ],
    Rule.ALL_FAILED: [
        ("ff", RUN), ("fu", RUN), ("uu", RUN), ("f.", WAIT), ("fs", SKIP), ("s.", SKIP),
        ("fk", SKIP), ("k.", SKIP),
    ],
    Rule.ALL_DONE: [
        ("ss", RUN), ("sf", RUN), ("uk", RUN), ("ku", RUN), ("f.", WAIT), ("fr", WAIT),
    ],
    Rule.ALL_SKIPPED: [
        ("kk", RUN), ("k.", WAIT), ("ks", SKIP), ("kf", SKIP), ("u.", SKIP), ("s.", SKIP),
    ],
    Rule.ALL_DONE_MIN_ONE_SUCCESS: [
        ("ss", RUN), ("sf", RUN), ("su", RUN), ("s.", WAIT), ("ff", FAIL), ("fu", FAIL),
        ("sk", SKIP), ("k.", SKIP), ("kk", SKIP),
    ],
    Rule.ONE_SUCCESS: [
        ("s.", RUN), ("sf", RUN), ("sr", RUN), ("f.", WAIT), ("k.", WAIT), ("ff", FAIL),
        ("fk", FAIL), ("uk", FAIL), ("kk", SKIP),
    ],
    Rule.ONE_FAILED: [
        ("f.", RUN), ("u.", RUN), ("fr", RUN), ("s.", WAIT), ("ss", SKIP), ("sk", SKIP),
        ("kk", SKIP),
    ],
    Rule.ONE_DONE: [
        ("s.", RUN), ("f.", RUN), ("k.", WAIT), ("u.", WAIT), ("kk", SKIP), ("uk", SKIP),
        ("uu", SKIP), ("kf", RUN),
    ],
    Rule.NONE_FAILED: [
        ("ss", RUN), ("sk", RUN), ("kk", RUN), ("s.", WAIT), ("k.", WAIT), ("f.", FAIL),
        ("u.", FAIL), ("kf", FAIL),
    ],
    Rule.NONE_SKIPPED: [
        ("ss", RUN), ("sf", RUN), ("fu", RUN), ("f.", WAIT), ("k.", SKIP), ("sk", SKIP),
    ],
    Rule.NONE_FAILED_MIN_ONE_SUCCESS: [
        ("ss", RUN), ("sk", RUN), ("kk", SKIP), ("k.", WAIT), ("s.", WAIT), ("f.", FAIL),
        ("u.", FAIL), ("kf", FAIL),
    ],
    Rule.ALWAYS: [("..", RUN), ("ff", RUN), ("kk", RUN), ("rr", RUN)],
}  # fmt: skip


def states(letters: str) -> list[TaskState]:
    return [LETTERS[letter] for letter in letters]


@pytest.mark.parametrize(
    ("rule", "before", "expected"),
    [(rule, before, expected) for rule, cases in CASES.items() for before, expected in cases],
)
def test_rule_decides_as_airflow_does(rule: Rule, before: str, expected: Decision) -> None:
    assert decide(rule, states(before)) is expected
    assert decide(rule, states(before[::-1])) is expected


def test_every_rule_has_cases() -> None:
    assert set(CASES) == set(Rule)


@pytest.mark.parametrize("rule", Rule)
def test_a_task_with_nothing_before_it_runs(rule: Rule) -> None:
    assert decide(rule, []) is RUN


@pytest.mark.parametrize("rule", Rule)
def test_no_rule_waits_for_tasks_that_are_done(rule: Rule) -> None:
    for length in (1, 2, 3):
        for before in itertools.product("skfu", repeat=length):
            assert decide(rule, states("".join(before))) is not WAIT


@pytest.mark.parametrize("rule", Rule)
def test_a_decision_is_not_revoked_by_what_happens_later(rule: Rule) -> None:
    """Else it would depend on when somebody looks."""
    for before in itertools.product("skfu.", repeat=2):
        early = decide(rule, states("".join(before)))
        if early is WAIT:
            continue
        for after in "skfu":
            late = decide(rule, states("".join(before).replace(".", after)))
            if (rule, early) in {(Rule.ALL_SUCCESS, SKIP)}:
                assert late in (SKIP, FAIL)  # as in Airflow, a skip does not wait for a failure
            else:
                assert late is early or rule in (Rule.ALL_DONE_MIN_ONE_SUCCESS,)


def test_the_state_of_a_task_is_the_sum_of_its_copies() -> None:
    assert sum_of(states("ss")) is TaskState.SUCCESS
    assert sum_of(states("sk")) is TaskState.SUCCESS
    assert sum_of(states("kk")) is TaskState.SKIPPED
    assert sum_of(states("sf")) is TaskState.FAILED
    assert sum_of(states("fr")) is TaskState.RUNNING
    assert sum_of([]) is TaskState.NONE


def test_one_failed_task_fails_the_run() -> None:
    assert run_state(states("sks")) is RunState.SUCCESS
    assert run_state(states("sfs")) is RunState.FAILED
    assert run_state(states("su")) is RunState.FAILED


def test_copies_count_one_by_one() -> None:
    assert count(states("ssfk.")).total == 5
    assert count(states("fu")).broken == 2
