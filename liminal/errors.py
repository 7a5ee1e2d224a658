"""What can go wrong: findings as data, and the errors that end a command.

A mistake in the user's files is a `Diagnostic`; all of them are collected and reported together.
What stops a command is a `LiminalError`, whose class gives the exit code:

==== ================== =======================================================
code class              meaning
==== ================== =======================================================
1    (any other)        a bug of ours: traceback and where to report it
2    UsageError         the command line was wrong
3    ConfigurationError a liminal.yml was wrong
4    BuildError         an image could not be built
5    RunError           a task of the user's failed, or could not be started
6    ServerError        a server could not be started or did not answer
130  Interrupted        Ctrl-C, or a request to terminate
==== ================== =======================================================
"""

import enum
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from liminal.origin import Origin

MAX_FINDINGS = 1000
"""Findings of one stage about one file or application; whoever has more mends these first."""


class Severity(enum.Enum):
    """How much a finding weighs: only an error stops a command."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """One finding about the user's files.

    Attributes:
        code: kebab-case name of the rule; each has a page under docs/findings.
        message: lower case, no full stop, the user's text in double quotes.
        hint: what to do about it, or None.
    """

    code: str
    severity: Severity
    message: str
    origin: Origin
    hint: str | None = None


def error(code: str, message: str, origin: Origin, hint: str | None = None) -> Diagnostic:
    """A finding that stops the command."""
    return _finding(Severity.ERROR, code, message, origin, hint)


def warning(code: str, message: str, origin: Origin, hint: str | None = None) -> Diagnostic:
    """A finding that is worth a look; ``--strict`` makes it an error."""
    return _finding(Severity.WARNING, code, message, origin, hint)


def note(code: str, message: str, origin: Origin, hint: str | None = None) -> Diagnostic:
    """A finding that only informs."""
    return _finding(Severity.NOTE, code, message, origin, hint)


def _finding(
    severity: Severity, code: str, message: str, origin: Origin, hint: str | None
) -> Diagnostic:
    if len(message) > _LONG:
        message = _shortened(_LONG_TEXT.sub(r'"\1…"', message))
    if hint is not None:
        hint = _shortened(hint)
    return Diagnostic(code=code, severity=severity, message=message, origin=origin, hint=hint)


_LONG = 400
"""Characters of a message, beyond which it is cut: a user's file may hold a text of megabytes."""
_LONG_TEXT = re.compile(r'"([^"]{80})[^"]{20,}"')


def _shortened(text: str) -> str:
    return text if len(text) <= _LONG else f"{text[:_LONG]}…"


def in_order(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """The findings by file, line and column, each once.

    A parent layer's mistake is met again in every application that inherits from it; the first
    one found speaks for all.
    """
    once: dict[tuple[object, ...], Diagnostic] = {}
    for found in diagnostics:
        once.setdefault((*found.origin[:3], found.code, found.message), found)
    return tuple(sorted(once.values(), key=lambda d: (*d.origin[:3], d.code, d.message)))


def has_errors(diagnostics: Iterable[Diagnostic]) -> bool:
    """Whether any of the findings stops the command."""
    return any(found.severity is Severity.ERROR for found in diagnostics)


class LiminalError(Exception):
    """Ends the command with a message for the user, and a hint on what to do next."""

    exit_code: ClassVar[int]

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(LiminalError):
    """The command line asks for something that does not exist."""

    exit_code = 2


class ConfigurationError(LiminalError):
    """A liminal.yml is wrong; the diagnostics say where."""

    exit_code = 3

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        count = sum(found.severity is Severity.ERROR for found in self.diagnostics)
        super().__init__(f"{count} error{'' if count == 1 else 's'} in the configuration")


class BuildError(LiminalError):
    """An image could not be built."""

    exit_code = 4


class RunError(LiminalError):
    """A task failed, or a run could not be started."""

    exit_code = 5


class ServerError(LiminalError):
    """A server could not be started, or ended by itself."""

    exit_code = 6


class Interrupted(LiminalError):
    """The user, or the system, asked the command to end."""

    exit_code = 130
