"""What happens while an image is built, as data: an engine reports, the command line renders."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The build of the image begins: it is new, or something that goes into it changed."""

    image: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A step of the build begins.

    Attributes:
        name: what it does, lower case: ``installing the requirements``.
        number, total: which step of how many it is, or 0 where that is not known.
    """

    image: str
    name: str
    number: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """A line that a step's process wrote, without its newline."""

    image: str
    line: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Another process builds the same thing; this one waits for it.

    Attributes:
        pid, host: the holder of the lock, None where it did not leave them.
    """

    image: str
    pid: int | None
    host: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something that the user may want to know."""

    image: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Warning:
    """Something that the user did probably not mean, or that this engine cannot honour."""

    image: str
    message: str
    hint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """The image is not built again.

    Attributes:
        reason: why not, lower case: ``nothing changed``.
    """

    image: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The image is built, and is now what its name stands for.

    Attributes:
        reference: what a container of this content is started by; None without containers.
    """

    image: str
    seconds: float
    reference: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The image could not be built; the error says why."""

    image: str


BuildEvent: TypeAlias = (
    Started | Step | Output | Waiting | Note | Warning | Skipped | Finished | Failed
)

Report: TypeAlias = Callable[[BuildEvent], None]
