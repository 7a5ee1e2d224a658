"""A real server for the tests of it: started by the command, asked by the command."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

LIMINAL = Path(sys.executable).parent / "liminal"

DAGS = {
    # Each attempt leaves a line, so that a test sees what ran how often.
    "quick": """
from datetime import datetime
from pathlib import Path
from airflow.sdk import Param, dag, task

@dag(
    dag_id="quick", schedule=None, start_date=datetime(2026, 1, 1), tags=["liminal"],
    params={"n": Param(3, type="integer"), "who": "world"},
)
def quick():
    @task
    def greet(params=None):
        print(f"hello {params['who']} times {params['n']}")

    @task
    def judge(params=None):
        print("judging")
        if params["n"] > 5:
            raise ValueError("too many")

    greet() >> judge()

quick()
""",
    "slow": """
import os, subprocess, sys, time
from datetime import datetime, timedelta
from pathlib import Path
from airflow.sdk import BaseOperator, DAG

MARKS = Path(os.environ["LIMINAL_HOME"]) / "marks"

def mark(words):
    MARKS.mkdir(exist_ok=True)
    with (MARKS / "slow").open("a") as file:
        file.write(words + "\\n")

class First(BaseOperator):
    def execute(self, context):
        mark("first " + context["run_id"])

class Sleeper(BaseOperator):
    def execute(self, context):
        mark("sleeper " + context["run_id"])
        seconds = context["params"]["seconds"]
        # In a session of its own, and deaf: as the process of a task may be.
        code = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(%s)" % seconds
        self.child = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
        if self.child.wait() != 0:
            raise RuntimeError("the child was killed")
        mark("slept " + context["run_id"])

    def on_kill(self):
        mark("on_kill")
        self.child.kill()

class Last(BaseOperator):
    def execute(self, context):
        mark("last " + context["run_id"])

with DAG("slow", schedule=None, start_date=datetime(2026, 1, 1), params={"seconds": 15}):
    First(task_id="first") >> Sleeper(
        task_id="sleeper", retries=1, retry_delay=timedelta(seconds=1)
    ) >> Last(task_id="last")
""",
    "many": """
from datetime import datetime
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG

with DAG("many", schedule=None, start_date=datetime(2026, 1, 1), max_active_runs=200):
    EmptyOperator(task_id="a") >> EmptyOperator(task_id="b")
""",
}


@dataclass
class Server:
    """A home, and the server of it."""

    home: Path
    cwd: Path
    environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def env(self) -> dict[str, str]:
        return {**os.environ, "LIMINAL_HOME": str(self.home), **self.environ}

    def liminal(self, *words: str, timeout: float = 400) -> subprocess.CompletedProcess[str]:
        """The finished command."""
        return subprocess.run(
            [LIMINAL, *words],
            cwd=self.cwd,
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )

    def start(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.liminal("start", "--detach", "--port", "0", *words)

    def stop(self) -> subprocess.CompletedProcess[str]:
        return self.liminal("stop", timeout=60)

    def status(self) -> Any:
        return json.loads(self.liminal("status", "--format", "json").stdout)

    def part(self, name: str) -> Any:
        return next(one for one in self.status()["server"]["parts"] if one["name"] == name)

    @property
    def record(self) -> Any:
        return json.loads((self.home / "airflow" / "server.json").read_text())

    def pid(self, name: str) -> int:
        return next(int(part["pid"]) for part in self.record["parts"] if part["name"] == name)

    def trigger(self, pipeline: str, *words: str) -> str:
        done = self.liminal("trigger", pipeline, *words)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def last_run(self, pipeline: str) -> Any:
        found = [one for one in self.status()["pipelines"] if one["pipeline"] == pipeline]
        return found[0]["last_run"] if found else None

    def wait_for_run(self, pipeline: str, seconds: float = 300) -> str:
        """How the last run of the pipeline ended."""
        wait_until(
            lambda: (self.last_run(pipeline) or {}).get("state") in ("success", "failed"),
            seconds,
            f"the end of {pipeline}",
        )
        return str(self.last_run(pipeline)["state"])

    def wait_for_log(self, pipeline: str, task: str, words: str) -> str:
        """The log of the task's last try, once these words are in it.

        What a task writes last may be in Airflow's log only after its state is known.
        """
        said = ""

        def there() -> bool:
            nonlocal said
            said = self.liminal("logs", pipeline, task).stdout
            return words in said

        wait_until(there, 60, f"{words} in the log of {task}")
        return said

    @property
    def marks(self) -> list[str]:
        file = self.home / "marks" / "slow"
        return file.read_text().splitlines() if file.exists() else []

    def wait_for_mark(self, words: str, seconds: float = 180) -> None:
        wait_until(lambda: any(one.startswith(words) for one in self.marks), seconds, words)

    def processes(self) -> list[str]:
        """What runs of it: by the environment, the folder, or the words of the command."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.status() == psutil.STATUS_ZOMBIE:
                    continue
                marks = (process.environ().get("LIMINAL_SERVER"), process.cwd())
                if str(self.home) == marks[0] or str(self.home / "airflow") == marks[1]:
                    found.append(f"{process.pid} {' '.join(process.cmdline())[:100]}")
            except psutil.Error:
                continue
        return found


def wait_until(holds: Callable[[], object], seconds: float, what: str) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, f"waited {seconds} s in vain for {what}"
        time.sleep(0.2)


def write_dags(home: Path) -> None:
    folder = home / "airflow" / "dags"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in DAGS.items():
        (folder / f"{name}.py").write_text(text)


@pytest.fixture(scope="session")
def airflow(require: Callable[[str, str], Any]) -> None:
    """Airflow beside Liminal."""
    from importlib.util import find_spec

    if find_spec("airflow") is None or find_spec("airflow_client") is None:
        require("airflow", "pip install 'liminal[airflow]'")


@pytest.fixture(scope="session")
def migrated(airflow: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose database is made: for copies of it, which start in half the time."""
    server = Server(tmp_path_factory.mktemp("migrated") / "home", tmp_path_factory.mktemp("cwd"))
    from liminal.home import Home
    from liminal.server.database import airflow_version, prepare_database
    from liminal.server.folder import make_folder
    from liminal.server.secrets import keep_secrets
    from liminal.server.settings import as_text, environment, settings

    home = Home(server.home)
    folder = make_folder(home)
    values = settings(folder, home.dags, 1, keep_secrets(folder))
    folder.config.write_text(as_text(values))
    env = environment(server.env, home, folder, values, Path(sys.executable))
    prepare_database(folder, airflow_version(), Path(sys.executable), env, print)
    return server.home


def new_server(migrated: Path, folder: Path) -> Server:
    """A server that is not started, with a database and pipelines."""
    import shutil

    home = folder / "home"
    shutil.copytree(migrated, home)
    (home / "airflow" / "secrets.json").unlink()
    (home / "airflow" / "passwords.json").unlink()
    write_dags(home)
    cwd = folder / "cwd"
    cwd.mkdir()
    return Server(home, cwd)


@pytest.fixture(scope="session")
def server(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that runs, shared by the tests that leave it running."""
    running = new_server(migrated, tmp_path_factory.mktemp("server"))
    done = running.start()
    try:
        assert done.returncode == 0, done.stderr
        running.said = done.stderr  # type: ignore[attr-defined]
        yield running
    finally:
        running.stop()
        end(running)


@pytest.fixture
def own_server(migrated: Path, tmp_path: Path) -> Iterator[Server]:
    """A server of the test's own, not started yet; ended with the test."""
    own = new_server(migrated, tmp_path)
    try:
        yield own
    finally:
        own.stop()
        end(own)


def end(server: Server) -> None:
    """Kills what a failed test left."""
    for words in server.processes():
        try:
            os.kill(int(words.split()[0]), signal.SIGKILL)
        except ProcessLookupError:
            continue


def port_of(server: Server) -> int:
    return int(re.findall(r":(\d+)$", server.record["url"])[0])
