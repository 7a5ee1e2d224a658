from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from tests.distributed.cluster import Cluster

CHECKOUT = Path(__file__).resolve().parents[2]
PART = "airflow-distributed"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Two minutes and a dozen servers: only where somebody asks for it."""
    if os.environ.get("LIMINAL_TEST_DISTRIBUTED"):
        return
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=f'{PART}: run "make test-distributed"'))


@pytest.fixture(scope="session")
def cluster(
    require: Callable[[str, str], NoReturn], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """A running Airflow with two workers; the iris example is built on both, and deployed."""
    python = CHECKOUT / ".venv-distributed" / "bin" / "python"
    if not python.with_name("celery").exists():
        require(PART, "make test-distributed makes its environment")
    postgres = _postgres()
    if postgres is None:
        require(PART, "apt install postgresql, for PostgreSQL 13 or later")
    if shutil.which("redis-server") is None:
        require(PART, "apt install redis-server")
    if subprocess.run(["unshare", "--uts", "true"], check=False).returncode != 0:
        require(PART, "run it as root, or where unshare --uts is allowed")
    made = Cluster(tmp_path_factory.mktemp("cluster"), python, postgres)
    try:
        made.start()
        yield made
    finally:
        killed = made.end()
        assert made.left() == {}
        print("killed at the end:", killed)


def _postgres() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))  # Debian's
    other = shutil.which("initdb")
    return found[-1].parent if found else Path(other).resolve().parent if other else None
