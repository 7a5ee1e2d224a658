"""Pictures of pipelines. The text is drawn to be looked at: so are these tests."""

import subprocess
import sys
from textwrap import dedent
from xml.etree import ElementTree

import pytest

from liminal.compiler import compile_path
from liminal.errors import UsageError
from liminal.plan.dag import pipeline_plan
from liminal.plugins import discover
from liminal.report.graph import Graph, Node, graph
from liminal.report.graph_mermaid import as_mermaid
from liminal.report.graph_svg import as_svg
from liminal.report.graph_text import as_text


def picture_of(folder, tasks):
    """The tasks are those of one pipeline, in flow style without `image` and `cmd`."""
    lines = "".join(f"  - {{image: i/j, cmd: x, {task}}}\n" for task in tasks)
    text = f"name: app\npipelines:\n- pipeline: p\n  schedule: 0 4 * * *\n  tasks:\n{lines}"
    (folder / "liminal.yml").write_text(text, encoding="utf-8")
    plugins = discover()
    (app,) = compile_path(str(folder), {}, plugins).required_apps()
    return graph(pipeline_plan(app, app.pipelines[0], plugins))


def abstract(**after):
    """A graph of tasks that are only names and what is before them."""
    nodes = tuple(
        Node(name=name, type="python", after=tuple(before.split()), copies=1, notes=())
        for name, before in after.items()
    )
    return Graph(name="p", schedule="by hand", nodes=nodes)


def drawn(picture):
    """The lines below the title, without types."""
    lines = as_text(picture).splitlines()[2:]
    return "\n".join(line.removesuffix("  python").rstrip() for line in lines)


def shown(text):
    return dedent(text).strip("\n")


def test_title_names_the_pipeline_and_its_schedule(tmp_path):
    assert as_text(picture_of(tmp_path, ["task: t"])).splitlines()[0] == "p  (0 4 * * *)"


def test_one_after_the_other():
    assert drawn(abstract(a="", b="a", c="b")) == shown(
        """
        ●  a
        ●  b
        ●  c
        """
    )


def test_branches_beside_each_other():
    assert drawn(abstract(a="", b="a", c="a", d="a", e="b c d")) == shown(
        """
        ●      a
        ├─┬─╮
        ● │ │  b
        │ ● │  c
        ├─╯ │
        │   ●  d
        ├───╯
        ●      e
        """
    )


def test_branch_stays_together():
    picture = abstract(a="", b1="a", c1="a", b2="b1", c2="c1", d="b2 c2")
    assert drawn(picture) == shown(
        """
        ●    a
        ├─╮
        ● │  b1
        ● │  b2
        │ ●  c1
        │ ●  c2
        ├─╯
        ●    d
        """
    )


def test_lane_that_is_crossed_is_not_one_that_is_joined():
    """From d to e across the lane of c; what is joined is where the line ends."""
    picture = abstract(a="", b="a", c="a", d="a", e="d b", f="c e")
    assert drawn(picture) == shown(
        """
        ●      a
        ├─┬─╮
        ● │ │  b
        │ ● │  c
        │ │ ●  d
        ├─┼─╯
        ● │    e
        ╰─┤
          ●    f
        """
    )


def test_task_that_goes_on_and_joins_another_lane():
    picture = abstract(a="", b="a", c="a b", d="b c")
    assert drawn(picture) == shown(
        """
        ●    a
        ├─╮
        ● │  b
        ├─┤
        │ ●  c
        ├─╯
        ●    d
        """
    )


def test_two_beginnings_and_two_ends():
    assert drawn(abstract(a="", b="", c="a", d="b")) == shown(
        """
        ●  a
        ●  c
        ●  b
        ●  d
        """
    )


def test_room_that_a_lane_left_is_taken_again():
    picture = abstract(a="", b="a", c="a", d="b c", e="d", f="d", g="e f")
    assert max(len(line) for line in drawn(picture).splitlines()) == len("● │  b")


def test_types_copies_rules_and_conditions(tmp_path):
    picture = picture_of(
        tmp_path,
        [
            "task: a, executors: 3, outputs: [n]",
            "task: b, trigger_rule: all_done, when: '{{ tasks.a.n }} > 0'",
        ],
    )
    assert as_text(picture).splitlines()[2:] == [
        "●  start  job_start",
        "●  a      python     \u00d7 3",
        "●  b      python     all_done  when {{ tasks.a.n }} > 0",
        "●  end    job_end",
    ]


def test_condition_cannot_move_the_cursor_and_is_cut(tmp_path):
    long = "a" * 100
    picture = picture_of(
        tmp_path,
        ["task: a, when: \"{{ ds }} == 'x\\e[2J'\"", f"task: b, when: '{{{{ ds }}}} == {long}'"],
    )
    assert "\x1b" not in as_text(picture)
    assert "…" in as_text(picture)
    assert long not in as_text(picture)


def test_terminal_without_line_characters():
    text = as_text(abstract(a="", b="a", c="a", d="b c"), ascii_only=True)
    assert text.splitlines()[2:6] == ["*    a  python", "+-+", "* |  b  python", "| *  c  python"]


def test_wide_graph_of_thirty_tasks():
    branches = {f"t{i}": "a" for i in range(28)}
    text = as_text(abstract(a="", **branches, z=" ".join(branches)))
    assert max(len(line) for line in text.splitlines()) < 80


def test_mermaid():
    picture = abstract(**{"end": "", "graph": "end", "b.c-d": "end graph"})
    assert as_mermaid(picture) == shown(
        """
        ---
        title: "p"
        ---
        flowchart TD
          n0["end<br/>python"]
          n1["graph<br/>python"]
          n2["b.c-d<br/>python"]
          n0 --> n1
          n0 --> n2
          n1 --> n2
        """
    )


STRANGE = '"]; click n0 call x() <b>&#34;</b> `md` {{ a }} \\N'


def strange():
    node = Node(name="a", type="python", after=(), copies=1, notes=(STRANGE,))
    return Graph(name="p", schedule="<i>&", nodes=(node,))


def test_mermaid_keeps_no_syntax_of_a_note():
    line = as_mermaid(strange()).splitlines()[-1]
    assert line.startswith('  n0["a<br/>python<br/>#34;#93;#59; click n0')
    assert line.endswith('"]')
    assert not set('"[]<>`{}\\&;') & set(
        line[len('  n0["a<br/>python<br/>') : -2].replace("#", "").translate({ord(";"): None})
    )


def test_svg_is_xml_with_all_that_there_is_to_see():
    root = ElementTree.fromstring(as_svg(strange()))
    texts = ["".join(element.itertext()) for element in root.iter() if "text" in element.tag]
    assert STRANGE in " ".join(texts)
    assert "<i>&" in " ".join(texts)
    assert not [element for element in root.iter() if element.tag.endswith(("}b", "}script", "}a"))]


def test_svg_has_a_box_for_each_task_and_an_arrow_for_each_dependency():
    root = ElementTree.fromstring(as_svg(abstract(a="", b="a", c="a", d="b c")))
    kinds = [group.get("class") for group in root.iter("{http://www.w3.org/2000/svg}g")]
    assert (kinds.count("node"), kinds.count("edge")) == (4, 4)


def test_svg_is_the_same_each_time():
    picture = abstract(a="", b="a", c="a", d="b c")
    assert as_svg(picture) == as_svg(picture)


def test_svg_without_graphviz_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    with pytest.raises(UsageError) as raised:
        as_svg(abstract(a=""))
    assert "pip install 'liminal[graph]'" in (raised.value.hint or "")


@pytest.mark.parametrize("format_", ["text", "mermaid"])
def test_command(tmp_path, format_):
    picture = picture_of(tmp_path, ["task: t"])
    arguments = [sys.executable, "-m", "liminal", "graph", str(tmp_path), "p", "--format", format_]
    printed = subprocess.run(arguments, capture_output=True, check=True, encoding="utf-8").stdout
    assert printed.rstrip("\n") == {"text": as_text, "mermaid": as_mermaid}[format_](picture)


def test_command_names_the_nearest_pipeline(tmp_path):
    picture_of(tmp_path, ["task: t"])
    (tmp_path / "liminal.yml").write_text(
        (tmp_path / "liminal.yml")
        .read_text(encoding="utf-8")
        .replace("pipeline: p", "pipeline: daily"),
        encoding="utf-8",
    )
    arguments = [sys.executable, "-m", "liminal", "graph", str(tmp_path), "dayly"]
    ended = subprocess.run(arguments, capture_output=True, check=False, encoding="utf-8")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert 'no pipeline is named "dayly"; did you mean "daily"?' in ended.stderr
