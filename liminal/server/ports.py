"""Ports of this machine: which are free, and who holds one that is not."""

import errno
import socket

import psutil

from liminal.errors import ServerError
from liminal.server.settings import HOST


def choose_port(wanted: int) -> int:
    """That port, or for 0 one that is free now.

    Raises:
        ServerError: it is taken; the message says by whom.
    """
    problem = _try(wanted)
    if isinstance(problem, int):
        return problem
    if problem.errno != errno.EADDRINUSE:
        raise ServerError(
            f"port {wanted} cannot be listened on: {problem.strerror}",
            hint="ports below 1024 are the system's; take another with --port",
        ) from problem
    raise ServerError(
        f"port {wanted} on {HOST} is taken{holder(wanted)}",
        hint="end that, or take another port with --port, or a free one with --port 0",
    ) from problem


def near_port(wanted: int, taken: set[int]) -> int:
    """That port if it is free and not among the taken, else any free one."""
    if wanted not in taken and 0 < wanted < 65536 and isinstance(_try(wanted), int):
        return wanted
    return choose_port(0)


def holder(port: int) -> str:
    """Who listens on the port, in words that follow "is taken"; empty where it is not told."""
    try:
        for one in psutil.net_connections(kind="tcp"):
            if one.status == psutil.CONN_LISTEN and one.laddr[1:] == (port,) and one.pid:
                return f" by process {one.pid} ({psutil.Process(one.pid).name()})"
    except psutil.Error:  # macOS tells root only
        return ""
    return " by a process of another user"


def _try(port: int) -> int | OSError:
    # Not SO_REUSEADDR alone decides: a listener on all addresses holds the port too.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
            listener.listen(1)
        except OSError as problem:
            return problem
        return int(listener.getsockname()[1])
