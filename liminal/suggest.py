"""The known word that a mistyped one most likely means."""

import bisect
import difflib
import unicodedata
from collections.abc import Iterable, Sequence

SYNONYMS = {
    "environment": "env_vars",
    "environment_variables": "env_vars",
    "envs": "env_vars",
    "command": "cmd",
    "cron": "schedule",
    "schedule_interval": "schedule",
    "dependencies": "depends_on",
    "upstream": "depends_on",
    "needs": "depends_on",
    "dag": "pipeline",
    "dags": "pipelines",
    "steps": "tasks",
    "timeout": "timeout_minutes",
    "retry_delay": "retry_delay_minutes",
    "extends": "super",
    "tz": "timezone",
    "url": "endpoint",
    "path": "endpoint",
}
"""What people of neighbouring tools write -> our key, where that key is allowed."""


_MANY = 100
"""Known words beyond which only those beside the word, in their order, are compared with it."""
_BESIDE = 20
"""How many of those on each side."""
_MAX_LENGTH = 200
"""Characters of the longest word that is compared: that takes time with the square of them."""

_MAX_LISTED = 20
"""Known words that a hint names."""


def nearest(word: str, known: Sequence[str]) -> str | None:
    """The known word that is most likely meant, or None when none is close.

    Args:
        word: what the user wrote.
        known: sorted.
    """
    if len(word) > _MAX_LENGTH:
        return None
    if len(known) > _MANY:
        place = bisect.bisect(known, word)
        known = known[max(0, place - _BESIDE) : place + _BESIDE]
    known = [name for name in known if len(name) <= _MAX_LENGTH]
    for name in known:
        if name.lower() == word.lower() or _is_swapped(word, name):
            return name
    for candidate in difflib.get_close_matches(word, [*known, *SYNONYMS], n=3, cutoff=0.75):
        if candidate in known:
            return candidate
        if SYNONYMS[candidate] in known:
            return SYNONYMS[candidate]
    return None


def _is_swapped(word: str, other: str) -> bool:
    """Whether two neighbouring letters changed places; of a short word, that is much of it."""
    if len(word) != len(other):
        return False
    differ = [place for place, letter in enumerate(word) if letter != other[place]]
    return (
        len(differ) == 2
        and differ[1] == differ[0] + 1
        and word[differ[0]] == other[differ[1]]
        and word[differ[1]] == other[differ[0]]
    )


def strange_character(text: str) -> str | None:
    """The first character that is not ASCII, as ``U+043E (CYRILLIC SMALL LETTER O)``."""
    for character in text:
        if not character.isascii():
            name = unicodedata.name(character, "unnamed character")
            return f"U+{ord(character):04X} ({name})"
    return None


def plain_form(text: str) -> str:
    """The ASCII text that this one looks like: look-alikes replaced, invisible characters left out.

    Source: Unicode 16, confusables.txt, the letters that look the same in most fonts.
    """
    plain = unicodedata.normalize("NFKD", text).translate(_LOOK_ALIKES)
    return "".join(c for c in plain if unicodedata.category(c) not in ("Cf", "Mn", "Cc"))


_LOOK_ALIKES = str.maketrans(
    "\u0430\u0441\u0501\u0435\u04bb\u0456\u0458\u043a\u04cf\u043e\u0440\u051b\u0455\u051d\u0445\u0443\u0442\u043c\u043d"
    "\u03b1\u03bf\u03c1\u03bd\u03b9\u03ba\u03c5\u0131\u2010\u2011\u2012\u2013\u2014\u2212\u2044\uff3f",
    "acdehijklopqswxytmnaopvikui------/_",
)


def misspelt(key: str, written: Iterable[str]) -> bool:
    """Whether one of the keys that are written is this one misspelt: then it is not missing."""
    return any(nearest(other, [key]) for other in written)


def listed(known: Sequence[str]) -> str | None:
    """A hint with the known words, or with the first of many; None when there is none."""
    if not known:
        return None
    more = len(known) - _MAX_LISTED
    shown = ", ".join(name[:_MAX_LENGTH] for name in known[:_MAX_LISTED])
    return f"known: {shown}, and {more} more" if more > 0 else f"known: {shown}"
