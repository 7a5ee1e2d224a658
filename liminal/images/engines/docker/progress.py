"""What a builder writes -> the steps of a build, and the one that failed.

BuildKit (``--progress=plain``), the classic builder and Podman each have lines of their own; all of
them repeat the instruction, by which a step is told.
"""

import re
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from liminal.images.engines.process import LAST_LINES

_HOLD_SECONDS = 0.3
"""So long a step may turn out to come from the cache, and is then not worth a word."""

_INSTRUCTION = re.compile(r"(?:RUN|COPY|ADD|WORKDIR)\b")
_MOUNT = re.compile(r"--(?:mount|network|security)=\S+\s*")
_BUILDKIT = re.compile(r"#(?P<vertex>\d+) (?P<text>.*)")
_VERTEX = re.compile(r"\[(?:[^\]]* )?\d+/\d+\] (?P<instruction>.*)")
_CLASSIC = re.compile(r"(?:\[\d+/\d+\] )?(?:Step|STEP) \d+/\d+ ?: (?P<instruction>.*)")
_CACHED = re.compile(r" ?-+> Using cache.*")
_REPEATED = re.compile(
    r"^(?:ERROR: )?(?:executor failed running \[.*\]|process \".*\" did not \w+ \w+): "
)
_RETURNED = re.compile(r"The command '.*' returned a non-zero code: \d+", re.DOTALL)
_NOISE = re.compile(r"-*|\s*> \[.*|\s*\d+ \|.*|\S*Dockerfile:\d+|#\d+ .*|sha256:\S*")
"""What builders write around an error: the instruction again, and a piece of the file."""

_ASIDE = ("sha256:", " ---> ", "--> ", "Removing intermediate container ", "COMMIT ")
"""What they write between the lines of a step."""

_EXIT = re.compile(r"exit code: (\d+)|non-zero code: (\d+)|exit status (\d+)|exited with (\d+)")


@dataclass(frozen=True, slots=True)
class Failure:
    """The step that ended a build.

    Attributes:
        title: what it did, in words, or the instruction; None when no step did.
        status: its command's exit status, or None.
        lines: the last lines that it wrote, or the builder where it wrote none.
    """

    title: str | None
    status: int | None
    lines: tuple[str, ...]


@dataclass(slots=True)
class _Step:
    title: str | None
    last: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_LINES))


@dataclass(slots=True)
class Progress:
    """Follows a build, line by line.

    Attributes:
        titles: see `titles_of`.
        began: called with the words, the number and the total of each step that does something.
        wrote: called with each line that a step's command writes.
    """

    titles: dict[str, str]
    began: Callable[[str, int, int], None]
    wrote: Callable[[str], None]
    _steps: dict[str, _Step] = field(default_factory=dict)
    _current: str = ""
    _failed: str | None = None
    _status: int | None = None
    _builder: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_LINES))
    _numbers: dict[str, int] = field(default_factory=dict)
    _held: dict[str, threading.Timer] = field(default_factory=dict)

    def read(self, line: str) -> None:
        """Takes the next line."""
        if (code := _EXIT.search(line)) is not None:
            self._status = int(next(group for group in code.groups() if group))
        buildkit = _BUILDKIT.fullmatch(line)
        if _RETURNED.match(line):
            self._complain(line)
        elif buildkit is not None:
            self._read_buildkit(buildkit["vertex"], buildkit["text"])
        elif (classic := _CLASSIC.fullmatch(line)) is not None:
            self._current = classic["instruction"]
            self._begin(self._current, self._current)
        elif _CACHED.fullmatch(line):
            self._forget(self._current)
        elif self._current:
            self._write(self._current, line)
        else:
            self._complain(line)

    def end(self) -> None:
        """No more lines come."""
        for key in tuple(self._held):
            self._forget(key)

    def failure(self) -> Failure:
        """What to tell of a build that failed."""
        step = self._steps.get(self._failed or self._current)
        lines = tuple(step.last) if step and step.last else tuple(self._builder)
        return Failure(step.title if step else None, self._status, lines)

    def _read_buildkit(self, vertex: str, text: str) -> None:
        if (header := _VERTEX.fullmatch(text)) is not None:
            if vertex not in self._steps:
                self._begin(vertex, header["instruction"])
        elif text == "CACHED":
            self._forget(vertex)
        elif text.startswith("ERROR"):
            self._failed = vertex
            self._complain(text)
        elif vertex == self._failed:
            return  # the end of its output, once more
        elif vertex in self._steps and (written := re.match(r"\d+\.\d+ (.*)", text)):
            self._write(vertex, written[1])

    def _complain(self, line: str) -> None:
        """Keeps what the builder itself says is wrong, once."""
        words = _REPEATED.sub("", line.strip())
        if not _NOISE.fullmatch(words) and words not in self._builder:
            self._builder.append(words)

    def _begin(self, key: str, instruction: str) -> None:
        if not _INSTRUCTION.match(instruction):
            return
        plain = normal(instruction)
        title = self.titles.get(plain) if self.titles else plain[:60]
        self._steps[key] = _Step(title or plain[:60])
        self._numbers.setdefault(key, len(self._numbers) + 1)
        if title is not None:
            timer = threading.Timer(_HOLD_SECONDS, self._tell, (key,))
            timer.daemon = True
            self._held[key] = timer
            timer.start()

    def _write(self, key: str, line: str) -> None:
        step = self._steps.get(key)
        if step is None or line.startswith(_ASIDE) or (key in self._held and not line):
            return
        self._tell(key)
        step.last.append(line)
        self.wrote(line)

    def _tell(self, key: str) -> None:
        timer = self._held.pop(key, None)
        if timer is not None:
            timer.cancel()
            total = max(len(self._numbers), len(self.titles))
            self.began(self._steps[key].title or "", self._numbers[key], total)

    def _forget(self, key: str) -> None:
        timer = self._held.pop(key, None)
        if timer is not None:
            timer.cancel()


def titles_of(text: str) -> dict[str, str]:
    """Instruction -> the comment above it, in a Dockerfile of ours."""
    titles = {}
    title = None
    for line in text.replace("\\\n", " ").split("\n"):
        if line.startswith("# "):
            title = line[2:]
        else:
            if title is not None and _INSTRUCTION.match(line):
                titles[normal(line)] = title
            title = None
    return titles


def normal(instruction: str) -> str:
    """The instruction as all builders repeat it, more or less."""
    return " ".join(_MOUNT.sub("", instruction).split())
