"""F22: one process at a time, and whoever waits knows for whom."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from liminal.lock import Holder, hold, read_holder

HOLD = """
    import subprocess, sys, time
    from pathlib import Path
    from liminal.lock import hold
    with hold(Path(sys.argv[1])) as lock:
        if sys.argv[2] == "with-child":
            child = subprocess.Popen(["sleep", sys.argv[3]], pass_fds=(lock,))
            print(child.pid, flush=True)
        print("held", flush=True)
        if sys.argv[2] == "with-child" and len(sys.argv) > 4:
            sys.exit()
        time.sleep(60)
"""


def holder_process(path: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(HOLD), str(path), *arguments],
        stdout=subprocess.PIPE,
        text=True,
    )


def read_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_the_second_process_is_told_who_has_the_lock_and_gets_it_when_that_is_killed(
    tmp_path: Path,
) -> None:
    path = tmp_path / "lock"
    process = holder_process(path, "alone")
    assert read_line(process) == "held"
    told: list[Holder] = []

    def kill(holder: Holder) -> None:
        told.append(holder)
        process.send_signal(signal.SIGKILL)

    with hold(path, waiting=kill):
        assert read_holder(path).pid == os.getpid()
    assert told == [Holder(pid=process.pid, host=os.uname().nodename)]
    end(process)


def test_a_lock_that_is_free_tells_nobody_to_wait(tmp_path: Path) -> None:
    for _ in range(2):
        with hold(tmp_path / "lock", waiting=lambda holder: pytest.fail(f"waits for {holder}")):
            pass


def test_a_child_that_holds_on_keeps_the_lock_when_its_parent_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    process = holder_process(path, "with-child", "0.6")
    read_line(process)
    assert read_line(process) == "held"
    process.send_signal(signal.SIGKILL)
    process.wait()
    started = time.monotonic()
    with hold(path):
        assert time.monotonic() - started > 0.2
    end(process)


def test_a_child_that_lives_on_does_not_keep_the_lock_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    process = holder_process(path, "with-child", "30", "then-exit")
    child = int(read_line(process))
    assert read_line(process) == "held"
    process.wait()
    try:
        with hold(path, waiting=lambda holder: pytest.fail(f"waits for {holder}")):
            os.kill(child, 0)  # it does live on
    finally:
        os.kill(child, signal.SIGKILL)
        end(process)


def test_what_pause_raises_ends_the_wait(tmp_path: Path) -> None:
    path = tmp_path / "lock"

    def pause(seconds: float) -> None:
        raise KeyboardInterrupt

    with hold(path), pytest.raises(KeyboardInterrupt), hold(path, pause=pause):
        pytest.fail("both have it")
    with hold(path, pause=pause):
        pass


def test_a_lock_file_that_is_removed_meanwhile_locks_nobody_out_and_lets_nobody_in_twice(
    tmp_path: Path,
) -> None:
    path = tmp_path / "lock"
    with hold(path):

        def remove(seconds: float) -> None:
            path.unlink(missing_ok=True)

        with hold(path, pause=remove), pytest.raises(TimeoutError), hold(path, pause=_give_up):
            pytest.fail("both have it")


def _give_up(seconds: float) -> None:
    raise TimeoutError


def test_a_lock_file_with_nonsense_in_it_names_nobody(tmp_path: Path) -> None:
    for content in (b"", b"{", b"[]", b'{"pid": "x", "host": 1}'):
        (tmp_path / "lock").write_bytes(content)
        assert read_holder(tmp_path / "lock") == Holder(pid=None, host=None)
    assert read_holder(tmp_path / "none") == Holder(pid=None, host=None)


def test_a_lock_below_a_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OSError, match="lock"), hold(tmp_path / "file" / "lock"):
        pytest.fail("there is no such folder")
