"""Pipelines on an Airflow with PostgreSQL, Celery and two workers, as docs/team-airflow.md says."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil
import pytest

from liminal.errors import ServerError
from liminal.server.api import TaskRun
from tests.distributed.cluster import Cluster

CHECKOUT = Path(__file__).resolve().parents[2]
WORKERS = ("worker-1", "worker-2")

# Each task leaves a line with its name and its machine: a test sees what ran how often, and where.
STEPS = """
name: {app}
images:
  - image: {app}
    source: .
task_defaults:
  python:
    image: {app}
pipelines:
  - pipeline: {app}
    tasks:
      - task: before
        cmd: echo before $(hostname) >> {folder}/marks
      - task: waits
        retries: 1
        retry_delay_minutes: 0
        cmd: |
          echo begin $(hostname) >> {folder}/marks
          until [ -e {folder}/go ]; do sleep 0.2; done
          echo done $(hostname) >> {folder}/marks
      - task: {last}
        cmd: echo {words} $(hostname) >> {folder}/marks
"""

SIDES = """
name: sides
images:
  - image: sides
    source: .
pipelines:
  - pipeline: sides
    tasks:
      - task: side
        image: sides
        executors: 2
        cmd: hostname >> {folder}/marks; sleep 6
"""


class Steps:
    """A project whose pipeline of the same name waits in the middle until it may go on."""

    def __init__(self, cluster: Cluster, folder: Path, app: str, dags: Path) -> None:
        self.cluster, self.folder, self.app, self.dags = cluster, folder, app, dags
        folder.chmod(0o755)

    def deploy(self, last: str = "last", words: str = "old", build: bool = False) -> None:
        text = STEPS.format(app=self.app, folder=self.folder, last=last, words=words)
        (self.folder / "liminal.yml").write_text(text)
        publish(self.cluster, self.folder, self.dags, build=build)

    @property
    def marks(self) -> list[list[str]]:
        """Each line: what was done, and on which machine."""
        file = self.folder / "marks"
        return [line.split() for line in file.read_text().splitlines()] if file.exists() else []

    @property
    def done(self) -> list[str]:
        return [words[0] for words in self.marks]

    def go_on(self) -> None:
        (self.folder / "go").touch()

    def begun(self) -> str:
        """Starts a run, and comes back in the middle of it; gives its id."""
        run = trigger(self.cluster, self.app)
        wait_until(lambda: "begin" in self.done, 60, "the task in the middle")
        return run


def publish(cluster: Cluster, project: Path, dags: Path, *, build: bool) -> None:
    """Builds the project's images on each worker, and deploys its pipelines."""
    for machine in WORKERS if build else ():
        cluster.run("liminal", "build", project, machine=machine)
    cluster.run("liminal", "deploy", project, "--dags-folder", dags)


def wait_until(holds: Callable[[], object], seconds: float, what: str) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, f"waited {seconds} s in vain for {what}"
        time.sleep(0.2)


def trigger(cluster: Cluster, pipeline: str, conf: Mapping[str, str] | None = None) -> str:
    """Starts a run once Airflow has found the pipeline; gives the run's id."""
    wait_until(lambda: known(cluster, pipeline), 60, pipeline)
    return cluster.api.trigger(pipeline, conf or {})


def known(cluster: Cluster, pipeline: str) -> bool:
    with contextlib.suppress(ServerError):
        return cluster.api.details(pipeline) is not None
    return False


def end_of(cluster: Cluster, pipeline: str, run: str, seconds: float = 150) -> str:
    """How the run ended."""
    ended = ("success", "failed")
    wait_until(lambda: cluster.api.run(pipeline, run).state in ended, seconds, f"the end of {run}")
    return cluster.api.run(pipeline, run).state


def task(cluster: Cluster, pipeline: str, run: str, name: str) -> TaskRun:
    return next(one for one in cluster.api.tasks(pipeline, run) if one.task == name)


def log(cluster: Cluster, pipeline: str, run: str, name: str) -> str:
    return "\n".join(cluster.api.log(task(cluster, pipeline, run, name)))


@pytest.fixture(scope="session")
def models(cluster: Cluster) -> Path:
    """The volume of the models; the iris example is built on both workers and deployed."""
    project, models = cluster.folder / "iris", cluster.folder / "models"
    shutil.copytree(CHECKOUT / "examples" / "iris", project)
    file = project / "liminal.yml"
    text = file.read_text()
    assert "      path: models\n\ntask_defaults" in text
    # The same folder on each worker, and not one beside the project of whoever deploys.
    text = text.replace("      path: models\n\ntask_", f"      path: {models}\n\ntask_", 1)
    file.write_text(text.replace("    schedule: 0 10 * * *\n", ""))  # only the runs of the tests
    publish(cluster, project, cluster.dags, build=True)
    return models


def test_iris_is_trained_and_promoted(cluster: Cluster, models: Path) -> None:
    run = trigger(cluster, "iris_training")
    state = end_of(cluster, "iris_training", run)
    assert state == "success", {
        name: log(cluster, "iris_training", run, name) for name in ("train", "validate")
    }
    assert "promoted" in log(cluster, "iris_training", run, "validate")
    (candidate,) = (models / "candidates").iterdir()
    assert (models / "production").read_text().strip() == candidate.stem
    assert '"JobResult", "value": 1' in log(cluster, "iris_training", run, "end")
    assert cluster.api.import_problems() == ()


def test_a_run_that_fails_reports_so(cluster: Cluster, models: Path) -> None:
    before = (models / "production").read_text()
    run = trigger(cluster, "iris_training", {"min_accuracy": "1.01"})
    assert end_of(cluster, "iris_training", run) == "failed"
    assert "is not promoted" in log(cluster, "iris_training", run, "validate")
    assert task(cluster, "iris_training", run, "train").state == "success"
    assert '"JobResult", "value": 0' in log(cluster, "iris_training", run, "end")
    assert (models / "production").read_text() == before


def test_both_workers_run_tasks(cluster: Cluster, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "liminal.yml").write_text(SIDES.format(folder=tmp_path))
    publish(cluster, tmp_path, cluster.dags, build=True)
    run = trigger(cluster, "sides")
    assert end_of(cluster, "sides", run) == "success"
    assert sorted((tmp_path / "marks").read_text().split()) == ["worker-1", "worker-2"]


def test_a_machine_that_dies_costs_only_the_task_that_it_ran(
    cluster: Cluster, tmp_path: Path
) -> None:
    steps = Steps(cluster, tmp_path, "machine", cluster.dags)
    steps.deploy(build=True)
    run = steps.begun()
    dead = steps.marks[-1][1]
    cluster.parts[dead].end(signal.SIGKILL)
    for pid in of_home(cluster, dead):  # and the job, which would outlive its worker
        os.kill(pid, signal.SIGKILL)
    steps.go_on()
    try:
        assert end_of(cluster, "machine", run) == "success"
    finally:
        cluster.parts[dead].process.wait()
        cluster.start_worker(dead)
    assert steps.done == ["before", "begin", "begin", "done", "old"]
    assert {machine for _, machine in steps.marks[2:]} == {*WORKERS} - {dead}


def test_a_worker_that_dies_alone_leaves_no_task_to_run_beside_its_next_try(
    cluster: Cluster, tmp_path: Path
) -> None:
    steps = Steps(cluster, tmp_path, "alone", cluster.dags)
    steps.deploy(build=True)
    run = steps.begun()
    dead = steps.marks[-1][1]
    cluster.parts[dead].end(signal.SIGKILL)
    try:
        assert jobs(cluster, dead)  # its machine goes on, and so does the command
        wait_until(lambda: steps.done.count("begin") == 2, 150, "the next try")
        assert not jobs(cluster, dead)
        steps.go_on()
        assert end_of(cluster, "alone", run) == "success"
    finally:
        cluster.parts[dead].process.wait()
        cluster.start_worker(dead)
    assert steps.done == ["before", "begin", "begin", "done", "old"]
    assert f"ran on {dead}" in log(cluster, "alone", run, "waits")


def of_home(cluster: Cluster, machine: str) -> list[int]:
    """The processes that have this machine's `LIMINAL_HOME`, or are in a task of it."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            env = process.environ()
            home = str(cluster.home(machine))
            if env.get("LIMINAL_HOME") == home or env.get("LIMINAL_OUTPUT", "").startswith(home):
                found.append(process.pid)
    return found


def jobs(cluster: Cluster, machine: str) -> list[list[str]]:
    """What runs of jobs on that machine."""
    found = []
    for pid in of_home(cluster, machine):
        with contextlib.suppress(psutil.Error):
            words = psutil.Process(pid).cmdline()
            if "liminal.runners.job" in words or words[:2] == ["/bin/sh", "-c"]:
                found.append(words)
    return found


def test_in_a_plain_folder_a_deployment_reaches_runs_that_have_begun(
    cluster: Cluster, tmp_path: Path
) -> None:
    steps = Steps(cluster, tmp_path, "plain", cluster.dags)
    steps.deploy(build=True)
    run = steps.begun()
    steps.deploy(last="other", words="new")
    names = lambda: [one.task for one in cluster.api.tasks("plain", run)]  # noqa: E731
    wait_until(lambda: "other" in names(), 60, "the new release")
    steps.go_on()
    assert end_of(cluster, "plain", run) == "success"
    assert steps.done == ["before", "begin", "done", "new"]
    assert task(cluster, "plain", run, "last").state == "removed"


def test_with_the_bundle_a_run_keeps_its_release_on_any_worker(
    cluster: Cluster, tmp_path: Path
) -> None:
    steps = Steps(cluster, tmp_path, "pinned", cluster.pinned)
    steps.deploy(build=True)
    run = steps.begun()
    steps.deploy(last="other", words="new")
    # Whoever takes the last task: neither has seen the version while it was the newest.
    for machine in WORKERS:
        shutil.rmtree(cluster.folder / machine / "bundles", ignore_errors=True)
    steps.go_on()
    assert end_of(cluster, "pinned", run) == "success"
    assert steps.done == ["before", "begin", "done", "old"]
    run = trigger(cluster, "pinned")
    assert end_of(cluster, "pinned", run) == "success"
    assert steps.done[4:] == ["before", "begin", "done", "new"]
