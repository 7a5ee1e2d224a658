"""Blocking work beside the event loop, in a thread for each piece."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


def in_thread(work: Callable[[], Result]) -> "asyncio.Future[Result]":
    """What comes of the work, which begins at once.

    Not `asyncio.to_thread`: its few threads would all wait for containers, and none would be left
    to end one. And a thread that waits for what hangs must not keep this process alive.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Result] = loop.create_future()

    def end(result: Result | None, problem: BaseException | None) -> None:
        if future.done():  # nobody waits any more
            return
        if problem is not None:
            future.set_exception(problem)
        else:
            future.set_result(result)  # type: ignore[arg-type]  # it is one without a problem

    def run() -> None:
        try:
            result, problem = work(), None
        except BaseException as raised:  # it belongs to who waits
            result, problem = None, raised
        with contextlib.suppress(RuntimeError):  # the event loop is closed
            loop.call_soon_threadsafe(end, result, problem)

    threading.Thread(target=run, name="liminal-work", daemon=True).start()
    return future
