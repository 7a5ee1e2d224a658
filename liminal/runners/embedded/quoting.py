"""Values that a run supplies, in a shell command: part of one word each, never syntax. Pure.

The command itself is the user's and is pasted as written. To quote a value one must know what
stands around it: between double quotes, ``'$(id)'`` would run. So the text before it is read as a
POSIX shell reads it, as far as that can be done with certainty; beyond that, a value is refused.

Source: POSIX.1-2024, Shell Command Language, 2.2 Quoting and 2.3 Token Recognition.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from typing import Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class Fragment:
    """A piece of a text.

    Attributes:
        supplied: whether the run supplied it, not the file.
    """

    text: str
    supplied: bool


class Unquotable(Exception):
    """A value stands where no quoting would keep it from becoming syntax."""


def plain(fragments: Iterable[Fragment]) -> str:
    """The text, for where no shell reads it."""
    return "".join(fragment.text for fragment in fragments)


def command(fragments: Iterable[Fragment]) -> str:
    """The command for ``/bin/sh -c``, with the supplied values quoted.

    Raises:
        Unquotable: one of them stands where it cannot be quoted; says where.
    """
    known = tuple(fragments)
    if not any(fragment.supplied for fragment in known):
        return plain(known)
    shell = _Shell()
    parts = []
    for supplied, group in groupby(known, key=lambda fragment: fragment.supplied):
        if supplied:
            parts += [shell.quote(fragment.text) for fragment in group]
        else:
            text = plain(group)
            shell.read(text)
            parts.append(text)
    return "".join(parts)


_Context: TypeAlias = Literal["plain", "group", "double", "single", "comment"]

# What may hold no value and can be stepped over as a whole.
_PARAMETER = re.compile(r"\$\{[^}'\"\\`${]*\}")
_ARITHMETIC = re.compile(r"\$\(\([^()'\"\\`]*\)\)")
_BEFORE_A_WORD = frozenset(" \t\n;&|()<>")


@dataclass(slots=True)
class _Shell:
    """How a shell has understood the text so far.

    Attributes:
        contexts: what encloses the next character, innermost last.
        refused: why a value can no longer stand here, or None.
        open_end: the same, but only for a value directly after what was read.
    """

    contexts: list[_Context] = field(default_factory=lambda: ["plain"])
    refused: str | None = None
    open_end: str | None = None
    last: str = "\n"

    def quote(self, value: str) -> str:
        """The value as part of a word, where the text has come to."""
        refused = self.refused or self.open_end
        if refused:
            raise Unquotable(refused)
        self.last = "x"
        context = self.contexts[-1]
        if context == "comment":
            value = value.replace("\n", " ")
        # Always in quotes, however harmless: `A=1` before a command, `if`, and the 2 of `2>file`
        # are syntax too.
        quoted = "'" + value.replace("'", "'\"'\"'") + "'"
        around = {"double": '"', "single": "'"}.get(context, "")
        return around + quoted + around

    def read(self, text: str) -> None:
        """Go on with text that is the user's own."""
        self.open_end = None
        position = 0
        while position < len(text) and not self.refused:
            step = {
                "single": self._in_single,
                "double": self._in_double,
                "comment": self._in_comment,
            }.get(self.contexts[-1], self._in_plain)
            position = step(text, position)
            self.last = text[position - 1 : position] or self.last

    def _in_single(self, text: str, position: int) -> int:
        return self._skip_to("'", text, position)

    def _in_comment(self, text: str, position: int) -> int:
        return self._skip_to("\n", text, position)

    def _skip_to(self, end: str, text: str, position: int) -> int:
        found = text.find(end, position)
        if found < 0:
            return len(text)
        self.contexts.pop()
        return found + 1

    def _in_double(self, text: str, position: int) -> int:
        if text[position] == '"':
            self.contexts.pop()
            return position + 1
        return self._in_either(text, position)

    def _in_plain(self, text: str, position: int) -> int:
        letter = text[position]
        if letter in "'\"":
            self.contexts.append("single" if letter == "'" else "double")
        elif letter == "#" and self.last in _BEFORE_A_WORD:
            self.contexts.append("comment")
        elif text.startswith("<<<", position):
            return position + 3
        elif text.startswith("<<", position):
            self.refused = "a here-document"
        elif text.startswith("((", position):
            self.refused = "an arithmetic expression"
        elif letter == "(":
            self.contexts.append("group")
        elif letter == ")" and self.contexts[-1] == "group":
            self.contexts.pop()
        elif self.contexts[-1] == "group" and re.compile(r"\bcase\b").match(text, position):
            # Its patterns end with a parenthesis that nothing opened.
            self.refused = "a case in parentheses"
        else:
            return self._in_either(text, position)
        return position + 1

    def _in_either(self, text: str, position: int) -> int:
        letter = text[position]
        if letter == "\\":
            if position + 1 == len(text):
                self.open_end = "a backslash"
            return position + 2
        if letter == "`":
            self.refused = "backquotes"
        elif letter == "$":
            return self._dollar(text, position)
        return position + 1

    def _dollar(self, text: str, position: int) -> int:
        whole = _PARAMETER.match(text, position) or _ARITHMETIC.match(text, position)
        following = text[position + 1 : position + 2]
        if whole:
            return whole.end()
        if following == "{":
            self.refused = "${…}"
        elif following == "'" and self.contexts[-1] != "double":
            self.refused = "$'…'"
        elif text.startswith("$((", position):
            self.refused = "an arithmetic expression"
        elif following == "(":
            self.contexts.append("group")
            return position + 2
        elif not following and self.contexts[-1] != "double":
            self.open_end = "a dollar sign"
        return position + 1
