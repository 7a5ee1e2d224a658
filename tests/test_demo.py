"""The demo of the README, as ``make demo`` runs it once Liminal is installed."""

import os
import subprocess
import sys
from pathlib import Path

import psutil

ROOT = Path(__file__).parent.parent


def test_the_demo_ends_with_a_prediction_and_leaves_no_process(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "demo.py"],
        env={**os.environ, "LIMINAL_DEMO": str(tmp_path / "demo"), "HOME": str(tmp_path / "me")},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    commands = [line[2:] for line in done.stdout.splitlines() if line.startswith("$ ")]
    assert [words.split()[1] for words in commands if words.startswith("liminal")] == [
        *("init", "validate", "build", "run", "serve")
    ]
    assert '"model_version"' in done.stdout
    assert not [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if any(str(tmp_path) in word for word in process.info["cmdline"] or ())
    ]
    left = {path.name for path in tmp_path.iterdir()}
    assert left <= {"demo"}, "something was written outside of the demo's folder"
