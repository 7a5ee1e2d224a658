"""Bad input: where it is, what is wrong and what to do, the exit code, and no traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from liminal.compiler import compile_path
from liminal.compiler.document import parse
from liminal.compiler.nodes import Map, Seq, Value
from liminal.errors import Severity, UsageError

CASES = Path(__file__).parents[1] / "cases"
LIMINAL = Path(sys.executable).with_name("liminal")


def validate(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LIMINAL, "validate", *words], cwd=folder, capture_output=True, text=True, timeout=60
    )


# The real command


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"name: a\n\tx: b\n", "liminal.yml:2:1: error[yaml-syntax]: a tab stands here"),
        (b"name: a\nowner: J\xf6rg\n", "liminal.yml:2:9: error[not-utf8]: byte 0xf6"),
        (b"name: a\nname: b\n", 'liminal.yml:2:1: error[duplicate-key]: key "name" stands here'),
        (b"name: 'a b'\n", 'liminal.yml:1:7: error[bad-name]: "a b" cannot be the name of a layer'),
        (b"[" * 100_000, "liminal.yml:1:51: error[too-deep]"),
        (
            b"name: a\nimages: [{image: i, source: ../..}]\n",
            'liminal.yml:2:29: error[source-outside]: source "../.." leaves the folder',
        ),
    ],
)
def test_command_says_where_and_what_and_exits_with_3(
    tmp_path: Path, content: bytes, told: str
) -> None:
    tmp_path.joinpath("liminal.yml").write_bytes(content)
    result = validate(tmp_path)
    assert told in result.stdout
    assert result.returncode == 3
    assert "Traceback" not in result.stdout + result.stderr
    assert result.stderr.strip().splitlines()[-1].startswith("1 error")


def test_command_exits_with_2_where_there_is_no_file(tmp_path: Path) -> None:
    for words, told in (
        (("nowhere",), '"nowhere" does not exist'),
        ((), 'no liminal.yml under "."'),
    ):
        result = validate(tmp_path, *words)
        assert result.returncode == 2
        assert told in result.stderr
        assert "Traceback" not in result.stderr


def test_command_with_strict_exits_with_3_for_a_warning(tmp_path: Path) -> None:
    tmp_path.joinpath("liminal.yml").write_text("name: a\nnonsense: 1\n")
    assert validate(tmp_path).returncode == 0
    assert validate(tmp_path, "--strict").returncode == 3


# Files


def test_path_that_does_not_exist_is_a_usage_error(project: Any) -> None:
    with pytest.raises(UsageError, match='"nowhere" does not exist'):
        compile_path("nowhere", {}, project.plugins)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_file_without_permission_is_a_finding(project: Any) -> None:
    project.write("liminal.yml", "name: a\n").chmod(0)
    assert "error[unreadable]: cannot be read: Permission denied" in project.first()


def test_link_to_nowhere_is_a_finding(project: Any) -> None:
    os.symlink("nowhere", "liminal.yml")
    assert "error[unreadable]: cannot be read: No such file or directory" in project.told()


def test_one_faulty_file_does_not_hide_the_others(project: Any) -> None:
    project.write("a/liminal.yml", "name: a\nx: @y\n")
    project.write("b/liminal.yml", "name: b\nschdule: x\n")
    assert [found.origin.file for found in project.compile().findings] == [
        "a/liminal.yml", "b/liminal.yml",
    ]  # fmt: skip


# Names


@pytest.mark.parametrize("name", ["a b", 'quo"te', "quo'te", " a", "a ", "ä", "a/b", ".a", "-a"])
def test_strange_name_of_a_task_is_told_with_what_is_allowed(project: Any, name: str) -> None:
    written = name.replace("'", "''")
    found = project.compile(
        f"name: a\npipelines:\n- pipeline: p\n  tasks:\n  - task: '{written}'\n"
        "    image: i\n    cmd: x\n"
    ).findings
    assert [(one.code, str(one.origin)) for one in found] == [("bad-name", "liminal.yml:5:11")]
    assert found[0].hint


# Endpoints: found when the file is compiled, in the source, which is never imported


def endpoint(module: str, function: str) -> str:
    return (
        "name: a\nservices:\n- service: s\n  image: i\n  source: src\n  endpoints:\n"
        f"  - endpoint: /p\n    module: {module}\n    function: {function}\n"
    )


@pytest.mark.parametrize(
    ("module", "function", "place", "told"),
    [
        ("servin", "predict", "8:13", 'has no module "servin"; did you mean "serving"?'),
        ("other", "predict", "8:13", 'has no module "other"'),
        ("serving", "predct", "9:15", 'has no function "predct"; did you mean "predict"?'),
        ("serving", "zzz", "9:15", 'the module "serving" has no function "zzz"'),
        ("broken", "predict", "8:13", '"broken.py" is not Python'),
        ("deep", "predict", "8:13", '"deep.py" is not Python'),
        ("nul", "predict", "8:13", '"nul.py" is not Python'),
        ("package", "predict", "9:15", 'the module "package" has no function "predict"'),
        ("package.inner", "predict", "8:13", 'has no module "package.inner"'),
        ("m" * 300, "predict", "8:13", "has no module"),
    ],
)
def test_endpoint_that_is_not_in_the_source(
    project: Any, module: str, function: str, place: str, told: str
) -> None:
    project.write("src/serving.py", "raise SystemExit\ndef predict(body): ...\n")
    project.write("src/broken.py", "def predict(\n")
    project.write("src/deep.py", "x = " + "-" * 100_000 + "1\n")
    project.write("src/nul.py", b"x = '\0'\n")
    project.write("src/package/__init__.py")
    (finding,) = project.compile(endpoint(module, function)).findings
    assert str(finding.origin) == f"liminal.yml:{place}"
    assert told in finding.message


# Messages


def test_long_text_of_the_user_is_cut_in_messages(project: Any) -> None:
    for text in (
        "name: " + "x" * 9000,
        "name: a\n" + "y" * 900 + ": 1",
        "name: a\nsuper: " + "z" * 9000,
    ):
        assert max(len(line) for line in project.told(text).splitlines()) < 600


def test_typo_is_not_told_a_second_time_as_a_missing_key(project: Any) -> None:
    told = project.told("name: a\nvolumes: [{volume: v, local: {pth: x}}]\n")
    assert told == (
        'liminal.yml:2:31: error[unknown-key]: "local" of volume "v" has no key "pth"; '
        'did you mean "path"?'
    )
    told = project.told(
        "name: a\npipelines:\n- pipeline: p\n"
        "  tasks: [{task: t, type: sql, query: x, conection: c}]\n"
    )
    assert told.count("error") == 1


def test_more_than_a_thousand_mistakes_are_cut_off(project: Any) -> None:
    tasks = "".join(f"  - {{task: t{i}, image: i, cmd: x, retires: 1}}\n" for i in range(3000))
    found = project.compile("name: a\npipelines:\n- pipeline: p\n  tasks:\n" + tasks).findings
    assert len([one for one in found if one.code == "unknown-key"]) == 1000
    assert [one.origin.line for one in found][:3] == [5, 6, 7]


# A typo in a key at every level: in each key of each golden case

FREE = frozenset(
    "variables env_vars env params conf properties default_args build_secrets matrix labels"
    " application_arguments node_selector annotations resources nfs emptyDir Parameters pipeline"
    " tolerations".split()
)  # fmt: skip
"""Mappings and lists in which the keys are the user's own, or another system's."""

WELL_FORMED = sorted(
    case.name
    for case in CASES.iterdir()
    if case.joinpath("liminal.yml").exists()
    and "mistake" not in case.name
    and case.name not in ("shape_look_alikes", "f_positions", "dag_ids")
)


def keys_of(value: Value, own: bool = True) -> list[tuple[str, int, int]]:
    """Each key of ours that is long enough for a typo: the key, its line and column."""
    if isinstance(value, Seq):
        return [found for item in value for found in keys_of(item)]
    if not isinstance(value, Map):
        return []
    found = []
    for key, item in value.items():
        place = value.places[key]
        if len(key) > 4:
            found.append((key, place.key_line, place.key_column))
        if key not in FREE:
            found += keys_of(item)
    return found


@pytest.mark.parametrize("case", WELL_FORMED)
def test_typo_in_any_key_is_told_at_its_place(
    case: str, project: Any, installed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (CASES / case / "liminal.yml").read_text()
    lines = text.splitlines(keepends=True)
    document, _ = parse(text, "liminal.yml")
    assert document.root is not None
    project.write("liminal.yml", text.encode())
    known = {one.origin[1:3] for one in project.compile().findings if one.code == "unknown-key"}
    met = set()
    for key, line, column in keys_of(document.root):
        if key in met or (line, column) in known:
            continue
        met.add(key)
        typo = key[:2] + key[3:]
        written = lines[line - 1]
        assert written[column - 1 :].startswith(key)
        changed = written[: column - 1] + typo + written[column - 1 + len(key) :]
        project.write("liminal.yml", "".join([*lines[: line - 1], changed, *lines[line:]]).encode())
        found = [
            (one.severity, one.message)
            for one in project.compile().findings
            if one.code == "unknown-key" and one.origin[1:3] == (line, column)
        ]
        assert len(found) == 1, f"{typo} at {line}:{column}: {project.told()}"
        assert found[0][0] is Severity.ERROR
        assert f'"{typo}"; did you mean "{key}"?' in found[0][1]
