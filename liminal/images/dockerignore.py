"""Which paths a .dockerignore leaves out, exactly as Docker reads it.

Source: moby/patternmatcher v0.6, ``patternmatcher.go`` and ``ignorefile/ignorefile.go``.
"""

import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass


class BadPattern(ValueError):
    """A line is no pattern.

    Attributes:
        line: its number, from 1.
    """

    def __init__(self, line: int, pattern: str) -> None:
        super().__init__(f'"{pattern}" is not a pattern')
        self.line = line


@dataclass(frozen=True, slots=True)
class Pattern:
    """One line: what it matches, and whether it takes in again (``!``) what others left out."""

    expression: re.Pattern[str]
    takes_in: bool


@dataclass(frozen=True, slots=True)
class Ignores:
    """The patterns in their order; the last one that matches a path decides."""

    patterns: tuple[Pattern, ...]

    @property
    def takes_in(self) -> bool:
        """Whether something in a folder that is left out may be taken in again."""
        return any(pattern.takes_in for pattern in self.patterns)

    def match(self, path: str, parent: tuple[bool, ...] = ()) -> tuple[bool, ...]:
        """Which patterns match the path or a folder above it, in their order.

        Args:
            path: relative, with ``/``.
            parent: what `match` gave for its folder; empty at the top.
        """
        above = parent or (False,) * len(self.patterns)
        return tuple(
            matched or pattern.expression.fullmatch(path) is not None
            for pattern, matched in zip(self.patterns, above, strict=True)
        )

    def leaves_out(self, matches: tuple[bool, ...]) -> bool:
        """Whether a path with these matches is left out."""
        for pattern, matched in zip(reversed(self.patterns), reversed(matches), strict=True):
            if matched:
                return not pattern.takes_in
        return False


def read_ignores(text: str, defaults: Iterable[str] = ()) -> Ignores:
    """The patterns of a .dockerignore.

    Args:
        text: all of the file.
        defaults: lines that come before those of the file, which may take them back.

    Raises:
        BadPattern: Docker would refuse the line.
    """
    patterns = [_pattern(line, 0) for line in defaults]
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        # Docker drops a comment before it trims: an indented "#" is a pattern.
        if not line.startswith("#") and line.strip():
            patterns.append(_pattern(line.strip(), number))
    return Ignores(tuple(patterns))


def _pattern(line: str, number: int) -> Pattern:
    takes_in = line.startswith("!")
    path = line[1:].strip() if takes_in else line
    if not path:
        raise BadPattern(number, line)
    # Like Go's filepath.Clean, which makes one slash of two; Python keeps a leading "//".
    path = posixpath.normpath(re.sub(r"/+", "/", path))
    if len(path) > 1:
        path = path.removeprefix("/")
    try:
        return Pattern(re.compile(_expression(path), re.DOTALL), takes_in)
    except re.error as error:
        raise BadPattern(number, line) from error


def _expression(pattern: str) -> str:
    """The pattern as a regular expression for whole paths."""
    parts = []
    rest = pattern
    while rest:
        if rest.startswith("**"):
            rest = rest[2:].removeprefix("/")
            parts.append("(?:.*/)?" if rest else ".*")
            continue
        if rest.startswith("[") and (end := _end_of_class(rest)) > 0:
            parts.append(rest[:end])
            rest = rest[end:]
            continue
        if rest[0] == "\\" and len(rest) > 1:
            parts.append(re.escape(rest[1]))
            rest = rest[2:]
            continue
        parts.append({"*": "[^/]*", "?": "[^/]", "[": "["}.get(rest[0]) or re.escape(rest[0]))
        rest = rest[1:]
    return "".join(parts)


def _end_of_class(rest: str) -> int:
    """The index behind the ``]`` that ends the class which `rest` begins with, or 0."""
    start = 2 if rest[1:2] in ("^", "]") else 1
    return rest.find("]", start) + 1
