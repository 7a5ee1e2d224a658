"""What an engine tells while it works: a build, a pull or a push, each answer as it comes."""

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

from liminal.images.engines.process import Processes

_POLL_SECONDS = 0.1


def unblocked(
    ask: Callable[[], Iterator[dict[str, Any]]], processes: Processes
) -> Iterator[dict[str, Any]]:
    """The answers, which who is cancelled does not wait for: the next may take minutes.

    Args:
        ask: asks the engine, which may be slow to begin, too.
        processes: those of the engine, by which it is cancelled.

    Raises:
        Interrupted: the engine was cancelled; what it does ends when this process does.
    """
    waiting: queue.SimpleQueue[dict[str, Any] | BaseException | None] = queue.SimpleQueue()

    def read() -> None:
        try:
            for answer in ask():
                waiting.put(answer)
            waiting.put(None)
        except BaseException as error:
            waiting.put(error)

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            answer = waiting.get(timeout=_POLL_SECONDS)
        except queue.Empty:
            processes.check()
            continue
        if answer is None:
            return
        if isinstance(answer, BaseException):
            raise answer
        yield answer
