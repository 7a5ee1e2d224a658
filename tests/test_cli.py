"""The command line as its user meets it: real processes, exit codes, what goes to which stream."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from liminal.cli.console import tell_output
from liminal.commands import Here, open_engine
from liminal.errors import UsageError
from liminal.home import Home
from liminal.plugins import Plugins

ROOT = Path(__file__).parent.parent
LIMINAL = Path(sys.executable).parent / "liminal"


def liminal(
    *words: str, cwd: Path = ROOT, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """The finished command."""
    return subprocess.run(
        [LIMINAL, *words],
        cwd=cwd,
        env={**os.environ, **(environ or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """An environment with a LIMINAL_HOME of its own."""
    return {"LIMINAL_HOME": str(tmp_path / "home")}


def project(folder: Path, text: str) -> Path:
    """A folder with that liminal.yml."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "liminal.yml").write_text(text, encoding="utf-8")
    return folder


HELLO = """
name: hello
images:
  - image: hello
    source: .
pipelines:
  - pipeline: hello
    tasks:
      - task: greet
        image: hello
        cmd: echo "hello {{ who }}" and {{ words }}
variables:
  who: world
  words: a  b
"""


def test_version() -> None:
    done = liminal("--version")
    assert (done.returncode, done.stdout) == (0, "liminal 0.1.0\n")


@pytest.mark.parametrize(
    "command",
    [
        *("build", "delete", "deploy", "graph", "init", "list", "logs", "rollback", "run"),
        *("schema", "serve", "show", "start", "status", "stop", "trigger", "validate"),
    ],
)
def test_every_command_has_help_with_an_example_in_80_columns(command: str) -> None:
    done = liminal(command, "--help")
    assert done.returncode == 0
    assert f"Example: liminal {command}" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize(
    "words",
    [
        ("nonsense",),
        ("validate", "--nonsense"),
        ("validate", "no/such/folder"),
        ("validate", ".", "--path", "examples"),
        ("show", "--stage", "nonsense", "examples/iris"),
        ("run", "nonsense", "--path", "examples/iris"),
        ("run", "--task", "nonsense", "--path", "examples/iris", "--dry-run"),
        ("run", "--var", "novalue", "--path", "examples/iris"),
        ("serve", "nonsense", "--path", "examples/iris"),
        ("build", "--image", "nonsense", "examples/iris"),
        ("build", "--engine", "nonsense", "examples/iris"),
        ("init", "examples"),
        ("init", "--template", "nonsense", "somewhere"),
    ],
)
def test_a_wrong_command_line_ends_with_2_and_one_clear_error(words: tuple[str, ...]) -> None:
    done = liminal(*words)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "rror: " in done.stderr
    assert done.stdout == ""


def test_a_misspelt_pipeline_is_suggested(tmp_path: Path) -> None:
    done = liminal("run", "helo", cwd=project(tmp_path, HELLO))
    assert done.returncode == 2
    assert 'no pipeline is named "helo"; did you mean "hello"?' in done.stderr


def test_validate_puts_findings_on_stdout_and_the_count_on_stderr(tmp_path: Path) -> None:
    folder = project(tmp_path, HELLO.replace("cmd:", "cmdd:") + "sevices: []\n")
    done = liminal("validate", cwd=folder)
    assert done.returncode == 3
    assert done.stdout.splitlines() == [
        'liminal.yml:11:9: error[unknown-key]: task "greet" has no key "cmdd"; did you mean "cmd"?',
        'liminal.yml:15:1: error[unknown-key]: the file has no key "sevices"; '
        'did you mean "services"?',
    ]
    assert done.stderr.strip() == "2 errors"


def test_strict_makes_a_warning_an_error(tmp_path: Path) -> None:
    folder = project(tmp_path, HELLO + "zebra: 1\n")
    assert liminal("validate", cwd=folder).returncode == 0
    assert liminal("validate", "--strict", cwd=folder).returncode == 3


def test_every_format_of_findings_is_data_alone_on_stdout(tmp_path: Path) -> None:
    folder = project(tmp_path, HELLO.replace("cmd:", "cmdd:") + "sevices: []\n")
    found = json.loads(liminal("validate", "--format", "json", cwd=folder).stdout)
    assert [finding["line"] for finding in found] == [11, 15]
    sarif = json.loads(liminal("validate", "--format", "sarif", cwd=folder).stdout)
    assert len(sarif["runs"][0]["results"]) == 2
    github = liminal("validate", "--format", "github", cwd=folder).stdout
    assert github.startswith("::error file=liminal.yml,line=11,col=9,title=unknown-key::")


@pytest.mark.parametrize("stage", ["document", "resolved", "app", "plan"])
def test_show_prints_each_stage_as_json(stage: str, tmp_path: Path) -> None:
    done = liminal("show", "--stage", stage, "--format", "json", cwd=project(tmp_path, HELLO))
    assert done.returncode == 0, done.stderr
    assert "greet" in json.dumps(json.loads(done.stdout))


def test_schema_is_json() -> None:
    schema = json.loads(liminal("schema").stdout)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_run_builds_what_is_missing_and_says_what_tasks_say(
    tmp_path: Path, home: dict[str, str]
) -> None:
    folder = project(tmp_path / "hello", HELLO)
    done = liminal("run", cwd=folder, environ=home)
    assert done.returncode == 0, done.stderr
    assert "greet | hello world and a b" in done.stdout
    assert "hello | built in" in done.stderr
    again = liminal("run", "--var", "words=c  ;  echo d", cwd=folder, environ=home)
    assert "greet | hello world and c  ;  echo d" in again.stdout
    assert "hello | up to date: nothing changed" in again.stderr


def test_a_path_and_a_name_are_told_apart(tmp_path: Path, home: dict[str, str]) -> None:
    folder = project(tmp_path / "hello", HELLO)
    done = liminal("run", str(folder), "hello", environ=home)
    assert done.returncode == 0, done.stderr


def test_a_failed_task_ends_with_5_after_end_has_reported(
    tmp_path: Path, home: dict[str, str]
) -> None:
    folder = project(tmp_path / "hello", HELLO.replace("echo", "exit 3; echo"))
    done = liminal("run", cwd=folder, environ=home)
    assert done.returncode == 5
    assert '"metric": "JobResult", "value": 0' in done.stdout
    assert "exit status 3" in done.stderr


def test_run_as_json_puts_only_the_result_on_stdout(tmp_path: Path, home: dict[str, str]) -> None:
    folder = project(tmp_path / "hello", HELLO)
    done = liminal("run", "--format", "json", cwd=folder, environ=home)
    result = json.loads(done.stdout)
    assert [task["state"] for task in result["tasks"]] == ["success"] * 3


def test_dry_run_runs_and_builds_nothing(tmp_path: Path, home: dict[str, str]) -> None:
    folder = project(tmp_path / "hello", HELLO)
    done = liminal("run", "--dry-run", cwd=folder, environ=home)
    assert done.returncode == 0, done.stderr
    assert 'echo "hello world" and a  b' in done.stdout
    assert not Path(home["LIMINAL_HOME"]).exists()


def test_a_configuration_error_stops_run_before_anything(
    tmp_path: Path, home: dict[str, str]
) -> None:
    folder = project(tmp_path / "hello", HELLO.replace("image: hello\n        cmd", "cmd"))
    done = liminal("run", cwd=folder, environ=home)
    assert done.returncode == 3
    assert 'task "greet" has no "image"' in done.stderr
    assert not Path(home["LIMINAL_HOME"]).exists()


def test_build_as_json(tmp_path: Path, home: dict[str, str]) -> None:
    folder = project(tmp_path / "hello", HELLO)
    first, second = (
        json.loads(liminal("build", "--format", "json", cwd=folder, environ=home).stdout)
        for _ in range(2)
    )
    assert [image["rebuilt"] for image in (*first, *second)] == [True, False]
    assert first[0]["hash"] == second[0]["hash"]


def test_an_uninstallable_requirement_ends_with_4_and_the_installers_words(
    tmp_path: Path, home: dict[str, str]
) -> None:
    folder = project(tmp_path / "hello", HELLO)
    (folder / "requirements.txt").write_text("liminal-no-such-package==1\n")
    done = liminal("build", cwd=folder, environ=home)
    assert done.returncode == 4
    assert "liminal-no-such-package" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_home_that_cannot_be_written_ends_with_4(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    folder = project(tmp_path / "hello", HELLO)
    done = liminal("build", cwd=folder, environ={"LIMINAL_HOME": str(tmp_path / "file" / "home")})
    assert done.returncode == 4
    assert "LIMINAL_HOME" in done.stderr


def test_colour_only_on_a_terminal(tmp_path: Path) -> None:
    done = liminal("validate", cwd=project(tmp_path, HELLO + "zebra: 1\n"))
    assert "\x1b" not in done.stdout + done.stderr


def test_init_writes_a_project_that_compiles_and_never_overwrites(tmp_path: Path) -> None:
    done = liminal("init", "mine", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert liminal("validate", "--strict", "mine", cwd=tmp_path).returncode == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    again = liminal("init", "mine", cwd=tmp_path)
    assert again.returncode == 2
    assert "nothing was written" in again.stderr
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_two_projects_of_init_live_side_by_side(tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert liminal("init", name, cwd=tmp_path).returncode == 0
    done = liminal("validate", "--strict", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    shown = json.loads(
        liminal("show", "--stage", "app", "--format", "json", "one", cwd=tmp_path).stdout
    )
    assert shown["one"]["pipelines"][0]["name"] == "one_training"
    assert shown["one"]["images"][0]["name"] == "one"
    assert shown["one"]["services"][0]["name"] == "one_server"


def test_init_refuses_the_inside_of_a_project_and_names_that_cannot_be(tmp_path: Path) -> None:
    assert liminal("init", "mine", cwd=tmp_path).returncode == 0
    inside = liminal("init", cwd=tmp_path / "mine")
    assert inside.returncode == 2
    assert "would be inside the project of" in inside.stderr
    bad = liminal("init", "My Project!", cwd=tmp_path)
    assert bad.returncode == 2
    assert "lower-case letters" in bad.stderr


def test_a_reader_that_goes_away_is_no_error() -> None:
    piped = subprocess.run(
        f"{LIMINAL} schema | head -n 1", shell=True, capture_output=True, text=True, check=True
    )
    assert piped.stdout == "{\n"
    assert piped.stderr == ""


def test_a_run_whose_reader_goes_away_is_interrupted_and_not_a_bug(
    tmp_path: Path, home: dict[str, str]
) -> None:
    folder = project(tmp_path / "hello", HELLO)
    piped = subprocess.run(
        f"set -o pipefail; {LIMINAL} run 2>&1 | head -n 1",
        shell=True,
        executable="/bin/bash",
        cwd=folder,
        env={**os.environ, **home},
        capture_output=True,
        text=True,
        check=False,
    )
    assert piped.returncode == 130
    assert piped.stderr == ""


@pytest.mark.parametrize("name", ["a", "b"])
def test_a_pipeline_runs_in_the_image_of_its_own_application(
    name: str, tmp_path: Path, home: dict[str, str]
) -> None:
    for app in ("a", "b"):
        text = HELLO.replace("hello", app).replace(f"image: {app}", "image: im")
        folder = project(tmp_path / "both" / app, text.replace('echo "', 'cat who.txt; echo "'))
        (folder / "who.txt").write_text(f"code of {app}\n")
    done = liminal("run", "--path", ".", name, cwd=tmp_path / "both", environ=home)
    assert done.returncode == 0, done.stderr
    assert f"code of {name}" in done.stdout


@pytest.mark.parametrize("words", [(), ("ask",)])
def test_a_name_in_two_applications_is_asked_back(words: tuple[str, ...], tmp_path: Path) -> None:
    for app in ("a", "b"):
        folder = project(
            tmp_path / app,
            f"name: {app}\nimages:\n  - image: {app}\n    type: python_server\n    source: .\n"
            f"services:\n  - service: ask\n    image: {app}\n    endpoints:\n"
            "      - endpoint: /ask\n        module: ask\n        function: ask\n",
        )
        (folder / "ask.py").write_text("def ask(body):\n    return body\n")
    done = liminal("serve", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert 'the applications "a" and "b" have a service named "ask" each' in done.stderr
    assert "PATH" in done.stderr


def in_terminal(*words: str, cwd: Path, environ: Mapping[str, str]) -> str:
    """What the command writes to a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [LIMINAL, *words],
        cwd=cwd,
        env={**os.environ, **environ},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    written = b""
    try:
        while piece := os.read(ours, 4096):
            written += piece
    except OSError:  # Linux: the other end is closed
        pass
    os.close(ours)
    process.wait(60)
    return written.decode()


def test_a_failing_build_cannot_take_over_the_terminal(
    tmp_path: Path, home: dict[str, str]
) -> None:
    attack = """    build_cmd: "printf '\\\\033]0;pwn\\\\007\\\\033[2Jlast words'; false"\n"""
    folder = project(tmp_path / "x", HELLO.replace("    source: .\n", f"    source: .\n{attack}"))
    written = in_terminal("build", cwd=folder, environ=home)
    assert "| last words" in written
    assert "\x1b]" not in written
    assert "\x1b[2J" not in written
    assert "\x07" not in written


@pytest.mark.parametrize(
    "words", [("hello",), ("hello", "hello"), ("hello/liminal.yml",), ("--path", "hello", "hello")]
)
def test_the_path_can_be_the_plain_name_of_a_folder(words: tuple[str, ...], tmp_path: Path) -> None:
    project(tmp_path / "hello", HELLO)
    project(tmp_path / "other", HELLO.replace("hello", "other"))
    done = liminal("run", "--dry-run", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert 'echo "hello world"' in done.stdout


def test_a_folder_without_a_liminal_yml_is_no_path(tmp_path: Path) -> None:
    project(tmp_path, HELLO)
    (tmp_path / "hello").mkdir()
    done = liminal("run", "--dry-run", "hello", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_home_of_nobody_is_a_wrong_command(tmp_path: Path) -> None:
    done = liminal("build", cwd=project(tmp_path, HELLO), environ={"LIMINAL_HOME": "~nouser/x"})
    assert done.returncode == 2
    assert 'LIMINAL_HOME is "~nouser/x"' in done.stderr
    assert "Traceback" not in done.stderr


def test_an_engine_that_does_not_load_is_no_bug_of_ours(tmp_path: Path) -> None:
    def load() -> Any:
        raise ImportError("no module named docker")

    here = Here(
        home=Home(tmp_path),
        environ={},
        user_home=tmp_path,
        plugins=Plugins({"liminal.engines": {"docker": load}}),
    )
    with pytest.raises(UsageError, match="no module named docker"):
        open_engine("docker", here)


def test_init_into_the_empty_folder_where_we_are(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    done = liminal("init", ".", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert 'Next: "liminal run"' in done.stderr
    assert liminal("validate", "--strict", cwd=folder).returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize(("terminal", "shown"), [(True, "text\n"), (False, "\x1b[2Jtext\n")])
def test_what_a_service_writes_cannot_take_over_the_terminal(
    terminal: bool,
    shown: str,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    monkeypatch.setenv("NO_COLOR", "1")
    tell_output(b"\x1b[2Jtext\n")
    assert capfd.readouterr().out == shown
