"""Who needs whom: an order in which each comes after what it needs, and the cycles there are."""

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter


def ordered(needs: Mapping[str, Iterable[str]]) -> tuple[list[str], list[list[str]]]:
    """The names, each after those that it needs, and every cycle as a chain.

    Args:
        needs: name -> the names that it needs; names that are no key are left out.

    Returns:
        The order, in which what is in a cycle stands somewhere; and the cycles, each as the names
        along it from its first in the order of `needs`, without the first one again at its end.
    """
    graph = {name: [need for need in needed if need in needs] for name, needed in needs.items()}
    cycles: list[list[str]] = []
    while True:
        try:
            return list(TopologicalSorter(graph).static_order()), cycles
        except CycleError as problem:
            # The error lists the cycle with its first name again at the end, each one needed by
            # the next; told the other way round it reads "a needs b needs a".
            cycle = list(reversed(problem.args[1][1:]))
            first = min(range(len(cycle)), key=lambda at: list(graph).index(cycle[at]))
            cycle = cycle[first:] + cycle[:first]
            cycles.append(cycle)
            graph[cycle[-1]] = [need for need in graph[cycle[-1]] if need != cycle[0]]
