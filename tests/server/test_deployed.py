"""Deployed pipelines on the embedded server: container tasks outlive what is killed around them."""

import os
import re
import signal
import time

import psutil
import pytest

from liminal.runners.processes import members
from tests.server.conftest import Server, wait_until

PROJECT = """
name: tiny
images:
  - image: tiny
    source: .
pipelines:
  - pipeline: tiny
    tasks:
      - task: hello
        image: tiny
        cmd: echo "hello {{ who }}"; echo hello >> {{ marks }}
      - task: sleeper
        image: tiny
        retries: 1
        retry_delay_minutes: 0
        cmd: |
          set -e; echo begin; echo begin >> {{ marks }}
          sleep {{ seconds }}
          echo done; echo done >> {{ marks }}
  - pipeline: late
    timeout_minutes: 0.6
    tasks:
      - task: sleeper
        image: tiny
        cmd: echo late >> {{ marks }}-late; sleep 79
variables:
  who: world
  seconds: "6"
  marks: MARKS
"""


@pytest.fixture
def deployed(own_server: Server) -> Server:
    """A running server with a pipeline of container tasks."""
    marks = own_server.home / "tiny-marks"
    text = PROJECT.replace("MARKS", str(marks))
    (own_server.cwd / "liminal.yml").write_text(text)
    assert own_server.start("--no-services").returncode == 0
    for command in ("build", "deploy"):
        done = own_server.liminal(command, "--engine", "local")
        assert done.returncode == 0, done.stderr
    assert own_server.status()["services"] == []
    return own_server


def deploy_another_task(server: Server) -> None:
    """As a user does who goes on working while a run is active."""
    file = server.cwd / "liminal.yml"
    file.write_text(
        file.read_text().replace("task: sleeper", "task: dozer", 1).replace("echo done", "echo end")
    )
    done = server.liminal("deploy", "--engine", "local")
    assert done.returncode == 0, done.stderr
    assert "tiny (changed)" in done.stdout + done.stderr


def marks(server: Server, pipeline: str = "tiny") -> list[str]:
    file = server.home / {"tiny": "tiny-marks", "late": "tiny-marks-late"}[pipeline]
    return file.read_text().split() if file.exists() else []


def results(server: Server, pipeline: str) -> list[str]:
    """Each JobResult of the pipeline that anything of the server has logged."""
    logs = [path for path in (server.home / "airflow" / "logs").rglob("*.log*") if path.is_file()]
    text = "".join(path.read_text(errors="replace") for path in logs).replace('\\"', '"')
    found = re.findall(r'"JobResult", "value": (\d)[^{}]*{"ApplicationName": "(\w+)"', text)
    return [value for value, name in found if name == pipeline]


def sleeping(seconds: int) -> list[int]:
    """The processes of the task's command."""
    return [
        process.pid
        for process in psutil.process_iter(["cmdline", "status"])
        if process.info["cmdline"] == ["sleep", str(seconds)]
        and process.info["status"] != psutil.STATUS_ZOMBIE
    ]


def test_a_task_outlives_its_scheduler_and_a_killed_server_and_runs_once(
    deployed: Server,
) -> None:
    deployed.trigger("tiny", "--var", "seconds=25")
    wait_until(lambda: "begin" in marks(deployed), 180, "the task")
    deploy_another_task(deployed)  # the run keeps the release that it began on
    killed = deployed.pid("scheduler")
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: deployed.pid("scheduler") != killed, 60, "the new scheduler")
    os.kill(deployed.record["pid"], signal.SIGKILL)
    os.kill(deployed.pid("scheduler"), signal.SIGKILL)
    assert deployed.start("--no-services").returncode == 0
    assert deployed.wait_for_run("tiny") == "success"
    assert marks(deployed) == ["hello", "begin", "done"]
    logged = deployed.wait_for_log("tiny", "sleeper", "done").splitlines()
    assert [line for line in logged if line in ("begin", "done")] == ["begin", "done"]

    # Stop finds the task also when nobody lives who would pass the signal on.
    deployed.trigger("tiny", "--var", "seconds=78")
    wait_until(lambda: sleeping(78), 180, "the task")
    os.kill(deployed.record["pid"], signal.SIGKILL)
    for pid in (*members(deployed.pid("scheduler")), deployed.pid("api-server")):
        os.kill(pid, signal.SIGKILL)
    assert len(sleeping(78)) == 1
    began = time.monotonic()
    stopped = deployed.stop()
    assert time.monotonic() - began < 20
    assert "ended the job" in stopped.stderr
    assert sleeping(78) == []
    assert deployed.processes() == []
    assert not list((deployed.home / "jobs").iterdir())


def test_stop_in_mid_run_ends_the_task_and_its_metrics_come_once_in_the_end(
    deployed: Server,
) -> None:
    deployed.trigger("tiny", "--var", "seconds=77")
    wait_until(lambda: "begin" in marks(deployed), 180, "the task")
    began = time.monotonic()
    assert deployed.stop().returncode == 0
    assert time.monotonic() - began < 20
    assert deployed.processes() == []
    assert sleeping(77) == []

    assert deployed.start("--no-services").returncode == 0
    deployed.trigger("late")
    wait_until(lambda: marks(deployed).count("begin") == 2, 300, "the second try")
    assert marks(deployed) == ["hello", "begin", "begin"]
    (command,) = sleeping(77)
    os.kill(command, signal.SIGKILL)
    assert deployed.wait_for_run("tiny") == "failed"
    ended = deployed.wait_for_log("tiny", "end", '"JobResult"')
    assert ended.count('"JobResult", "value": 0') == 1

    # One that is over its time never comes to `end`: the DAG's failure callback reports it.
    assert deployed.wait_for_run("late") == "failed"
    assert marks(deployed, "late") == ["late"]
    wait_until(lambda: results(deployed, "late"), 60, "its result")
    wait_until(lambda: not sleeping(79), 60, "the end of its task")
    assert results(deployed, "late") == ["0"]
