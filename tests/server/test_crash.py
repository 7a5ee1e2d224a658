"""What is left, and goes on, when a server or a part of it is killed or stopped in mid-run."""

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from liminal.home import Home
from liminal.server.folder import ServerFolder
from liminal.server.record import PartRecord, ServerRecord, write_server
from tests.server.conftest import LIMINAL, Server, wait_until


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    wait_until(
        lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie", 60, "death"
    )


def test_stop_in_mid_run_leaves_nothing_and_the_next_start_ends_the_run(
    own_server: Server,
) -> None:
    assert own_server.start().returncode == 0
    run = own_server.trigger("slow", "--var", "seconds=600")
    own_server.wait_for_mark(f"sleeper {run}")
    began = time.monotonic()
    stopped = own_server.stop()
    assert stopped.returncode == 0
    assert time.monotonic() - began < 20
    assert own_server.processes() == []
    assert "on_kill" in own_server.marks
    assert own_server.status()["server"]["state"] == "stopped"
    assert own_server.stop().stderr == "no server runs\n"

    # The next try sleeps as long: the run's own parameters stay.
    assert own_server.start().returncode == 0
    wait_until(lambda: own_server.marks.count(f"sleeper {run}") == 2, 300, "the second try")
    assert own_server.marks.count(f"first {run}") == 1
    own_server.stop()
    assert own_server.processes() == []


def test_a_killed_supervisor_leaves_runs_going_and_the_next_start_takes_over(
    own_server: Server,
) -> None:
    assert own_server.start().returncode == 0
    run = own_server.trigger("slow", "--var", "seconds=2")
    own_server.wait_for_mark(f"sleeper {run}")
    kill(own_server.record["pid"])
    told = own_server.status()["server"]
    assert told["state"] == "killed"
    assert "api-server, dag-processor, scheduler still run" in told["reasons"][0]
    own_server.wait_for_mark(f"last {run}")
    assert own_server.marks.count(f"sleeper {run}") == 1

    # The workers of a scheduler that is killed too live on, and have no environment to know.
    before = {int(words.split()[0]) for words in own_server.processes()}
    kill(own_server.pid("scheduler"))
    again = own_server.start()
    assert again.returncode == 0, again.stderr
    assert "the server before this one was killed" in again.stderr
    assert not [pid for pid in before if psutil.pid_exists(pid)]
    assert own_server.wait_for_run("slow") == "success"


def test_a_cut_off_migration_is_begun_again_and_ctrl_c_ends_the_foreground(
    own_server: Server,
) -> None:
    airflow = own_server.home / "airflow"
    with sqlite3.connect(airflow / "airflow.db") as database:
        database.execute("DROP TABLE dag_run")
    database.close()
    (airflow / "migration.json").write_text(
        json.dumps({"version": "3.3.2", "state": "begun", "from": None, "copy": None})
    )
    process = subprocess.Popen(
        [LIMINAL, "start", "--port", "0"],
        cwd=own_server.cwd,
        env=own_server.env,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    told = []
    for line in process.stderr:
        told.append(line)
        if line.startswith("user admin"):
            break
    assert "was cut off: it is begun again" in told[0]
    assert own_server.liminal("trigger", "many").returncode == 0
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    said = process.stderr.read()
    assert process.wait(60) == 0
    assert time.monotonic() - began < 20
    assert said.endswith("the server is stopped\n")
    assert own_server.processes() == []


def test_a_damaged_database_is_said(own_server: Server) -> None:
    (own_server.home / "airflow" / "airflow.db").write_bytes(b"not a database" * 1000)
    done = own_server.start()
    assert done.returncode == 6
    assert "cannot be read: file is not a database" in done.stderr
    assert "move it away" in done.stderr
    assert own_server.processes() == []


def test_a_strangers_process_with_a_recorded_number_is_left_alone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    folder = ServerFolder(home / "airflow")
    folder.path.mkdir(parents=True)
    stranger = subprocess.Popen(["sleep", "60"], cwd=tmp_path, start_new_session=True)
    try:
        write_server(
            folder,
            ServerRecord(
                pid=stranger.pid,
                mark="of another boot 1",
                state="ready",
                url="http://127.0.0.1:1",
                version="3.3.2",
                parts=(
                    PartRecord(
                        name="scheduler",
                        kind="airflow",
                        state="running",
                        pid=stranger.pid,
                        mark="of another boot 1",
                    ),
                ),
            ),
        )
        own = Server(home, tmp_path)
        assert own.status()["server"]["state"] == "killed"
        stopped = own.stop()
        assert (stopped.returncode, stopped.stderr) == (0, "no server runs\n")
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_home_that_cannot_be_written_is_said(airflow: None, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    done = Server(file / "home", tmp_path).start()
    assert done.returncode == 6
    assert f'cannot write to "{file}/home/airflow"' in done.stderr
    assert "LIMINAL_HOME" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk with room for little more than a server."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0 or sys.platform != "linux":
        pytest.skip("a small disk: only root can mount one")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", folder], check=False
    )
    if mounted.returncode != 0:
        pytest.skip("a small disk: this machine lets nobody mount one")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_disk_is_the_reason_and_no_part_is_given_up(
    migrated: Path, small_disk: Path
) -> None:
    from tests.server.conftest import end, new_server

    own = new_server(migrated, small_disk)
    try:
        assert own.start().returncode == 0
        hog = small_disk / "hog"
        with hog.open("wb") as file:
            try:
                while True:
                    file.write(b"x" * 65536)
                    file.flush()
            except OSError:
                pass
        wait_until(lambda: own.status()["server"]["state"] == "unhealthy", 60, "the reason")
        assert "the disk is full" in own.status()["server"]["reasons"]
        with contextlib.suppress(ProcessLookupError):  # it may have died of the disk already
            kill(own.pid("dag-processor"))
        time.sleep(6)
        assert own.status()["server"]["state"] == "unhealthy"
        hog.unlink()
        wait_until(lambda: own.status()["server"]["state"] == "ready", 180, "health")
        assert own.part("dag-processor")["restarts"] == 1
        assert own.liminal("trigger", "quick", "--wait").returncode == 0
    finally:
        own.stop()
        end(own)
    assert own.processes() == []


def test_a_read_only_home_is_said(airflow: None, small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    own = Server(small_disk / "home", small_disk.parent)
    done = own.start()
    assert done.returncode == 6
    assert "Read-only file system" in done.stderr
    assert own.status()["server"]["state"] == "stopped"
    assert own.stop().stderr == "no server runs\n"


def test_status_and_stop_work_where_nothing_ever_ran(tmp_path: Path) -> None:
    own = Server(tmp_path / "home", tmp_path)
    began = time.monotonic()
    assert own.status()["server"]["state"] == "stopped"
    assert time.monotonic() - began < 10  # it waits for nothing
    assert own.liminal("status").stdout.startswith("server: stopped")
    assert own.stop().returncode == 0
    trigger = own.liminal("trigger", "quick")
    assert trigger.returncode == 6
    assert "no server runs" in trigger.stderr
    assert not Home(own.home).path.exists()
