"""An image of type spark, with Java of Debian and pyspark of PyPI, and jobs in it.

It downloads 700 MB and takes minutes: only where LIMINAL_TEST_REQUIRE names ``spark``, as in CI.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

LIMINAL = Path(sys.executable).parent / "liminal"
IMAGE = f"liminal-tests-{os.environ.get('PYTEST_XDIST_WORKER', 'one')}-spark/jobs"
REQUIRED = os.environ.get("LIMINAL_TEST_REQUIRE", "").replace(",", " ").split()

PROJECT = f"""
name: sparks
images:
  - image: {IMAGE}
    type: spark
    source: .
    python_version: "3.11"
executors:
  - executor: stranger
    type: docker
    user: "4321:4321"
  - executor: docker
    type: docker
task_defaults:
  spark:
    image: {IMAGE}
    master: local[1]
    application_source: job.py
pipelines:
  - pipeline: jobs
    tasks:
      - task: version
        type: python
        image: {IMAGE}
        executor: docker
        cmd: spark-submit --version
      - task: me
        type: spark
        executor: docker
      - task: nobody
        type: spark
        executor: stranger
"""

# Writing files is what asks Hadoop for the user; a sum of the rows alone would not.
JOB = """
import getpass, os
from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
spark.range(10).write.parquet("/tmp/rows")
rows = spark.read.parquet("/tmp/rows")
print("done:", rows.count(), os.getuid(), getpass.getuser(), os.path.expanduser("~"))
"""


@pytest.fixture(scope="module")
def said(
    docker: Any, require: Callable[[str, str], NoReturn], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """What `liminal run` writes for the project."""
    if "spark" not in REQUIRED:
        require("spark", "this takes minutes; LIMINAL_TEST_REQUIRE=spark runs it")
    folder = tmp_path_factory.mktemp("spark")
    project = folder / "project"
    project.mkdir()
    (project / "liminal.yml").write_text(PROJECT)
    (project / "job.py").write_text(JOB)
    done = subprocess.run(
        [LIMINAL, "run", "--engine", "docker"],
        cwd=project,
        env={**os.environ, "LIMINAL_HOME": str(folder / "home")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-5000:]
    yield done.stdout
    for image in docker.images.list(filters={"reference": f"{IMAGE}*"}):
        for tag in image.tags:
            if tag.startswith(IMAGE):
                docker.images.remove(tag, force=True)


def test_spark_submit_and_java_are_there(said: str) -> None:
    assert re.search(r"version \| .*version 4\.\d", said)
    assert "OpenJDK" in said


def test_a_job_writes_files_as_this_user_and_as_one_whom_the_image_does_not_know(
    said: str,
) -> None:
    done = dict(re.findall(r"^(\w+) +\| done: 10 (.*)$", said, re.MULTILINE))
    assert done["me"].split()[0] == str(os.getuid())
    assert done["nobody"] == "4321 user4321 /home/liminal"
