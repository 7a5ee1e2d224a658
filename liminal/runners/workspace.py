"""A working directory for each attempt: a copy of what the image holds, gone when it ends."""

import errno
import os
import stat
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

_FICLONE = 0x40049409
"""Linux' request to share a file's blocks until one of the two is written (btrfs, xfs)."""

_CANNOT_CLONE = frozenset(
    {errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EPERM}
)

_CHUNK = 4 * 1024 * 1024


def copy_tree(source: Path, target: Path) -> Iterator[None]:
    """Copy a folder: symlinks as they are, times kept, everything writable by its owner.

    Times count: compiled Python is valid only beside a source of the same time. A container's root
    may write what an image's files allow nobody to, hence the modes.

    Args:
        source: what to copy.
        target: must not exist.

    Yields:
        Between small pieces of work, so that whoever copies can do, or want, something else: a
        thread for each copy costs more than a small copy does.

    Raises:
        OSError: something cannot be read, or the disk is full.
    """
    target.mkdir(0o755)
    clones = sys.platform == "linux"
    folders = [(os.fspath(source), os.fspath(target))]
    while folders:
        there, here = folders.pop()
        with os.scandir(there) as entries:
            for entry in entries:
                copy = os.path.join(here, entry.name)
                if entry.is_symlink():
                    os.symlink(os.readlink(entry.path), copy)
                elif entry.is_dir():
                    os.mkdir(copy, _mode(entry) | stat.S_IRWXU)
                    folders.append((entry.path, copy))
                elif entry.is_file():
                    clones = yield from _copy_file(entry, copy, clones)
                yield


def _copy_file(entry: "os.DirEntry[str]", copy: str, clones: bool) -> "Generator[None, None, bool]":
    """Copy the file; the answer says whether cloning is worth a try for the next one."""
    found = entry.stat()
    with open(entry.path, "rb", buffering=0) as reader, open(copy, "xb", buffering=0) as writer:
        done = clones and _clone(reader.fileno(), writer.fileno())
        while not done and (data := reader.read(_CHUNK)):
            left = memoryview(data)
            while left:
                left = left[writer.write(left) :]
            yield
        os.fchmod(writer.fileno(), stat.S_IMODE(found.st_mode) | stat.S_IRUSR | stat.S_IWUSR)
    os.utime(copy, ns=(found.st_atime_ns, found.st_mtime_ns))
    return done


def _clone(reader: int, writer: int) -> bool:
    import fcntl  # not on every platform that can compile a pipeline

    try:
        fcntl.ioctl(writer, _FICLONE, reader)
    except OSError as problem:
        if problem.errno in _CANNOT_CLONE:
            return False
        raise
    return True


def _mode(entry: "os.DirEntry[str]") -> int:
    return stat.S_IMODE(entry.stat().st_mode)
