"""Who needs whom: an order in which each comes after what it needs, and the cycles there are."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

MAX_CYCLES = 100
"""Cycles that are told; whoever has more mends these first."""

_MAX_LINKS = 12
"""Names that a chain is written with; of a longer one, the first and the last."""


def ordered(needs: Mapping[str, Iterable[str]]) -> tuple[list[str], list[list[str]]]:
    """The names, each after those that it needs, and the cycles among them.

    Args:
        needs: name -> the names that it needs; names that are no key are left out.

    Returns:
        The order, in which what is in a cycle stands somewhere; and the cycles, each as the names
        along it from its first in the order of `needs`, without the first one again at its end.
    """
    order: list[str] = []
    cycles: list[list[str]] = []
    done: set[str] = set()
    for name in needs:
        if name not in done:
            _visit(name, needs, order, cycles, done)
    places = {name: place for place, name in enumerate(needs)} if cycles else {}
    return order, [_from_first(cycle, places) for cycle in cycles]


def chain(cycle: Sequence[str]) -> str:
    """The cycle as the user reads it: ``a -> b -> a``."""
    names = [*cycle, cycle[0]]
    if len(names) > _MAX_LINKS:
        half = _MAX_LINKS // 2
        names = [*names[:half], f"({len(names) - 2 * half} more)", *names[-half:]]
    return " -> ".join(names)


def _visit(
    start: str,
    needs: Mapping[str, Iterable[str]],
    order: list[str],
    cycles: list[list[str]],
    done: set[str],
) -> None:
    """Walks depth first from one name, without recursion: a chain may be long."""
    path: list[str] = [start]
    on_path = {start: 0}
    waiting: list[Iterator[str]] = [iter(needs[start])]
    while waiting:
        for need in waiting[-1]:
            if need in on_path:
                if len(cycles) < MAX_CYCLES:
                    cycles.append(path[on_path[need] :])
            elif need in needs and need not in done:
                on_path[need] = len(path)
                path.append(need)
                waiting.append(iter(needs[need]))
                break
        else:
            waiting.pop()
            name = path.pop()
            del on_path[name]
            done.add(name)
            order.append(name)


def _from_first(cycle: list[str], places: Mapping[str, int]) -> list[str]:
    first = min(range(len(cycle)), key=lambda at: places[cycle[at]])
    return cycle[first:] + cycle[:first]
