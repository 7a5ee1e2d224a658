"""The processes that a build starts: their output line by line, and an end to all of them."""

import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from liminal.errors import Interrupted

if TYPE_CHECKING:
    import subprocess

LAST_LINES = 20
_LINE_BYTES = 4096
_GRACE_SECONDS = 2.0


class StepFailed(Exception):
    """A process ended badly.

    Attributes:
        how: its arguments and how it ended, for a sentence: ``"uv venv" exited with 2``.
        lines: the last lines of its output.
    """

    def __init__(self, how: str, lines: tuple[str, ...]) -> None:
        super().__init__(how)
        self.how = how
        self.lines = lines


@dataclass(frozen=True, slots=True)
class Processes:
    """What runs at the moment, in any thread."""

    _running: "set[subprocess.Popen[bytes]]" = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _cancelled: threading.Event = field(default_factory=threading.Event)

    def run(
        self,
        arguments: Sequence[str | Path],
        *,
        folder: Path,
        environ: Mapping[str, str],
        output: Callable[[str], None],
        holding: Sequence[int] = (),
        stdin: BinaryIO | None = None,
        outlives_us: bool = True,
    ) -> None:
        """Runs the command to its end, and ends whatever it leaves in the background.

        Args:
            arguments: the command and its words; no shell reads them.
            folder: the working directory.
            environ: all of its environment.
            output: called with each line that it writes, from another thread.
            holding: descriptors of locks that it holds on to when this process is killed.
            stdin: a file that it reads, or None for nothing.
            outlives_us: whether it goes on when this process is killed; where the system cannot
                end it then, it does.

        Raises:
            StepFailed: it could not be started, or ended with another status than 0.
            Interrupted: `cancel` was called.
        """
        words = tuple(str(word) for word in arguments)
        last: deque[str] = deque(maxlen=LAST_LINES)
        process = self._start(words, folder, environ, holding, stdin, outlives_us)
        reader = threading.Thread(target=_read, args=(process, last, output), daemon=True)
        reader.start()
        try:
            status = process.wait()
        except BaseException:
            _end(process)
            raise
        finally:
            # What the command left running would keep the output open, as no container would.
            _signal_group(process, signal.SIGKILL)
            reader.join(_GRACE_SECONDS)
            with self._lock:
                self._running.discard(process)
        self.check()
        if status != 0:
            raise StepFailed(f"{_quoted(words)} {_ending(status)}", tuple(last))

    def pause(self, seconds: float) -> None:
        """Sleeps, unless `cancel` is called.

        Raises:
            Interrupted: it was.
        """
        self._cancelled.wait(seconds)
        self.check()

    def check(self) -> None:
        """Goes on only while nobody has called `cancel`.

        Raises:
            Interrupted: somebody has.
        """
        if self._cancelled.is_set():
            raise Interrupted("the build was interrupted")

    def cancel(self) -> None:
        """Ends what runs, and lets nothing start any more."""
        self._cancelled.set()
        with self._lock:
            running = tuple(self._running)
        for process in running:
            _end(process)

    def _start(
        self,
        words: tuple[str, ...],
        folder: Path,
        environ: Mapping[str, str],
        holding: Sequence[int],
        stdin: BinaryIO | None,
        outlives_us: bool,
    ) -> "subprocess.Popen[bytes]":
        import subprocess  # a build with nothing to do never comes here

        with self._lock:
            self.check()
            try:
                process = subprocess.Popen(
                    words,
                    cwd=folder,
                    env=environ,
                    stdin=stdin or subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    # A session of its own, so that all it starts can be ended with it.
                    start_new_session=True,
                    pass_fds=holding,
                    preexec_fn=None if outlives_us else _end_with_parent(),
                )
            except OSError as error:
                how = f"{_quoted(words)} could not be started: {error.strerror}"
                raise StepFailed(how, ()) from error
            self._running.add(process)
        return process


def _end_with_parent() -> Callable[[], object] | None:
    """What makes a process end when the thread that started it does, however that ends.

    Only one call of C's, which was looked up before: between fork and exec nothing else is safe.
    Source: Linux, prctl(2), PR_SET_PDEATHSIG.
    """
    if sys.platform != "linux":
        return None
    import ctypes

    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(1, signal.SIGKILL, 0, 0, 0)


def _read(
    process: "subprocess.Popen[bytes]", last: deque[str], output: Callable[[str], None]
) -> None:
    pipe = process.stdout
    if pipe is None:
        return
    with pipe:
        # A limit, for a command may write a gigabyte without a newline.
        while piece := pipe.readline(_LINE_BYTES):
            # Of a progress bar that redraws itself only the last state counts.
            line = piece.decode(errors="replace").rstrip("\r\n").rsplit("\r", 1)[-1]
            last.append(line)
            output(line)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Asks the process and its children to end, and kills those that do not."""
    import subprocess

    _signal_group(process, signal.SIGTERM)
    try:
        process.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        _signal_group(process, signal.SIGKILL)
        process.wait()


def _signal_group(process: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):  # macOS: the latter for a group of zombies
        return


def _ending(status: int) -> str:
    if status > 0:
        return f"exited with {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"


def _quoted(words: tuple[str, ...]) -> str:
    import shlex

    return f'"{shlex.join(words)}"'
