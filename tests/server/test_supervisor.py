"""The supervisor over parts that need no Airflow: how it starts again, gives up and ends."""

import contextlib
import os
import signal
import threading
import time
from pathlib import Path

import psutil
import pytest

from liminal.errors import Interrupted, ServerError
from liminal.home import Home
from liminal.plugins import discover
from liminal.runners import Machine
from liminal.server.folder import make_folder
from liminal.server.leftovers import Leftovers
from liminal.server.parts import Command, Part
from liminal.server.pulse import Beat, Pulse
from liminal.server.record import ServerRecord, read_server, start_mark
from liminal.server.settings import PART_VARIABLE, SERVER_VARIABLE
from liminal.server.supervisor import Supervisor
from tests.server.conftest import wait_until


def supervisor(tmp_path: Path, script: str, kind: str = "airflow") -> tuple[Supervisor, list[str]]:
    home = Home(tmp_path / "home")
    folder = make_folder(home)
    told: list[str] = []

    def command(name: str) -> Command:
        return Command(
            name=name,
            kind=kind,
            arguments=("sh", "-c", script),
            cwd=folder.path,
            env={**os.environ, SERVER_VARIABLE: str(home.path)},
            log=folder.log(name),
        )

    return (
        Supervisor(
            leftovers=Leftovers(
                Machine(
                    home=home, images={}, engine="", environ=dict(os.environ), user_home=tmp_path
                ),
                discover(),
            ),
            folder=folder,
            base=ServerRecord(
                pid=os.getpid(),
                mark=start_mark(os.getpid()) or "",
                state="starting",
                url="http://127.0.0.1:9",
                version="0",
            ),
            commands=[command("part")],
            triggerer=command("triggerer"),
            pulse=Pulse("http://127.0.0.1:9", "nobody"),
            last_job=0,
            tell=told.append,
        ),
        told,
    )


def test_a_part_that_always_dies_is_given_up_with_its_last_lines(tmp_path: Path) -> None:
    running, told = supervisor(tmp_path, "echo out of luck; exit 3")
    began = time.monotonic()
    with pytest.raises(ServerError) as failed:
        running.run(lambda record: None)
    # At once, and then after 1, 2 and 4 seconds.
    assert 7 <= time.monotonic() - began < 60
    assert "part failed 5 times in a row, the last time: exit status 3" in failed.value.message
    assert failed.value.message.endswith("out of luck")
    assert told.count("part: exit status 3; it is started again") == 5
    record = read_server(make_folder(Home(tmp_path / "home")))
    assert record is not None
    assert (record.state, record.parts) == ("failed", ())


def test_what_left_the_session_is_ended_too(tmp_path: Path) -> None:
    running, _ = supervisor(tmp_path, "trap '' TERM; setsid sleep 71 & setsid sleep 72 & sleep 73")

    def ask() -> None:
        with contextlib.suppress(AssertionError):  # it must be ended in any case
            wait_until(lambda: len(sleepers()) == 3, 60, "all of it")
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=ask).start()
    with pytest.raises(Interrupted):
        running.run(lambda record: None)
    assert sleepers() == []


def sleepers() -> list[int]:
    return [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if process.info["cmdline"] in (["sleep", "71"], ["sleep", "72"], ["sleep", "73"])
    ]


def test_a_service_that_always_dies_is_started_again_and_again(tmp_path: Path) -> None:
    running, told = supervisor(tmp_path, "exit 1", kind="service")
    ready = threading.Event()

    def ask() -> None:
        with contextlib.suppress(AssertionError):
            wait_until(lambda: len(told) >= 4, 60, "the failures")
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=ask).start()
    running.run(lambda record: ready.set())
    assert ready.is_set()
    assert len(told) >= 4


def test_failures_are_forgotten_by_who_was_well_for_a_minute(tmp_path: Path) -> None:
    part = Part(
        Command(
            name="part",
            kind="airflow",
            arguments=("sleep", "9"),
            cwd=tmp_path,
            env={},
            log=tmp_path / "log",
        )
    )
    delays = []
    for now in range(1, 5):
        part.failed("it died", float(now))
        delays.append(part.due - now)
    assert delays == [0.0, 1.0, 2.0, 4.0]
    part.state, part.since = "starting", 10.0
    part.well(11.0)
    assert (part.state, part.failures, part.reason) == ("running", 4, None)
    part.well(71.0)
    assert part.failures == 0


def test_a_clock_that_is_set_makes_no_heart_stale() -> None:
    now = 100.0
    pulse = Pulse("http://127.0.0.1:9", "nobody", clock=lambda: now)
    assert pulse.silence("scheduler", Beat(job=1, at="2026-01-01T12:00:00Z")) == 0
    now = 105.0
    assert pulse.silence("scheduler", Beat(job=1, at="2026-01-01T11:00:05Z")) == 0
    now = 147.0
    assert pulse.silence("scheduler", Beat(job=1, at="2026-01-01T11:00:05Z")) == 42


def test_a_part_knows_its_server_and_its_name(tmp_path: Path) -> None:
    log = tmp_path / "log"
    part = Part(
        Command(
            name="part",
            kind="airflow",
            arguments=("sh", "-c", f"echo ${PART_VARIABLE}"),
            cwd=tmp_path,
            env=dict(os.environ),
            log=log,
        )
    )
    part.start(0.0)
    assert part.process is not None
    part.process.wait(60)
    assert log.read_text() == "part\n"
    assert part.ended() == "it ended by itself"
