"""The nodes of a Document: mappings and lists whose entries know where they stand."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeAlias

from liminal.origin import Origin, Super

Scalar: TypeAlias = "str | int | float | bool | None"
Value: TypeAlias = "Scalar | Map | Seq"


class Place(NamedTuple):
    """Where an entry of a mapping or list stands, lines and columns from 1.

    `text` is the scalar as written when YAML makes something other than a string of it.
    """

    file: str
    key_line: int
    key_column: int
    line: int
    column: int
    text: str | None = None
    via: Super | None = None


class Map(dict[str, Value]):
    """A YAML mapping, with the place of each entry. Never changed once it is built."""

    __slots__ = ("origin", "places")

    def __init__(self, origin: Origin) -> None:
        super().__init__()
        self.origin = origin
        self.places: dict[str, Place] = {}

    def put(self, key: str, value: Value, place: Place) -> None:
        """Adds an entry; only for whoever builds the mapping."""
        self[key] = value
        self.places[key] = place

    def with_entries(
        self, entries: Iterable[tuple[str, Value, Place]], origin: Origin | None = None
    ) -> "Map":
        """A copy in which these entries replace or follow those of the same key."""
        copy = Map(origin or self.origin)
        copy.update(self)
        copy.places.update(self.places)
        for key, value, place in entries:
            copy.put(key, value, place)
        return copy

    def without(self, *keys: str) -> "Map":
        """A copy that lacks these keys."""
        copy = Map(self.origin)
        left_out = frozenset(keys)
        for key, value in self.items():
            if key not in left_out:
                copy.put(key, value, self.places[key])
        return copy

    def at(self, key: str) -> Origin:
        """The origin of the entry's value; of the mapping itself where there is no such entry."""
        place = self.places.get(key)
        if place is None:
            return self.origin
        return Origin(place.file, place.line, place.column, place.via)

    def at_key(self, key: str) -> Origin:
        """The origin of the entry's key."""
        place = self.places[key]
        return Origin(place.file, place.key_line, place.key_column, place.via)

    def text(self, key: str) -> str | None:
        """The scalar as it was written, or None where the entry is missing or not a scalar."""
        return _text(self.get(key), self.places.get(key))

    def string(self, key: str) -> str | None:
        """The entry if it is a string."""
        value = self.get(key)
        return value if isinstance(value, str) else None

    def integer(self, key: str) -> int | None:
        """The entry if it is a whole number."""
        value = self.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def number(self, key: str) -> float | None:
        """The entry if it is a number."""
        value = self.get(key)
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None

    def flag(self, key: str) -> bool | None:
        """The entry if it is true or false."""
        value = self.get(key)
        return value if isinstance(value, bool) else None

    def mapping(self, key: str) -> "Map":
        """The entry if it is a mapping, else an empty one."""
        value = self.get(key)
        if value is None and key not in self:
            return _NO_MAP
        return value if isinstance(value, Map) else Map(self.at(key))

    def sequence(self, key: str) -> "Seq":
        """The entry if it is a list, else an empty one."""
        value = self.get(key)
        if value is None and key not in self:
            return _NO_SEQ
        return value if isinstance(value, Seq) else Seq(self.at(key))

    def texts(self) -> Iterator[tuple[str, str]]:
        """Each scalar entry with its value as it was written."""
        for key, value in self.items():
            text = _text(value, self.places[key])
            if text is not None:
                yield key, text


class Seq(list[Value]):
    """A YAML list, with the place of each item. Never changed once it is built."""

    __slots__ = ("origin", "places")

    def __init__(self, origin: Origin) -> None:
        super().__init__()
        self.origin = origin
        self.places: list[Place] = []

    def put(self, value: Value, place: Place) -> None:
        """Adds an item; only for whoever builds the list."""
        self.append(value)
        self.places.append(place)

    def at(self, index: int) -> Origin:
        """The origin of the item."""
        place = self.places[index]
        return Origin(place.file, place.line, place.column, place.via)

    def each(self, change: Callable[[Map], Map]) -> "Seq":
        """The list with each mapping in it changed; the list itself where none was."""
        changed = [change(item) if isinstance(item, Map) else item for item in self]
        if all(new is old for new, old in zip(changed, self, strict=True)):
            return self
        copy = Seq(self.origin)
        for item, place in zip(changed, self.places, strict=True):
            copy.put(item, place)
        return copy

    def mappings(self) -> Iterator[Map]:
        """The items that are mappings."""
        return (item for item in self if isinstance(item, Map))

    def texts(self) -> Iterator[tuple[str, Origin]]:
        """Each scalar item as it was written, with its origin."""
        for index, (item, place) in enumerate(zip(self, self.places, strict=True)):
            text = _text(item, place)
            if text is not None:
                yield text, self.at(index)


_NO_MAP, _NO_SEQ = Map(Origin("", 1, 1)), Seq(Origin("", 1, 1))
"""What stands in for an entry that is missing: most keys of most entries are."""


def _text(value: Value, place: Place | None) -> str | None:
    if isinstance(value, str):
        return value
    return place.text if place is not None else None
