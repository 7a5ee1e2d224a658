"""``liminal stop``: ends a server, also one whose supervisor was killed or hangs."""

import contextlib
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from liminal.runners.processes import describe
from liminal.server.ending import end_parts, recorded_sessions
from liminal.server.folder import ServerFolder
from liminal.server.leftovers import Leftovers
from liminal.server.record import ServerRecord, is_same, read_server, supervisor, write_server

PATIENCE_SECONDS = 16.0
"""How long a supervisor gets to end its parts; with what follows it makes less than 20."""

_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """What was ended.

    Attributes:
        ran: whether a server ran, or something of one.
        found: what a killed one had left, in words.
    """

    ran: bool
    found: tuple[str, ...]


def stop(leftovers: Leftovers, tell: Callable[[str], None]) -> Stopped:
    """Ends the server of this home and everything that it started.

    Args:
        leftovers: ends what is left in the end.
        tell: takes what happens, in words.
    """
    folder = ServerFolder(leftovers.machine.home.airflow)
    record = read_server(folder)
    ran = supervisor(folder) is not None
    if ran:
        tell("stopping the server: what runs gets 10 s to end in good order")
        _ask(folder, record)
        record = read_server(folder) or record
    sessions = recorded_sessions(record, folder)
    found = [f"ended {name} ({describe(pid)})" for name, pid in sorted(sessions.items())]
    end_parts(sessions)
    found += leftovers.end(tell)
    if record is not None and (record.parts or record.state != "stopped"):
        final = "failed" if record.state == "failed" else "stopped"
        with contextlib.suppress(OSError):
            write_server(folder, replace(record, state=final, parts=(), reasons=()))
    return Stopped(ran=ran or bool(found), found=tuple(found))


def _ask(folder: ServerFolder, record: ServerRecord | None) -> None:
    """Asks the supervisor to end everything, and kills it if it does not."""
    holder = supervisor(folder)
    pid = None if holder is None else holder.pid
    if pid is None or holder is None or holder.host != os.uname().nodename:
        return
    if record is not None and record.pid == pid and not record.lives:
        return  # the number is a stranger's: the lock is held by a child of one that is gone
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    until = time.monotonic() + PATIENCE_SECONDS
    while supervisor(folder) is not None and time.monotonic() < until:
        time.sleep(_POLL_SECONDS)
    if supervisor(folder) is not None and (
        record is None or record.pid != pid or is_same(pid, record.mark)
    ):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        while supervisor(folder) is not None and time.monotonic() < until + 2:
            time.sleep(_POLL_SECONDS)
