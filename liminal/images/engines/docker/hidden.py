"""What a build must not show, also where a command of the user's writes it."""

import re
from collections.abc import Iterable
from pathlib import Path

_SHORTEST = 6
"""A shorter word is no secret, and would be found in every other line."""

_LONGEST = 4096
_USER_INFO = re.compile(r"(?<=://)[^/@\s]+:[^/@\s]+@")
_HIDDEN = "***"


class Hidden:
    """The words of secret files, and the passwords in addresses."""

    def __init__(self, files: Iterable[Path]) -> None:
        words: set[str] = set()
        for file in files:
            content = file.read_text("utf-8", "replace")
            if len(content) <= _LONGEST:
                words |= {word for word in content.split("\n") if len(word.strip()) >= _SHORTEST}
        # The longest first: one may be a part of another.
        self._words = sorted((word.strip() for word in words), key=len, reverse=True)

    def without(self, line: str) -> str:
        """The line with stars in place of them."""
        for word in self._words:
            line = line.replace(word, _HIDDEN)
        return _USER_INFO.sub(f"{_HIDDEN}@", line)
