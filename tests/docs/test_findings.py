"""Each code that a finding can have has a page, and the examples of each page are true."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from liminal.compiler import compile_path
from liminal.plugins import Plugins, discover

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "findings"
CODES = sorted(path.stem for path in PAGES.glob("*.md") if path.stem != "README")
MAKERS = ("error", "warning", "note")
MADE_BY_CONTEXT = ("unknown-", "duplicate-")
"""What `Context.unknown(KIND, …)` and `Context.unique(…, NAME_KEY)` put before their arguments."""
PASSED_ON = ("code", "problem.code")
"""Variables that hold a code; what is assigned to them is a code as well."""


def codes_in(tree: ast.AST) -> Iterator[str]:
    """Every code that the module can give a finding.

    Raises:
        AssertionError: a code is spelled in a way that this cannot read.
    """
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=[first, *_]):
                yield from called(name, first, node)
            case ast.Assign(targets=[ast.Name(id="code")], value=value):
                yield from literals(value)
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
                for target, value in zip(names, values, strict=True):
                    if ast.unparse(target) == "code":
                        yield from literals(value)
            case ast.keyword(arg="code", value=ast.Constant(value=str(code))):
                yield code


def called(name: str, first: ast.expr, call: ast.Call) -> Iterator[str]:
    if name in MAKERS and not is_passed_on(first):
        found = list(literals(first))
        assert found, f"line {call.lineno}: the code {ast.unparse(first)} cannot be read"
        yield from found
    elif name == "unknown":
        yield from (f"unknown-{kind}" for kind in literals(first))
    elif name == "unique" and len(call.args) == 2:
        yield from (f"duplicate-{key.replace('_', '-')}" for key in literals(call.args[1]))


def is_passed_on(node: ast.expr) -> bool:
    match node:
        case ast.JoinedStr(values=[ast.Constant(value=beginning), *_]):
            return beginning in MADE_BY_CONTEXT
        case _:
            return ast.unparse(node) in PASSED_ON


def literals(node: ast.expr) -> Iterator[str]:
    match node:
        case ast.Constant(value=str(code)):
            yield code
        case ast.IfExp(body=body, orelse=orelse):
            yield from (*literals(body), *literals(orelse))


def used_codes() -> set[str]:
    return {
        code
        for path in sorted((ROOT / "liminal" / "compiler").rglob("*.py"))
        for code in codes_in(ast.parse(path.read_text("utf-8"), str(path)))
    }


@dataclass(frozen=True)
class Example:
    """The files of one block: ``# file: PATH``, perhaps with a remark, begins each but a first."""

    text: str

    def write(self, folder: Path) -> None:
        parts = re.split(r"^# file: (.+)\n", "\n" + self.text, flags=re.MULTILINE)
        files = [("liminal.yml", parts[0].lstrip("\n"))] if parts[0].strip() else []
        files += list(zip(parts[1::2], parts[2::2], strict=True))
        for named, content in files:
            self._write(folder, named, content)

    def _write(self, folder: Path, named: str, content: str) -> None:
        name, _, remark = named.partition(" ")
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        match remark.split():
            case ["->", target]:
                path.symlink_to(target)
            case ["(as", encoding]:
                path.write_text(content, encoding.removesuffix(")"))
            case ["(its", "last", "line", times, "times)"]:
                last = content.splitlines(keepends=True)[-1]
                path.write_text(content + last * int(times.replace(",", "")), "utf-8")
            case [size, "MB)"]:
                path.write_bytes(b"#" * int(size.removeprefix("(")) * 1024 * 1024)
            case [] if name.endswith("/"):
                path.mkdir()
            case _:
                path.write_text(content, "utf-8")


def example(code: str, title: str) -> Example:
    text = (PAGES / f"{code}.md").read_text("utf-8")
    found = re.search(rf"^## {title}\n\n```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert found, f'{code}.md has no block "{title}"'
    return Example(found[1])


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    """Those that are installed, and one that does not load."""

    def broken() -> object:
        raise ImportError("No module named 'numpy'")

    entries = {group: dict(types) for group, types in discover().entries.items()}
    entries["liminal.tasks"]["broken"] = broken
    return Plugins(entries)


def test_each_code_has_a_page_and_each_page_a_code() -> None:
    assert sorted(used_codes()) == CODES


def test_the_index_names_each_page() -> None:
    index = (PAGES / "README.md").read_text("utf-8")
    assert sorted(re.findall(r"^- \[([a-z0-9-]+)\]\(\1\.md\): .+$", index, re.MULTILINE)) == CODES


@pytest.mark.parametrize("code", CODES)
def test_a_page_is_of_one_form(code: str) -> None:
    text = (PAGES / f"{code}.md").read_text("utf-8")
    assert re.match(rf"# {code}\n\n[^#`]", text) or re.match(rf"# {code}\n\n`", text)
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Wrong", "Right"]
    assert text.count("```") == 4


@pytest.mark.parametrize("code", CODES)
def test_the_wrong_example_gives_its_code(code: str, tmp_path: Path, plugins: Plugins) -> None:
    example(code, "Wrong").write(tmp_path)
    findings = compile_path(str(tmp_path), {}, plugins).findings
    assert {found.code for found in findings} == {code}, [found.message for found in findings]


@pytest.mark.parametrize("code", CODES)
def test_the_right_example_gives_none(code: str, tmp_path: Path, plugins: Plugins) -> None:
    example(code, "Right").write(tmp_path)
    findings = compile_path(str(tmp_path), {}, plugins).findings
    assert [found.message for found in findings] == []
