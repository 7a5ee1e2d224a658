"""A graph -> SVG. Graphviz lays it out and draws it, from the wheel of the extra ``graph``."""

from html import escape

from liminal.errors import UsageError
from liminal.report.graph import Graph, Node

_FONT = "Helvetica,Arial,sans-serif"
_INK, _PALE, _LINE, _PAPER = "#1f2328", "#59636e", "#8c959f", "#ffffff"
_QUIET_TYPES = ("job_start", "job_end")
"""What the base layer adds to every pipeline, and nobody looks for."""


def as_svg(graph: Graph) -> str:
    """The graph as an SVG document.

    Raises:
        UsageError: Graphviz is not installed.
    """
    try:
        import pygraphviz
    except ImportError as problem:
        raise UsageError(
            "drawing SVG needs Graphviz, which is not installed",
            hint="pip install 'liminal[graph]', or take --format mermaid",
        ) from problem
    picture = pygraphviz.AGraph(directed=True, strict=True)
    picture.graph_attr.update(
        label=_title(graph), labelloc="t", labeljust="l", fontname=_FONT, fontcolor=_INK,
        bgcolor=_PAPER, pad="0.3", nodesep="0.35", ranksep="0.45",
    )  # fmt: skip
    picture.node_attr.update(
        shape="box", style="rounded,filled", fillcolor="#f6f8fa", color=_LINE, fontname=_FONT,
        fontsize="12", fontcolor=_INK, margin="0.16,0.08",
    )  # fmt: skip
    picture.edge_attr.update(color=_LINE, arrowsize="0.7")
    for node in graph.nodes:
        picture.add_node(node.name, label=_label(node), **_look(node))
    for node in graph.nodes:
        for before in node.after:
            picture.add_edge(before, node.name)
    drawn: bytes = picture.draw(format="svg", prog="dot")
    return drawn.decode("utf-8")


def _title(graph: Graph) -> str:
    return f"<<B>{_escaped(graph.name)}</B>  {_small(graph.schedule)}<BR/> >"


def _label(node: Node) -> str:
    """The name, its type and notes below it, as Graphviz's HTML: all text escaped."""
    lines = [f"<B>{_escaped(node.name)}</B>", *map(_small, (node.type, *node.notes))]
    return f"<{'<BR/>'.join(lines)}>"


def _small(words: str) -> str:
    return f'<FONT POINT-SIZE="10" COLOR="{_PALE}">{_escaped(words)}</FONT>'


def _escaped(words: str) -> str:
    """The words as XML; twice the backslash, with which Graphviz's own escapes begin."""
    return escape(words).replace("\\", "\\\\")


def _look(node: Node) -> dict[str, str]:
    """A second frame for parallel copies, paper white for what every pipeline has."""
    look = {}
    if node.copies > 1:
        look["peripheries"] = "2"
    if node.type in _QUIET_TYPES:
        look["fillcolor"] = _PAPER
    return look
