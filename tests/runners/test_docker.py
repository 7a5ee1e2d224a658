"""Tasks in containers, on a real engine: what is of containers alone."""

import dataclasses
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import docker_parts
import psutil
import pytest
import runner_plans
from docker_parts import BASE, Require
from runner_plans import Bench, plan, shared, task

from liminal.errors import RunError
from liminal.model import Resources, Setting
from liminal.plan.dag import SecretPlan
from liminal.plugins import Plugins
from liminal.runners.docker import DockerRunner
from liminal.runners.docker.quantities import docker_bytes, memory_bytes, nano_cpus
from liminal.runners.docker.settings import read_settings
from liminal.runners.embedded.events import Notice
from liminal.runners.embedded.states import RunState


@pytest.fixture
def bench(docker_bench: Bench) -> Bench:
    return docker_bench


@pytest.fixture(scope="session")
def no_shell(require: Require) -> str:
    """An image that holds nothing but a file."""
    docker_parts.find_engine(require)
    with docker_parts.client() as engine:
        return docker_parts.bare_image(engine, "liminal-test-no-shell")


def lines(bench: Bench, cmd: str, **others: object) -> list[str]:
    result = bench.run(plan(task("t", cmd, **others)))  # type: ignore[arg-type]
    assert result.state is RunState.SUCCESS, (result.reason, bench.lines("t"))
    return bench.lines("t")


def notices(bench: Bench) -> list[str]:
    return [one.message for one in bench.of(Notice)]


def test_it_runs_as_this_user_with_no_rights_and_may_write_what_the_image_lets_it(
    bench: Bench,
) -> None:
    cmd = (
        "id -u; id -G; grep -E 'CapEff|NoNewPrivs' /proc/self/status; pwd; echo $HOME;"
        " touch /app/new ~/new && echo wrote; tr '\\0' ' ' < /proc/1/cmdline"
    )
    uid, groups, caps, privileges, *rest = lines(bench, cmd)
    assert uid == str(os.getuid())
    assert "0" in groups.split()
    assert caps.split() == ["CapEff:", "0000000000000000"]
    assert privileges.split() == ["NoNewPrivs:", "1"]
    assert rest[:3] == ["/app", "/home/liminal", "wrote"]
    assert rest[3].startswith("/opt/venv/bin/dumb-init -- /bin/sh -c ")


def test_of_the_shell_of_the_user_nothing_goes_in(bench: Bench) -> None:
    machine = dataclasses.replace(
        bench.machine, environ={**bench.machine.environ, "AWS_SECRET_ACCESS_KEY": "hush"}
    )
    assert not any("hush" in line for line in lines(Bench(machine, []), "env"))


def test_what_another_user_runs_writes_files_of_that_user(bench: Bench, tmp_path: Path) -> None:
    volume = tmp_path / "vol"
    volume.mkdir()
    os.chown(volume, 1234, 1234)
    (tmp_path / "key").write_text("s3cret")
    runners = {"docker": lambda: lambda: DockerRunner(identity=lambda: (1234, 1234))}
    plugins = Plugins({"liminal.runners": runners})
    result = bench.run(
        plan(
            task(
                "t",
                "id -u; id -g; touch shared/new new; cat conf/key; echo k=v > $LIMINAL_OUTPUT",
                mounts=(shared(volume),),
                secrets=(SecretPlan(name="s", file="~/key", remote_path="conf/key"),),
                outputs=("k",),
            )
        ),
        plugins=plugins,
    )
    assert result.state is RunState.SUCCESS
    assert bench.lines("t") == ["1234", "1234", "s3cret"]
    made = (volume / "new").stat()
    assert (made.st_uid, made.st_gid) == (1234, 1234)


@pytest.mark.parametrize("image", ["img", BASE])
def test_a_mount_makes_the_user_this_one_in_every_image(
    bench: Bench, tmp_path: Path, image: str
) -> None:
    said = lines(bench, "id -u; echo $HOME", image=image, mounts=(shared(tmp_path / "v", "/v"),))
    assert said[0] == str(os.getuid())


def test_a_read_only_mount_and_an_absolute_one(bench: Bench, tmp_path: Path) -> None:
    read_only = dataclasses.replace(shared(tmp_path / "ro", "/mnt/ro"), read_only=True)
    (tmp_path / "ro").mkdir()
    (tmp_path / "ro" / "there").write_text("x")
    said = lines(
        bench,
        "cat /mnt/ro/there; echo; touch /mnt/ro/new 2>&1; touch /mnt/rw/new",
        mounts=(read_only, shared(tmp_path / "rw", "/mnt/rw")),
    )
    assert said[0] == "x"
    assert "Read-only file system" in said[1]
    assert (tmp_path / "rw" / "new").exists()
    assert not Path("/mnt/rw").exists()


def test_a_secret_is_roots_and_readable_by_the_group_of_the_task(
    bench: Bench, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("x")
    secrets = (SecretPlan(name="s", file="~/key", remote_path="/var/run/secrets/deep/key"),)
    assert lines(bench, "stat -c '%a %u %g' /run/secrets/deep/key", secrets=secrets) == ["440 0 0"]


def test_an_image_from_elsewhere_keeps_its_user_and_gets_an_init(bench: Bench) -> None:
    said = lines(bench, "id -u; pwd; tr '\\0' ' ' < /proc/1/cmdline", image=BASE)
    assert said[:2] == ["0", "/"]
    assert "init -- /bin/sh -c " in said[2]


def test_f32_an_image_that_nobody_has_is_told_before_anything_runs(bench: Bench) -> None:
    with pytest.raises(RunError) as found:
        bench.run(plan(task("t", image="localhost:1/nobody/has-it:1")))
    assert 'the image "localhost:1/nobody/has-it:1" could not be pulled' in found.value.message
    assert "this project does not build it" in found.value.message


def test_limits_reach_the_container(bench: Bench) -> None:
    cmd = (
        "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null;"
        "cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu.max 2>/dev/null; true"
    )
    memory, cpu, *_ = lines(bench, cmd, resources=Resources(cpu="500m", memory="64Mi"))
    assert memory == str(64 * 1024**2)
    assert cpu.split()[0] == "50000"


def test_more_processors_than_there_are_is_a_note_and_no_failure(bench: Bench) -> None:
    lines(bench, "true", resources=Resources(cpu="1000"))
    (words,) = notices(bench)
    assert words.startswith('task "t" asks for 1000 processors; the engine has ')


def test_the_executors_keys_are_honoured(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    settings: dict[str, Setting] = {
        "network_mode": "none",
        "hostname": "trainer",
        "user": "4321:0",
        "shm_size": 1048576,
        "extra_hosts": {"db": "10.0.0.1"},
        "working_dir": "/tmp",
        "private_environment": {"QUIET": "1"},
        "ulimits": ({"Name": "nofile", "Soft": 100, "Hard": 100},),
        "mounts": ({"Source": str(tmp_path / "data"), "Target": "/data", "Type": "bind"},),
        "labels": {"team": "ml"},
        "auto_remove": "never",
        "skip_on_exit_code": 99,
    }
    cmd = (
        "hostname; id -u; pwd; echo $QUIET; ulimit -n; grep db /etc/hosts; ls -d /data;"
        " df -k /dev/shm | tail -1; ls /sys/class/net"
    )
    said = lines(bench, cmd, settings=settings)
    assert said[:5] == ["trainer", "4321", "/tmp", "1", "100"]
    assert said[5].split() == ["10.0.0.1", "db"]
    assert said[6] == "/data"
    assert said[7].split()[1] == "1024"
    assert "eth0" not in said
    assert notices(bench) == ['the executor\'s key "skip_on_exit_code" is for Airflow alone']


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"mem_limit": "much"}, "\"mem_limit\" cannot be 'much'"),
        ({"cpus": "x"}, '"cpus" cannot be'),
        ({"network_mode": runner_plans.text("{{ net }}")}, '"network_mode" has a placeholder'),
        ({"ulimits": ("x",)}, '"ulimits" cannot be'),
        ({"dns": "10.0.0.1"}, None),
    ],
)
def test_bad_keys_are_told_before_anything_runs(
    bench: Bench, settings: dict[str, Setting], words: str | None
) -> None:
    if words is None:
        bench.run(plan(task("t", settings=settings)))
        return
    with pytest.raises(RunError) as found:
        bench.run(plan(task("t", settings=settings)))
    assert words in found.value.message


def test_no_thread_or_connection_is_left(bench: Bench) -> None:
    copies = tuple({"X": str(number)} for number in range(8))
    lines(bench, "true")
    process = psutil.Process()
    before = (process.num_fds(), threading.active_count())
    bench.run(plan(task("t", "echo $X", copies=copies)), parallel=8)
    assert process.num_fds() <= before[0]
    assert threading.active_count() <= before[1]


def test_more_at_a_time_than_asyncio_has_threads(bench: Bench, tmp_path: Path) -> None:
    """All wait for each other, and then one is ended by its time."""
    copies = tuple({"X": str(number)} for number in range(10))
    cmd = "touch shared/$X; while [ $(ls shared | wc -l) -lt 10 ]; do sleep 0.05; done"
    result = bench.run(
        plan(task("t", cmd, copies=copies, timeout=1, mounts=(shared(tmp_path / "all"),))),
        parallel=10,
    )
    assert result.state is RunState.SUCCESS


def test_amounts() -> None:
    assert nano_cpus("500m") == 500_000_000
    assert nano_cpus("1.5") == 1_500_000_000
    assert memory_bytes("2Gi") == 2 * 1024**3
    assert memory_bytes("1e3") == memory_bytes("1k") == 1000
    assert docker_bytes("2g") == docker_bytes("2Gi") == docker_bytes("2GB") == 2 * 1024**3
    assert docker_bytes("1048576") == 1048576
    for wrong in ("", "2X", "-1", "1 2"):
        with pytest.raises(ValueError, match="no amount"):
            memory_bytes(wrong)


def test_labels_may_be_a_list() -> None:
    assert read_settings({"labels": ("a=b", "c")}).labels == {"a": "b", "c": ""}


def test_an_image_without_a_shell_is_told(bench: Bench, no_shell: str) -> None:
    (done,) = bench.run(plan(task("t", image=no_shell))).tasks
    assert done.reason == (
        f'could not be started: the image "{no_shell}" has no /bin/sh, which runs the command'
    )


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        (Resources(gpu=1), "could not be started: the Docker engine has no GPU to give"),
        (Resources(memory="1Mi"), "could not be started: Minimum memory limit allowed is 6MB"),
    ],
)
def test_what_the_engine_cannot_give_is_told(
    bench: Bench, resources: Resources, words: str
) -> None:
    if Path("/dev/nvidia0").exists():
        pytest.skip("this machine has a GPU")
    (done,) = bench.run(plan(task("t", resources=resources))).tasks
    assert done.reason == words


@pytest.fixture(autouse=True)
def nothing_of_threads_stays() -> Iterator[None]:
    yield
    assert not [one for one in threading.enumerate() if one.name == "liminal-work"]
