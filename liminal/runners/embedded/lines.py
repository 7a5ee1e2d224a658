"""What a task writes, on its way to the user and to its log file."""

import asyncio
import codecs
import os
from collections.abc import Callable
from pathlib import Path

LOG_LIMIT = 50 * 1024 * 1024
"""Bytes that the log of one attempt may have."""

LINE_LIMIT = 64 * 1024
"""Characters of a line that are shown at once; a longer one comes in pieces."""

PARTIAL_SECONDS = 0.2
"""How long the rest of a line may be awaited before it is shown as it is: a prompt, a progress."""


class Output:
    """Takes bytes as they come, shows them as lines, and writes them to a log file as they are.

    Neither a full disk nor a task that writes without end fails the task or fills the memory.
    """

    def __init__(
        self, log: Path, show: Callable[[tuple[str, ...]], None], warn: Callable[[str], None]
    ) -> None:
        self._log = _Log(log, warn)
        self._show = show
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def __call__(self, data: bytes) -> None:
        """Take what the task has written."""
        if self._closed:  # something that left the task's session writes on
            return
        self._log.write(data)
        self._take(self._decoder.decode(data))
        if self._rest and self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(PARTIAL_SECONDS, self._show_rest)

    def close(self) -> None:
        """Show and write what is still held."""
        self._closed = True
        self._take(self._decoder.decode(b"", final=True))
        self._show_rest()
        self._log.close()

    def _take(self, text: str) -> None:
        *lines, self._rest = (self._rest + text).split("\n")
        pieces = [piece for line in lines for piece in _pieces(line.removesuffix("\r"))]
        while len(self._rest) > LINE_LIMIT:
            pieces.append(self._rest[:LINE_LIMIT])
            self._rest = self._rest[LINE_LIMIT:]
        if pieces:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self._show(tuple(pieces))

    def _show_rest(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._rest:
            self._show((self._rest,))
            self._rest = ""


def _pieces(line: str) -> list[str]:
    starts = range(0, max(len(line), 1), LINE_LIMIT)
    return [line[start : start + LINE_LIMIT] for start in starts]


class _Log:
    """A file that takes bytes up to a limit, and gives up with one warning when it cannot."""

    def __init__(self, path: Path, warn: Callable[[str], None]) -> None:
        self._path = path
        self._warn = warn
        self._room = LOG_LIMIT
        self._file: int | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        except OSError as error:
            self._fail(error)

    def write(self, data: bytes) -> None:
        """Append the bytes, as long as there is room."""
        if self._file is None:
            return
        kept = data[: self._room]
        self._room -= len(kept)
        try:
            _write_all(self._file, kept)
            if len(kept) < len(data):
                limit = f"{LOG_LIMIT // (1024 * 1024)} MiB"
                _write_all(
                    self._file, f"\n[liminal: no more than {limit} of log are kept]\n".encode()
                )
                self._warn(f"its log is cut off at {limit}: {self._path}")
                self.close()
        except OSError as error:
            self._fail(error)

    def close(self) -> None:
        """No more will come."""
        if self._file is not None:
            file, self._file = self._file, None
            try:
                os.close(file)
            except OSError as error:  # the disk is full, and the system says so only now
                self._fail(error)

    def _fail(self, error: OSError) -> None:
        self._warn(f'its log "{self._path}" is not complete: {error.strerror}')
        if self._file is not None:
            file, self._file = self._file, None
            os.close(file)


def _write_all(file: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(file, left) :]
