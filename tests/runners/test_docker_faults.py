"""What goes wrong with containers and their engine, in plain words and with nothing left behind."""

import contextlib
import dataclasses
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import docker
import docker_parts
import psutil
import pytest
import runner_plans
from docker_parts import BASE, Require
from runner_plans import Bench, plan, task

from liminal.errors import RunError
from liminal.model import Resources
from liminal.runners import Abandoned, Machine
from liminal.runners.docker.leftovers import remove_abandoned
from liminal.runners.docker.life import Life, Made
from liminal.runners.docker.stream import read
from liminal.runners.embedded.events import Event, Notice, RunResult, TaskOutput
from liminal.runners.embedded.preparation import Request
from liminal.runners.embedded.run import run
from liminal.runners.embedded.states import RunState

PATIENCE_SECONDS = 30.0
ROOT = os.geteuid() == 0


@pytest.fixture
def bench(docker_bench: Bench) -> Bench:
    return docker_bench


def with_host(bench: Bench, url: str) -> Bench:
    machine = dataclasses.replace(
        bench.machine, environ={**bench.machine.environ, "DOCKER_HOST": url}
    )
    return Bench(machine, [])


def when_ready(
    machine: Machine, pipeline: object, act: Callable[[], object], word: str = "ready"
) -> RunResult:
    """What came of the run; `act` is called in another thread once the task wrote the word."""
    threads: list[threading.Thread] = []

    def on_event(event: Event) -> None:
        if isinstance(event, TaskOutput) and word in event.lines and not threads:
            threads.append(threading.Thread(target=act))
            threads[0].start()

    result = run(
        pipeline,  # type: ignore[arg-type]
        Request(now=runner_plans.NOW),
        machine,
        runner_plans.PLUGINS,
        on_event,
    )
    assert threads, "it was never ready"
    threads[0].join()
    return result


def reason(result: RunResult) -> str:
    return result.tasks[0].reason or ""


def test_f30_out_of_memory_names_the_limit_and_is_retried(bench: Bench) -> None:
    code = "x = bytearray(200_000_000)"
    result = bench.run(
        plan(task("t", f"python -c '{code}'", retries=1, resources=Resources(memory="32Mi")))
    )
    assert reason(result) == "out of memory (limit 32Mi)"
    assert result.tasks[0].attempts == 2


def test_f16_no_engine_wrong_host_and_a_deaf_one_are_told_in_one_line(
    bench: Bench, tmp_path: Path
) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        port = deaf.getsockname()[1]
        for url in (f"unix://{tmp_path}/none.sock", "tcp://127.0.0.1:1", f"tcp://127.0.0.1:{port}"):
            began = time.monotonic()
            with pytest.raises(RunError) as found:
                with_host(bench, url).run(plan(task("t")))
            assert time.monotonic() - began < 5
            assert url in found.value.message
            assert "\n" not in found.value.message
            assert found.value.hint


def test_f16_a_socket_of_others_is_told(bench: Bench, tmp_path: Path) -> None:
    """Nobody may connect to a socket that does not listen any more, root neither."""
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
    with pytest.raises(RunError) as found:
        with_host(bench, f"unix://{path}").run(plan(task("t")))
    assert str(path) in found.value.message


def test_ctrl_c_ends_what_is_prepared(
    bench: Bench, tmp_path: Path, environment: Path, reference: str
) -> None:
    """An engine that takes its time, as a pull does, keeps nobody waiting."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        process = subprocess.Popen(
            [
                *(sys.executable, runner_plans.__file__, str(tmp_path), str(environment)),
                *("plan(task('t'))", reference),
            ],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "DOCKER_HOST": f"tcp://127.0.0.1:{deaf.getsockname()[1]}"},
        )
        silent, _ = deaf.accept()  # held: who lets go of it closes the connection
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=PATIENCE_SECONDS)
        assert time.monotonic() - began < 2
        silent.close()
    assert process.returncode == 130
    assert "MESSAGE interrupted by Ctrl-C before the run began" in said
    assert not (tmp_path / "home" / "runs").exists()


def test_a_kill_that_comes_before_the_start_is_not_lost(
    bench: Bench, reference: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {
        "image": reference,
        "name": f"liminal-killed-{os.getpid()}",
        "command": ["sleep", "60"],
        "labels": {"liminal.home": str(bench.machine.home.path)},
        "user": None,
    }
    made = Made(
        options=options, host={}, files={}, memory=None, image="img", address="", user_home=None
    )
    with docker_parts.client() as engine:
        life = Life(engine.api, made, lambda data: None)
        start = engine.api.start

        def late(name: str) -> None:
            life.kill(signal.SIGKILL)
            start(name)

        monkeypatch.setattr(engine.api, "start", late)
        began = time.monotonic()
        assert life.live().status == 137
    assert time.monotonic() - began < PATIENCE_SECONDS


def test_recovery_removes_a_container_that_has_lost_its_name(
    bench: Bench, reference: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one has that its engine is removing."""
    run_folder = bench.machine.home.path / "runs" / "app" / "pipe" / "one"
    labels = {
        "liminal.home": str(bench.machine.home.path),
        "liminal.pipeline": "pipe",
        "liminal.run": "one",
    }
    listed = docker.APIClient.containers
    monkeypatch.setattr(
        docker.APIClient,
        "containers",
        lambda *given, **named: [{**one, "Names": None} for one in listed(*given, **named)],
    )
    with docker_parts.client() as engine:
        made = engine.api.create_container(reference, ["true"], labels=labels)
    found = remove_abandoned(Abandoned(run=run_folder, records=({},)), bench.machine)
    assert found.done == (f'removed container "{made["Id"]}"',)


def test_over_ssh_output_comes_as_it_is_written() -> None:
    with subprocess.Popen(["sh", "-c", "echo one; sleep 60"], stdout=subprocess.PIPE) as process:
        assert next(read(SimpleNamespace(proc=process))) == b"one\n"
        process.kill()


def test_a_container_that_is_killed_from_outside(bench: Bench) -> None:
    def kill() -> None:
        (one,) = docker_parts.containers(bench.machine.home.path)
        one.kill()

    result = when_ready(bench.machine, plan(task("t", "echo ready; sleep 600")), kill)
    assert reason(result) == "exit status 137: killed by SIGKILL"


def test_a_container_that_is_removed_from_outside(bench: Bench) -> None:
    def remove() -> None:
        (one,) = docker_parts.containers(bench.machine.home.path)
        one.remove(force=True)

    result = when_ready(bench.machine, plan(task("t", "echo ready; sleep 600")), remove)
    assert reason(result) in (
        "its container was removed by somebody else",
        "exit status 137: killed by SIGKILL",  # the engine told its end before it was gone
    )
    assert result.left_behind == ()


def test_children_that_a_task_leaves_are_gone_with_it(bench: Bench) -> None:
    cmd = "setsid sleep 600 & (trap '' TERM; sleep 600) & echo done"
    began = time.monotonic()
    result = bench.run(plan(task("t", cmd)))
    assert result.state is RunState.SUCCESS
    assert time.monotonic() - began < 10


def test_f36_100_mb_of_log_cost_little_memory(bench: Bench) -> None:
    seen = 0

    def on_event(event: Event) -> None:
        nonlocal seen
        if isinstance(event, TaskOutput):
            seen += sum(len(line) + 1 for line in event.lines)

    before = psutil.Process().memory_info().rss
    result = run(
        plan(task("t", "yes 0123456789012345678901234567890123456789 | head -c 100000000")),
        Request(now=runner_plans.NOW),
        bench.machine,
        runner_plans.PLUGINS,
        on_event,
    )
    assert result.state is RunState.SUCCESS
    assert abs(seen - 100_000_000) <= 1
    assert psutil.Process().memory_info().rss - before < 60_000_000


def test_a_listener_that_is_slow_slows_the_task_and_not_our_memory(bench: Bench) -> None:
    def on_event(event: Event) -> None:
        if isinstance(event, TaskOutput):
            time.sleep(0.02)

    before = psutil.Process().memory_info().rss
    result = run(
        plan(task("t", "yes 0123456789012345678901234567890123456789 | head -c 20000000")),
        Request(now=runner_plans.NOW),
        bench.machine,
        runner_plans.PLUGINS,
        on_event,
    )
    assert result.state is RunState.SUCCESS
    assert psutil.Process().memory_info().rss - before < 40_000_000


def test_what_a_killed_command_left_is_removed_by_the_next_run(
    bench: Bench, tmp_path: Path, environment: Path, reference: str
) -> None:
    """F31: kill -9 of the command in the middle of a run."""
    expression = "plan(task('t', 'trap true TERM; echo ready; while true; do sleep 1; done'))"
    command = [
        *(sys.executable, runner_plans.__file__, str(tmp_path), str(environment)),
        *(expression, reference),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert any("ready" in line for line in process.stdout)
    process.send_signal(signal.SIGKILL)
    process.wait()
    (container,) = docker_parts.containers(bench.machine.home.path)
    assert container.status == "running"
    (record,) = tmp_path.glob("home/runs/*/*/*/work/*/attempt.json")
    assert json.loads(record.read_text())["runner"] == "docker"
    result = bench.run(plan(task("other"), name="another"))
    assert result.state is RunState.SUCCESS
    first, second = [one.message for one in bench.of(Notice)]
    assert first.endswith(" of pipeline pipe was killed")
    assert second == f'removed container "{container.name}" of it'
    assert docker_parts.containers(bench.machine.home.path) == []
    bench.run(plan(task("other"), name="another"))
    assert bench.of(Notice) == []


def test_an_engine_that_does_not_answer_at_recovery_is_told_and_tried_again(
    bench: Bench, tmp_path: Path
) -> None:
    left = tmp_path / "home" / "runs" / "app" / "pipe" / "manual__20200101T000000.000000Z"
    (left / "work" / "t-1").mkdir(parents=True)
    (left / "lock").touch()
    record = left / "work" / "t-1" / "attempt.json"
    record.write_text(json.dumps({"runner": "docker", "engine": f"unix://{tmp_path}/gone.sock"}))
    for killed in (True, False):
        bench.run(plan(task("other"), name="another"))
        told = [one.message for one in bench.of(Notice)]
        assert (f"run {left.name} of pipeline pipe was killed" in told) is killed
        assert any("gone.sock" in one and "could not be removed" in one for one in told)
        assert record.exists()
    record.write_text(json.dumps({"runner": "docker"}))
    bench.run(plan(task("other"), name="another"))
    assert not record.exists()
    bench.run(plan(task("other"), name="another"))
    assert bench.of(Notice) == []


@dataclass(frozen=True, slots=True)
class OwnEngine:
    """A Docker engine of a test's own, which may be stopped."""

    process: "subprocess.Popen[bytes]"
    url: str


def own_engine(folder: Path, data: Path) -> OwnEngine:
    """Starts one, and gives it the base image.

    Its sockets must have short paths. It has a network of its own: `--bridge=none` removes the
    bridge `docker0` of whatever network it is started in, also that of another engine.
    """
    url = f"unix://{folder}/d.sock"
    command = [
        *(
            "unshare",
            "--net",
            "dockerd",
            "--data-root",
            str(data),
            "--exec-root",
            str(folder / "x"),
            "--host",
            url,
        ),
        *("--pidfile", str(folder / "pid"), "--bridge=none", "--iptables=false"),
    ]
    log = (folder / "log").open("wb")
    process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            with docker_parts.client(url) as engine:
                engine.ping()
                break
        except docker.errors.DockerException:
            if time.monotonic() > until or process.poll() is not None:
                process.kill()
                pytest.skip(f"no engine of our own: {(folder / 'log').read_text()[-500:]}")
            time.sleep(0.1)
    return OwnEngine(process, url)


def load(url: str, reference: str) -> None:
    with docker_parts.client() as source, docker_parts.client(url) as target:
        target.images.load(b"".join(source.images.get(reference).save(named=True)))


@pytest.fixture
def engine_folder(require: Require) -> Iterator[Path]:
    if not ROOT or shutil.which("dockerd") is None or shutil.which("unshare") is None:
        require("docker", "an engine of a test's own needs root, docker.io and util-linux")
    folder = Path("/tmp") / f"lim-{os.getpid()}-{time.monotonic_ns() % 1_000_000}"
    folder.mkdir()
    yield folder
    for mount in sorted(
        (one.mountpoint for one in psutil.disk_partitions(all=True)), key=len, reverse=True
    ):
        if mount.startswith(f"{folder}/"):
            subprocess.run(["umount", "--lazy", mount], check=False)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def engine(engine_folder: Path, reference: str) -> Iterator[OwnEngine]:
    started = own_engine(engine_folder, engine_folder / "data")
    try:
        load(started.url, reference)
        yield started
    finally:
        stop(started)


def stop(engine: OwnEngine) -> None:
    engine.process.terminate()
    try:
        engine.process.wait(PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        engine.process.kill()
        engine.process.wait()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_f32_an_engine_that_ends_during_a_run(
    bench: Bench, engine: OwnEngine, number: signal.Signals
) -> None:
    bench = with_host(bench, engine.url)
    shims = {one.pid for one in psutil.process_iter(["name"]) if "shim" in one.info["name"]}
    began = time.monotonic()
    result = when_ready(
        bench.machine,
        plan(task("t", "echo ready; sleep 600")),
        lambda: engine.process.send_signal(number),
    )
    assert time.monotonic() - began < 60
    assert result.state is RunState.FAILED
    if number == signal.SIGKILL:
        assert reason(result) == (
            f"the Docker engine stopped answering ({engine.url}) while the task ran"
        )
        (left,) = result.left_behind
        assert "the Docker engine does not answer any more" in left
        assert list(result.folder.glob("work/*/attempt.json"))  # for the next run
        end_new_shims(shims)
    else:  # it ends its containers in good order
        assert "stopped answering" in reason(result) or "SIGTERM" in reason(result)


def end_new_shims(before: set[int]) -> None:
    """The container outlives an engine that was killed: nobody else would end it."""
    for one in psutil.process_iter(["name", "cmdline"]):
        ours = any("/tmp/lim-" in word for word in one.info["cmdline"] or ())
        if ours and "shim" in one.info["name"] and one.pid not in before:
            for process in [*one.children(recursive=True), one]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()


def test_f18_a_full_disk_of_the_engine_is_told(
    bench: Bench, engine_folder: Path, reference: str
) -> None:
    data = engine_folder / "data"
    data.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400m", "tmpfs", str(data)], check=False
    )
    if mounted.returncode:
        pytest.skip("a small file system cannot be mounted here")
    engine = own_engine(engine_folder, data)
    try:
        load(engine.url, reference)
        with (data / "fill").open("wb") as fill:
            try:
                while True:
                    fill.write(b"x" * 1_000_000)
                    fill.flush()
            except OSError:
                pass
        result = with_host(bench, engine.url).run(plan(task("t")))
        assert "no space" in reason(result)
        (data / "fill").unlink()
        assert with_host(bench, engine.url).run(plan(task("t"))).state is RunState.SUCCESS
        with docker_parts.client(engine.url) as client:
            assert client.containers.list(all=True) == []
    finally:
        stop(engine)


def test_the_base_image_is_not_ours_to_change(require: Require) -> None:
    """Guards the tests: what they say about images from elsewhere needs one."""
    docker_parts.find_engine(require)
    with docker_parts.client() as engine:
        config = engine.images.get(BASE).attrs["Config"]
    assert "liminal.source-hash" not in (config["Labels"] or {})
