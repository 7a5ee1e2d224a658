"""A build in a terminal: one line for each image at work, drawn again as it goes on."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType

from liminal.images.events import (
    BuildEvent,
    Failed,
    Finished,
    Note,
    Output,
    Skipped,
    Started,
    Step,
    Waiting,
)
from liminal.images.events import Warning as BuildWarning
from liminal.report.build import line
from liminal.report.terminal import printable

_TICK_SECONDS = 0.1
_BAR = 16


@dataclass(slots=True)
class _Image:
    """One image at work.

    Attributes:
        since: when its build began, in seconds of the clock.
        number, total: which step of how many, 0 where not known.
        last: what its step wrote last.
    """

    since: float
    doing: str = "building"
    number: int = 0
    total: int = 0
    last: str = ""


@dataclass(slots=True)
class LiveBuild:
    """Draws what happens; a context manager, because a thread draws the time that passes.

    Attributes:
        write: takes text for the terminal, with its control characters.
        clock: the seconds now.
        columns: how wide the terminal is now.
        colour: whether to colour.
        ascii_only: whether the terminal has no other characters.
    """

    write: Callable[[str], object]
    clock: Callable[[], float]
    columns: Callable[[], int]
    colour: bool = True
    ascii_only: bool = False
    _images: dict[str, _Image] = field(default_factory=dict)
    _drawn: int = 0
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> "LiveBuild":
        self._thread = threading.Thread(target=self._tick, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        with self._lock:
            self._images.clear()
            self._draw()

    def tell(self, event: BuildEvent) -> None:
        """Takes what happened."""
        with self._lock:
            kept = self._take(event)
            self._draw(line(event, colour=self.colour) if kept else None)

    def _take(self, event: BuildEvent) -> bool:
        """Whether the event is worth a line that stays."""
        match event:
            case Started():
                self._images[event.image] = _Image(self.clock())
                return False
            case Step():
                image = self._images.setdefault(event.image, _Image(self.clock()))
                image.doing, image.last = event.name, ""
                if event.total:
                    image.number, image.total = event.number, event.total
                return False
            case Output():
                if event.image in self._images:
                    self._images[event.image].last = event.line
                return False
            case Finished() | Skipped() | Failed():
                self._images.pop(event.image, None)
                return True
            case Note() | BuildWarning() | Waiting():
                return True

    def _tick(self) -> None:
        while not self._ended.wait(_TICK_SECONDS):
            with self._lock:
                self._draw()

    def _draw(self, above: str | None = None) -> None:
        """Replaces what was drawn; `above` is a line that stays over it."""
        erase = f"\x1b[{self._drawn}F\x1b[J" if self._drawn else ""
        lines = list(self._lines())
        self._drawn = len(lines)
        kept = [above] if above is not None else []
        if erase or kept or lines:
            self.write(erase + "".join(f"{text}\n" for text in (*kept, *lines)))

    def _lines(self) -> Iterator[str]:
        width = max((len(name) for name in self._images), default=0)
        columns = self.columns()
        for name, image in self._images.items():
            seconds = f"{self.clock() - image.since:4.0f} s"
            text = f"{name:{width}} {self._bar(image)} {seconds}  {image.doing}"
            if image.last.strip():
                text += f": {image.last.strip()}"
            yield printable(text, colour=False)[: columns - 1]

    def _bar(self, image: _Image) -> str:
        full, empty = ("#", "-") if self.ascii_only else ("\u2501", "\u2500")
        done = _BAR * max(0, image.number - 1) // image.total if image.total else 0
        return full * done + empty * (_BAR - done)
