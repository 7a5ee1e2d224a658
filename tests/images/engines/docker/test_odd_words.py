"""Names and paths that look like something else to a shell, a Dockerfile or a command line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from liminal.errors import BuildError
from liminal.images.engines.docker.dockerfile import Installation, dockerfile
from liminal.images.recipe import Recipe

PYTHON = "3.11"
BASE = f"python:{PYTHON}-slim"
RECIPE = Recipe(name="x", source=Path("/x"))


@pytest.mark.parametrize(
    ("recipe", "base", "files"),
    [
        (RECIPE, f"{BASE}\nRUN evil", ()),
        (RECIPE, "--platform=x", ()),
        (replace(RECIPE, python_version="3.11'; evil", base_image=BASE), BASE, ()),
        (RECIPE, BASE, ("a\nRUN evil",)),
        (replace(RECIPE, build_cmd="a\nRUN evil"), BASE, ()),
        (replace(RECIPE, env_vars={"A": "b\nRUN evil"}), BASE, ()),
        (replace(RECIPE, env_vars={"A=b C": "d"}), BASE, ()),
        (replace(RECIPE, system_packages=("a; evil",)), BASE, ()),
        (replace(RECIPE, build_packages=("a; evil",)), BASE, ()),
        (replace(RECIPE, build_secrets={"a,src=b": Path("/x")}), BASE, ()),
    ],
)
def test_f14_a_value_is_never_more_than_a_value(
    recipe: Recipe, base: str, files: tuple[str, ...]
) -> None:
    with pytest.raises(BuildError, match="cannot be"):
        dockerfile(recipe, base, Installation(files=files), buildkit=True)


@pytest.mark.parametrize("with_pip", [False, True])
def test_f14_a_requirement_file_is_one_word(
    builder: Any, project: Any, image_name: str, tmp_path: Path, with_pip: bool
) -> None:
    name = 'it\'s $(touch evil) "quoted".txt'
    project.write(name, "")
    conf = str(project.write("../pip.conf", "")) if with_pip else None
    plan = project.plan(image_name, python_version=PYTHON, requirements=name, pip_conf=conf)
    assert builder.build(plan).rebuilt


def test_a_secret_may_have_a_comma_in_its_path(builder: Any, project: Any, image_name: str) -> None:
    token = project.write('../my, "secret", id=other/token', "hush-hush")
    command = "test $(cat /run/secrets/token) = hush-hush"
    plan = project.plan(
        image_name,
        python_version=PYTHON,
        build_secrets={"token": str(token)},
        build_cmd=command,
    )
    assert builder.build(plan).rebuilt


def test_what_a_dockerfile_says_from_need_not_be_an_image(
    builder: Any, project: Any, image_name: str
) -> None:
    query = 'RUN echo "SELECT * \\\n  FROM Users"\n'
    project.write("Dockerfile", f"FROM {BASE}\n{query}")
    plan = project.plan(image_name, type="dockerfile")
    assert builder.build(plan).rebuilt
    assert not builder.build(plan).rebuilt
