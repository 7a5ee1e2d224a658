"""How a run is asked to end: by Ctrl-C, by the system, or because its time is over."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from liminal.runners import Stop
from liminal.runners.embedded.events import Event, Stopping

GRACE_SECONDS = 10.0
"""What a task gets between SIGTERM and SIGKILL."""

SECOND_GRACE_SECONDS = 3.0
"""The same, when the user asks a second time."""


class Halt:
    """Whether the run has been asked to end, and who must be told.

    Attributes:
        reason: in words, or None while nobody asked.
        interrupted: whether a signal asked, and not the pipeline's timeout.
    """

    def __init__(self, emit: Callable[[Event], None]) -> None:
        self.reason: str | None = None
        self.interrupted = False
        self._emit = emit
        self._running: set[Stop] = set()
        self._reporting: set[Stop] = set()
        self._happened = asyncio.Event()
        self._times = 0

    def interrupt(self, who: str) -> None:
        """End for a signal: at once where it comes a third time."""
        self._times += 1
        grace = (GRACE_SECONDS, SECOND_GRACE_SECONDS, 0.0)[min(self._times, 3) - 1]
        self.interrupted = True
        self._ask(f"interrupted by {who}", grace)
        if self._times > 1:
            for stop in self._reporting:
                stop.ask(grace)

    def time_out(self, reason: str) -> None:
        """End because the pipeline's time is over."""
        self._ask(reason, GRACE_SECONDS)

    def _ask(self, reason: str, grace: float) -> None:
        self.reason = self.reason or reason
        self._happened.set()
        self._emit(Stopping(reason=reason, grace_seconds=grace))
        for stop in self._running:
            stop.ask(grace)

    @contextlib.contextmanager
    def watched(self) -> Iterator[Stop]:
        """A request to end for an attempt; made when the run is asked to end."""
        with self._registered(self._running) as stop:
            yield stop

    @contextlib.contextmanager
    def watched_twice(self) -> Iterator[Stop]:
        """The same for the report of metrics, which only a second signal ends."""
        with self._registered(self._reporting) as stop:
            yield stop

    @staticmethod
    @contextlib.contextmanager
    def _registered(stops: set[Stop]) -> Iterator[Stop]:
        stop = Stop()
        stops.add(stop)
        try:
            yield stop
        finally:
            stops.discard(stop)

    async def wait(self) -> None:
        """Return once the run is asked to end."""
        await self._happened.wait()

    async def sleep(self, seconds: float) -> None:
        """Return after that time, or once the run is asked to end."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._happened.wait(), seconds)


@contextlib.contextmanager
def signals(halt: Halt) -> Iterator[None]:
    """Ask the run to end when a signal does, instead of ending this process.

    A signal that is ignored, as `nohup` and shells for background jobs arrange it, stays so. Only
    the main thread gets signals; elsewhere this does nothing.
    """
    loop = asyncio.get_running_loop()
    before: dict[signal.Signals, Callable[[int, FrameType | None], Any] | int | None] = {}
    for number, who in (
        (signal.SIGINT, "Ctrl-C"),
        (signal.SIGTERM, "SIGTERM"),
        (signal.SIGHUP, "the end of the terminal"),
    ):
        handler = signal.getsignal(number)
        if handler == signal.SIG_IGN:
            continue
        try:
            loop.add_signal_handler(number, halt.interrupt, who)
        except (ValueError, RuntimeError):
            break
        before[number] = handler
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
