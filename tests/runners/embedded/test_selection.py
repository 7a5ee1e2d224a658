import pytest
from runner_plans import end, plan, start, task

from liminal.errors import UsageError
from liminal.runners.embedded.selection import downstream, select, upstream, waits_for

PLAN = plan(
    start(),
    task("a", "x", "start"),
    task("b", "x", "a"),
    task("other", "x", "start"),
    task("c", "x", "b", "other"),
    end("c"),
)


def names(**asked: str) -> list[str]:
    return [one.name for one in select(PLAN, **asked)]


def test_all_tasks_where_nothing_is_asked() -> None:
    assert names() == ["start", "a", "b", "other", "c", "end"]


def test_task_takes_only_that_one() -> None:
    assert names(task="b") == ["b"]


def test_from_takes_it_and_all_that_follows() -> None:
    assert names(from_task="b") == ["b", "c", "end"]


def test_an_unknown_task_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match='no task "othr"; did you mean "other"') as found:
        select(PLAN, task="othr")
    assert found.value.hint == "its tasks are: a, b, c, end, other, start"
    with pytest.raises(UsageError, match="exclude each other"):
        select(PLAN, task="a", from_task="b")


def test_upstream_and_downstream_reach_all_the_way() -> None:
    assert upstream(PLAN.tasks, "c") == {"start", "a", "b", "other"}
    assert downstream(PLAN.tasks, "other") == {"other", "c", "end"}


def test_an_end_waits_for_everything_but_what_follows_an_end() -> None:
    tasks = plan(task("a"), end(), task("after", "x", "end"), task("b"), task("c", "x", "b")).tasks
    assert waits_for(tasks) == {"end": {"a", "b", "c"}}
