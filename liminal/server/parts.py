"""A part of the server: a process that is started, and started again when it dies."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from liminal.runners.processes import explain
from liminal.server.record import PartRecord, start_mark
from liminal.server.settings import PART_VARIABLE

FAILURES = 5
"""So many in a row, and a part is given up."""

STEADY_SECONDS = 60.0
"""Who was well for that long begins to count anew."""

MAX_LOG_BYTES = 20 * 1024 * 1024
"""A log that grows beyond it becomes the one before, ``NAME.log.1``."""

_MAX_DELAY_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """How a part is started.

    Attributes:
        kind: ``airflow`` or ``service``.
        log: where its output goes.
        url: where it answers, or None.
        health: the path there that answers with 200 while it is well, or None.
    """

    name: str
    kind: str
    arguments: Sequence[str]
    cwd: Path
    env: Mapping[str, str]
    log: Path
    url: str | None = None
    health: str | None = None


class Part:
    """A command and what has become of it. Times are those of a clock that is never set."""

    def __init__(self, command: Command) -> None:
        self.command = command
        self.state = "waiting"
        self.reason: str | None = None
        self.restarts = -1
        self.failures = 0
        self.due = 0.0
        self.since = 0.0
        self.mark: str | None = None
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        """The command's."""
        return self.command.name

    @property
    def session(self) -> int | None:
        """Of its process, also when that has died and left others; None before the first."""
        return None if self.process is None else self.process.pid

    def start(self, now: float) -> None:
        """Starts the process, in a session of its own.

        Raises:
            OSError: it cannot be started.
        """
        self.command.log.parent.mkdir(parents=True, exist_ok=True)
        with self.command.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command.arguments,
                cwd=self.command.cwd,
                env={**self.command.env, PART_VARIABLE: self.name},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.mark = start_mark(self.process.pid)
        self.state = "starting"
        self.since = now
        self.restarts += 1

    def ended(self) -> str | None:
        """How its process ended, in words; None while it runs."""
        if self.process is None or (code := self.process.poll()) is None:
            return None
        return explain(code, out_of_memory=False) or "it ended by itself"

    def well(self, now: float) -> None:
        """Takes notice that it answers, or beats."""
        if self.state == "starting":
            self.state = "running"
            self.reason = None
        if now - self.since > STEADY_SECONDS:
            self.failures = 0

    def failed(self, reason: str, now: float, *, counts: bool = True) -> None:
        """Takes notice that it must be started again, after a while that doubles each time."""
        self.failures += counts
        delay = 0.0 if self.failures <= 1 else 2.0 ** (self.failures - 2)
        self.due = now + min(_MAX_DELAY_SECONDS, max(delay, 0.0 if counts else 2.0))
        self.state = "waiting"
        self.reason = reason

    def shorten_log(self) -> None:
        """Keeps a log that has become long as the one before, and begins anew.

        It is emptied and not replaced: the process goes on writing to the same file, at its end.
        """
        log = self.command.log
        try:
            if log.stat().st_size > MAX_LOG_BYTES:
                shutil.copyfile(log, log.with_name(f"{log.name}.1"))
                with log.open("r+b") as file:
                    file.truncate(0)
        except OSError:
            return  # a full disk: the health says so

    def record(self) -> PartRecord:
        """What is written down of it."""
        return PartRecord(
            name=self.name,
            kind=self.command.kind,
            state=self.state,
            reason=self.reason,
            pid=self.session,
            mark=self.mark,
            restarts=max(0, self.restarts),
            url=self.command.url,
        )
