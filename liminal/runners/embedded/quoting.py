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


_Context: TypeAlias = Literal["plain", "group", "substitution", "double", "single", "comment"]

# What may hold no value and can be stepped over as a whole.
_PARAMETER = re.compile(r"\$\{(?![\s|])[^}'\"\\`${]*\}|\$[$!?#@*0-9-]")
_ARITHMETIC = re.compile(r"\$\(\([^()'\"\\`]*\)\)")
_PID_AND_BRACKET = re.compile(r"\$\$(?:\\\n)*[({\[]")
_BEFORE_A_WORD = frozenset(" \t\n;&|(<>")
_CASE = re.compile(r"\bcase\b")

# Stands for whatever is surely part of a word: after it, no "#" begins a comment.
_IN_A_WORD = "x"

_Step: TypeAlias = tuple[int, str]
"""Where the text is to be read on, and what counts as the character before that."""


@dataclass(slots=True)
class _Shell:
    """How a shell has understood the text so far.

    Attributes:
        contexts: what encloses the next character, innermost last.
        refused: why a value can no longer stand here, or None.
        open_end: the same, but only for a value directly after what was read.
        last: the character before the next one, as far as it tells what that one means.
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
        self.last = _IN_A_WORD
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
            position, self.last = step(text, position)

    def _in_single(self, text: str, position: int) -> _Step:
        return self._skip_to("'", text, position)

    def _in_comment(self, text: str, position: int) -> _Step:
        return self._skip_to("\n", text, position)

    def _skip_to(self, end: str, text: str, position: int) -> _Step:
        found = text.find(end, position)
        if found < 0:
            return len(text), _IN_A_WORD
        self.contexts.pop()
        return found + 1, end

    def _in_double(self, text: str, position: int) -> _Step:
        if text[position] == '"':
            self.contexts.pop()
            return position + 1, '"'
        return self._in_either(text, position)

    def _in_plain(self, text: str, position: int) -> _Step:
        letter = text[position]
        inside = self.contexts[-1]
        if letter in "'\"":
            self.contexts.append("single" if letter == "'" else "double")
        elif letter == "#" and self.last in _BEFORE_A_WORD:
            self.contexts.append("comment")
        elif letter == "#" and self.last == ")":
            # A comment after a subshell, but part of the word after bash's `<(…)` and `a=(…)`.
            self.refused = "a # after a parenthesis"
        elif text.startswith("<<<", position):
            return position + 3, "<"
        elif text.startswith("<<", position):
            self.refused = "a here-document"
        elif text.startswith("((", position):
            self.refused = "an arithmetic expression"
        elif letter == "(":
            self.contexts.append("group")
        elif letter == ")" and inside in ("group", "substitution"):
            self.contexts.pop()
            return position + 1, _IN_A_WORD if inside == "substitution" else ")"
        elif inside in ("group", "substitution") and _CASE.match(text, position):
            # Its patterns end with a parenthesis that nothing opened.
            self.refused = "a case in parentheses"
        else:
            return self._in_either(text, position)
        return position + 1, letter

    def _in_either(self, text: str, position: int) -> _Step:
        letter = text[position]
        if letter == "\\":
            return self._backslash(text, position)
        if letter == "`":
            self.refused = "backquotes"
        elif letter == "$":
            return self._dollar(text, position)
        return position + 1, letter

    def _backslash(self, text: str, position: int) -> _Step:
        following = text[position + 1 : position + 2]
        if following == "\n":
            # Shells drop the two before they look for words and operators.
            joined = text[position + 2 : position + 3]
            in_parentheses = self.contexts[-1] in ("group", "substitution")
            if self.last in "$<(" or (in_parentheses and (self.last + joined).isalpha()):
                self.refused = "a line continuation within a word or an operator"
            return position + 2, self.last
        if not following:
            self.open_end = "a backslash"
        return position + 2, _IN_A_WORD

    def _dollar(self, text: str, position: int) -> _Step:
        whole = _PARAMETER.match(text, position) or _ARITHMETIC.match(text, position)
        following = text[position + 1 : position + 2]
        if _PID_AND_BRACKET.match(text, position):
            # bash may take the second "$" for the beginning of a substitution, POSIX does not.
            self.refused = "$$ before a bracket"
        elif whole:
            return whole.end(), _IN_A_WORD
        if following == "{":
            self.refused = "${…}"
        elif following == "[":
            self.refused = "$[…]"
        elif following == "'" and self.contexts[-1] != "double":
            self.refused = "$'…'"
        elif text.startswith("$((", position):
            self.refused = "an arithmetic expression"
        elif following == "(":
            self.contexts.append("substitution")
            return position + 2, "("
        elif not following and self.contexts[-1] != "double":
            self.open_end = "a dollar sign"
        return position + 1, "$"
