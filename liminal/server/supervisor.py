"""Starts the parts of a server, watches them, starts again what died, and ends them all."""

import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from liminal.errors import Interrupted, ServerError
from liminal.server.database import last_lines
from liminal.server.ending import API_SERVER, end_parts, end_strays, kill_sessions, strays
from liminal.server.folder import ServerFolder
from liminal.server.leftovers import Leftovers
from liminal.server.parts import FAILURES, Command, Part
from liminal.server.pulse import SILENT_SECONDS, STALE_SECONDS, Beat, Pulse, answers
from liminal.server.record import ServerRecord, write_server

START_SECONDS = 150.0
"""Who is not well after that long is started again: a slow disk, two processors, a first start."""

FULL_BYTES = 32 * 1024 * 1024
"""With less room than this on the disk, a part that dies is not to blame for it."""

SERVICES_SECONDS = 60.0
"""How long ``start`` waits for services; their images are built by then."""

_FULL = "the disk is full"
_POLL_SECONDS = 0.2
_STARTING_SECONDS = 0.5
_PULSE_SECONDS = 2.0
_TRIGGERER_SECONDS = 5.0


class Supervisor:
    """A server that runs.

    Args:
        leftovers: ends what is left in the end, and knows whose server it is.
        folder: the server's.
        base: what the record begins with.
        commands: Airflow's parts that always run, then the services.
        triggerer: the part that is started once a task needs it.
        pulse: asks the server how it is.
        last_job: Airflow's newest job before this start.
        tell: takes what the user should know.
    """

    def __init__(
        self,
        *,
        leftovers: Leftovers,
        folder: ServerFolder,
        base: ServerRecord,
        commands: Sequence[Command],
        triggerer: Command,
        pulse: Pulse,
        last_job: int,
        tell: Callable[[str], None],
    ) -> None:
        self._leftovers = leftovers
        self._home = leftovers.machine.home
        self._folder = folder
        self._base = base
        self._parts = [Part(command) for command in commands]
        self._triggerer = triggerer
        self._pulse = pulse
        self._last_job = last_job
        self._tell = tell
        self._state = "starting"
        self._reasons: tuple[str, ...] = ()
        self._asked = 0
        self._wake = threading.Event()
        self._next_pulse = 0.0
        self._next_triggerer = 0.0
        self._api_answered = time.monotonic()
        self._written: ServerRecord | None = None

    def run(self, ready: Callable[[ServerRecord], None]) -> None:
        """Runs until a signal asks it to end; leaves nothing running, however it returns.

        Args:
            ready: called once, when everything answers.

        Raises:
            ServerError: a part failed again and again.
            Interrupted: it was asked to end before it was ready.
        """
        told = False
        with self._signals():
            try:
                while not self._asked:
                    self._turn()
                    if not told and self._is_ready():
                        told = True
                        self._state = "ready"
                        self._write()
                        ready(self._record())
                    self._wake.wait(_POLL_SECONDS)
                if not told:
                    raise Interrupted("the server was asked to end before it was ready")
            except ServerError:
                self._state = "failed"
                raise
            finally:
                self._end()

    def _turn(self) -> None:
        now = time.monotonic()
        for part in self._parts:
            self._mind(part, now)
        if now >= self._next_pulse:
            self._feel(now)
            all_run = all(part.state == "running" for part in self._parts)
            self._next_pulse = now + (_PULSE_SECONDS if all_run else _STARTING_SECONDS)
        self._write()

    def _mind(self, part: Part, now: float) -> None:
        """Starts the part, or takes notice that it died."""
        if part.state == "waiting":
            if now >= part.due and self._may_start(part):
                self._start(part, now)
            return
        if (how := part.ended()) is not None:
            self._failed(part, how, now)
        elif part.state == "starting" and now - part.since > START_SECONDS:
            self._failed(part, f"it did not get ready within {START_SECONDS:.0f} s", now)

    def _may_start(self, part: Part) -> bool:
        if part.reason == _FULL and self._disk_is_full():
            return False  # it would die again, and again
        return part.command.kind == "airflow" or self._airflow_runs()

    def _start(self, part: Part, now: float) -> None:
        try:
            part.start(now)
        except OSError as error:
            part.failed(f"it cannot be started: {error.strerror}", now)
            self._give_up(part)
        if part.name == API_SERVER:
            self._api_answered = now
        self._write()

    def _failed(self, part: Part, reason: str, now: float) -> None:
        """Ends what is left of the part, and has it started again later."""
        full = self._disk_is_full()
        if part.session is not None:
            kill_sessions([part.session], part.ended)
        end_strays(strays(self._home, part.name))
        self._pulse.forget(part.name)
        part.failed(_FULL if full else reason, now, counts=not full)
        self._tell(f"{part.name}: {part.reason}; it is started again")
        self._write()
        self._give_up(part)

    def _give_up(self, part: Part) -> None:
        if part.command.kind == "airflow" and part.failures >= FAILURES:
            raise ServerError(
                f"{part.name} failed {FAILURES} times in a row, the last time: {part.reason}\n"
                + last_lines(part.command.log),
                hint=f'its log is "{part.command.log}"',
            )

    def _feel(self, now: float) -> None:
        """Asks every part how it is."""
        beats = self._pulse.beats() if self._runs(API_SERVER) else None
        reasons = [_FULL] if self._disk_is_full() else []
        if beats is not None:
            self._api_answered = now
        for part in self._parts:
            if part.state not in ("starting", "running"):
                reasons.append(f"{part.name}: {part.reason or 'not started yet'}")
                continue
            problem = self._problem(part, beats, now)
            if problem is None:
                was = part.state
                part.well(now)
                if was == "starting" and self._state == "starting":
                    self._tell(f"{part.name} is ready")
            elif part.state == "running":
                reasons.append(f"{part.name}: {problem[0]}")
                if problem[1]:
                    self._failed(part, problem[0], now)
        self._reasons = tuple(reasons) if self._state == "ready" else ()
        if beats is not None and now >= self._next_triggerer and self._state == "ready":
            self._next_triggerer = now + _TRIGGERER_SECONDS
            self._add_triggerer()

    def _problem(
        self, part: Part, beats: "dict[str, Beat] | Any", now: float
    ) -> tuple[str, bool] | None:
        """What is wrong with a part that lives, and whether it must be started again."""
        if part.name == API_SERVER:
            silence = now - self._api_answered
            if silence == 0:
                return None
            return f"it has not answered for {silence:.0f} s", silence > SILENT_SECONDS
        if part.command.kind == "service":
            well = part.command.health is None or answers(part.command.health)
            # A service that is slow to answer may be busy; its own supervisor ends what hangs.
            return None if well else ("it does not answer", False)
        if beats is None:
            return ("nobody can tell: the API server does not answer", False)
        beat = beats.get(part.name)
        if beat is None or beat.job <= self._last_job:
            return ("its heart does not beat yet", False)
        silence = self._pulse.silence(part.name, beat)
        if silence > STALE_SECONDS:
            return f"its heart has not beaten for {silence:.0f} s", True
        return None

    def _add_triggerer(self) -> None:
        if any(part.name == self._triggerer.name for part in self._parts):
            return
        if self._pulse.needs_triggerer():
            self._tell("a task waits for an event: the triggerer is started")
            self._parts.append(Part(self._triggerer))

    def _is_ready(self) -> bool:
        now = time.monotonic()
        return self._airflow_runs() and all(
            part.state == "running"
            or part.failures > 0
            or (part.restarts >= 0 and now - part.since > SERVICES_SECONDS)
            for part in self._parts
            if part.command.kind == "service"
        )

    def _airflow_runs(self) -> bool:
        return self._state == "ready" or all(
            part.state == "running" for part in self._parts if part.command.kind == "airflow"
        )

    def _runs(self, name: str) -> bool:
        return any(
            part.name == name and part.state in ("starting", "running") for part in self._parts
        )

    def _disk_is_full(self) -> bool:
        try:
            return shutil.disk_usage(self._folder.path).free < FULL_BYTES
        except OSError:
            return False

    def _end(self) -> None:
        final = "failed" if self._state == "failed" else "stopped"
        self._state = "stopping"
        self._write()

        def reap() -> None:
            for part in self._parts:
                part.ended()

        sessions = {part.name: part.session for part in self._parts if part.session is not None}
        end_parts(sessions, reap=reap, hurry=lambda: self._asked > 1)
        for words in self._leftovers.end(self._tell):
            self._tell(words)
        self._state = final
        self._parts = []
        self._write()

    def _record(self) -> ServerRecord:
        return ServerRecord(
            pid=self._base.pid,
            mark=self._base.mark,
            state=self._state,
            url=self._base.url,
            version=self._base.version,
            parts=tuple(part.record() for part in self._parts),
            reasons=self._reasons,
        )

    def _write(self) -> None:
        record = self._record()
        if record == self._written:
            return
        with suppress(OSError):  # a full disk: it is written once there is room
            write_server(self._folder, record)
            self._written = record
        for part in self._parts:
            part.shorten_log()

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """A signal asks the server to end; a second one hurries."""

        def ask(number: int, frame: FrameType | None) -> None:
            self._asked += 1
            self._wake.set()

        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = {number: signal.getsignal(number) for number in numbers}
        for number in numbers:
            if before[number] != signal.SIG_IGN:
                signal.signal(number, ask)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
