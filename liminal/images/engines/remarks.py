"""What a user should hear of a build, whatever engine does it."""

import os
from collections.abc import Callable

from liminal.images.context import Context
from liminal.images.events import Note, Report, Waiting, Warning
from liminal.lock import Holder

_LARGE_MB = 200


def waits_for(name: str, report: Report) -> Callable[[Holder], None]:
    """Reports for whom the build of the image waits."""

    def tell(holder: Holder) -> None:
        # Another thread of this build, with an image that has the same requirements, is no news.
        here = holder.host == os.uname().nodename
        if here and holder.pid is not None and not _is_alive(holder.pid):
            # The installer that it had started, which holds on to the lock.
            report(Note(image=name, message="waits for a process that a killed build has left"))
        elif not here or holder.pid != os.getpid():
            report(Waiting(image=name, pid=holder.pid, host=holder.host))

    return tell


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def remark(name: str, context: Context, report: Report) -> None:
    """Reports what of the source is left out of the image, and whether it is a large one."""
    for path in context.special:
        report(Warning(image=name, message=f'"{path}" is no regular file, and is left out'))
    for path in context.secrets:
        message = f'"{path}" is left out, because its name is one of a secret'
        hint = f'to have it in the image, add the line "!{path}" to .dockerignore'
        report(Note(image=name, message=f"{message}; {hint}"))
    if context.size > _LARGE_MB * 1_000_000:
        largest = ", ".join(f'"{path}" ({size / 1e6:.0f} MB)' for path, size in context.largest(3))
        message = f"its source has {context.size / 1e6:.0f} MB; the largest are {largest}"
        hint = "leave out what the image does not need with lines in .dockerignore"
        report(Warning(image=name, message=message, hint=hint))
