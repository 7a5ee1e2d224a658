"""One process at a time: a file lock that says who holds it."""

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who holds, or last held, a lock; None where it could not be read."""

    pid: int | None
    host: str | None


@contextmanager
def hold(
    path: Path,
    *,
    waiting: Callable[[Holder], None] | None = None,
    pause: Callable[[float], object] = time.sleep,
) -> Iterator[int]:
    """Holds the lock for the length of the block, and gives its file descriptor.

    The kernel drops the lock with the last process that has the descriptor open, so no lock of a
    dead process is ever left. Pass the descriptor on to a child that must not work on when its
    parent is killed and another process takes the lock.

    Args:
        path: the lock file; made when missing, never removed, for a file that is removed while
            another process waits on it locks nothing.
        waiting: called once, with the holder, when another has the lock.
        pause: called with the seconds until the next attempt; what it raises ends the wait.

    Raises:
        OSError: the file cannot be made, or its file system knows no locks.
    """
    descriptor = _take(path, waiting, pause)
    try:
        _sign(descriptor, path)
        yield descriptor
    finally:
        # Not only closed: a child that has inherited the descriptor would hold it on.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def read_holder(path: Path) -> Holder:
    """Who last took the lock."""
    try:
        record = json.loads(path.read_bytes())
        return Holder(pid=int(record["pid"]), host=str(record["host"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Holder(pid=None, host=None)


def _take(
    path: Path, waiting: Callable[[Holder], None] | None, pause: Callable[[float], object]
) -> int:
    told = False
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if _locked(descriptor) and _is_at(descriptor, path):
                return descriptor
            if waiting is not None and not told:
                waiting(read_holder(path))
                told = True
            # Not a blocking flock: in a thread no signal would end it.
            pause(_POLL_SECONDS)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether the file that is locked is still the one at the path."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _sign(descriptor: int, path: Path) -> None:
    """Leaves the holder's pid and host in the file."""
    record = json.dumps({"pid": os.getpid(), "host": os.uname().nodename}).encode()
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, record, 0)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
