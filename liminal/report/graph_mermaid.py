"""A graph -> Mermaid, which GitHub, GitLab and many editors draw."""

import json
import re

from liminal.report.graph import Graph, Node

_PLAIN = re.compile(r"[^A-Za-z0-9 ._-]")


def as_mermaid(graph: Graph) -> str:
    """The graph as a flowchart, top down.

    Tasks are n0, n1, … and their names only labels: a task may be named like Mermaid's own words.
    """
    numbers = {node.name: f"n{number}" for number, node in enumerate(graph.nodes)}
    lines = ["---", f"title: {json.dumps(graph.name)}", "---", "flowchart TD"]
    lines += [f'  {numbers[node.name]}["{_label(node)}"]' for node in graph.nodes]
    lines += [
        f"  {numbers[before]} --> {numbers[node.name]}"
        for node in graph.nodes
        for before in node.after
    ]
    return "\n".join(lines)


def _label(node: Node) -> str:
    return "<br/>".join(_escaped(words) for words in (node.name, node.type, *node.notes))


def _escaped(words: str) -> str:
    """The words with everything that may be syntax as Mermaid's entities."""
    return _PLAIN.sub(lambda found: f"#{ord(found[0])};", words)
