"""What a task finds around it and how it ends, on every runner of this machine alike."""

import stat
from pathlib import Path

import pytest
from runner_plans import Bench, plan, task

from liminal.errors import RunError
from liminal.plan.dag import MountPlan, SecretPlan
from liminal.runners.embedded.events import RunStarted
from liminal.runners.embedded.states import RunState, TaskState


@pytest.fixture
def bench(any_bench: Bench) -> Bench:
    return any_bench


def mount(source: Path | None, path: str, volume: str = "vol") -> MountPlan:
    return MountPlan(
        volume=volume, source=None if source is None else str(source), path=path, read_only=False
    )


def test_the_environment_is_ours_the_homes_and_the_tasks(bench: Bench) -> None:
    bench.machine.home.path.mkdir()
    bench.machine.home.env_file.write_text(
        "# comment\nFROM_HOME=h=1\nboth=home\nenv=staging\nno pair\n"
    )
    result = bench.run(plan(task("t", "env", env_vars={"both": "task", "CODE": "010"})))
    assert result.state is RunState.SUCCESS
    env = dict(line.split("=", 1) for line in bench.lines("t"))
    assert (env["FROM_HOME"], env["both"], env["CODE"]) == ("h=1", "task", "010")
    assert (env["LIMINAL_APP"], env["LIMINAL_PIPELINE"]) == ("app", "pipe")
    assert (env["LIMINAL_TASK"], env["LIMINAL_TRY"]) == ("t", "1")
    assert env["LIMINAL_RUN_ID"].startswith("manual__2026")
    assert (env["env"], env["PYTHONUNBUFFERED"]) == ("staging", "1")
    assert (env["LIMINAL_SPLIT_ID"], env["LIMINAL_NUM_SPLITS"]) == ("0", "1")


def test_env_is_default_where_nobody_says(bench: Bench) -> None:
    bench.run(plan(task("t", 'echo "$env"')))
    assert bench.lines("t") == ["default"]


def test_each_attempt_finds_the_image_as_it_was_built(bench: Bench) -> None:
    cmd = "test ! -e new && touch new && echo changed >> greet.py && test $LIMINAL_TRY = 2"
    result = bench.run(plan(task("t", cmd, retries=1), task("u", "python greet.py", "t")))
    assert result.state is RunState.SUCCESS
    assert bench.lines("u") == ["hello from the image"]


def test_relative_mounts_lead_to_their_volumes_and_hide_what_is_there(
    bench: Bench, tmp_path: Path
) -> None:
    volume = tmp_path / "made" / "for-it"
    mounts = (mount(volume, "models"), mount(Path("~/two"), "a/b/c/"))
    result = bench.run(
        plan(task("t", "ls models; echo x > models/new; echo y > a/b/c/new", mounts=mounts))
    )
    assert result.state is RunState.SUCCESS
    assert bench.lines("t") == []
    assert (volume / "new").read_text() == "x\n"
    assert (tmp_path / "two" / "new").read_text() == "y\n"


def test_secrets_are_there_for_the_task_alone(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("CANARY")
    absolute = tmp_path / "run" / "secrets" / "key"
    secrets = (
        SecretPlan(name="a", file="~/key", remote_path="conf/key"),
        SecretPlan(name="b", file=str(tmp_path / "key"), remote_path=str(absolute)),
    )
    cmd = f"cat conf/key {absolute} | wc -c; ls greet.py; exit 1"
    result = bench.run(plan(task("t", cmd, secrets=secrets)))
    assert result.tasks[0].reason == "exit status 1"
    assert bench.lines("t") == ["12", "greet.py"]
    assert not absolute.parent.parent.exists()
    for path in bench.machine.home.path.rglob("*"):
        assert not path.is_file() or b"CANARY" not in path.read_bytes()
    assert "CANARY" not in repr(bench.events)


def test_what_cannot_be_there_is_said_before_anything_runs(bench: Bench, tmp_path: Path) -> None:
    ran, file, vol = tmp_path / "ran", tmp_path / "file", tmp_path / "vol"
    file.touch()
    mounts: tuple[MountPlan, ...]
    secrets: tuple[SecretPlan, ...]
    for mounts, secrets, words in (
        ((mount(file / "x", "data"),), (), "cannot be made"),
        ((mount(None, "data"),), (), "only Kubernetes mounts"),
        ((mount(vol, "../data"),), (), "not inside the working directory"),
        ((mount(vol, "."),), (), "not inside the working directory"),
        ((), (SecretPlan(name="s", file="~/nope", remote_path="x"),), '"~/nope" of secret "s"'),
        ((), (SecretPlan(name="s", file="~/file", remote_path="../x"),), "not inside"),
        (
            (mount(vol, "data"),),
            (SecretPlan(name="s", file="~/file", remote_path="data/key"),),
            "into a volume",
        ),
    ):
        first = task("first", "touch ran/it", mounts=(mount(ran, "ran"),))
        with pytest.raises(RunError) as found:
            bench.run(plan(first, task("t", "true", "first", mounts=mounts, secrets=secrets)))
        assert words in found.value.message
        assert not (ran / "it").exists()


def test_all_that_is_wrong_is_said_at_once(bench: Bench) -> None:
    wrong = (SecretPlan(name="s", file="~/nope", remote_path="x"),)
    claim = (mount(None, "data", "claim"),)
    with pytest.raises(RunError) as found:
        bench.run(plan(task("a", secrets=wrong), task("b", mounts=claim)))
    assert found.value.message.splitlines() == [
        'task "a": the file "~/nope" of secret "s" is missing',
        'task "b": volume "claim" is one that only Kubernetes mounts',
    ]


@pytest.mark.parametrize(
    ("cmd", "reason"),
    [
        ("exit 7", "exit status 7"),
        ("no-such-command", "exit status 127: command not found"),
        ("./greet.py", "exit status 126: the command is not executable"),
        ("sh -c 'kill -9 $$'; exit $?", "exit status 137: killed by SIGKILL"),
        ("exit 200", "exit status 200"),
    ],
)
def test_how_a_task_ended_is_told_in_plain_words(bench: Bench, cmd: str, reason: str) -> None:
    (done,) = bench.run(plan(task("t", cmd))).tasks
    assert (done.state, done.reason) == (TaskState.FAILED, reason)


def test_output_arrives_byte_for_byte(bench: Bench) -> None:
    result = bench.run(plan(task("t", r"printf 'a\033[1mb\000\377\r\nlast'")))
    log = result.tasks[0].log
    assert log is not None
    assert log.read_bytes().rstrip(b"\n") == b"a\033[1mb\0\377\r\nlast"


def test_a_command_that_is_too_long_to_start_fails_the_task(bench: Bench) -> None:
    (done,) = bench.run(plan(task("t", "true " + "x" * 500_000))).tasks
    assert (done.reason or "").startswith("could not be started: ")


def test_a_private_run_folder(bench: Bench) -> None:
    result = bench.run(plan(task("t")))
    assert stat.S_IMODE(result.folder.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"A=1\nB=\xff\n", ", line 2: it is not UTF-8"),
        (b"A=1\n\nB=\0\n", ", line 3: it holds a NUL character"),
        (None, " cannot be read: Is a directory"),
    ],
)
def test_a_damaged_env_file_is_told_before_the_run(
    bench: Bench, content: bytes | None, why: str
) -> None:
    file = bench.machine.home.env_file
    file.parent.mkdir()
    if content is None:
        file.mkdir()
    else:
        file.write_bytes(content)
    with pytest.raises(RunError) as found:
        bench.run(plan(task("t")))
    assert found.value.message == f'"{file}"{why}'
    assert bench.of(RunStarted) == []
