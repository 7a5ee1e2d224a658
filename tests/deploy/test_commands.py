"""`deploy`, `rollback`, `list` and `delete` as their user meets them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.projects import files, project

LIMINAL = Path(sys.executable).parent / "liminal"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "LIMINAL_HOME": str(tmp_path / "home"), "LIMINAL_ENGINE": "local"}


def liminal(environ: dict[str, str], *words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(LIMINAL), *map(str, words)], env=environ, capture_output=True, text=True, check=False
    )


def test_the_way_of_an_application(tmp_path: Path, environ: dict[str, str]) -> None:
    folder = project(tmp_path / "p", a="echo 1")
    done = liminal(environ, "deploy", folder, "--dry-run")
    assert (done.returncode, done.stdout) == (0, "app\n  + a (new)\n")
    assert "would deploy" in done.stderr
    assert not (tmp_path / "home" / "dags").exists()
    assert liminal(environ, "deploy", folder).returncode == 0
    assert (tmp_path / "home").stat().st_mode & 0o777 == 0o700
    project(tmp_path / "p", a="echo 2")
    done = liminal(environ, "deploy", folder, "--format", "json")
    assert json.loads(done.stdout) == [{"app": "app", "pipeline": "a", "change": "changed"}]
    [listed] = json.loads(liminal(environ, "list", "--format", "json").stdout)
    assert (listed["app"], listed["pipelines"]) == ("app", ["a"])
    done = liminal(environ, "rollback", "app", "--to", listed["earlier"][0][:5])
    assert (done.returncode, done.stdout) == (0, "app\n  ~ a (changed)\n")
    assert f"at release {listed['earlier'][0]}" in done.stderr
    assert liminal(environ, "list").stdout.startswith(f"app {listed['earlier'][0]}")
    done = liminal(environ, "delete", "app")
    assert (done.returncode, done.stdout) == (0, "app\n  - a (removed)\n")
    assert liminal(environ, "list").stdout == ""


def test_f26_an_application_with_an_error_changes_nothing(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    folder, dags = project(tmp_path / "p", a="echo 1"), tmp_path / "dags"
    assert liminal(environ, "deploy", folder, "--dags-folder", dags).returncode == 0
    before = files(dags)
    (folder / "liminal.yml").write_text("name: app\npipelines:\n  - pipeline: a\n    tsks: []\n")
    done = liminal(environ, "deploy", folder, "--dags-folder", dags)
    assert done.returncode == 3
    assert "unknown-key" in done.stderr
    assert files(dags) == before


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path, environ: dict[str, str]) -> None:
    (tmp_path / "file").write_text("")
    folder = project(tmp_path / "p", a="echo 1")
    done = liminal(environ, "deploy", folder, "--dags-folder", tmp_path / "file" / "dags")
    assert done.returncode == 6
    assert "cannot be changed" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "words", [("rollback", "nothing"), ("delete", "no/such/folder"), ("deploy", "no/such/folder")]
)
def test_what_is_not_there_is_a_wrong_command_line(
    environ: dict[str, str], words: tuple[str, ...]
) -> None:
    done = liminal(environ, *words)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
