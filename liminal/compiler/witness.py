"""The state of a file or folder, to tell later whether it is still the one that was read."""

import os


def state(path: str) -> list[str | int]:
    """What of a file or folder must be the same for a verdict to hold.

    The time of the last change of its status cannot be set back, as that of its content can.
    """
    real = os.path.realpath(path)
    try:
        status = os.stat(real)
    except (OSError, ValueError):  # no such file; a NUL in its name
        return [real]
    if os.path.isdir(real):
        return [real, status.st_dev, status.st_ino]
    return [real, status.st_dev, status.st_ino, status.st_size, status.st_ctime_ns]
