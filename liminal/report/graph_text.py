"""A graph -> lines for a terminal: one row a task, branches as lanes beside each other.

Each lane leads down to one task that is still to come. Below a task, its lanes part; where a lane
meets the one that leads to its task already, it joins it::

    ●      start    job_start
    ├─╮
    ●  │   left     python
    │  ●   right    python  x 4
    ├─╯
    ●      end      job_end
"""

from liminal.report.graph import Graph, Node, successors

_UP, _DOWN, _LEFT, _RIGHT = 1, 2, 4, 8
_LINES = {
    0: " ",
    _UP | _DOWN: "\u2502",
    _LEFT | _RIGHT: "\u2500",
    _UP | _DOWN | _RIGHT: "\u251c",
    _UP | _DOWN | _LEFT: "\u2524",
    _DOWN | _LEFT | _RIGHT: "\u252c",
    _UP | _LEFT | _RIGHT: "\u2534",
    _UP | _DOWN | _LEFT | _RIGHT: "\u253c",
    _DOWN | _LEFT: "\u256e",
    _DOWN | _RIGHT: "\u256d",
    _UP | _LEFT: "\u256f",
    _UP | _RIGHT: "\u2570",
}
_TASK = "\u25cf"
_ASCII = str.maketrans(
    {**dict.fromkeys(_LINES.values(), "+"), " ": " ", "\u2502": "|", "\u2500": "-"}
    | {_TASK: "*", "\u00d7": "x", "\u2026": "~"}
)


def as_text(graph: Graph, *, ascii_only: bool = False) -> str:
    """The graph as lines.

    Args:
        graph: what to draw.
        ascii_only: for a terminal that has no other characters.
    """
    rows = _Lanes(graph).rows()
    width = max(len(lanes) for lanes, _ in rows)
    names = max(len(node.name) for node in graph.nodes)
    types = max(len(node.type) for node in graph.nodes)
    lines = [f"{graph.name}  ({graph.schedule})", ""]
    for lanes, node in rows:
        label = (
            f"{node.name:<{names}}  {node.type:<{types}}  {'  '.join(node.notes)}" if node else ""
        )
        lines.append(f"{lanes:<{width}}  {label}".rstrip())
    text = "\n".join(lines)
    return text.translate(_ASCII).encode("ascii", "replace").decode() if ascii_only else text


class _Lanes:
    """The lanes while rows are drawn from top to bottom.

    `_targets` holds the task that each lane leads to, at most one lane a task, or None where
    there is room.
    """

    def __init__(self, graph: Graph) -> None:
        self._nodes = {node.name: node for node in graph.nodes}
        self._after = successors(graph.nodes)
        self._targets: list[str | None] = []

    def rows(self) -> list[tuple[str, Node | None]]:
        """Each row's lanes, with its task; None where lanes only part or join."""
        rows: list[tuple[str, Node | None]] = []
        waiting = {name: set(node.after) for name, node in self._nodes.items()}
        while waiting:
            name = self._next([name for name, before in waiting.items() if not before])
            del waiting[name]
            for later in self._after[name]:
                waiting[later].discard(name)
            column = self._column_of(name)
            rows.append((self._task_row(column), self._nodes[name]))
            rows += [(row, None) for row in self._part(column, self._after[name])]
        return rows

    def _next(self, ready: list[str]) -> str:
        """The task of the leftmost lane that can be drawn, so that a branch stays together."""
        in_lanes = [name for name in self._targets if name in ready]
        return next((name for name in in_lanes if name is not None), ready[0])

    def _column_of(self, name: str) -> int:
        column = self._targets.index(name) if name in self._targets else self._room(0)
        self._targets[column] = None
        return column

    def _room(self, start: int) -> int:
        """The first lane from there that leads nowhere; a new one if need be."""
        for column in range(start, len(self._targets)):
            if self._targets[column] is None:
                return column
        self._targets.append(None)
        return len(self._targets) - 1

    def _task_row(self, column: int) -> str:
        signs = [_LINES[_UP | _DOWN] if target else " " for target in self._targets]
        signs[column] = _TASK
        return " ".join(signs)

    def _part(self, column: int, later: list[str]) -> list[str]:
        """The rows below a task, in which its lanes go where they belong."""
        before = [target is not None for target in self._targets]
        joined = [self._targets.index(name) for name in later if name in self._targets]
        opened: list[int] = []
        for name in later:
            if name not in self._targets:
                # The first goes straight on; the others to its right, where there is room.
                place = self._room(column) if opened else column
                self._targets[place] = name
                opened.append(place)
        before += [False] * (len(self._targets) - len(before))
        goes_on = column in opened
        # One row for all lanes that begin, and one for each that joins another: a lane that is
        # crossed on the way must not look like one that is joined.
        groups = [[place] for place in joined]
        sideways = [place for place in opened if place != column]
        if sideways:
            groups.insert(0, sideways)
        rows = []
        for number, places in enumerate(groups):
            last = number == len(groups) - 1
            begun = sideways if places is not sideways else []
            standing = [is_lane or place in begun for place, is_lane in enumerate(before)]
            rows.append(_row(column, places, standing, goes_on or not last))
        return rows


def _row(column: int, places: list[int], standing: list[bool], goes_on: bool) -> str:
    """Lines from the column to the places, across the lanes that are standing."""
    first, last = min([column, *places]), max([column, *places])
    parts = [0] * len(standing)
    for place, is_lane in enumerate(standing):
        if is_lane:
            parts[place] |= _UP | _DOWN
        if first < place < last:
            parts[place] |= _LEFT | _RIGHT
    for place in places:
        parts[place] |= _DOWN
    parts[first] |= _RIGHT
    parts[last] |= _LEFT
    parts[column] |= _UP | (_DOWN if goes_on else 0)
    signs = []
    for place, part in enumerate(parts):
        signs.append(_LINES[part])
        signs.append(_LINES[_LEFT | _RIGHT] if first <= place < last else " ")
    return "".join(signs).rstrip()
