"""How two layers become one: the rules of the language's merge table, by name.

Each rule takes the upper layer's value and the lower layer's, which wins. Values keep their places,
so that a finding in an inherited value points into the file that says it.
"""

from liminal.compiler.nodes import Map, Place, Seq, Value
from liminal.origin import Super


def maps(upper: Map, lower: Map) -> Map:
    """Both mappings in one, recursively; where both have a key that is no mapping, `lower` wins."""
    if not upper:
        return lower
    entries: list[tuple[str, Value, Place]] = []
    for key, value in lower.items():
        above = upper.get(key)
        if isinstance(above, Map) and isinstance(value, Map):
            value = maps(above, value)
        entries.append((key, value, lower.places[key]))
    return upper.with_entries(entries, lower.origin)


def lists_by_name(upper: Seq, lower: Seq, name_key: str) -> Seq:
    """The upper list's entries, then the lower one's; one in both is merged in its place."""
    merged = Seq(lower.origin)
    below: dict[str, tuple[int, Map]] = {}
    for index, entry in enumerate(lower):
        if isinstance(entry, Map) and (name := entry.text(name_key)):
            below.setdefault(name, (index, entry))
    met = set()
    for index, entry in enumerate(upper):
        name = entry.text(name_key) if isinstance(entry, Map) else None
        if isinstance(entry, Map) and name in below:
            place, lower_entry = below.pop(name)
            met.add(place)
            entry = maps(entry, lower_entry)
        merged.put(entry, upper.places[index])
    for index, entry in enumerate(lower):
        if index not in met:  # a second one of a name stays, to be told of
            merged.put(entry, lower.places[index])
    return merged


def joined(first: Seq, second: Seq) -> Seq:
    """One list after the other."""
    both = Seq(second.origin)
    for part in (first, second):
        for item, place in zip(part, part.places, strict=True):
            both.put(item, place)
    return both


def brought_by(value: Value, super_line: Super) -> Value:
    """The value with every place in it saying through which ``super`` line it came."""
    if isinstance(value, Map):
        copy = Map(value.origin._replace(via=super_line))
        for key, item in value.items():
            copy.put(key, brought_by(item, super_line), _via(value.places[key], super_line))
        return copy
    if isinstance(value, Seq):
        items = Seq(value.origin._replace(via=super_line))
        for item, place in zip(value, value.places, strict=True):
            items.put(brought_by(item, super_line), _via(place, super_line))
        return items
    return value


def _via(place: Place, super_line: Super) -> Place:
    return place._replace(via=super_line)
