"""The demo of the README, as ``make demo`` runs it once Liminal is installed."""

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

import psutil
import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("demo.py", ("init", "validate", "build", "run", "serve")),
        ("demo_airflow.py", ("init", "build", "deploy", "start", "trigger", "status", "stop")),
    ],
)
def test_a_demo_ends_with_a_prediction_and_leaves_no_process(
    script: str,
    expected: tuple[str, ...],
    tmp_path: Path,
    require: Callable[[str, str], NoReturn],
) -> None:
    if "airflow" in script and find_spec("airflow") is None:
        require("airflow", "pip install 'liminal[airflow]'")
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / script],
        env={**os.environ, "LIMINAL_DEMO": str(tmp_path / "demo"), "HOME": str(tmp_path / "me")},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    commands = [line[2:] for line in done.stdout.splitlines() if line.startswith("$ ")]
    told = [words.split()[1] for words in commands if words.startswith("liminal")]
    assert tuple(told) == expected
    assert '"model_version"' in done.stdout
    assert not [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if any(str(tmp_path) in word for word in process.info["cmdline"] or ())
    ]
    left = {path.name for path in tmp_path.iterdir()}
    assert left <= {"demo"}, "something was written outside of the demo's folder"
