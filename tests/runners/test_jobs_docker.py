"""Jobs in containers, on real engines: what goes when they end, and an engine that goes itself."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import docker_parts
import pytest
import runner_plans
from test_docker_faults import (  # the engine of a test's own
    OwnEngine,
    engine,
    engine_folder,
    own_engine,
    stop,
)

from liminal.home import Home
from liminal.runners.jobs import Job, JobSpec, submit

__all__ = ["engine", "engine_folder"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    made = Home(tmp_path / "home")
    monkeypatch.setenv("LIMINAL_HOME", str(made.path))
    return made


def spec(reference: str, command: str, memory: str | None = None) -> JobSpec:
    task = runner_plans.task("only", command, image=reference, outputs=("a",))
    assert task.container is not None
    resources = dataclasses.replace(task.container.resources, memory=memory)
    container = dataclasses.replace(task.container, resources=resources)
    return JobSpec(
        key=("pipe", "run", "only", "0"),
        runner="docker",
        task=dataclasses.replace(task, container=container),
        copy=None,
        number=1,
        command=command,
        env_vars={"LIMINAL_RUN_ID": "run", "LIMINAL_PIPELINE": "pipe", "LIMINAL_APP": "app"},
    )


def finished(job: Job) -> tuple[list[str], str | None, bytes, tuple[str, ...]]:
    lines = list(job.follow())
    ended = job.ended()
    assert ended is not None
    job.remove()
    return lines, ended.reason, ended.outputs, ended.notes


def wait_for_log(job: Job, text: bytes) -> None:
    until = time.monotonic() + 60
    while True:
        log = job.folder / "log"
        if log.exists() and text in log.read_bytes():
            return
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_container_runs_and_is_gone(home: Home, reference: str) -> None:
    job = submit(spec(reference, "echo hello; echo a=1 > $LIMINAL_OUTPUT"), home)
    assert finished(job)[:3] == (["hello"], None, b"a=1\n")
    assert docker_parts.containers(home.path) == []


def test_f30_out_of_memory_is_said_with_the_limit(home: Home, reference: str) -> None:
    job = submit(spec(reference, "python3 -c 'x = bytearray(10**9)'", memory="32Mi"), home)
    assert finished(job)[1] == "out of memory (limit 32Mi)"
    assert docker_parts.containers(home.path) == []


def test_f33_a_container_that_is_stopped_is_gone(home: Home, reference: str) -> None:
    job = submit(spec(reference, "echo ready; sleep 600"), home)
    wait_for_log(job, b"ready")
    asked = time.monotonic()
    job.stop()
    assert time.monotonic() - asked < 15
    assert docker_parts.containers(home.path) == []
    assert list(home.jobs.iterdir()) == []


def test_f32_an_engine_that_is_restarted_costs_no_attempt(
    home: Home,
    engine: OwnEngine,
    engine_folder: Path,
    reference: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DOCKER_HOST", engine.url)
    job = submit(spec(reference, "echo ready; sleep 3; echo a=1 > $LIMINAL_OUTPUT"), home)
    wait_for_log(job, b"ready")
    stop(engine)
    time.sleep(2)
    again = own_engine(engine_folder, engine_folder / "data")
    try:
        lines, reason, outputs, notes = finished(job)
        assert (reason, outputs) == (None, b"a=1\n")
        assert (lines[0], lines[-1]) == ("ready", "ready")
        assert any("ran again" in note for note in notes)
        assert docker_parts.containers(home.path, engine.url) == []
    finally:
        stop(again)
