"""A pipeline's plan -> what a picture of it shows. The pictures are in the files beside it."""

from collections.abc import Sequence
from dataclasses import dataclass

from liminal.model import AssetSchedule, Condition, TriggerRule
from liminal.plan.dag import PipelinePlan, TaskPlan

MAX_CONDITION = 60
"""Characters of a condition; a longer one is cut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A task in the picture.

    Attributes:
        after: the names of the tasks directly before it.
        copies: how many of it run side by side.
        notes: what else is worth a word: copies, trigger rule, condition.
    """

    name: str
    type: str
    after: tuple[str, ...]
    copies: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """A pipeline in the picture.

    Attributes:
        nodes: in an order in which each comes after those before it.
    """

    name: str
    schedule: str
    nodes: tuple[Node, ...]


def graph(plan: PipelinePlan) -> Graph:
    """What there is to draw of the plan."""
    return Graph(
        name=plan.pipeline,
        schedule=_schedule(plan.schedule),
        nodes=tuple(_node(task) for task in plan.tasks),
    )


def successors(nodes: Sequence[Node]) -> dict[str, list[str]]:
    """Name -> the names of the tasks directly after it, in their order."""
    after: dict[str, list[str]] = {node.name: [] for node in nodes}
    for node in nodes:
        for before in node.after:
            after[before].append(node.name)
    return after


def _schedule(schedule: str | AssetSchedule | None) -> str:
    if isinstance(schedule, AssetSchedule):
        return f"after {', '.join(schedule.assets)}"
    return schedule or "by hand"


def _node(task: TaskPlan) -> Node:
    copies = len(task.copies)
    notes = []
    if copies > 1:
        notes.append(f"\u00d7 {copies}")
    if task.trigger_rule is not TriggerRule.ALL_SUCCESS:
        notes.append(task.trigger_rule.value)
    if task.when is not None:
        notes.append(_condition(task.when))
    return Node(
        name=task.name,
        type=task.type,
        after=tuple(dict.fromkeys(task.depends_on)),
        copies=copies,
        notes=tuple(notes),
    )


def _condition(when: Condition) -> str:
    words = f"when {when.left} {when.operator.value} {when.right}"
    words = "".join(c if c.isprintable() else "\ufffd" for c in words)
    return words if len(words) <= MAX_CONDITION else f"{words[: MAX_CONDITION - 1]}\u2026"
