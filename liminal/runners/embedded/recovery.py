"""What a killed run left behind: its processes, working copies and secrets, ended and removed."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

from liminal.files import remove_tree
from liminal.home import Home
from liminal.runners.embedded.folder import RECORD, abandoned
from liminal.runners.places import remove_recorded
from liminal.runners.processes import (
    describe,
    having,
    members,
    session_of,
    signal_session,
    started_at,
)
from liminal.runners.records import PROCESS_RECORD, read_record, write_record

GRACE_SECONDS = 3.0
"""How long what a killed run left running may take to end, before it is killed."""

_SAME_START_SECONDS = 2.0
"""Two start times that are that close are one: they are computed from ticks of a clock."""


async def recover(home: Home) -> tuple[str, ...]:
    """Clean up after every run whose command is dead.

    Returns:
        What was found, in words.
    """
    with abandoned(home) as runs:
        return tuple([words for run in runs for words in await _recover(run)])


async def _recover(run: Path) -> list[str]:
    record = read_record(run / RECORD)
    attempts = [read_record(file) for file in sorted((run / "work").glob(f"*/{PROCESS_RECORD}"))]
    # A run that ended by itself but could not remove all is not one that was killed.
    killed = record.get("state", "running") == "running"
    what = record.get("service", f"run {run.name} of pipeline {run.parent.name}")
    told = [f"{what} was killed"] if killed else []
    told += [f"ended {words} of it" for words in await _end(run, attempts)]
    remove_recorded(run / "work")
    try:
        for attempt in attempts:
            if "temporary" in attempt:
                remove_tree(Path(attempt["temporary"]))
        remove_tree(run / "work")
        if killed:
            write_record(run / RECORD, {**record, "state": "killed"})
        (run / "lock").unlink(missing_ok=True)
    except OSError as error:
        return [*told, f"what run {run.name} left could not be removed: {error}"]
    return told


async def _end(run: Path, attempts: list[dict[str, Any]]) -> list[str]:
    """End what still runs of it; the answer says what it was."""
    sessions = {attempt["pid"] for attempt in attempts if _is_the_same(attempt)}
    # A leader that is gone leaves a number that may be another's by now; the environment tells.
    ours = {"LIMINAL_RUN_ID": run.name, "LIMINAL_PIPELINE": run.parent.name}
    living = having(ours)
    found = {session_of(pid) for pid in living} - {None, os.getsid(0)}
    sessions |= {session for session in found if session is not None}
    words = [describe(pid) for session in sorted(sessions) for pid in members(session)]
    loop = asyncio.get_running_loop()
    until = loop.time() + GRACE_SECONDS
    for session in sessions:
        signal_session(session, signal.SIGTERM)
    while any(members(session) for session in sessions):
        await asyncio.sleep(0.05)
        if loop.time() > until:
            for session in sessions:
                signal_session(session, signal.SIGKILL)
        if loop.time() > until + GRACE_SECONDS:
            break
    return words


def _is_the_same(attempt: dict[str, Any]) -> bool:
    now = started_at(attempt["pid"]) if "pid" in attempt else None
    then = attempt.get("started")
    return now is not None and then is not None and abs(now - then) < _SAME_START_SECONDS
