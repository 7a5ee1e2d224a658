"""Text -> what the compiler says of it, in a folder of its own."""

import re
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent, indent

import pytest

from liminal.compiler import Compilation, compile_path
from liminal.errors import Diagnostic
from liminal.model import App, Pipeline
from liminal.origin import Origin
from liminal.plugins import Plugins, discover

HEAD = """\
name: app
images:
- image: img
  source: .
"""


@dataclass
class Project:
    """A folder in which a test compiles texts."""

    folder: Path
    plugins: Plugins

    def file(self, path: str, text: str = "") -> Path:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(dedent(text), encoding="utf-8")
        return target

    def compile(self, text: str | None = None) -> Compilation:
        """All that is in the folder, with the text, if any, as its liminal.yml."""
        if text is not None:
            self.file("liminal.yml", text)
        return compile_path(str(self.folder), {}, self.plugins)

    def findings(self, text: str | None = None) -> tuple[Diagnostic, ...]:
        return self.compile(text).findings

    def told(self, text: str | None = None) -> list[str]:
        """The findings as ``line word severity[code] message``; the word stands at the column."""
        return [
            f"{at.line} {_word_at(at)} {one.severity.value}[{one.code}] {one.message}"
            for one in self.findings(text)
            for at in (one.origin,)
        ]

    def app(self, text: str) -> App:
        found = self.compile(text)
        assert not found.findings, found.findings
        (app,) = found.apps
        return app

    def pipeline(self, lines: str) -> Pipeline:
        """A pipeline with these lines and one task."""
        (pipeline,) = self.app(pipeline_text(lines)).pipelines
        return pipeline

    def told_of_pipeline(self, lines: str) -> list[str]:
        """The findings of a pipeline with these lines, the first of which is line 7."""
        return self.told(pipeline_text(lines))

    def told_of_task(self, keys: str, head: str = "") -> list[str]:
        """The findings of one task in flow style, on line 8 and after the head."""
        task = f"  - {{task: t, {keys}}}\n"
        return self.told(f"{HEAD}{dedent(head)}pipelines:\n- pipeline: p\n  tasks:\n{task}")


def pipeline_text(lines: str) -> str:
    body = indent(dedent(lines).strip("\n"), "  ")
    tasks = "  tasks:\n  - {task: t, image: img, cmd: x}\n"
    return f"{HEAD}pipelines:\n- pipeline: p\n{body}\n{tasks}"


def _word_at(origin: Origin) -> str:
    """What begins there, up to the next space or sign of YAML's."""
    line = Path(origin.file).read_text(encoding="utf-8").splitlines()[origin.line - 1]
    rest = line[origin.column - 1 :]
    found = re.match(r"""['"]?[^\s,{}\[\]'"]+|.""", rest)
    return found[0].strip("'\"") if found else ""


@pytest.fixture(scope="session")
def plugins() -> Plugins:
    return discover()


@pytest.fixture
def project(tmp_path: Path, plugins: Plugins) -> Project:
    return Project(tmp_path, plugins)
