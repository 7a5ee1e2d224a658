"""What the commands say: data on stdout, messages on stderr. The only module that prints."""

from __future__ import annotations

import os
import sys
from typing import TextIO

import click

from liminal.errors import ConfigurationError, LiminalError


class ReaderGone(Exception):
    """Nobody reads our output any more.

    Not the OSError that it begins as: click would exit with 1, as for a bug, and a build would take
    it for a disk that cannot be written.
    """


def say(text: str) -> None:
    """A message for people: never on stdout, which is for data."""
    echo(text, file=sys.stderr, color=colours(sys.stderr))


def echo(
    text: str | bytes, *, file: TextIO | None = None, nl: bool = True, color: bool | None = None
) -> None:
    """Writes the text, by default on stdout.

    Raises:
        ReaderGone: nobody reads the stream any more.
    """
    try:
        click.echo(text, file=file or sys.stdout, nl=nl, color=color)
    except BrokenPipeError as problem:
        raise ReaderGone from problem


def write_data(value: object) -> None:
    """The value as JSON on stdout."""
    import json

    echo(json.dumps(value, indent=2))


def complain(problem: LiminalError) -> None:
    """The error on stderr; of a configuration, each of its findings."""
    if isinstance(problem, ConfigurationError):
        from liminal.report.findings import as_text, summary

        say(as_text(problem.diagnostics, colours(sys.stderr)))
        say(summary(problem.diagnostics))
        return
    say(f"{click.style('error', fg='red', bold=True)}: {printable(problem.message)}")
    if problem.hint:
        say(printable(f"  hint: {problem.hint}"))


def printable(text: str, stream: TextIO | None = None) -> str:
    """What others wrote, as stderr, or that stream, may have it."""
    from liminal.report.terminal import printable

    return printable(text, colour=colours(stream or sys.stderr))


def tell_output(line: bytes) -> None:
    """Writes a line of a service: to a terminal without what it would obey, else as it is."""
    from liminal.report.terminal import printable

    if not sys.stdout.isatty():
        echo(line, nl=False)
        return
    echo(printable(line.decode(errors="replace").rstrip("\r\n"), colour=colours(sys.stdout)))


def is_ascii(stream: TextIO) -> bool:
    """Whether the stream would refuse the characters that lines are drawn with."""
    try:
        "\u25cf\u2502".encode(stream.encoding or "ascii")
    except UnicodeEncodeError:
        return True
    return False


def colours(stream: TextIO) -> bool:
    """Whether to colour. Source: no-color.org."""
    return stream.isatty() and not os.environ.get("NO_COLOR")


def counted(count: int, noun: str) -> str:
    """``1 thing``, ``2 things``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
