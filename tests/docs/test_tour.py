"""The project of docs/tour.md compiles, runs, and does what the page says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "tour.md").read_text("utf-8")
SECONDS = re.compile(r"\d+\.\d+s")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Every YAML block of the page as the file that it names, and the secret where it says."""
    folder = tmp_path / "tour"
    blocks = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        named, _, content = block.partition("\n")
        path = folder / named.removeprefix("# file: ")
        path.parent.mkdir(parents=True)
        path.write_text(content, "utf-8")
    secret = tmp_path / "home" / ".secrets" / "store-token"
    secret.parent.mkdir(parents=True)
    secret.write_text("12345\n", "utf-8")
    return folder


def liminal(folder: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    home = next(parent / "home" for parent in folder.parents if (parent / "home").is_dir())
    return subprocess.run(
        [sys.executable, "-m", "liminal", *words],
        cwd=folder,
        env={
            **os.environ,
            "HOME": str(home),
            "LIMINAL_HOME": str(home / "liminal_home"),
            **environ,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_the_files_have_no_findings(project: Path) -> None:
    done = liminal(project, "validate", "--strict")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 applications, no findings" in done.stderr


def test_the_run_does_what_the_page_says(project: Path) -> None:
    done = liminal(project, "run", "daily_report")
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'published ["north.txt", "south.txt"]' in done.stdout
    assert 'published ["north.txt", "south.txt"]' in PAGE
    table = done.stderr[done.stderr.index("\ntask ") + 1 :]
    assert f"```\n{SECONDS.sub('0.0s', table)}```" in PAGE
    assert {path.name for path in (project / "shop").iterdir()} == {"liminal.yml", "reports"}
    reports = project / "shop" / "reports"
    assert {path.name for path in reports.iterdir()} == {"north.txt", "south.txt"}
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d: 120 orders in EUR\n", (reports / "north.txt").read_text("utf-8")
    )


def test_a_variable_turns_the_conditions_round(project: Path) -> None:
    done = liminal(project, "run", "daily_report", "--var", "enough=500")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "only 120 orders" in done.stdout
    for task in ("region", "publish"):
        assert re.search(rf"^{task} +skipped ", done.stderr, re.MULTILINE)


def test_an_application_alone_finds_its_parent_by_the_variable(project: Path) -> None:
    assert liminal(project / "shop", "validate").returncode == 3
    done = liminal(project / "shop", "run", LIMINAL_SUPERS="../team")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_other_application_keeps_its_own_retries(project: Path) -> None:
    done = liminal(project, "show", "--stage", "resolved")
    assert done.returncode == 0, done.stderr
    assert re.search(r"retries: 3\n +retry_delay_minutes: 0\n +task: send", done.stdout)
