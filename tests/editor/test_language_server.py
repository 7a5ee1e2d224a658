"""What an editor shows of a liminal.yml: the real yaml-language-server, over its protocol."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from language_server import LanguageServer

VERSION = "1.25.0"
CACHE = Path(__file__).parents[2] / ".cache" / f"yaml-language-server-{VERSION}"
LIMINAL = Path(sys.executable).with_name("liminal")

TASKS = """\
# yaml-language-server: $schema=.liminal.schema.json
name: my_app
pipelines:
  - pipeline: nightly
    schedule: "@daily"
    tasks:
      - task: train
        image: myorg/app:1.2
        cmd: python train.py
        retries: 2
        resources:
          cpu: 500m
      - task: job
        type: spark
        image: myorg/spark
      - task: plain
executors:
  - executor: k8s
    type: kubernetes
"""


@pytest.fixture(scope="session")
def command(require: Callable[[str, str], NoReturn]) -> list[str]:
    """How the server is started; it is installed from npm once, into the checkout's cache."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        require("node", "install Node.js 20 or later with npm (Debian: apt install nodejs npm)")
    if not CACHE.is_dir():
        CACHE.parent.mkdir(exist_ok=True)
        unfinished = CACHE.with_name(f"{CACHE.name}.{os.getpid()}")
        done = subprocess.run(
            [
                *(npm, "install", "--no-audit", "--no-fund", "--ignore-scripts"),
                *("--prefix", unfinished, f"yaml-language-server@{VERSION}"),
            ],
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            shutil.rmtree(unfinished, ignore_errors=True)
            require("node", f"npm cannot install yaml-language-server: {done.stderr[-300:]}")
        try:
            unfinished.rename(CACHE)
        except OSError:  # another worker was faster
            shutil.rmtree(unfinished)
    script = CACHE / "node_modules/yaml-language-server/bin/yaml-language-server"
    return [node, str(script), "--stdio"]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `liminal init` writes."""
    folder = tmp_path_factory.mktemp("editor") / "mine"
    subprocess.run([LIMINAL, "init", folder], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def server(command: list[str], project: Path) -> Iterator[LanguageServer]:
    started = LanguageServer(command, project)
    try:
        yield started
        started.close()
    finally:
        started.kill()


@pytest.fixture(scope="module")
def editor(server: LanguageServer, project: Path) -> Any:
    """A document in the project, already open."""
    file = project / "tasks.yml"
    file.write_text(TASKS)
    assert server.open(file) == []
    return file


def place(text: str, words: str, offset: int = 0) -> tuple[int, int]:
    """The line and column of the words, from 1."""
    before = text[: text.index(words) + offset]
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def labels(server: LanguageServer, project: Path, after: str, indent: int) -> set[str]:
    """What is offered on a new line that is indented so far, below the line with those words."""
    lines = TASKS.splitlines(keepends=True)
    number = next(index for index, line in enumerate(lines) if after in line) + 1
    lines.insert(number, " " * indent + "\n")
    file = project / f"new-line-{number}-{indent}.yml"
    file.write_text("".join(lines))
    server.open(file)
    return set(server.complete(file, number + 1, indent + 1))


def keys(schema: Any, name: str) -> set[str]:
    return set(schema["$defs"][name]["properties"])


@pytest.fixture(scope="module")
def schema(project: Path) -> Any:
    import json

    return json.loads((project / ".liminal.schema.json").read_text("utf-8"))


def test_a_new_project_has_nothing_underlined(server: LanguageServer, project: Path) -> None:
    assert server.open(project / "liminal.yml") == []


def test_a_typo_is_underlined_where_it_stands(server: LanguageServer, project: Path) -> None:
    file = project / "typo.yml"
    file.write_text(TASKS.replace("retries: 2", "retires: 2"))
    (found,) = server.open(file)
    assert "retires" in found["message"]
    assert found["range"]["start"] == {"line": 9, "character": 8}
    assert found["range"]["end"] == {"line": 9, "character": 15}


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("retries: 2", "retries: many", "must be a whole number"),
        ("cmd: python train.py", "cmd: [python, train.py]", "string"),
        ("type: spark", "type: sprak", "spark"),
        ("task: train", "task: train it", "letters, digits"),
        ("pipeline: nightly", "description: nightly", "pipeline"),
        ("type: spark", "type: spark\n        clas: org.example.Job", "clas"),
    ],
)
def test_what_is_wrong_is_underlined_in_our_words(
    server: LanguageServer, project: Path, before: str, after: str, words: str
) -> None:
    file = project / f"wrong-{abs(hash(after))}.yml"
    file.write_text(TASKS.replace(before, after))
    found = server.open(file)
    assert [problem["message"] for problem in found if words in problem["message"]], found


@pytest.mark.parametrize(
    ("words", "described"),
    [
        ("name: my_app", "The layer's name"),
        ("schedule:", "a cron expression"),
        ("retries:", "How often a failed task is tried again"),
        ("cpu: 500m", "Processors"),
        ("type: spark", "What the task is"),
        ("type: kubernetes", "Where it runs tasks"),
    ],
)
def test_hover_shows_the_description(
    server: LanguageServer, editor: Path, words: str, described: str
) -> None:
    line, column = place(TASKS, words, offset=1)
    assert described in server.hover(editor, line, column)


def test_completion_offers_every_key_of_a_task(
    server: LanguageServer, project: Path, schema: Any
) -> None:
    offered = labels(server, project, "- task: plain", 8)
    assert offered >= keys(schema, "task.python") - {"task"}


def test_completion_offers_the_keys_of_the_type(
    server: LanguageServer, project: Path, schema: Any
) -> None:
    offered = labels(server, project, "image: myorg/spark", 8)
    assert offered >= keys(schema, "task.spark") - {"task", "type", "image"}
    assert {"application_source", "conf", "master"} <= offered
    assert "connection" not in offered
    offered = labels(server, project, "type: kubernetes", 4)
    assert offered >= keys(schema, "executor.kubernetes") - {"executor", "type"}


def test_completion_offers_every_key_at_the_top_and_in_a_nested_table(
    server: LanguageServer, project: Path, schema: Any
) -> None:
    offered = labels(server, project, "type: kubernetes", 0)
    assert offered >= set(schema["properties"]) - {"name", "pipelines", "executors"}
    assert {"memory", "gpu"} <= labels(server, project, "cpu: 500m", 10)


def test_completion_offers_the_types(server: LanguageServer, editor: Path, schema: Any) -> None:
    line, column = place(TASKS, "type: spark", offset=len("type: "))
    offered = set(server.complete(editor, line, column))
    assert set(schema["$defs"]["task"]["properties"]["type"]["enum"]) <= offered
