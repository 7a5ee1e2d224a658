"""The versioned bundle on the real Airflow: a run keeps its release; nothing changes in vain."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from real_airflow import HERE, LIMINAL, Airflow

BUNDLE = """
from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.dagbag import DagBag
def bundle(version=None):
    made = DagBundlesManager().get_bundle("liminal", version=version)
    made.initialize()
    return made
def tasks(version=None):
    one = bundle(version)
    bag = DagBag(one.path, bundle_path=one.path, bundle_name="liminal")
    assert not bag.import_errors, bag.import_errors
    return {
        dag.dag_id: [dag.relative_fileloc, sorted(dag.task_ids)]
        for dag in bag.dags.values() if dag.dag_id.startswith("pinned")
    }
"""


def ask(airflow: Airflow, script: str) -> Any:
    return json.loads(airflow.command(sys.executable, HERE / "in_airflow.py", stdin=script))


@pytest.fixture
def project(airflow: Airflow, tmp_path: Path) -> Path:
    yield tmp_path
    airflow.command(LIMINAL, "delete", "pinned")


def deploy(airflow: Airflow, project: Path, task: str) -> None:
    (project / "liminal.yml").write_text(
        "name: pinned\npipelines:\n  - pipeline: pinned\n    tasks:\n"
        f"      - task: {task}\n        image: a/b:1\n        cmd: echo {task}\n"
    )
    airflow.command(LIMINAL, "deploy", project, "--engine", "local")


def test_a_pinned_version_stays_what_it_was(airflow: Airflow, project: Path) -> None:
    deploy(airflow, project, "old")
    version = ask(airflow, BUNDLE + "answer = bundle().get_current_version().version")
    deploy(airflow, project, "new")
    script = BUNDLE + f"answer = [tasks(), tasks({version!r}), bundle({version!r}).version]"
    now, then, pinned = ask(airflow, script)
    assert now == {"pinned": ["pinned/pinned.py", ["end", "new", "start"]]}
    assert then == {"pinned": ["pinned/pinned.py", ["end", "old", "start"]]}
    assert pinned == version
    shutil.rmtree(airflow.folder / "bundles" / "liminal" / "versions")  # as Airflow may do
    assert ask(airflow, script) == [now, then, version]
    shutil.rmtree(airflow.folder / "bundles")  # as on a worker that never saw the old version
    assert ask(airflow, script) == [now, then, version]


def test_a_version_is_completed_once_its_release_has_come(airflow: Airflow, project: Path) -> None:
    deploy(airflow, project, "old")
    version = ask(airflow, BUNDLE + "answer = bundle().get_current_version().version")
    deploy(airflow, project, "new")
    shutil.rmtree(airflow.folder / "bundles")
    releases = airflow.home / "dags" / "pinned" / "releases"
    releases.rename(releases.with_name("later"))  # a copy of the folder that is not finished
    script = BUNDLE + f"answer = tasks({version!r})"
    assert ask(airflow, script) == {}
    releases.with_name("later").rename(releases)
    assert ask(airflow, script) == {"pinned": ["pinned/pinned.py", ["end", "old", "start"]]}


def test_a_version_that_nobody_recorded_says_what_is_missing(
    airflow: Airflow, project: Path
) -> None:
    deploy(airflow, project, "only")
    script = (
        "try:\n    bundle('0123456789abcdef')\n"
        "except Exception as problem:\n    answer = str(problem)\n"
    )
    said = ask(airflow, BUNDLE + script)
    assert 'does not know the version "0123456789abcdef"' in said
    assert ".liminal.versions" in said


def test_a_rollback_is_the_earlier_version_again(airflow: Airflow, project: Path) -> None:
    current = BUNDLE + "answer = bundle().get_current_version().version"
    deploy(airflow, project, "old")
    version = ask(airflow, current)
    deploy(airflow, project, "new")
    assert ask(airflow, current) != version
    airflow.command(LIMINAL, "rollback", "pinned")
    assert ask(airflow, current) == version


def test_a_deployment_after_a_refresh_is_not_seen_before_the_next(
    airflow: Airflow, project: Path
) -> None:
    deploy(airflow, project, "old")
    script = BUNDLE + (
        "import subprocess\n"
        "one = bundle()\n"
        "before = [str(one.path), one.get_current_version().version]\n"
        f"subprocess.run([{str(LIMINAL)!r}, 'rollback', 'pinned'], check=True)\n"
        "between = [str(one.path), one.get_current_version().version]\n"
        "one.refresh()\n"
        "after = [str(one.path), one.get_current_version().version]\n"
        "answer = [before, between, after]\n"
    )
    deploy(airflow, project, "new")
    before, between, after = ask(airflow, script)
    assert between == before
    assert after != before


def test_the_second_parse_makes_no_new_version_of_a_dag(airflow: Airflow, project: Path) -> None:
    deploy(airflow, project, "only")
    script = BUNDLE + (
        "from airflow.dag_processing.dagbag import sync_bag_to_db\n"
        "from airflow.models.dag_version import DagVersion\n"
        "from airflow.models.dagbundle import DagBundleModel\n"
        "from airflow.utils.session import create_session\n"
        "DagBundlesManager().sync_bundles_to_db()\n"
        "one = bundle()\n"
        "bag = DagBag(one.path, bundle_path=one.path, bundle_name='liminal')\n"
        "sync_bag_to_db(bag, 'liminal', one.get_current_version().version)\n"
        "with create_session() as session:\n"
        "    answer = sorted(\n"
        "        [v.dag_id, v.version_number] for v in session.query(DagVersion)\n"
        "    )\n"
    )
    first = ask(airflow, script)
    assert ["pinned", 1] in first
    airflow.command(LIMINAL, "deploy", project, "--engine", "local")
    assert ask(airflow, script) == first
