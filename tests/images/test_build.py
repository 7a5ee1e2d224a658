"""Several images side by side."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from liminal.images.build import build_all
from liminal.images.events import BuildEvent, Finished, Started
from liminal.model import App
from liminal.origin import Origin
from liminal.plan.images import image_plans


def test_the_plans_are_in_order_of_their_names(project: Any) -> None:
    images = tuple(project.image(name) for name in ("b", "c", "a"))
    app = App(name="app", folder="/app", origin=Origin("x", 1, 1), images=images)
    plans = image_plans(app)
    assert [(plan.app, plan.image.name) for plan in plans] == [
        ("app", name) for name in ("a", "b", "c")
    ]


def test_each_is_built_once_and_the_results_are_in_order(project: Any, shared: Any) -> None:
    plans = [project.plan(name) for name in ("n3", "n1", "n2", "n1")]
    results = build_all(plans, shared.engine, 3, shared.events.append)
    assert [result.image.image.name for result in results] == ["n3", "n1", "n2"]
    assert [result.built.name for result in results if result.built] == ["n3", "n1", "n2"]
    assert len(shared.of(Finished)) == 3


@pytest.mark.parametrize("jobs", [1, 4])
def test_one_that_fails_does_not_stop_the_others(project: Any, shared: Any, jobs: int) -> None:
    plans = [
        project.plan(f"first-{jobs}"),
        project.plan(f"bad-{jobs}", source="missing"),
        project.plan(f"last-{jobs}"),
    ]
    first, bad, last = build_all(plans, shared.engine, jobs, shared.events.append)
    assert first.built is not None
    assert first.error is None
    assert bad.built is None
    assert bad.error is not None
    assert last.built is not None


def test_they_run_at_the_same_time_and_report_one_by_one(project: Any, shared: Any) -> None:
    running: set[str] = set()
    together: list[int] = []
    inside = threading.Lock()

    def report(event: BuildEvent) -> None:
        assert inside.acquire(blocking=False), "two threads report at once"
        if isinstance(event, Started):
            running.add(event.image)
            together.append(len(running))
        elif isinstance(event, Finished):
            running.discard(event.image)
        inside.release()

    plans = [project.plan(f"t{n}", build_cmd="sleep 0.3") for n in range(3)]
    build_all(plans, shared.engine, 3, report)
    assert max(together) > 1


def test_a_bug_in_one_ends_the_others_and_flies(project: Any, own: Any, tmp_path: Path) -> None:
    marker = tmp_path / "running"

    def report(event: BuildEvent) -> None:
        if event.image == "buggy" and isinstance(event, Finished):
            raise ZeroDivisionError

    plans = [
        project.plan("slow", build_cmd=f"touch {marker}; sleep 60"),
        project.plan("buggy", build_cmd=f"until test -e {marker}; do sleep 0.05; done"),
    ]
    started = time.monotonic()
    with pytest.raises(ZeroDivisionError):
        build_all(plans, own.engine, 2, report)
    assert time.monotonic() - started < 20
    assert own.find("slow") is None
