"""Runs that are ended from outside: nothing of them may stay, and the next run knows."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import runner_plans
from runner_plans import plan, task

from liminal.runners.embedded.events import Notice
from liminal.runners.embedded.states import RunState

PATIENCE_SECONDS = 30.0

# Each writes the numbers of its processes to a file, says that it is ready, and stays.
STAYS = "sleep 600 & echo $$ $! > {pids}; echo ready; wait"
IGNORES = (
    "trap '' TERM INT HUP; (trap '' TERM; while true; do sleep 1; done) & echo $$ $! > {pids};"
    " echo ready; while true; do sleep 1; done"
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


@contextmanager
def running(folder: Path, environment: Path, expression: str) -> Iterator[Run]:
    command = [sys.executable, runner_plans.__file__, str(folder), str(environment), expression]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield Run(process, folder)
    finally:
        process.kill()
        process.wait()


def expression(folder: Path, cmd: str, *, after: str = "") -> str:
    shell = cmd.format(pids=folder / "t.pids")
    return f"plan(start(), task('t', {shell!r}, 'start', retries=2){after}, end('t'))"


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
    tmp_path: Path, environment: Path, number: signal.Signals
) -> None:
    later = ", task('later', 'echo no', 't')"
    with running(tmp_path, environment, expression(tmp_path, STAYS, after=later)) as run:
        run.wait_for("ready")
        pids = run.pids()
        assert len(pids) == 2
        assert all(map(alive, pids))
        run.process.send_signal(number)
        assert run.finish() == 130
    assert not any(map(alive, pids))
    assert 'MESSAGE pipeline "pipe" was interrupted' in run.text
    assert "JobResult" in run.text
    assert "TaskStarted(task='later'" not in run.text
    assert "attempt=2" not in run.text
    assert not list(tmp_path.glob("home/runs/*/*/*/work"))
    (record,) = tmp_path.glob("home/runs/*/*/*/run.json")
    told = json.loads(record.read_text())
    assert told["state"] == "interrupted"
    assert told["tasks"]["later"] == "none"


def test_a_task_that_ignores_sigterm_is_killed_and_a_second_signal_hurries(
    tmp_path: Path, environment: Path
) -> None:
    with running(tmp_path, environment, expression(tmp_path, IGNORES)) as run:
        run.wait_for("ready")
        pids = run.pids()
        run.process.send_signal(signal.SIGINT)
        run.wait_for("grace_seconds=10.0")
        assert all(map(alive, pids))
        run.process.send_signal(signal.SIGINT)
        run.wait_for("grace_seconds=3.0")
        run.process.send_signal(signal.SIGINT)
        run.wait_for("grace_seconds=0.0")
        assert run.finish() == 130
    assert not any(map(alive, pids))


def test_a_task_may_use_the_grace_to_end_well(tmp_path: Path, environment: Path) -> None:
    cmd = (
        f"trap 'sleep 0.3; echo saved > {tmp_path}/saved; exit 0' TERM; echo $$ > {{pids}};"
        " echo ready; sleep 600 & wait"
    )
    with running(tmp_path, environment, expression(tmp_path, cmd)) as run:
        run.wait_for("ready")
        run.process.send_signal(signal.SIGTERM)
        assert run.finish() == 130
    assert (tmp_path / "saved").exists()


def test_a_child_that_outlives_its_shell_gets_the_grace_too(
    tmp_path: Path, environment: Path
) -> None:
    """The shell dies of SIGTERM at once; what it had started takes its time."""
    code = (
        f"import signal,time; from pathlib import Path; Path('{tmp_path}/t.pids').write_text('1');"
        f"signal.signal(15, lambda *a: (time.sleep(.5), Path('{tmp_path}/saved').touch(), exit()));"
        "print('ready'); time.sleep(600)"
    )
    cmd = f'python -c "{code}"; true'
    with running(tmp_path, environment, f"plan(task('t', {cmd!r}))") as run:
        run.wait_for("ready")
        run.process.send_signal(signal.SIGTERM)
        assert run.finish() == 130
    assert (tmp_path / "saved").exists()


def test_what_left_the_session_is_said(tmp_path: Path, environment: Path) -> None:
    code = (
        "import os,time; os.setsid();"
        f"open('{tmp_path}/t.pids','w').write(str(os.getpid())); print('ready'); time.sleep(600)"
    )
    cmd = f'(python -c "{code}" &); sleep 600'
    with running(tmp_path, environment, f"plan(task('t', {cmd!r}))") as run:
        run.wait_for("ready")
        (escaped,) = run.pids()
        try:
            run.process.send_signal(signal.SIGINT)
            assert run.finish() == 130
            assert f"left behind: process {escaped} (python" in run.text
        finally:
            os.kill(escaped, signal.SIGKILL)


def test_sigkill_of_the_runner_is_cleaned_up_by_the_next_run(
    tmp_path: Path, environment: Path
) -> None:
    (tmp_path / "key").write_text("CANARY")
    place = tmp_path / "secret"
    secrets = f"secrets=(SecretPlan(name='s', file='{tmp_path}/key', remote_path='{place}'),)"
    shell = IGNORES.format(pids=tmp_path / "t.pids").replace(
        "echo ready", "echo $TMPDIR > tmp; echo ready"
    )
    with running(tmp_path, environment, f"plan(task('t', {shell!r}, {secrets}))") as run:
        run.wait_for("ready")
        (work,) = tmp_path.glob("home/runs/app/pipe/*/work/t-1")
        temporary = Path((work / "source" / "tmp").read_text().strip())
        pids = run.pids()
        run.process.kill()
        run.process.wait()
    assert all(map(alive, pids))
    assert place.is_symlink()
    bench = runner_plans.bench(tmp_path, environment)
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


def test_a_run_that_goes_on_is_left_alone_by_others(tmp_path: Path, environment: Path) -> None:
    with running(tmp_path, environment, expression(tmp_path, STAYS)) as run:
        run.wait_for("ready")
        bench = runner_plans.bench(tmp_path, environment)
        assert bench.run(plan(task("other"))).state is RunState.SUCCESS
        assert bench.of(Notice) == []
        assert all(map(alive, run.pids()))
        run.process.send_signal(signal.SIGTERM)
        assert run.finish() == 130


def test_a_foreign_process_with_a_number_that_was_ours_is_left_alone(
    tmp_path: Path, environment: Path
) -> None:
    foreign = subprocess.Popen(["sleep", "600"], start_new_session=True)
    try:
        run = tmp_path / "home" / "runs" / "app" / "pipe" / "manual__20200101T000000.000000Z"
        (run / "work" / "t-1").mkdir(parents=True)
        (run / "lock").touch()
        record = {"pid": foreign.pid, "started": 1.0, "temporary": str(tmp_path / "no")}
        (run / "work" / "t-1" / "attempt.json").write_text(json.dumps(record))
        bench = runner_plans.bench(tmp_path, environment)
        bench.run(plan(task("other")))
        assert foreign.poll() is None
        assert not (run / "work").exists()
        assert [one.message for one in bench.of(Notice)] == [
            f"run {run.name} of pipeline pipe was killed"
        ]
    finally:
        foreign.kill()
        foreign.wait()
