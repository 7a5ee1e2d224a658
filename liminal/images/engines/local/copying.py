"""Copies what belongs to an image, and only what was hashed."""

import os
from pathlib import Path

from liminal.images.context import Changed, Context, Entry, hash_file


def copy_context(context: Context, folder: Path) -> None:
    """Copies the entries into the folder, which must not exist.

    Raises:
        Changed: a file is no longer what the context says.
        OSError: something could not be read or written; its name is with it.
    """
    folder.mkdir()
    for entry in context.entries:
        place = folder / entry.path
        match entry.kind:
            case "folder":
                place.mkdir()
            case "link":
                place.symlink_to(entry.target)
            case "file":
                _copy_file(context.folder / entry.path, place, entry)


def _copy_file(source: Path, place: Path, entry: Entry) -> None:
    # Only the executable bit, as Git keeps it; umask and owner are this machine's business.
    mode = 0o755 if entry.executable else 0o644
    try:
        with place.open("xb") as file:
            digest = hash_file(source, file.write)
        place.chmod(mode)
        status = source.stat()
        os.utime(place, ns=(status.st_atime_ns, status.st_mtime_ns))
    except FileNotFoundError as error:
        raise Changed(entry.path) from error
    except OSError as error:
        # write(2) and close(2) know no name; the message for the user needs one.
        raise OSError(error.errno, error.strerror, error.filename or str(place)) from error
    if digest != entry.digest:
        raise Changed(entry.path)
