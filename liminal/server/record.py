"""What runs, written down at each change: for ``stop``, ``status``, and the next ``start``."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from liminal.lock import Holder, hold, read_holder
from liminal.runners.processes import started_at
from liminal.runners.records import read_record, write_record
from liminal.server.folder import ServerFolder

_TRIES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class PartRecord:
    """A part of the server.

    Attributes:
        kind: ``airflow`` or ``service``.
        state: ``starting``, ``running``, ``waiting`` (for its next start), ``stopped``.
        reason: why it is not well, in words.
        pid: of its process, and of its session.
        mark: of that process, from `start_mark`.
        restarts: how often it was started again.
        url: where it answers.
    """

    name: str
    kind: str
    state: str
    reason: str | None = None
    pid: int | None = None
    mark: str | None = None
    restarts: int = 0
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerRecord:
    """A server.

    Attributes:
        pid: of the supervisor.
        mark: of its process, from `start_mark`.
        state: ``starting``, ``ready``, ``stopping``, ``stopped`` or ``failed``.
        url: where Airflow answers.
        version: of Airflow.
        reasons: why it is not well, in words.
    """

    pid: int
    mark: str
    state: str
    url: str
    version: str
    parts: tuple[PartRecord, ...] = ()
    reasons: tuple[str, ...] = ()

    @property
    def lives(self) -> bool:
        """Whether the supervisor is the process of that number, and not another's since."""
        return is_same(self.pid, self.mark)


def start_mark(pid: int) -> str | None:
    """What no other process of that number has: the boot and the moment; None when it is gone.

    On Linux the moment is counted from the boot: a clock that is set changes nothing.

    Source: proc(5): field 22 of ``stat``; the name before it may hold spaces and parentheses.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        begun = started_at(pid)
        return None if begun is None else f"{begun:.2f}"
    return f"{boot} {stat.rpartition(')')[2].split()[19]}"


def is_same(pid: int | None, mark: str | None) -> bool:
    """Whether the process of that number is the one that had the mark."""
    return pid is not None and mark is not None and start_mark(pid) == mark


def write_server(folder: ServerFolder, record: ServerRecord) -> None:
    """Replaces the record.

    Raises:
        OSError: it cannot be written; the one before still stands.
    """
    write_record(folder.record, asdict(record))


def read_server(folder: ServerFolder) -> ServerRecord | None:
    """The record of the server that was started last; None where there is none."""
    content = read_record(folder.record)
    try:
        parts = tuple(PartRecord(**part) for part in content.pop("parts"))
        reasons = tuple(content.pop("reasons"))
        return ServerRecord(**_known(content), parts=parts, reasons=reasons)
    except (KeyError, TypeError):
        return None


def _known(content: dict[str, Any]) -> dict[str, Any]:
    return {name: content[name] for name in ("pid", "mark", "state", "url", "version")}


class Taken(Exception):
    """Another supervisor lives."""

    def __init__(self, holder: Holder) -> None:
        super().__init__("another supervisor lives")
        self.holder = holder


@contextmanager
def hold_server(folder: ServerFolder) -> Iterator[None]:
    """Holds the server's lock; the system drops it when the process ends, however it ends.

    Raises:
        Taken: another process has it.
    """
    tries = 0

    def patience(seconds: float) -> None:
        # `status` and `stop` take it for a moment, to see whether they can.
        nonlocal tries
        tries += 1
        if tries > _TRIES:
            raise Taken(read_holder(folder.lock))
        time.sleep(seconds)

    with hold(folder.lock, pause=patience):
        yield


def supervisor(folder: ServerFolder) -> Holder | None:
    """The living supervisor; None where there is none.

    It is told by the lock, and not by a number in a file, which may be another process's by now.
    """
    try:
        descriptor = os.open(folder.lock, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return read_holder(folder.lock)
    finally:
        os.close(descriptor)
    return None
