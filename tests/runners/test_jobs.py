"""Jobs: attempts that outlive whoever began them, and leave nothing when they are over."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import runner_plans

from liminal.home import Home
from liminal.images.engines.local.store import FORMAT, Store
from liminal.runners.jobs import Job, JobSpec, job_at, stop_jobs, submit

KEY = ("pipe", "run", "only", "0")


@pytest.fixture
def home(tmp_path: Path, environment: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """A home with an image ``img``, as the engine local keeps one; nothing may be left in it."""
    made = Home(tmp_path / "home")
    monkeypatch.setenv("LIMINAL_HOME", str(made.path))
    store, hash = Store(made.images), "0" * 24
    folder = store.of("img") / hash
    (folder / "source").mkdir(parents=True)
    record = {"format": FORMAT, "environment": str(environment), "env_vars": {}, "site": False}
    (folder / "image.json").write_text(json.dumps(record))
    store.select("img", hash)
    yield made
    assert list(made.jobs.iterdir()) == []
    assert not [one for one in psutil.process_iter() if str(tmp_path) in _environ(one)]


def _environ(process: psutil.Process) -> str:
    try:
        return str(process.environ()) if process.pid != os.getpid() else ""
    except psutil.Error:
        return ""


def spec(command: str, *, outputs: tuple[str, ...] = (), number: int = 1) -> JobSpec:
    return JobSpec(
        key=KEY,
        runner="local",
        task=runner_plans.task("only", command, outputs=outputs),
        copy=None,
        number=number,
        command=command,
        env_vars={"LIMINAL_RUN_ID": "run", "LIMINAL_PIPELINE": "pipe"},
    )


def finished(job: Job) -> tuple[list[str], str | None, bytes]:
    """The log, the reason and the outputs; the job is removed."""
    lines = list(job.follow())
    ended = job.ended()
    assert ended is not None
    job.remove()
    return lines, ended.reason, ended.outputs


def wait_for(path: Path) -> None:
    until = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < until, path
        time.sleep(0.02)


def test_a_job_runs_and_says_how_it_ended(home: Home) -> None:
    job = submit(spec("echo hello; echo a=1 > $LIMINAL_OUTPUT", outputs=("a",)), home)
    assert finished(job) == (["hello"], None, b"a=1\n")


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("exit 3", "exit status 3"),
        ("nonsense", "exit status 127: command not found"),
        ("kill -TERM $$", "killed by signal SIGTERM"),
    ],
)
def test_the_reason_of_a_failure_is_in_plain_words(home: Home, command: str, reason: str) -> None:
    assert finished(submit(spec(command), home))[1] == reason


def test_an_image_that_nobody_built_is_hopeless(home: Home) -> None:
    Store(home.images).of("img").rename(home.path / "elsewhere")
    job = submit(spec("true"), home)
    assert list(job.follow()) == []
    ended = job.ended()
    assert ended is not None
    assert ended.hopeless
    assert 'the image "img" is not built' in (ended.reason or "")
    job.remove()


BEGIN = """
import sys, os, json
sys.path.insert(0, {here!r})
from test_jobs import spec
from liminal.runners.jobs import home_of, submit
job = submit(spec({command!r}), home_of())
print(json.dumps({{"folder": str(job.folder), "host": job.host}}), flush=True)
for line in job.follow():
    print(line, flush=True)
"""


def test_f31_a_killed_worker_is_followed_by_one_that_takes_the_job_up(
    home: Home, tmp_path: Path
) -> None:
    began, go_on = tmp_path / "began", tmp_path / "go-on"
    command = (
        f"echo first; echo x >> {began}; while [ ! -e {go_on} ]; do sleep 0.05; done; echo last;"
        " echo a=1 > $LIMINAL_OUTPUT"
    )
    script = BEGIN.format(here=str(Path(__file__).parent), command=command)
    worker = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None
    external_id = json.loads(worker.stdout.readline())
    wait_for(began)
    worker.kill()
    worker.wait()
    worker.stdout.close()
    job = job_at(external_id)
    assert job is not None
    assert job.lives()
    again = submit(spec(command, number=2), home)  # also where nobody could remember its id
    assert again.taken_up
    assert again.folder == job.folder
    go_on.touch()
    assert finished(again) == (["first", "last"], None, b"a=1\n")
    assert began.read_text() == "x\n"  # nothing ran twice
    assert job_at(external_id) is None


def test_f31_what_ended_while_nobody_looked_is_read_once(home: Home, tmp_path: Path) -> None:
    count = tmp_path / "count"
    job = submit(spec(f"echo x >> {count}; echo done"), home)
    while job.lives():
        time.sleep(0.02)
    assert finished(submit(spec("exit 1", number=2), home)) == (["done"], None, b"")
    assert count.read_text() == "x\n"


def test_f31_who_has_nobody_to_tell_leaves_the_result_to_the_next_one(
    home: Home, tmp_path: Path
) -> None:
    count, go_on = tmp_path / "count", tmp_path / "go-on"
    job = submit(
        spec(f"echo x >> {count}; while [ ! -e {go_on} ]; do sleep 0.05; done; echo done"), home
    )
    answers = iter([True, True, False])
    assert list(job.follow(lambda: next(answers))) == []
    go_on.touch()
    assert finished(submit(spec("exit 1", number=2), home)) == (["done"], None, b"")
    assert count.read_text() == "x\n"


def test_f33_a_job_that_ignores_sigterm_is_gone_in_good_time(home: Home, tmp_path: Path) -> None:
    began = tmp_path / "began"
    command = f"trap '' TERM; sleep 1000 & touch {began}; while true; do sleep 1; done"
    job = submit(spec(command), home)
    wait_for(began)
    asked = time.monotonic()
    job.stop()
    assert time.monotonic() - asked < 15
    assert not job.lives()


def test_f33_a_job_goes_on_ending_when_who_asked_is_killed(home: Home, tmp_path: Path) -> None:
    began = tmp_path / "began"
    job = submit(spec(f"trap '' TERM; touch {began}; while true; do sleep 1; done"), home)
    wait_for(began)
    script = (
        "import sys; from pathlib import Path; from liminal.runners.jobs import Job;"
        "Job(Path(sys.argv[1])).stop()"
    )
    asking = subprocess.Popen([sys.executable, "-c", script, str(job.folder)])
    time.sleep(1.5)
    asking.kill()
    asking.wait()
    until = time.monotonic() + 60
    while job.lives():
        assert time.monotonic() < until
        time.sleep(0.05)
    ended = job.ended()
    assert ended is not None
    assert ended.reason == "stopped by Airflow"
    job.remove()


def test_a_job_that_nobody_waits_for_any_more_ends(home: Home, tmp_path: Path) -> None:
    began = tmp_path / "began"
    command = f"touch {began}; sleep 1000"
    job = submit(dataclasses.replace(spec(command), patience_seconds=1), home)
    wait_for(began)
    until = time.monotonic() + 60
    while job.lives():
        assert time.monotonic() < until
        time.sleep(0.05)
    ended = job.ended()
    assert ended is not None
    assert ended.reason == "nobody waited for it any more"
    job.remove()


def test_all_jobs_of_a_machine_can_be_ended(home: Home, tmp_path: Path) -> None:
    began = tmp_path / "began"
    submit(spec(f"touch {began}; sleep 1000"), home)
    wait_for(began)
    assert stop_jobs(home) == 1
    assert stop_jobs(home) == 0


def test_a_killed_job_leaves_nothing_once_it_is_found(home: Home, tmp_path: Path) -> None:
    began = tmp_path / "began"
    job = submit(spec(f"touch {began}; sleep 1000"), home)
    wait_for(began)
    pid = json.loads((job.folder / "process.json").read_text())["pid"]
    os.kill(pid, signal.SIGKILL)
    assert list(job.follow()) == []
    assert job.ended() is None
    assert any("ended process" in words for words in job.recover())
    assert finished(submit(spec("echo again", number=2), home))[0] == ["again"]


def test_f36_a_long_line_comes_in_pieces_and_what_is_no_text_is_shown(home: Home) -> None:
    command = "head -c 200000 /dev/zero | tr '\\0' x; echo; printf 'a\\377b\\n'; printf rest"
    lines = finished(submit(spec(command), home))[0]
    assert "".join(lines[:-2]) == "x" * 200000
    assert max(map(len, lines)) <= 64 * 1024
    assert lines[-2:] == ["a\ufffdb", "rest"]
