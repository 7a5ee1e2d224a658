"""What a container writes, from its engine to the event loop, no faster than that takes it."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

READ_BYTES = 256 * 1024
"""How much is taken at once; the rest waits in the engine, and the task with it."""

_PIECES = 4
"""Pieces that may be on their way: then the reader waits."""

_HEADER = 8


class Delivery:
    """Gives pieces of output to a function on the event loop, from another thread."""

    def __init__(self, output: Callable[[bytes], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._output = output
        self._room = threading.Semaphore(_PIECES)

    def __call__(self, data: bytes) -> None:
        """Pass it on; waits while too much is on its way.

        Raises:
            RuntimeError: the event loop is gone.
        """
        self._room.acquire()
        self._loop.call_soon_threadsafe(self._take, data)

    def _take(self, data: bytes) -> None:
        try:
            self._output(data)
        finally:
            self._room.release()


def read(socket: Any) -> Iterator[bytes]:
    """What comes on the socket of an engine, until it ends or breaks."""
    from docker.utils.socket import read as read_some

    # Over ssh it is a process in a socket's clothes, whose `recv` waits until it has all the bytes.
    process = getattr(socket, "proc", None)
    while True:
        try:
            data = process.stdout.read1(READ_BYTES) if process else read_some(socket, READ_BYTES)
        except OSError:  # the engine is gone, or the way to it; who waits for the end is told
            return
        if not data:
            return
        yield data


def unframed(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The content of the frames in which an engine sends stdout and stderr of a container.

    Source: Docker Engine API 1.41, "Attach to a container", stream format: one byte for the
    stream, three of nothing, four for the length of what follows.
    """
    header = bytearray()
    left = 0
    for piece in pieces:
        content = []
        view = memoryview(piece)
        while view:
            if left:
                content.append(view[:left])
                taken = min(left, len(view))
                left -= taken
            else:
                taken = min(_HEADER - len(header), len(view))
                header += view[:taken]
                if len(header) == _HEADER:
                    left = int.from_bytes(header[4:], "big")
                    header.clear()
            view = view[taken:]
        if content:
            yield b"".join(content)


def close(socket: Any) -> None:
    """Close the socket, and the answer that it came with: the docker package leaves it open."""
    answer = getattr(socket, "_response", None)
    if answer is not None:
        answer.close()
    socket.close()
