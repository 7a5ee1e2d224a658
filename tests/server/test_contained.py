"""Workers that are killed, and stopping in mid-run, with tasks and services in real containers."""

import os
import signal
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import psutil
import pytest

from liminal.images.engines.docker.client import EngineProblem, connected
from liminal.runners.records import read_record
from tests.server.conftest import Server, wait_until

BASE = "python:3.11-slim"
IMAGE = f"liminal-tests-{os.environ.get('PYTEST_XDIST_WORKER', 'one')}-contained/parrot"

# Each waits for a file, so that a test decides when it ends.
PROJECT = f"""
name: contained
images:
  - image: tiny
    source: tiny
  - image: {IMAGE}
    type: python_server
    python_version: '3.11'
    source: parrot
    endpoints: [{{endpoint: /echo, module: parrot, function: echo}}]
executors:
  - {{executor: processes, type: local}}
  - {{executor: containers, type: docker}}
volumes:
  - {{volume: marks, local: {{path: marks}}}}
task_defaults:
  python:
    retries: 1
    retry_delay_minutes: 0
    mounts: [{{mount: marks, volume: marks, path: marks}}]
    cmd: |
      set -e; echo begin; echo begin >> marks/$LIMINAL_PIPELINE
      while [ ! -e marks/$LIMINAL_PIPELINE-may-end ]; do sleep 0.2; done
      {{{{ last }}}}; echo done >> marks/$LIMINAL_PIPELINE
pipelines:
  - pipeline: local
    tasks: [{{task: only, image: tiny, executor: processes, variables: {{last: "true"}}}}]
  - pipeline: boxed
    tasks:
      - task: only
        image: "{BASE}"
        executor: containers
        variables: {{last: echo done}}
services:
  - {{service: parrot, image: {IMAGE}, workers: 1}}
"""


@pytest.fixture
def contained(own_server: Server, require: Callable[[str, str], NoReturn]) -> Iterator[Server]:
    """A running server with both kinds of tasks, and a service in a container."""
    try:
        with connected(os.environ) as client:
            if not client.images.list(BASE):
                require("docker", f"there is no image {BASE}; tests/engine/start makes it")
    except EngineProblem as problem:
        require("docker", problem.message)
    own_server.environ = {"LIMINAL_ENGINE": "docker"}
    folder = own_server.cwd
    for name in ("tiny", "parrot", "marks"):
        (folder / name).mkdir()
    (folder / "tiny" / "file").touch()
    (folder / "parrot" / "parrot.py").write_text("def echo(body):\n    return body\n")
    (folder / "liminal.yml").write_text(PROJECT)
    done = own_server.liminal("build", "--image", "tiny", "--engine", "local")
    assert done.returncode == 0, done.stderr
    done = own_server.liminal("deploy", "--engine", "local")
    assert done.returncode == 0, done.stderr
    try:
        yield own_server
    finally:
        own_server.stop()
        with connected(os.environ) as client:
            for one in containers(own_server):
                client.api.remove_container(one["Id"], force=True, v=True)
            for image in client.images.list(name=IMAGE):
                for tag in image.tags:
                    client.images.remove(tag, force=True)


def start(server: Server) -> None:
    done = server.liminal("start", "--detach", "--port", "0", "--engine", "docker", timeout=400)
    assert done.returncode == 0, done.stderr
    wait_until(lambda: answers(server), 60, "the service")


def answers(server: Server) -> bool:
    (service,) = server.status()["services"]
    try:
        with urllib.request.urlopen(f"{service['url']}/echo", b"1", timeout=10) as answer:
            return bool(answer.read() == b"1")
    except OSError:
        return False


def containers(server: Server) -> list[Any]:
    """All that the engine has of this home, also those that have ended."""
    with connected(os.environ) as client:
        filters = {"label": f"liminal.home={server.home}"}
        return list(client.api.containers(all=True, filters=filters))


def of_tasks(server: Server) -> list[str]:
    """The ids of the containers of tasks."""
    return [one["Id"] for one in containers(server) if one["Labels"]["liminal.pipeline"] == "boxed"]


def marks(server: Server, pipeline: str) -> list[str]:
    file = server.cwd / "marks" / pipeline
    return file.read_text().split() if file.exists() else []


def may_end(server: Server, pipeline: str) -> Path:
    return server.cwd / "marks" / f"{pipeline}-may-end"


def job_of(server: Server, pipeline: str) -> Path:
    """The folder of the pipeline's job."""
    (found,) = (
        path
        for path in (server.home / "jobs").iterdir()
        if read_record(path / "job.json")["env_vars"]["LIMINAL_PIPELINE"] == pipeline
    )
    return found


def worker_of(job: Path) -> psutil.Process:
    """The process of Airflow's that minds the task: the parent of who began the job."""
    task = psutil.Process(int(read_record(job / "process.json")["pid"])).parent()
    assert task is not None
    worker = task.parent()
    assert worker is not None
    return worker


def attempt(server: Server, pipeline: str) -> int:
    """The number of the task's try."""
    from liminal.home import Home
    from liminal.server.api import open_api

    api = open_api(Home(server.home))
    (run,) = api.latest_runs(pipeline, 1)
    return next(one.attempt for one in api.tasks(pipeline, run.run_id) if one.task == "only")


def logged(server: Server, pipeline: str) -> list[str]:
    last = "done" if pipeline == "boxed" else "begin"
    said = server.wait_for_log(pipeline, "only", last).splitlines()
    return [line for line in said if line in ("begin", "done")]


def test_f31_a_killed_worker_costs_no_second_run_and_stop_ends_what_runs_in_containers(
    contained: Server,
) -> None:
    start(contained)
    images = {(one["name"], one["engine"]) for one in contained.status()["images"]}
    assert {("tiny", "local"), (IMAGE, "docker")} <= images
    both = ("local", "boxed")
    for name in both:
        contained.trigger(name)
    wait_until(lambda: all(marks(contained, name) for name in both), 180, "both tasks")
    (container,) = of_tasks(contained)
    for name in both:
        worker = worker_of(job_of(contained, name))
        assert "LocalExecutor" in " ".join(worker.cmdline())
        os.kill(worker.pid, signal.SIGKILL)
    # One ends while nobody waits for it; the other one still runs when the next try finds it.
    may_end(contained, "local").touch()
    assert contained.wait_for_run("local") == "success"
    wait_until(lambda: attempt(contained, "boxed") == 2, 300, "the second try")
    assert of_tasks(contained) == [container]
    may_end(contained, "boxed").touch()
    assert contained.wait_for_run("boxed") == "success"
    for name in both:
        assert marks(contained, name) == ["begin", "done"]
        assert attempt(contained, name) == 2
    # The first one says nothing in the end, so that its old process has no way to notice.
    assert logged(contained, "local") == ["begin"]
    assert logged(contained, "boxed") == ["begin", "done"]
    assert of_tasks(contained) == []
    assert list((contained.home / "jobs").iterdir()) == []

    # F33, with a service that runs in a container too.
    may_end(contained, "boxed").unlink()
    contained.trigger("boxed")
    wait_until(lambda: marks(contained, "boxed").count("begin") == 2, 180, "the task")
    assert len(containers(contained)) == 2
    began = time.monotonic()
    assert contained.stop().returncode == 0
    assert time.monotonic() - began < 20
    assert containers(contained) == []
    assert contained.processes() == []
    assert list((contained.home / "jobs").iterdir()) == []

    may_end(contained, "boxed").touch()
    start(contained)
    assert contained.wait_for_run("boxed") == "success"
    assert marks(contained, "boxed") == ["begin", "done", "begin", "begin", "done"]
    assert contained.status()["server"]["state"] == "ready"
    assert contained.stop().returncode == 0
    assert containers(contained) == []
    assert contained.processes() == []
