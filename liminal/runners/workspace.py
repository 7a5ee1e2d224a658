"""A working directory for each attempt: a copy of what the image holds, gone when it ends."""

import errno
import os
import shutil
import stat
import sys
from pathlib import Path

_FICLONE = 0x40049409
"""Linux' request to share a file's blocks until one of the two is written (btrfs, xfs)."""

_CANNOT_CLONE = frozenset(
    {errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EPERM}
)


def copy_tree(source: Path, target: Path) -> None:
    """Copy a folder: symlinks as they are, times kept, everything writable by its owner.

    Times count: compiled Python is valid only beside a source of the same time. A container's root
    may write what an image's files allow nobody to, hence the modes.

    Raises:
        OSError: something cannot be read, or the disk is full.
    """
    os.mkdir(target, 0o755)
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
                    clones = _copy_file(entry, copy, clones)


def _copy_file(entry: "os.DirEntry[str]", copy: str, clones: bool) -> bool:
    """Copy the file; the answer says whether cloning is worth a try for the next one."""
    done = clones and entry.stat().st_size > 0 and _clone(entry.path, copy)
    if not done:
        shutil.copyfile(entry.path, copy)
    os.chmod(copy, _mode(entry) | stat.S_IRUSR | stat.S_IWUSR)
    found = entry.stat()
    os.utime(copy, ns=(found.st_atime_ns, found.st_mtime_ns))
    return clones and (done or found.st_size == 0)


def _clone(source: str, copy: str) -> bool:
    import fcntl  # not on every platform that could compile a pipeline

    with open(source, "rb") as reader, open(copy, "wb") as writer:
        try:
            fcntl.ioctl(writer.fileno(), _FICLONE, reader.fileno())
        except OSError as problem:
            if problem.errno in _CANNOT_CLONE:
                return False
            raise
    return True


def _mode(entry: "os.DirEntry[str]") -> int:
    return stat.S_IMODE(entry.stat().st_mode)
