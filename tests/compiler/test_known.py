"""The cache of verdicts: faster, and never another answer than compiling everything gives."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from liminal.compiler import compile_path, known
from liminal.compiler.known import WORTH_IT, check_path
from liminal.plugins import Plugins, discover

APPS = WORTH_IT + 5


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    return discover()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Many applications with a parent, a variable, a source with an endpoint, and a query file."""
    root = tmp_path / "project"
    team = root / "team"
    team.mkdir(parents=True)
    (team / "liminal.yml").write_text("name: team\ntype: super\nvariables: {rows: 10}\n")
    for number in range(APPS):
        app = root / f"app_{number:02}"
        app.mkdir()
        (app / "serving.py").write_text("def predict(body):\n    return body\n")
        (app / "query.sql").write_text("SELECT 1\n")
        (app / "liminal.yml").write_text(
            f"name: app_{number}\nsuper: team\n"
            f"images:\n  - image: app-{number}:{{{{ TAG }}}}\n"
            "    type: python_server\n    source: .\n"
            "    endpoints: [{endpoint: /p, module: serving, function: predict}]\n"
            f"pipelines:\n  - pipeline: pipeline_{number}\n    tasks:\n"
            f"      - task: one\n        image: app-{number}:{{{{ TAG }}}}\n"
            "        cmd: echo {{ rows }}\n"
            "      - {task: two, type: sql, connection: db, query_file: query.sql}\n"
        )
    return root


class Asked:
    """Asks for a project's findings through the cache, and compares with the whole way."""

    def __init__(self, project: Path, folder: Path, plugins: Plugins) -> None:
        self.project, self.folder, self.plugins = project, folder, plugins
        self.environ = {"TAG": "1"}

    def __call__(self) -> list[str]:
        checked = check_path(str(self.project), self.environ, self.plugins, self.folder)
        whole = compile_path(str(self.project), self.environ, self.plugins)
        assert checked.findings == whole.findings
        assert checked.applications == len(whole.linked)
        return [found.code for found in checked.findings]


@pytest.fixture
def ask(project: Path, tmp_path: Path, plugins: Plugins) -> Asked:
    asked = Asked(project, tmp_path / "verdicts", plugins)
    assert asked() == []
    assert asked() == []
    return asked


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


CHANGES: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "a typo": (
        lambda root: replace(root / "app_03/liminal.yml", "cmd:", "cmdd:"),
        ["unknown-key"],
    ),
    "a variable that the parent no longer has": (
        lambda root: replace(root / "team/liminal.yml", "rows", "rowz"),
        ["unknown-variable"] * APPS,
    ),
    "a mistake in the parent": (
        lambda root: replace(root / "team/liminal.yml", "variables", "varables"),
        ["unknown-variable"] * APPS + ["unknown-key"],
    ),
    "a parent that is gone": (
        lambda root: (root / "team/liminal.yml").unlink(),
        ["unknown-super"] * APPS,
    ),
    "a parent that is an application": (
        lambda root: replace(root / "app_04/liminal.yml", "super: team", "super: app_5"),
        ["not-a-super"],
    ),
    "an endpoint's function that is gone": (
        lambda root: replace(root / "app_05/serving.py", "predict", "forecast"),
        ["unknown-function"],
    ),
    "an endpoint's module that is gone": (
        lambda root: (root / "app_05/serving.py").unlink(),
        ["unknown-module"],
    ),
    "a query file that is gone": (
        lambda root: (root / "app_06/query.sql").unlink(),
        ["file-missing"],
    ),
    "a DAG id that another application has": (
        lambda root: replace(root / "app_07/liminal.yml", "pipeline_7", "pipeline_8"),
        ["duplicate-pipeline"],
    ),
    "a name that another application has": (
        lambda root: replace(root / "app_07/liminal.yml", "name: app_7", "name: app_8"),
        ["duplicate-layer"],
    ),
    "not YAML any more": (
        lambda root: (root / "app_08/liminal.yml").write_text("a: {"),
        ["yaml-syntax"],
    ),
    "an application that is gone": (
        lambda root: (root / "app_09/liminal.yml").unlink(),
        [],
    ),
    "a folder named like a layer": (
        lambda root: (root / "app_09/liminal.yaml").mkdir(),
        ["not-a-file"],
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_seen_and_its_undoing_too(change: str, ask: Asked, project: Path) -> None:
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    alter, expected = CHANGES[change]
    alter(project)
    assert sorted(ask()) == sorted(expected)
    assert sorted(ask()) == sorted(expected)
    for path in list(project.rglob("liminal.yaml")):
        path.rmdir()
    for path, content in before.items():
        path.write_bytes(content)
    assert ask() == []


def test_a_variable_of_the_environment_is_part_of_the_question(ask: Asked) -> None:
    ask.environ = {"TAG": "not/a tag"}
    assert set(ask()) == {"bad-image"}
    ask.environ = {}
    assert "unknown-variable" in ask()
    ask.environ = {"TAG": "1", "OTHER": "2"}
    assert ask() == []


def test_a_file_replaced_within_the_same_second_and_size_is_seen(ask: Asked, project: Path) -> None:
    file = project / "app_05" / "serving.py"
    status = file.stat()
    file.write_text(file.read_text().replace("predict", "predikt"))
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert ask() == ["unknown-function"]


def test_a_source_that_becomes_a_link_to_outside_is_seen(
    ask: Asked, project: Path, tmp_path: Path
) -> None:
    replace(project / "app_02" / "liminal.yml", "source: .", "source: code")
    code = project / "app_02" / "code"
    code.mkdir()
    (code / "serving.py").write_text("def predict(body): ...\n")
    assert ask() == []
    code.rename(tmp_path / "outside")
    code.symlink_to(tmp_path / "outside")
    assert ask() == ["source-outside"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"verdicts": {}}', b"\x80"])
def test_a_damaged_cache_is_as_good_as_none(content: bytes, ask: Asked) -> None:
    for file in ask.folder.iterdir():
        file.write_bytes(content)
    assert ask() == []


def test_a_cache_that_cannot_be_written_is_done_without(
    project: Path, tmp_path: Path, plugins: Plugins
) -> None:
    (tmp_path / "file").write_text("")
    asked = Asked(project, tmp_path / "file" / "verdicts", plugins)
    assert asked() == []
    assert asked() == []


def test_a_small_project_leaves_nothing_on_the_disk(tmp_path: Path, plugins: Plugins) -> None:
    (tmp_path / "liminal.yml").write_text("name: small\n")
    checked = check_path(str(tmp_path), {}, plugins, tmp_path / "verdicts")
    assert (checked.findings, checked.applications) == ((), 1)
    assert not (tmp_path / "verdicts").exists()


@pytest.mark.parametrize("name", ["liminal.yml", "serving.py"])
def test_a_file_replaced_while_it_is_judged_is_not_stored_as_sound(
    name: str, project: Path, tmp_path: Path, plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = project / "app_05" / name
    sound = file.read_text()
    whole = known.compile_layout

    def swapped(*given: Any) -> Any:
        file.write_text(sound)
        compilation = whole(*given)
        file.write_text(sound.replace("app-5:", "App 5:").replace("predict", "predikt"))
        return compilation

    file.write_text(sound.replace("app-5:", "App 5:").replace("predict", "predikt"))
    monkeypatch.setattr(known, "compile_layout", swapped)
    known.check_path(str(project), {"TAG": "1"}, plugins, tmp_path / "verdicts")
    monkeypatch.undo()
    assert Asked(project, tmp_path / "verdicts", plugins)() != []


def test_the_versions_of_what_judges_are_part_of_the_question(
    plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = known._fingerprint(plugins)
    monkeypatch.setattr(known.importlib.metadata, "version", lambda name: "0.0.0")
    assert known._fingerprint(plugins) != before
