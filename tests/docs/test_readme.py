"""The README's block works with the code of the iris example, and the message under it is true."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
ADDED = re.compile(r"a line\s+`(enviroment: [^`]+)`")


def liminal(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The command in that folder; what it keeps is beside the folder, but for uv's own cache."""
    return subprocess.run(
        [sys.executable, "-m", "liminal", *words],
        cwd=folder,
        env={
            **os.environ,
            "LIMINAL_HOME": str(folder.parent / "liminal_home"),
            "LIMINAL_SUPERS": "",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "iris"
    folder.mkdir()
    iris = ROOT / "examples" / "iris"
    for path in (*iris.glob("*.py"), iris / "requirements.txt"):
        shutil.copy(path, folder)
    block = re.search(r"^```yaml\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert block
    (folder / "liminal.yml").write_text(block[1], "utf-8")
    return folder


def test_the_block_has_no_findings_and_makes_a_plan(project: Path) -> None:
    validated = liminal(project, "validate", "--strict")
    assert validated.returncode == 0, validated.stdout + validated.stderr
    shown = liminal(project, "show", "--stage", "plan")
    assert shown.returncode == 0, shown.stderr
    assert all(name in shown.stdout for name in ("iris_training", "iris_server", "models"))


def test_the_block_trains_and_promotes_a_model(project: Path) -> None:
    done = liminal(project, "run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^validate \| promoted ", done.stdout, re.MULTILINE)
    assert (project / "models" / "production").is_file()
    assert "iris_training: success" in done.stderr
    assert "iris_training: success" not in done.stdout


def test_the_message_is_what_the_added_line_gives(project: Path) -> None:
    added = ADDED.search(README)
    assert added
    file = project / "liminal.yml"
    train = "        cmd: python training.py train\n"
    text = file.read_text("utf-8")
    assert train in text
    file.write_text(text.replace(train, f"{train}        {added[1]}\n"), "utf-8")
    done = liminal(project, "validate")
    assert done.returncode == 3
    messages = [line for line in done.stdout.splitlines() if ": error[" in line]
    assert len(messages) == 1
    assert f"```\n{messages[0]}\n```" in README


def test_the_linked_pages_are_there() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), ROOT / "examples/iris/README.md"]
    for page in pages:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
