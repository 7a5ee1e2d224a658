"""Runs that are ended from outside: nothing of them may stay, and the next run knows."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker_parts
import psutil
import pytest
import runner_plans
from runner_plans import Bench, plan, task

from liminal.runners.embedded.events import Notice
from liminal.runners.embedded.states import RunState

PATIENCE_SECONDS = 30.0

# Each writes the numbers of its processes to a file, says that it is ready, and stays.
STAYS = "sleep 600 & echo $$ $! > shared/t.pids; echo ready; wait"
IGNORES = (
    "trap '' TERM INT HUP; (trap '' TERM; while true; do sleep 1; done) &"
    " echo $$ $! > shared/t.pids; echo ready; while true; do sleep 1; done"
)


class Run:
    """A run in a process of its own."""

    def __init__(self, process: "subprocess.Popen[str]", folder: Path) -> None:
        self.process = process
        self.folder = folder
        self.output: list[str] = []

    def wait_for(self, word: str) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output.append(line)
            if word in line:
                return
        raise AssertionError(f"no {word!r} in {self.output}")

    def finish(self) -> int:
        out, _ = self.process.communicate(timeout=PATIENCE_SECONDS)
        self.output += out.splitlines(keepends=True)
        return self.process.returncode

    @property
    def text(self) -> str:
        return "".join(self.output)

    def pids(self) -> list[int]:
        return [int(pid) for file in self.folder.glob("*.pids") for pid in file.read_text().split()]


@dataclass(frozen=True, slots=True)
class Ground:
    """A machine for runs that are ended from outside.

    Attributes:
        reference: of the image where tasks run in containers; else they are processes.
    """

    folder: Path
    environment: Path
    reference: str | None

    @contextmanager
    def running(self, expression: str) -> Iterator[Run]:
        command = [
            *(sys.executable, runner_plans.__file__, str(self.folder), str(self.environment)),
            expression,
            *([self.reference] if self.reference else []),
        ]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        try:
            yield Run(process, self.folder)
        finally:
            process.kill()
            process.wait()

    def bench(self) -> Bench:
        return runner_plans.bench(self.folder, self.environment, reference=self.reference)

    def lives(self, run: Run) -> bool:
        """Whether the task still runs. Numbers of processes in a container are its own."""
        if self.reference is None:
            return all(map(alive, run.pids()))
        (container,) = docker_parts.containers(self.folder / "home")
        return container.status == "running"

    def is_gone(self, pids: list[int]) -> bool:
        """Whether nothing of it is left."""
        if self.reference is None:
            return not any(map(alive, pids))
        return docker_parts.containers(self.folder / "home") == []


@pytest.fixture
def local(tmp_path: Path, environment: Path) -> Ground:
    return Ground(tmp_path, environment, None)


@pytest.fixture(params=["local", "docker"])
def ground(request: pytest.FixtureRequest, tmp_path: Path, environment: Path) -> Iterator[Ground]:
    if request.param == "local":
        yield Ground(tmp_path, environment, None)
        return
    yield Ground(tmp_path, environment, request.getfixturevalue("reference"))
    docker_parts.remove_all(tmp_path / "home")


def expression(folder: Path, cmd: str, *, after: str = "", more: str = "") -> str:
    mounts = f"mounts=(shared(Path({str(folder)!r})),)"
    return f"plan(start(), task('t', {cmd!r}, 'start', retries=2, {mounts}{more}){after}, end('t'))"


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def eventually(check: Callable[[], bool]) -> bool:
    until = time.monotonic() + PATIENCE_SECONDS
    while not check() and time.monotonic() < until:
        time.sleep(0.05)
    return check()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_all_processes_and_end_still_reports(
    ground: Ground, number: signal.Signals
) -> None:
    later = ", task('later', 'echo no', 't')"
    with ground.running(expression(ground.folder, STAYS, after=later)) as run:
        run.wait_for("ready")
        pids = run.pids()
        assert len(pids) == 2
        assert ground.lives(run)
        run.process.send_signal(number)
        assert run.finish() == 130
    assert ground.is_gone(pids)
    assert 'MESSAGE pipeline "pipe" was interrupted' in run.text
    assert "JobResult" in run.text
    assert "TaskStarted(task='later'" not in run.text
    assert "attempt=2" not in run.text
    assert not list(ground.folder.glob("home/runs/*/*/*/work"))
    (record,) = ground.folder.glob("home/runs/*/*/*/run.json")
    told = json.loads(record.read_text())
    assert told["state"] == "interrupted"
    assert told["tasks"]["later"] == "none"


def test_a_task_that_ignores_sigterm_is_killed_and_a_second_signal_hurries(
    ground: Ground,
) -> None:
    with ground.running(expression(ground.folder, IGNORES)) as run:
        run.wait_for("ready")
        pids = run.pids()
        run.process.send_signal(signal.SIGINT)
        run.wait_for("grace_seconds=10.0")
        assert ground.lives(run)
        run.process.send_signal(signal.SIGINT)
        run.wait_for("grace_seconds=3.0")
        run.process.send_signal(signal.SIGINT)
        run.wait_for("grace_seconds=0.0")
        assert run.finish() == 130
    assert ground.is_gone(pids)


def test_a_task_may_use_the_grace_to_end_well(ground: Ground) -> None:
    # A child that the shell has only begun to start may miss the signal, hence the short sleep.
    cmd = (
        "trap 'sleep 0.3; echo saved > shared/saved; exit 0' TERM;"
        " sleep 600 & sleep 0.1; echo ready; wait"
    )
    with ground.running(expression(ground.folder, cmd)) as run:
        run.wait_for("ready")
        run.process.send_signal(signal.SIGTERM)
        assert run.finish() == 130
    assert (ground.folder / "saved").exists()


def test_a_child_that_outlives_its_shell_gets_the_grace_too(ground: Ground) -> None:
    """The shell would die of SIGTERM at once; what it had started takes its time."""
    code = (
        "import signal,time; from pathlib import Path;"
        "signal.signal(15, lambda *a: (time.sleep(.5), Path('shared/saved').touch(), exit()));"
        "print('ready', flush=True); time.sleep(600)"
    )
    cmd = f'python -c "{code}"; echo later > shared/later; sleep 600'
    with ground.running(expression(ground.folder, cmd)) as run:
        run.wait_for("ready")
        run.process.send_signal(signal.SIGTERM)
        assert run.finish() == 130
    assert (ground.folder / "saved").exists()
    assert not (ground.folder / "later").exists()


def test_what_left_the_session_is_said(local: Ground, tmp_path: Path) -> None:
    """Nothing leaves a container."""
    code = (
        "import os,time; os.setsid();"
        f"open('{tmp_path}/t.pids','w').write(str(os.getpid())); print('ready'); time.sleep(600)"
    )
    cmd = f'(python -c "{code}" &); sleep 600'
    with local.running(f"plan(task('t', {cmd!r}))") as run:
        run.wait_for("ready")
        (escaped,) = run.pids()
        try:
            run.process.send_signal(signal.SIGINT)
            assert run.finish() == 130
            assert f"left behind: process {escaped} (python" in run.text
        finally:
            os.kill(escaped, signal.SIGKILL)


def test_sigkill_of_the_runner_is_cleaned_up_by_the_next_run(local: Ground, tmp_path: Path) -> None:
    """What it leaves is a local matter; `test_docker_faults.py` has the same of containers."""
    (tmp_path / "key").write_text("CANARY")
    place = tmp_path / "secret"
    secrets = f"secrets=(SecretPlan(name='s', file='{tmp_path}/key', remote_path='{place}'),)"
    shell = IGNORES.replace("echo ready", "echo $TMPDIR > tmp; echo ready")
    with local.running(expression(tmp_path, shell, more=f", {secrets}")) as run:
        run.wait_for("ready")
        (work,) = tmp_path.glob("home/runs/app/pipe/*/work/t-1")
        temporary = Path((work / "source" / "tmp").read_text().strip())
        pids = run.pids()
        run.process.kill()
        run.process.wait()
    assert all(map(alive, pids))
    assert place.is_symlink()
    bench = local.bench()
    result = bench.run(plan(task("other"), name="another"))
    assert result.state is RunState.SUCCESS
    assert eventually(lambda: not any(map(alive, pids)))
    assert not work.parent.exists()
    assert not temporary.exists()
    assert not place.is_symlink()
    told = [one.message for one in bench.of(Notice)]
    assert told[0] == f"run {work.parent.parent.name} of pipeline pipe was killed"
    assert any(f"ended process {pids[0]} (sh) of it" in words for words in told)
    assert json.loads((work.parent.parent / "run.json").read_text())["state"] == "killed"
    bench.run(plan(task("other"), name="another"))
    assert bench.of(Notice) == []


def test_a_run_that_goes_on_is_left_alone_by_others(ground: Ground) -> None:
    with ground.running(expression(ground.folder, STAYS)) as run:
        run.wait_for("ready")
        bench = ground.bench()
        assert bench.run(plan(task("other"))).state is RunState.SUCCESS
        assert bench.of(Notice) == []
        assert ground.lives(run)
        run.process.send_signal(signal.SIGTERM)
        assert run.finish() == 130


def test_a_foreign_process_with_a_number_that_was_ours_is_left_alone(
    local: Ground, tmp_path: Path
) -> None:
    foreign = subprocess.Popen(["sleep", "600"], start_new_session=True)
    try:
        run = tmp_path / "home" / "runs" / "app" / "pipe" / "manual__20200101T000000.000000Z"
        (run / "work" / "t-1").mkdir(parents=True)
        (run / "lock").touch()
        record = {"pid": foreign.pid, "started": 1.0, "temporary": str(tmp_path / "no")}
        (run / "work" / "t-1" / "attempt.json").write_text(json.dumps(record))
        bench = local.bench()
        bench.run(plan(task("other")))
        assert foreign.poll() is None
        assert not (run / "work").exists()
        assert [one.message for one in bench.of(Notice)] == [
            f"run {run.name} of pipeline pipe was killed"
        ]
    finally:
        foreign.kill()
        foreign.wait()
