"""What the image types make of an image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import liminal
from liminal.errors import BuildError
from liminal.images.python import Python
from liminal.images.python_server import PythonServer
from liminal.images.recipe import Recipe
from liminal.images.requirements import without_editable


def recipe(project: Any, **keys: Any) -> Recipe:
    return Python().recipe(project.image(**keys), project.folder)


def names(paths: tuple[Path, ...]) -> list[str]:
    return [path.name for path in paths]


def test_a_plain_image_is_its_source(project: Any) -> None:
    assert recipe(project) == Recipe(name="tiny", source=project.folder.resolve())


def test_a_server_has_the_serving_application_and_what_it_requires(project: Any) -> None:
    project.write("requirements.txt")
    made = PythonServer().recipe(project.image(), project.folder)
    serving = Path(liminal.__file__).parent / "serving"
    assert [(added.folder, added.name) for added in made.additions] == [
        (serving, "liminal_serving")
    ]
    assert made.requirements.files == (
        project.folder / "requirements.txt",
        serving / "requirements.txt",
    )


def test_requirements_are_found_in_their_order(project: Any) -> None:
    project.write("pyproject.toml", "[tool.ruff]\nline-length = 100\n[tool.uv]\n")
    assert recipe(project).requirements.files == ()
    project.write("pyproject.toml", '[project]\nname = "x"\n')
    assert names(recipe(project).requirements.files) == ["pyproject.toml"]
    assert recipe(project).requirements.lock is None
    project.write("uv.lock", "version = 1\n")
    assert recipe(project).requirements.lock == project.folder / "uv.lock"
    project.write("requirements.txt")
    assert names(recipe(project).requirements.files) == ["requirements.txt"]
    assert recipe(project).requirements.lock is None
    project.write("deep/gpu.txt")
    assert names(recipe(project, requirements="deep/gpu.txt").requirements.files) == ["gpu.txt"]


def test_dependencies_that_only_poetry_reads_are_an_error(project: Any) -> None:
    project.write("pyproject.toml", "[tool.poetry.dependencies]\nsix = '*'\n")
    with pytest.raises(BuildError, match=r"under \[tool\.poetry\]") as caught:
        recipe(project)
    assert "poetry export" in str(caught.value.hint)


@pytest.mark.parametrize("named", ["../requirements.txt", "/etc/hostname", "missing.txt", "."])
def test_requirements_outside_the_source_or_missing_are_an_error(project: Any, named: str) -> None:
    (project.folder.parent / "requirements.txt").write_text("six\n")
    with pytest.raises(BuildError, match="its requirements") as caught:
        recipe(project, requirements=named)
    assert caught.value.hint


def test_everything_that_a_requirement_file_includes_is_known(project: Any, wheel: Path) -> None:
    project.write(
        "requirements.txt",
        f"""\
        # -r commented.txt
        six>=1.0  # a comment
        -r deep/more.txt
        -c constraints.txt
        --index-url https://example.org/simple
        -e ./editable[extra]
        ./plain ; python_version > "3"
        git+https://example.org/repo.git#egg=x
        https://example.org/a-1.0-py3-none-any.whl
        other @ file://{wheel}
        wheels/local-1.0.tar.gz
        --find-links=wheels
        long \\
            ==1.0
        """,
    )
    project.write(
        "deep/more.txt", "-r ../requirements.txt\n--requirement=last.txt\n-e git+ssh://x\n"
    )
    for path in ("deep/last.txt", "constraints.txt", "wheels/local-1.0.tar.gz"):
        project.write(path)
    for path in ("editable", "plain"):
        (project.folder / path).mkdir()
    found = recipe(project).requirements
    folder = project.folder.resolve()
    assert [str(path.relative_to(folder)) for path in found.included] == [
        "constraints.txt", "deep/last.txt", "deep/more.txt",
    ]  # fmt: skip
    assert set(found.packages) == {
        folder / "editable", folder / "plain", folder / "wheels", wheel.resolve(),
        folder / "wheels/local-1.0.tar.gz",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("-r missing.txt", r'requirements\.txt:2: "missing\.txt" does not exist'),
        ("./missing", r'requirements\.txt:2: "\./missing" does not exist'),
        ("-r ../beside.txt", r'requirements\.txt:2: "\.\./beside\.txt" is outside'),
        ("-e ..", r'requirements\.txt:2: "\.\." is outside'),
    ],
)
def test_what_an_image_could_not_have_is_named_with_its_line(
    project: Any, line: str, message: str
) -> None:
    (project.folder.parent / "beside.txt").write_text("six\n")
    project.write("requirements.txt", f"six\n{line}\n")
    with pytest.raises(BuildError, match=message):
        recipe(project)


def test_a_cycle_of_requirement_files_ends(project: Any) -> None:
    project.write("requirements.txt", "-r other.txt\n")
    project.write("other.txt", "-r requirements.txt\n")
    assert names(recipe(project).requirements.included) == ["other.txt"]


def test_an_editable_folder_becomes_a_plain_one() -> None:
    text = "six\n-e ./a\n--editable=b\n-e git+https://example.org/x\n# -e c"
    assert without_editable(text) == "six\n./a\nb\n-e git+https://example.org/x\n# -e c\n"


@pytest.mark.parametrize("source", ["../other", "/etc", "~", "~/x", "a/../..", "link", "sub/up"])
def test_a_source_that_leaves_the_folder_is_refused(project: Any, source: str) -> None:
    """F12."""
    (project.folder.parent / "other").mkdir()
    (project.folder / "link").symlink_to("../other")
    (project.folder / "a").mkdir()
    (project.folder / "sub").mkdir()
    (project.folder / "sub" / "up").symlink_to("../..")
    with pytest.raises(BuildError, match="is not inside") as caught:
        recipe(project, source=source)
    assert f'"{source}"' in caught.value.message


@pytest.mark.parametrize("source", ["missing", "main.py"])
def test_a_source_that_is_no_folder_is_refused(project: Any, source: str) -> None:
    with pytest.raises(BuildError, match="is not a folder in"):
        recipe(project, source=source)


def test_a_link_to_a_folder_inside_is_a_source(project: Any) -> None:
    (project.folder / "real").mkdir()
    (project.folder / "link").symlink_to("real")
    assert recipe(project, source="link").source == (project.folder / "real").resolve()


def test_files_that_help_to_build_may_be_anywhere_but_must_be_there(
    project: Any, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("x")
    project.write("pip.conf")
    made = recipe(project, pip_conf="pip.conf", build_secrets={"t": str(tmp_path / "token")})
    assert made.pip_conf == project.folder / "pip.conf"
    assert made.build_secrets == {"t": tmp_path / "token"}
    for keys in ({"pip_conf": "no"}, {"ca_bundle": "no"}, {"build_secrets": {"t": "no"}}):
        with pytest.raises(BuildError, match='"no" is not a file'):
            recipe(project, **keys)


def test_the_home_of_nobody_is_a_file_that_is_not_there(project: Any) -> None:
    with pytest.raises(BuildError, match='its pip_conf "~nouser/x" is not a file'):
        recipe(project, pip_conf="~nouser/x")
