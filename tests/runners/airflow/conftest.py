import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from real_airflow import LIMINAL, PROJECT, Airflow


@pytest.fixture(scope="session")
def airflow(
    tmp_path_factory: pytest.TempPathFactory, require: Callable[[str, str], NoReturn]
) -> Airflow:
    if importlib.util.find_spec("airflow") is None:
        require("airflow", 'install Airflow: pip install "liminal[airflow]"')
    made = Airflow(tmp_path_factory.mktemp("airflow"))
    made.command(sys.executable, "-m", "airflow", "db", "migrate")
    made.environ["AIRFLOW_VAR_NOBODY_KNOWS"] = "it is $(touch pwned) {{ ds }}"
    made.command(LIMINAL, "build", PROJECT, "--engine", "local")
    made.command(LIMINAL, "deploy", PROJECT, "--engine", "local")
    return made
