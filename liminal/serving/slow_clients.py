"""Connections of clients that neither finish their request nor go away."""

from __future__ import annotations

import os
import socket
import struct
import sys
import threading
import time
from pathlib import Path

# Source: Linux, include/uapi/linux/tcp.h, struct tcp_info: eight bytes, then 32-bit numbers.
_STATE_ESTABLISHED = 1
_LAST_DATA_SENT = struct.Struct("=B43xI")  # the state, and milliseconds since we sent something


class SlowClients:
    """Closes the connections on which nothing was sent to the client for too long.

    Granian waits for a request's body without end and holds a thread meanwhile
    (emmett-framework/granian#728, "wontfix"), and WSGI has no way to stop that read. Every request
    that is complete is answered within its timeout, so after a multiple of it a connection
    without an answer is one whose body does not come, or an idle one; both may be closed.
    Linux only; elsewhere it does nothing.
    """

    def __init__(self, port: int, seconds: float) -> None:
        self._port = port
        self._seconds = seconds

    def start(self) -> None:
        """Looks from now on, every quarter of the time or oftener."""
        if sys.platform == "linux":
            threading.Thread(target=self._look, name="slow-clients", daemon=True).start()

    def _look(self) -> None:
        while True:
            time.sleep(min(self._seconds / 4, 5.0))
            close_silent(self._port, self._seconds)


def close_silent(port: int, seconds: float) -> int:
    """Closes this process's connections on a port without a byte sent for so long; their number."""
    closed = 0
    for link in Path("/proc/self/fd").iterdir():
        try:
            if not os.readlink(link).startswith("socket:"):
                continue
            # A duplicate: what we ask and what we close is the same socket, even if Granian
            # closes its own descriptor meanwhile and the number is given to another.
            with socket.socket(fileno=os.dup(int(link.name))) as connection:
                if _is_silent(connection, port, seconds):
                    connection.shutdown(socket.SHUT_RDWR)
                    closed += 1
        except OSError:
            continue  # closed meanwhile
    return closed


def _is_silent(connection: socket.socket, port: int, seconds: float) -> bool:
    if connection.family not in (socket.AF_INET, socket.AF_INET6):
        return False
    if connection.type != socket.SOCK_STREAM or connection.getsockname()[1] != port:
        return False
    information = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _LAST_DATA_SENT.size)
    state, milliseconds = _LAST_DATA_SENT.unpack(information)
    return bool(state == _STATE_ESTABLISHED and milliseconds > seconds * 1000)
