"""The processes that a killed run left on this machine."""

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from liminal.runners.processes import (
    describe,
    having,
    members,
    session_of,
    signal_session,
    started_at,
)

GRACE_SECONDS = 3.0
"""How long what a killed run left running may take to end, before it is killed."""

_SAME_START_SECONDS = 2.0
"""Two start times that are that close are one: they are computed from ticks of a clock."""


async def end_abandoned(run: Path, attempts: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """End what still runs of it; the answer says what it was.

    Args:
        run: the run's folder.
        attempts: the records of its attempts.
    """
    sessions = {attempt["pid"] for attempt in attempts if _is_the_same(attempt)}
    # A leader that is gone leaves a number that may be another's by now; the environment tells.
    ours = {"LIMINAL_RUN_ID": run.name, "LIMINAL_PIPELINE": run.parent.name}
    living = having(ours)
    found = {session_of(pid) for pid in living} - {None, os.getsid(0)}
    sessions |= {session for session in found if session is not None}
    words = [f"ended {describe(pid)}" for session in sorted(sessions) for pid in members(session)]
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
    return tuple(words)


def _is_the_same(attempt: Mapping[str, Any]) -> bool:
    now = started_at(attempt["pid"]) if "pid" in attempt else None
    then = attempt.get("started")
    return now is not None and then is not None and abs(now - then) < _SAME_START_SECONDS
