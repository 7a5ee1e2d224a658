"""A large document -> longer and longer beginnings of it, up to the whole."""

from collections.abc import Iterator
from itertools import islice

from liminal.compiler.nodes import Map, Seq, Value

SMALL = 5_000
"""Entries of all lists and mappings of a document that is looked at as a whole."""

_LENGTHS = (100, 1000, 10_000)


def beginnings(root: Map) -> Iterator[Map]:
    """The document with no more than the first 100 of each list, then 1,000, …; last, the whole.

    Mappings whose keys are names of the user's are cut like lists. Places and indexes are those of
    the whole.
    """
    if _count(root) > SMALL:
        for length in _LENGTHS:
            # The keys of the file itself are no list: `name` may be the last of them.
            yield root.with_entries(
                (key, _cut(value, length), root.places[key]) for key, value in root.items()
            )
    yield root


def _count(value: Value) -> int:
    if isinstance(value, Map):
        return len(value) + sum(map(_count, value.values()))
    return len(value) + sum(map(_count, value)) if isinstance(value, Seq) else 0


def _cut(value: Value, length: int) -> Value:
    if isinstance(value, Map):
        copy = Map(value.origin)
        for key, item in islice(value.items(), length):
            copy.put(key, _cut(item, length), value.places[key])
        return copy
    if isinstance(value, Seq):
        items = Seq(value.origin)
        for item, place in islice(zip(value, value.places, strict=True), length):
            items.put(_cut(item, length), place)
        return items
    return value
