"""Writing files so that a crash leaves the old or the new, never a mix."""

import os
import stat
from pathlib import Path

PRIVATE_FOLDER = 0o700
PRIVATE_FILE = 0o600


def write_atomic(path: Path, data: bytes, *, mode: int = PRIVATE_FILE) -> None:
    """Replaces the file: whoever reads it, also after a crash, sees all of the old or of the new.

    Args:
        path: the file, in a folder that exists.
        data: all of its content.
        mode: its permissions.

    Raises:
        OSError: nothing was changed, and no temporary file is left.
    """
    # The pid alone is not unique: several threads may write the same record.
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{os.urandom(4).hex()}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            # write(2) knows no name; the message for the user needs one.
            raise OSError(error.errno, error.strerror, str(path)) from error
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Makes renames in the folder survive a power failure."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_private_folder(path: Path) -> None:
    """Makes the folder and its missing parents, readable by their owner only."""
    missing = []
    while not path.is_dir():
        missing.append(path)
        path = path.parent
    for folder in reversed(missing):
        folder.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)


def remove_tree(path: Path) -> None:
    """Removes the file or folder, if it exists, with whatever in it is read-only.

    Symlinks are removed, never followed.

    Raises:
        OSError: something in it could not be removed.
    """
    try:
        is_folder = stat.S_ISDIR(path.lstat().st_mode)
    except FileNotFoundError:
        return
    if not is_folder:
        path.unlink(missing_ok=True)
        return
    # A folder without the write permission keeps what is in it from being removed.
    path.chmod(PRIVATE_FOLDER)
    with os.scandir(path) as entries:
        found = list(entries)
    for entry in found:
        if entry.is_dir(follow_symlinks=False):
            remove_tree(Path(entry.path))
        else:
            Path(entry.path).unlink(missing_ok=True)
    try:
        path.rmdir()
    except FileNotFoundError:
        return
