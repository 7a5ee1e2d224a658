"""What a task finds around it: its directory, its environment, its volumes and secrets."""

import dataclasses
import json
import os
import resource
from pathlib import Path
from typing import cast

import pytest
from runner_plans import Bench, Image, plan, task

from liminal.errors import RunError
from liminal.plan.dag import MountPlan, SecretPlan
from liminal.runners.embedded.events import Notice, RunStarted
from liminal.runners.embedded.states import RunState, TaskState


def mount(source: Path | None, path: str, volume: str = "vol") -> MountPlan:
    return MountPlan(
        volume=volume, source=None if source is None else str(source), path=path, read_only=False
    )


def environment_of(bench: Bench, **others: object) -> dict[str, str]:
    result = bench.run(plan(task("t", "env", **others)))  # type: ignore[arg-type]
    assert result.state is RunState.SUCCESS
    return dict(line.split("=", 1) for line in bench.lines("t"))


def with_environ(bench: Bench, **environ: str) -> Bench:
    machine = dataclasses.replace(bench.machine, environ={**bench.machine.environ, **environ})
    return Bench(machine, [])


def image_of(bench: Bench) -> Image:
    return cast(Image, bench.machine.images["local"]["img"])


def with_image(bench: Bench, **changes: object) -> Bench:
    image = dataclasses.replace(image_of(bench), **changes)
    return Bench(dataclasses.replace(bench.machine, images={"local": {"img": image}}), [])


def test_the_environment_is_ours_the_images_and_the_tasks(bench: Bench) -> None:
    bench.machine.home.path.mkdir()
    bench.machine.home.env_file.write_text(
        "# comment\nFROM_HOME=h=1\nboth=home\nimage=home\nenv=staging\nno pair\n"
    )
    bench = with_image(bench, env_vars={"image": "image", "IMAGE": "x y"})
    env = environment_of(bench, env_vars={"both": "task", "CODE": "010"})
    assert env["FROM_HOME"] == "h=1"
    assert (env["both"], env["image"], env["IMAGE"], env["CODE"]) == ("task", "home", "x y", "010")
    assert (env["LIMINAL_APP"], env["LIMINAL_PIPELINE"], env["LIMINAL_TASK"]) == (
        "app",
        "pipe",
        "t",
    )
    assert env["LIMINAL_RUN_ID"].startswith("manual__2026")
    assert (env["LIMINAL_TRY"], env["env"], env["PYTHONUNBUFFERED"]) == ("1", "staging", "1")
    assert (env["LIMINAL_SPLIT_ID"], env["LIMINAL_NUM_SPLITS"]) == ("0", "1")


def test_of_the_shell_only_what_tells_about_the_machine_goes_through(bench: Bench) -> None:
    bench = with_environ(
        bench,
        HOME="/home/me", LC_ALL="C.UTF-8", https_proxy="http://p", SSL_CERT_FILE="/c",
        AWS_SECRET_ACCESS_KEY="hush", PYTHONPATH="/evil", PYTHONHOME="/evil", SOMETHING="x",
        VIRTUAL_ENV="/elsewhere",
    )  # fmt: skip
    env = environment_of(bench)
    assert env["HOME"] == "/home/me"
    assert (env["LC_ALL"], env["https_proxy"], env["SSL_CERT_FILE"]) == (
        "C.UTF-8",
        "http://p",
        "/c",
    )
    assert not env.keys() & {"AWS_SECRET_ACCESS_KEY", "PYTHONPATH", "PYTHONHOME", "SOMETHING"}
    assert env["VIRTUAL_ENV"] == str(image_of(bench).environment)


def test_python_is_that_of_the_image_and_no_other_environments(
    bench: Bench, tmp_path: Path
) -> None:
    other = tmp_path / "other" / "bin"
    other.mkdir(parents=True)
    (other.parent / "pyvenv.cfg").touch()
    bench = with_environ(bench, PATH=f"{other}:relative:{os.environ['PATH']}")
    path = environment_of(bench)["PATH"].split(":")
    assert path[0] == str(image_of(bench).environment / "bin")
    assert str(other) not in path
    assert "relative" not in path
    bench.run(plan(task("t", "python -c 'import sys; print(sys.prefix)'")))
    assert bench.lines("t") == [str(image_of(bench).environment)]


def test_what_the_image_type_adds_is_on_pythons_path(bench: Bench, tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "added.py").write_text("print('added')")
    bench = with_image(bench, site=site)
    bench.run(plan(task("t", "python -c 'import added'", env_vars={"PYTHONPATH": "/mine"})))
    assert bench.lines("t") == ["added"]
    assert environment_of(bench, env_vars={"PYTHONPATH": "/mine"})["PYTHONPATH"] == f"{site}:/mine"


def test_each_attempt_works_in_a_fresh_copy(bench: Bench) -> None:
    source = image_of(bench).source
    (source / "folder").mkdir()
    (source / "folder" / "data").write_text("pristine")
    (source / "folder" / "data").chmod(0o444)
    (source / "folder").chmod(0o555)
    (source / "link").symlink_to("folder/data")
    (source / "dangling").symlink_to("nowhere")
    (source / "tool").write_text("#!/bin/sh\necho tool")
    (source / "tool").chmod(0o755)
    os.utime(source / "greet.py", (1_000_000_000, 1_000_000_000))
    cmd = (
        "test ! -e new; touch new; cat link; ./tool; readlink dangling; stat -c %Y greet.py;"
        " echo changed > folder/data; touch folder/more; test $LIMINAL_TRY = 2"
    )
    result = bench.run(plan(task("t", cmd, retries=1), task("u", f"cat {source}/link", "t")))
    assert result.state is RunState.SUCCESS
    assert bench.lines("t") == ["pristinetool", "nowhere", "1000000000"] * 2
    assert bench.lines("u") == ["pristine"]
    assert sorted(one.name for one in source.iterdir()) == [
        "dangling", "folder", "greet.py", "link", "tool",
    ]  # fmt: skip


def test_a_temporary_folder_of_its_own_is_gone_after_the_task(bench: Bench) -> None:
    bench.run(plan(task("t", 'mktemp; test -w "$TMPDIR" && echo $TMPDIR')))
    made, folder = bench.lines("t")
    assert made.startswith(folder)
    assert not Path(folder).exists()
    # Sockets in it, as multiprocessing makes them, must fit into 104 bytes.
    assert len(folder) < 60 or not folder.startswith("/tmp/liminal-")


def test_an_absolute_mount_is_a_link_that_is_remembered(bench: Bench, tmp_path: Path) -> None:
    place, volume = tmp_path / "mnt" / "data", tmp_path / "vol"
    pipeline = plan(task("t", f"echo x > {place}/new", mounts=(mount(volume, str(place)),)))
    for _ in range(2):
        assert bench.run(pipeline).state is RunState.SUCCESS
    assert place.is_symlink()
    assert (volume / "new").exists()
    (record,) = (bench.machine.home.path / "links").iterdir()
    assert json.loads(record.read_text()) == {"path": str(place), "target": str(volume)}
    moved = tmp_path / "moved"
    again = plan(task("t", f"echo x > {place}/new", mounts=(mount(moved, str(place)),)))
    assert bench.run(again).state is RunState.SUCCESS
    assert (moved / "new").exists()


def refusal(bench: Bench, *args: MountPlan | SecretPlan, ran: Path) -> str:
    mounts = tuple(one for one in args if isinstance(one, MountPlan))
    secrets = tuple(one for one in args if isinstance(one, SecretPlan))
    first = task("first", f"touch {ran}")
    with pytest.raises(RunError) as found:
        bench.run(plan(first, task("t", "true", "first", mounts=mounts, secrets=secrets)))
    assert not ran.exists()
    return found.value.message


def test_what_cannot_be_mounted_is_said_before_anything_runs(bench: Bench, tmp_path: Path) -> None:
    ran, there = tmp_path / "ran", tmp_path / "there"
    there.mkdir()
    source = image_of(bench).source
    (source / "link").symlink_to("/tmp")
    vol = tmp_path / "vol"
    file = tmp_path / "file"
    file.touch()
    for wanted, words in (
        (mount(vol, str(there)), "something else is there"),
        (mount(vol, str(file / "x")), "cannot be mounted"),
        (mount(file / "x", "data"), "cannot be made"),
        (mount(None, "data"), "only Kubernetes mounts"),
        (mount(vol, "../data"), "not inside the working directory"),
        (mount(vol, "."), "not inside the working directory"),
        (mount(vol, "link/data"), "leads through a symlink"),
    ):
        assert words in refusal(bench, wanted, ran=ran)
    assert "inside another mount" in refusal(bench, mount(vol, "a"), mount(vol, "a/b"), ran=ran)


def test_secrets_are_there_for_the_task_alone(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("CANARY")
    absolute = tmp_path / "run" / "secrets" / "key"
    secrets = (
        SecretPlan(name="a", file="~/key", remote_path="conf/key"),
        SecretPlan(name="b", file=str(tmp_path / "key"), remote_path=str(absolute)),
    )
    cmd = f"stat -c %a conf/key; stat -L -c %a {absolute}; cat conf/key {absolute} | wc -c; exit 1"
    result = bench.run(plan(task("t", cmd, secrets=secrets)))
    assert result.tasks[0].reason == "exit status 1"
    assert bench.lines("t") == ["400", "400", "12"]
    assert not absolute.parent.parent.exists()
    for path in bench.machine.home.path.rglob("*"):
        assert not path.is_file() or b"CANARY" not in path.read_bytes()
    assert "CANARY" not in repr(bench.events)


def test_copies_share_an_absolute_secret(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("s")
    (tmp_path / "key2").write_text("other")
    place = tmp_path / "secret"
    one = SecretPlan(name="a", file=str(tmp_path / "key"), remote_path=str(place))
    two = SecretPlan(name="b", file=str(tmp_path / "key2"), remote_path=str(place))
    result = bench.run(
        plan(
            task("t", f"sleep 0.0$X; cat {place}", secrets=(one,), copies=({"X": "1"}, {"X": "5"})),
            task("u", f"cat {place}", secrets=(two,)),
        ),
        parallel=3,
    )
    assert result.state is RunState.SUCCESS
    assert [bench.lines(label) for label in ("t[0]", "t[1]", "u")] == [["s"], ["s"], ["other"]]
    assert not place.is_symlink()


def test_what_is_wrong_with_secrets_is_said_before_anything_runs(
    bench: Bench, tmp_path: Path
) -> None:
    ran, vol = tmp_path / "ran", tmp_path / "vol"
    key = tmp_path / "key"
    key.touch()
    for wanted, words in (
        (SecretPlan(name="s", file="~/nope", remote_path="x"), '"~/nope" of secret "s" is missing'),
        (SecretPlan(name="s", file=str(key), remote_path=str(key)), "that exists"),
        (SecretPlan(name="s", file=str(key), remote_path="../x"), "not inside"),
    ):
        assert words in refusal(bench, wanted, ran=ran)
    inside = SecretPlan(name="s", file=str(key), remote_path="data/key")
    assert "into a volume" in refusal(bench, mount(vol, "data"), inside, ran=ran)


def test_an_image_that_is_not_built_is_said_with_what_to_do(bench: Bench) -> None:
    with pytest.raises(RunError) as found:
        bench.run(plan(task("a"), task("b", image="other"), task("c", image="third")))
    assert 'task "b": the image "other" is not built' in found.value.message
    assert 'task "c": the image "third" is not built' in found.value.message
    assert found.value.hint is not None
    assert found.value.hint.startswith("list it under images, with a source; built here: ")


@pytest.mark.parametrize(
    ("cmd", "reason"),
    [
        ("exit 7", "exit status 7"),
        ("no-such-command", "exit status 127: command not found"),
        ("./greet.py", "exit status 126: the command is not executable"),
        ("kill -9 $$", "killed by signal SIGKILL"),
        ("kill -SEGV $$", "killed by signal SIGSEGV"),
        ("sh -c 'kill -9 $$'; exit $?", "exit status 137: killed by SIGKILL"),
        ("exit 200", "exit status 200"),
    ],
)
def test_how_a_task_ended_is_told_in_plain_words(bench: Bench, cmd: str, reason: str) -> None:
    (done,) = bench.run(plan(task("t", cmd))).tasks
    assert (done.state, done.reason) == (TaskState.FAILED, reason)


def test_a_disk_that_takes_no_more_fails_the_task_and_nothing_else(bench: Bench) -> None:
    """A limit on the size of files stands for it: the same calls fail."""
    source = image_of(bench).source
    (source / "big").write_bytes(b"x" * 2_000_000)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limits[1]))
    try:
        result = bench.run(plan(task("t")))
        (source / "big").unlink()
        logged = bench.run(plan(task("t", "yes | head -c 1500000")))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert result.tasks[0].reason == "could not be started: File too large"
    assert result.left_behind == ()
    assert logged.state is RunState.SUCCESS
    (notice,) = bench.of(Notice)
    assert "is not complete: File too large" in notice.message


def test_processes_that_a_task_leaves_are_ended(bench: Bench, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    result = bench.run(plan(task("t", f"sleep 600 & echo $! > {pid}")))
    assert result.state is RunState.SUCCESS
    (notice,) = bench.of(Notice)
    # Its name may still be that of the shell that was about to become it.
    assert notice.message.startswith(f"ended process {pid.read_text().strip()} (")
    assert notice.message.endswith(", which the task left running")
    assert not alive(int(pid.read_text()))


def test_a_process_that_leaves_the_session_is_reported(bench: Bench, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    code = (
        f"import os,time; os.setsid(); open('{pid}','w').write(str(os.getpid())); time.sleep(600)"
    )
    cmd = f'(python -c "{code}" &) ; while [ ! -s {pid} ]; do sleep 0.01; done'
    try:
        result = bench.run(plan(task("t", cmd)))
        assert result.state is RunState.SUCCESS
        (left,) = result.left_behind
        assert left.startswith(f"process {pid.read_text()} (python")
    finally:
        os.kill(int(pid.read_text()), 9)


def alive(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def test_images_are_structural() -> None:
    """What the engine gives need not know the runner."""
    assert Image(name="x", source=Path("x"), environment=Path("y")).env_vars == {}


def test_a_volume_that_should_be_read_only_is_told_once_before_the_run(
    bench: Bench, tmp_path: Path
) -> None:
    read_only = dataclasses.replace(mount(tmp_path / "v", "data"), read_only=True)
    other = mount(tmp_path / "w", "other", "w")
    result = bench.run(
        plan(*(task(name, "touch data/x", mounts=(read_only, other)) for name in ("t", "u")))
    )
    assert result.state is RunState.SUCCESS
    (notice,) = bench.of(Notice)
    assert notice.message == 'volume "vol" is mounted read-only; on this machine it can be written'
    assert bench.events.index(notice) < bench.events.index(bench.of(RunStarted)[0])
