"""What goes wrong while building: it says so, leaves nothing half-made, and keeps what was."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from liminal.errors import BuildError, Interrupted
from liminal.images.events import Note, Output, Started, Step

ROOT = os.geteuid() == 0


def leftovers(home: Path) -> list[str]:
    """What a build that failed must not leave."""
    folders = [path for path in (home / "environments").glob("*") if path.is_dir()]
    complete = {path.stem for path in (home / "environments").glob("*.json")}
    half = [path.name for path in folders if path.name.partition(".")[0] not in complete]
    return half + [path.name for path in (home / "images").glob("*/.making*")]


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.01)


@pytest.fixture
def slow(project: Any, tmp_path: Path) -> dict[str, str]:
    """Makes the project's requirement slow to install; the environment variables for that."""
    project.package("lib", "mylib")
    project.write("requirements.txt", "./lib\n")
    return {"TEST_BUILD_MARKER": str(tmp_path / "begun"), "TEST_BUILD_SECONDS": "1.5"}


def test_a_requirement_that_does_not_exist(project: Any, own: Any) -> None:
    """F17."""
    good = own.build(project.plan())
    project.write("requirements.txt", "--no-index\nno-such-thing==1.0\n")
    with pytest.raises(BuildError) as caught:
        own.build(project.plan())
    message = caught.value.message
    assert message.startswith('image "tiny": installing the requirements failed: "')
    assert "exited with 1" in message
    assert "  | " in message
    assert "no-such-thing" in message.split("\n", 1)[1]
    assert len(message.splitlines()) <= 21
    assert "correct requirements.txt" in str(caught.value.hint)
    assert leftovers(own.home) == []
    assert own.find("tiny").hash == good.hash
    (project.folder / "requirements.txt").unlink()
    assert own.build(project.plan()).hash == good.hash


def test_only_the_last_lines_of_a_long_failure_are_told(project: Any, own: Any) -> None:
    command = "i=0; while [ $i -lt 100 ]; do i=$((i+1)); echo line $i; done; exit 7"
    with pytest.raises(BuildError) as caught:
        own.build(project.plan(build_cmd=command))
    lines = caught.value.message.splitlines()
    assert "build_cmd failed" in lines[0]
    assert lines[0].endswith("exited with 7")
    assert lines[1:] == [f"  | line {number}" for number in range(81, 101)]
    assert len(own.of(Output)) == 100
    assert leftovers(own.home) == []


def test_a_build_cmd_that_is_killed_says_by_what(project: Any, own: Any) -> None:
    with pytest.raises(BuildError, match="was killed by SIGKILL"):
        own.build(project.plan(build_cmd="kill -9 $$"))


def test_a_build_that_is_killed_is_made_by_the_next(
    project: Any, own: Any, slow: dict[str, str], build_process: Any, run_in: Any
) -> None:
    """F19, F22: kill -9 while the installer runs, which lives on for a moment."""
    process = build_process(project, own.home, **slow)
    wait_for(Path(slow["TEST_BUILD_MARKER"]))
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert leftovers(own.home)
    assert own.find("tiny") is None
    image = own.build(project.plan())
    assert image.rebuilt
    notes = [note.message for note in own.of(Note)]
    assert "waits for a process that a killed build has left" in notes
    assert run_in(image, "import mylib; print(mylib.VALUE)") == "1"
    assert leftovers(own.home) == []


def test_killing_it_anywhere_leaves_what_was_or_what_is_new(
    project: Any, own: Any, build_process: Any, run_in: Any
) -> None:
    """F19: at each step of a build of a changed source."""
    before = "main"
    keys = {"build_cmd": "sleep 0.2; touch done"}
    own.build(project.plan(**keys))
    for moment in ("Started", "copying", "build_cmd", "Finished"):
        project.write("main.py", f"print({moment!r})\n")
        process = build_process(project, own.home, keys=keys)
        for line in process.stdout:
            if moment in line or "BUILT" in line:
                break
        process.send_signal(signal.SIGKILL)
        process.wait()
        found = own.find("tiny")
        assert found is not None
        assert run_in(found, "import main") in (before, moment)
        assert (found.source / "done").exists()
        assert run_in(own.build(project.plan(**keys)), "import main") == moment
        before = moment
        assert leftovers(own.home) == []


def test_of_two_builds_at_once_the_second_waits_and_finds_it_done(
    project: Any, own: Any, slow: dict[str, str], build_process: Any
) -> None:
    """F22."""
    first = build_process(project, own.home, **slow)
    wait_for(Path(slow["TEST_BUILD_MARKER"]))
    second = build_process(project, own.home, **slow)
    output, _ = second.communicate(timeout=60)
    assert f"Waiting(image='tiny', pid={first.pid}, host={os.uname().nodename!r})" in output
    assert "Skipped(image='tiny', reason='built by another process meanwhile')" in output
    first_output, _ = first.communicate(timeout=60)
    built = [text.splitlines()[-1].split() for text in (first_output, output)]
    assert built[0][1] == built[1][1]
    assert [line[2] for line in built] == ["True", "False"]


def test_two_images_at_once_that_need_the_same_environment_make_it_once(
    project: Any, own: Any, slow: dict[str, str], engine_at: Any
) -> None:
    own = engine_at(own.home, **slow)
    built: dict[str, Any] = {}

    def build(name: str) -> None:
        built[name] = own.engine.build(project.plan(name), own.events.append)

    threads = [threading.Thread(target=build, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert built["one"].environment == built["two"].environment
    assert own.steps().count("installing the requirements") == 1
    assert not [event for event in own.events if type(event).__name__ == "Waiting"]


def test_cancel_ends_the_processes_and_leaves_nothing(
    project: Any, own: Any, slow: dict[str, str], engine_at: Any
) -> None:
    own = engine_at(own.home, **{**slow, "TEST_BUILD_SECONDS": "60"})
    ended: list[BaseException] = []

    def build() -> None:
        try:
            own.build(project.plan())
        except Interrupted as error:
            ended.append(error)

    thread = threading.Thread(target=build)
    thread.start()
    wait_for(Path(slow["TEST_BUILD_MARKER"]))
    started = time.monotonic()
    own.engine.cancel()
    thread.join(10)
    assert time.monotonic() - started < 5
    assert ended
    assert leftovers(own.home) == []
    assert not _processes_of(project.folder.parent)


def test_ctrl_c_ends_the_processes_and_leaves_nothing(
    project: Any, own: Any, slow: dict[str, str], build_process: Any
) -> None:
    process = build_process(project, own.home, **{**slow, "TEST_BUILD_SECONDS": "60"})
    wait_for(Path(slow["TEST_BUILD_MARKER"]))
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=10)
    assert "KeyboardInterrupt" in output
    assert leftovers(own.home) == []
    assert not _processes_of(project.folder.parent)


def _processes_of(folder: Path) -> list[str]:
    """The processes that still work in the folder."""
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    return [line for line in listed.stdout.splitlines() if str(folder) in line]


def test_what_a_build_cmd_leaves_running_ends_with_it(project: Any, own: Any) -> None:
    started = time.monotonic()
    own.build(project.plan(build_cmd=f"sleep 300 {project.folder} 2>/dev/null & sleep 301 & true"))
    assert time.monotonic() - started < 20
    assert not _processes_of(project.folder)


def test_a_source_that_changes_all_the_time_is_given_up(
    project: Any, own: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files are changed between hashing and copying, at the report of the step."""

    def touch(event: Any) -> None:
        if isinstance(event, Step) and event.name == "copying the source":
            project.write("main.py", f"print({time.monotonic_ns()})\n")

    with pytest.raises(BuildError, match="changes all the time"):
        own.engine.build(project.plan(), touch)
    assert leftovers(own.home) == []
    assert own.find("tiny") is None


def test_a_source_that_changes_once_is_built_as_it_is_then(
    project: Any, own: Any, run_in: Any
) -> None:
    changes = iter(["print('new')\n"])

    def change(event: Any) -> None:
        own.events.append(event)
        if isinstance(event, Step) and event.name == "copying the source":
            for text in changes:
                project.write("main.py", text)

    image = own.engine.build(project.plan(), change)
    assert run_in(image, "import main") == "new"
    assert len(own.of(Started)) == 1
    assert not own.build(project.plan()).rebuilt


def test_requirements_that_change_while_they_are_installed_are_installed_again(
    project: Any, own: Any, wheel: Path, run_in: Any
) -> None:
    project.write("requirements.txt", "# none yet\n")
    changes = iter([f"{wheel}\n"])

    def change(event: Any) -> None:
        own.events.append(event)
        if isinstance(event, Step) and event.name == "installing the requirements":
            for text in changes:
                project.write("requirements.txt", text)

    image = own.engine.build(project.plan(), change)
    assert run_in(image, "import tinything; print(tinything.VERSION)") == "1.0"
    project.write("requirements.txt", "# none yet\n")
    bare = own.build(project.plan())
    assert not list(bare.environment.rglob("tinything.py"))


def test_a_home_below_a_file_names_it(project: Any, engine_at: Any, tmp_path: Path) -> None:
    """No permission, in the way that binds root too."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(BuildError) as caught:
        engine_at(tmp_path / "file" / "home").build(project.plan())
    assert str(tmp_path / "file") in caught.value.message
    assert "LIMINAL_HOME" in str(caught.value.hint)
    assert caught.value.exit_code == 4


@pytest.mark.skipif(ROOT, reason="permissions do not bind root; the test above is the same for it")
def test_a_home_without_write_permission_names_it(
    project: Any, engine_at: Any, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o500)
    with pytest.raises(BuildError, match="Permission denied") as caught:
        engine_at(home).build(project.plan())
    assert "make the folder writable" in str(caught.value.hint)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 3 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(place)]
    if not ROOT or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("only root can mount a small disk; the limit of file sizes is tested instead")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_disk_that_is_full_while_the_source_is_copied(
    project: Any, engine_at: Any, small_disk: Path
) -> None:
    """F18."""
    own = engine_at(small_disk / "home")
    good = own.build(project.plan())
    project.write("large.bin", os.urandom(4_000_000))
    with pytest.raises(BuildError, match="No space left on device") as caught:
        own.build(project.plan())
    assert "large.bin" in caught.value.message
    assert "free some space" in str(caught.value.hint)
    assert leftovers(own.home) == []
    assert own.find("tiny").hash == good.hash
    (project.folder / "large.bin").unlink()
    assert own.build(project.plan()).hash == good.hash


def test_a_disk_that_is_full_while_packages_are_installed(
    project: Any, engine_at: Any, small_disk: Path
) -> None:
    """F18: here it is the installer that finds out."""
    own = engine_at(small_disk / "home", UV_LINK_MODE="copy")
    good = own.build(project.plan())
    project.package("lib", "mylib")
    project.write("lib/mylib.py", "VALUE = 1\n" + "# filler\n" * 500_000)
    project.write("lib/.dockerignore", "")
    project.write("requirements.txt", f"{project.folder}/lib\n")
    project.write(".dockerignore", "lib\n")
    with pytest.raises(BuildError) as caught:
        own.build(project.plan())
    assert "free some space" in str(caught.value.hint)
    assert leftovers(own.home) == []
    assert own.find("tiny").hash == good.hash


def test_a_file_that_is_too_large_for_the_disk(project: Any, own: Any, build_process: Any) -> None:
    """F18 without root: a limit on file sizes ends a write in the middle, as a full disk does."""
    good = own.build(project.plan())
    project.write("large.bin", os.urandom(4_000_000))
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))"
    process = build_process(project, own.home, wrapper=limit)
    output, _ = process.communicate(timeout=60)
    assert "BuildError" in output.splitlines()[-1]
    assert "large.bin" in output
    assert "File too large" in output
    assert leftovers(own.home) == []
    assert own.find("tiny").hash == good.hash
