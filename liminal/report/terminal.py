"""Text of others -> what a terminal may have of it. Pure."""

import re

_RESET = "\x1b[0m"

# What a terminal would obey and nobody means by a line of a log: binary output, mostly. Tabs, and
# the escape character that colours begin with, stay.
_CONTROL = {code: "\ufffd" for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\x1b"}
_ESCAPE = re.compile(r"\x1b\[[0-9;:]*m|\x1b(\][^\x07\x1b]*(\x07|\x1b\\)?|\[[0-?]*[ -/]*[@-~]?|.?)")


def printable(text: str, *, colour: bool) -> str:
    """The text as a terminal may have it; a line that overwrote itself is shown as it ended.

    Args:
        text: one line or several.
        colour: whether its colours stay.
    """
    return "\n".join(_line(line, colour) for line in text.split("\n"))


def _line(line: str, colour: bool) -> str:
    last = line.rstrip("\r").rpartition("\r")[2] if "\r" in line else line
    if "\x1b" in last:
        # Colours are kept; what moves the cursor or sets the title is not.
        last = _ESCAPE.sub(lambda found: "" if found[1] or not colour else found[0], last)
        last += _RESET if colour else ""
    return last.translate(_CONTROL)
