"""A real Airflow on SQLite, with a home of Liminal's of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PROJECT = HERE / "parity"
LIMINAL = Path(sys.executable).parent / "liminal"


class Airflow:
    """A real Airflow with a database of its own, and the deployed project."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.environ = {
            **os.environ,
            "LIMINAL_HOME": str(self.home),
            "AIRFLOW_HOME": str(folder / "airflow"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
            "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(folder / "bundles"),
            "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(
                [
                    {
                        "name": "liminal",
                        "classpath": "liminal.runners.airflow.bundle.ReleaseBundle",
                        "kwargs": {"folder": str(self.home / "dags")},
                    }
                ]
            ),
        }

    def command(self, *words: object, stdin: str = "", check: bool = True) -> str:
        done = subprocess.run(
            [str(word) for word in words],
            env=self.environ,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
        )
        if check:
            assert done.returncode == 0, done.stderr[-5000:]
        self.log = done.stderr
        return done.stdout

    def runs(self, asked: list[tuple[str, Mapping[str, str]]]) -> Any:
        """What came of these runs."""
        script = HERE / "on_airflow.py"
        return json.loads(self.command(sys.executable, script, stdin=json.dumps(asked)))
