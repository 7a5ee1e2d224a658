"""The image types spark and dockerfile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from liminal.errors import BuildError
from liminal.home import Home
from liminal.images.dockerfile import Dockerfile
from liminal.images.engines.docker.dockerfile import Installation, dockerfile
from liminal.images.engines.docker.layout import LABEL_NAMED_USER
from liminal.images.engines.local import LocalEngine
from liminal.images.recipe import ImagePlan
from liminal.images.spark import JAVA, Spark
from liminal.plugins import discover


def requirements(project: Any, **keys: Any) -> list[str]:
    made = Spark().recipe(project.image(**keys), project.folder)
    return [path.name for path in made.requirements.files]


def test_a_spark_image_has_pyspark_and_java(project: Any) -> None:
    project.write("requirements.txt", "pandas\n")
    assert requirements(project) == ["requirements.txt", "spark.txt"]
    recipe = Spark().recipe(project.image(), project.folder)
    assert recipe.system_packages == (JAVA,)
    text = dockerfile(recipe, "python:3.12-slim", Installation(), buildkit=True)
    assert f'LABEL {LABEL_NAMED_USER}="true"' in text


@pytest.mark.parametrize(
    "line", ["pyspark", "pyspark==4.0.1", "PySpark[connect] >= 4", "pyspark ; python_version > '3'"]
)
def test_the_users_own_pyspark_is_kept(project: Any, line: str) -> None:
    project.write("requirements.txt", f"pandas\n{line}\n")
    assert requirements(project) == ["requirements.txt"]


def test_the_users_own_pyspark_is_found_in_what_a_file_includes(project: Any) -> None:
    project.write("requirements.txt", "-r more.txt\n")
    project.write("more.txt", "pyspark\n")
    assert requirements(project) == ["requirements.txt"]


def test_the_users_own_pyspark_is_found_in_a_pyproject(project: Any) -> None:
    project.write("pyproject.toml", '[project]\nname = "x"\ndependencies = ["pyspark>=4"]\n')
    assert requirements(project) == ["pyproject.toml"]


@pytest.mark.parametrize("line", ["pyspark-stubs", "# pyspark", "mypyspark", "pyspark_extra"])
def test_another_package_is_not_pyspark(project: Any, line: str) -> None:
    project.write("requirements.txt", f"{line}\n")
    assert requirements(project) == ["requirements.txt", "spark.txt"]


@pytest.mark.parametrize(
    "keys", [{"base_image": "apache/spark:4.0.1"}, {"system_packages": ("openjdk-17-jre",)}]
)
def test_the_users_own_java_is_kept(project: Any, keys: dict[str, Any]) -> None:
    made = Spark().recipe(project.image(**keys), project.folder)
    assert JAVA not in made.system_packages


def test_a_dockerfile_is_found_in_the_source(project: Any) -> None:
    project.write("Dockerfile", "FROM scratch\n")
    project.write("docker/train.Dockerfile", "FROM scratch\n")
    for written, name in ((None, "Dockerfile"), ("docker/train.Dockerfile", "train.Dockerfile")):
        made = Dockerfile().recipe(project.image(dockerfile=written), project.folder)
        assert made.dockerfile is not None
        assert made.dockerfile.name == name
        assert made.requirements.files == ()


@pytest.mark.parametrize("written", [None, "missing", "../Dockerfile", "/etc/hostname"])
def test_a_dockerfile_that_is_missing_or_outside_is_an_error(
    project: Any, written: str | None
) -> None:
    (project.folder.parent / "Dockerfile").write_text("FROM scratch\n")
    with pytest.raises(BuildError, match=r"is not a file in .*") as why:
        Dockerfile().recipe(project.image(dockerfile=written), project.folder)
    assert why.value.hint


def test_the_local_engine_cannot_build_a_dockerfile(project: Any, tmp_path: Path) -> None:
    project.write("Dockerfile", "FROM scratch\n")
    engine = LocalEngine(home=Home(tmp_path / "home"), environ={}, plugins=discover())
    plan: ImagePlan = project.plan(type="dockerfile")
    with pytest.raises(BuildError, match="the local engine cannot build a Dockerfile") as why:
        engine.build(plan, lambda event: None)
    assert why.value.hint == "build it with --engine docker"
