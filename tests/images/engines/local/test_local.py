"""The local engine with real environments: what is built, what is not, and what it holds."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import uv

from liminal.errors import BuildError
from liminal.files import remove_tree
from liminal.images.events import Finished, Note, Output, Skipped, Started, Warning


def test_a_build_makes_an_environment_and_a_copy_that_work(
    project: Any, own: Any, wheel: Path, run_in: Any
) -> None:
    project.write("requirements.txt", f"{wheel}\n")
    project.write("run.sh", "#!/bin/sh\n").chmod(0o755)
    (project.folder / "link").symlink_to("main.py")
    image = own.build(project.plan(env_vars={"COLOUR": "blue"}))
    assert image.rebuilt
    assert run_in(
        image, "import tinything, os; print(tinything.VERSION, os.environ['COLOUR'])"
    ) == ("1.0 blue")
    assert image.environment.is_relative_to(own.home / "environments")
    assert image.site is None
    assert sorted(path.name for path in image.source.iterdir()) == [
        "__pycache__", "link", "main.py", "requirements.txt", "run.sh",
    ]  # fmt: skip
    assert (image.source / "link").is_symlink()
    assert os.access(image.source / "run.sh", os.X_OK)
    kinds = [type(event) for event in own.events]
    assert kinds[0] is Started
    assert kinds[-1] is Finished
    assert own.steps()
    assert own.of(Output)
    assert stat.S_IMODE(own.home.stat().st_mode) == 0o700


def test_nothing_changed_builds_nothing_and_starts_nothing(project: Any, own: Any) -> None:
    """F23."""
    first = own.build(project.plan())
    before = {path: path.stat().st_mtime_ns for path in own.home.rglob("*")}
    second = own.build(project.plan())
    assert [type(event) for event in own.events] == [Skipped]
    assert own.events[0].reason == "nothing changed"
    assert (second.hash, second.rebuilt) == (first.hash, False)
    assert own.find("tiny") == second
    after = {path: path.stat().st_mtime_ns for path in own.home.rglob("*")}
    assert after == before


def test_a_changed_source_file_installs_nothing(project: Any, own: Any, wheel: Path) -> None:
    project.write("requirements.txt", f"{wheel}\n")
    first = own.build(project.plan())
    project.write("main.py", "print('other')\n")
    second = own.build(project.plan())
    assert second.rebuilt
    assert second.hash != first.hash
    assert second.environment == first.environment
    assert own.steps() == ["copying the source"]
    assert (second.source / "main.py").read_text() == "print('other')\n"
    assert (first.source / "main.py").read_text() == "print('main')\n"


def test_going_back_to_an_earlier_source_only_turns_the_name_back(project: Any, own: Any) -> None:
    first = own.build(project.plan())
    project.write("main.py", "print('other')\n")
    own.build(project.plan())
    project.write("main.py", "print('main')\n")
    assert own.build(project.plan()).hash == first.hash
    assert [type(event) for event in own.events] == [Skipped]
    assert own.find("tiny").hash == first.hash


def test_images_with_the_same_requirements_share_an_environment(
    project: Any, own: Any, wheel: Path
) -> None:
    project.write("requirements.txt", f"{wheel}\n")
    project.write("nested/requirements.txt", f"{wheel}\n")
    one = own.build(project.plan("one", source="nested"))
    two = own.build(project.plan("two/With:tag", source="."))
    assert one.environment == two.environment
    assert own.steps() == ["copying the source"]
    folders = sorted(path.name.rsplit("-", 1)[0] for path in (own.home / "images").iterdir())
    assert folders == ["one", "two_With_tag"]


@pytest.mark.parametrize("name", ["a/b:c", "A/b:c", "a_b_c", "..", ".", "x" * 300, "ä b\n"])
def test_any_name_has_a_folder_of_its_own(project: Any, shared: Any, name: str) -> None:
    """F14."""
    image = shared.build(project.plan(name))
    assert image.source.is_relative_to(shared.home / "images")
    assert image.source.parents[2] == shared.home / "images"
    assert shared.find(name).hash == image.hash


@pytest.mark.parametrize(
    "change",
    [
        {"env_vars": {"A": "1"}},
        {"requirements": "other.txt"},
        {"type": "python_server"},
    ],
)
def test_each_key_that_matters_makes_another_image(
    project: Any, shared: Any, change: dict[str, Any]
) -> None:
    project.write("other.txt", "# nothing\n")
    plain = shared.engine.read(project.plan())
    changed = shared.engine.read(project.plan(**change))
    environment = Path("same")
    assert (plain.key, plain.hash(environment)) != (changed.key, changed.hash(environment))


def test_another_index_makes_another_environment(
    project: Any, engine_at: Any, tmp_path: Path, wheel: Path
) -> None:
    """F23: and nothing of its address, which may hold a password, is stored."""
    project.write("requirements.txt", f"{wheel}\n")
    address = "https://user:canary@example.org/simple"
    home = tmp_path / "home"
    plain = engine_at(home).build(project.plan())
    other = engine_at(home, UV_INDEX_URL=address).build(project.plan())
    assert plain.environment != other.environment
    assert (plain.hash, other.rebuilt) != (other.hash, False)
    stored = [path for path in home.rglob("*") if path.is_file()]
    assert not [path for path in stored if b"canary" in path.read_bytes()]


def test_bytecode_is_compiled_while_building(
    project: Any, engine_at: Any, tmp_path: Path, wheel: Path
) -> None:
    project.write("requirements.txt", f"{wheel}\n")
    project.write("broken.py", "def (:\n")
    own = engine_at(tmp_path / "home", PYTHONDONTWRITEBYTECODE="1", PYTHONPYCACHEPREFIX="/nowhere")
    image = own.build(project.plan(type="python"))
    compiled = {path.name.split(".")[0] for path in image.source.rglob("*.pyc")}
    assert compiled == {"main"}
    assert list(image.environment.rglob("tinything.*.pyc"))


def test_a_server_carries_the_serving_application(project: Any, shared: Any) -> None:
    plan = project.plan("server", type="python_server")
    inputs = shared.engine.read(plan)
    assert [addition.name for addition, _ in inputs.added] == ["liminal_serving"]
    image = shared.build(plan)
    assert image.site is not None
    assert (image.site / "liminal_serving" / "__init__.py").is_file()
    assert list((image.site / "liminal_serving" / "__pycache__").iterdir())
    assert not (image.source / "liminal_serving").exists()


def test_an_active_environment_is_not_touched(
    project: Any, engine_at: Any, tmp_path: Path, wheel: Path
) -> None:
    active = engine_at(tmp_path / "home").build(project.plan())
    project.write("requirements.txt", f"{wheel}\n")
    own = engine_at(
        tmp_path / "home",
        VIRTUAL_ENV=str(active.environment),
        UV_PYTHON=str(active.environment / "bin/python"),
        PIP_TARGET=str(tmp_path / "target"),
        PYTHONHOME="/nowhere",
    )
    image = own.build(project.plan())
    assert list(image.environment.rglob("tinything.py"))
    assert not list(active.environment.rglob("tinything.py"))
    assert not (tmp_path / "target").exists()


def test_a_local_package_is_installed_from_a_copy(project: Any, own: Any, run_in: Any) -> None:
    """Its folder is the user's, and an editable install would be a link to it."""
    project.package("lib", "mylib")
    project.write("requirements.txt", "-e ./lib\n")
    before = sorted((project.folder / "lib").iterdir())
    image = own.build(project.plan())
    place = run_in(image, "import mylib; print(mylib.__file__)")
    assert Path(place).is_relative_to(image.environment)
    assert sorted((project.folder / "lib").iterdir()) == before
    project.write("lib/mylib.py", "VALUE = 2\n")
    changed = own.build(project.plan())
    assert run_in(changed, "import mylib; print(mylib.VALUE)") == "2"
    assert run_in(image, "import mylib; print(mylib.VALUE)") == "1"


def test_a_local_package_elsewhere_is_installed_once(
    project: Any, own: Any, run_in: Any, tmp_path: Path
) -> None:
    """Building it writes into its folder, as setuptools does."""
    project.package("../elsewhere", "mylib")
    project.write("requirements.txt", f"{tmp_path}/elsewhere\n")
    project.write(
        "../elsewhere/backend.py",
        (tmp_path / "elsewhere/backend.py").read_text().replace('"built-here"', '"build"'),
    )
    image = own.build(project.plan())
    assert run_in(image, "import mylib; print(mylib.VALUE)") == "1"
    assert (tmp_path / "elsewhere/build").exists()
    assert not own.build(project.plan()).rebuilt


def test_dependencies_of_a_pyproject_are_installed_and_the_project_is_not(
    project: Any, own: Any, wheel: Path, run_in: Any
) -> None:
    project.write(
        "pyproject.toml",
        f"""\
        [project]
        name = "mine"
        version = "1"
        dependencies = ["tinything @ file://{wheel}"]
        """,
    )
    image = own.build(project.plan())
    code = "import importlib.metadata as m; print([d.name for d in m.distributions()])"
    assert run_in(image, code) == "['tinything']"


def test_a_uv_lock_gives_the_versions(
    project: Any, own: Any, wheel_bytes: Any, run_in: Any, tmp_path: Path
) -> None:
    links = tmp_path / "links"
    links.mkdir()
    (links / "tinything-1.0-py3-none-any.whl").write_bytes(wheel_bytes("tinything"))
    project.write(
        "pyproject.toml",
        f"""\
        [project]
        name = "mine"
        version = "1"
        requires-python = ">=3.10"
        dependencies = ["tinything"]
        [tool.uv]
        no-index = true
        find-links = ["{links}"]
        """,
    )
    subprocess.run([uv.find_uv_bin(), "lock"], cwd=project.folder, check=True, capture_output=True)
    (links / "tinything-2.0-py3-none-any.whl").write_bytes(wheel_bytes("tinything", "2.0"))
    image = own.build(project.plan())
    assert run_in(image, "import tinything; print(tinything.VERSION)") == "1.0"


def test_no_cache_makes_all_of_it_again_and_that_stays(project: Any, own: Any, wheel: Path) -> None:
    project.write("requirements.txt", f"{wheel}\n")
    first = own.build(project.plan())
    second = own.build(project.plan(no_cache=True))
    assert second.rebuilt
    # Beside it, for what runs in the first one must not lose its packages.
    assert second.environment != first.environment
    assert first.environment.is_dir()
    third = own.build(project.plan())
    assert (third.hash, third.rebuilt) == (second.hash, False)


def test_a_home_that_was_moved_is_built_again(
    project: Any, engine_at: Any, tmp_path: Path, wheel: Path, run_in: Any
) -> None:
    project.write("requirements.txt", f"{wheel}\n")
    engine_at(tmp_path / "old").build(project.plan())
    (tmp_path / "old").rename(tmp_path / "new")
    image = engine_at(tmp_path / "new").build(project.plan())
    assert image.rebuilt
    assert run_in(image, "import tinything, sys; print(sys.prefix)") == str(image.environment)


def test_a_home_inside_the_source_does_not_belong_to_it(project: Any, engine_at: Any) -> None:
    own = engine_at(project.folder / "liminal_home")
    first = own.build(project.plan())
    assert not (first.source / "liminal_home").exists()
    assert not own.build(project.plan()).rebuilt


def test_what_was_deleted_by_hand_is_built_again(project: Any, own: Any) -> None:
    image = own.build(project.plan())
    shutil.rmtree(image.environment)
    assert own.find("tiny") is None
    assert own.build(project.plan()).rebuilt
    shutil.rmtree(image.source.parent)
    assert own.find("tiny") is None
    assert own.build(project.plan()).rebuilt
    (image.source.parents[1] / "current.json").write_text("{")
    assert own.find("tiny") is None
    assert own.build(project.plan()).hash == image.hash
    assert own.find("tiny") is not None


def test_what_the_engine_cannot_honour_is_said(project: Any, own: Any) -> None:
    os.mkfifo(project.folder / "fifo")
    project.write("credentials.json", "{}")
    plan = project.plan(base_image="debian:12", system_packages=("libgomp1",))
    own.build(plan)
    messages = [event.message for event in own.of(Warning)]
    assert [message.split()[0] for message in messages] == [
        "base_image",
        "system_packages",
        '"fifo"',
    ]
    notes = [event.message for event in own.of(Note)]
    assert any('"credentials.json" is left out' in note for note in notes)
    assert any("!credentials.json" in note for note in notes)
    own.build(plan)
    assert [type(event) for event in own.events] == [Skipped]


def test_a_large_source_names_what_is_large(project: Any, own: Any) -> None:
    """F21."""
    for name, megabytes in (("data/a.bin", 150), ("model.bin", 60)):
        path = project.write(name)
        with path.open("wb") as file:
            file.truncate(megabytes * 1_000_000)
    own.build(project.plan())
    assert '"data" (150 MB), "model.bin" (60 MB)' in own.of(Warning)[0].message


def test_the_record_holds_no_more_than_is_needed(project: Any, own: Any) -> None:
    image = own.build(project.plan(env_vars={"A": "1"}))
    path = image.source.parent / "image.json"
    record = json.loads(path.read_text())
    assert set(record) == {"format", "name", "app", "hash", "environment", "site", "env_vars"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_unknown_type_is_an_error_of_the_build(project: Any, own: Any) -> None:
    with pytest.raises(BuildError, match='has no type "nonsense"'):
        own.build(project.plan(type="nonsense"))


def test_nothing_heavy_is_imported_when_nothing_changed(
    project: Any, own: Any, build_process: Any
) -> None:
    own.build(project.plan())
    spy = "import atexit, sys; atexit.register(lambda: print('HAS', sorted(sys.modules)))"
    # The spy's own modules: conftest imports subprocess, so only those of ours are looked at.
    process = build_process(project, own.home, wrapper=spy)
    output, _ = process.communicate(timeout=60)
    assert "Skipped" in output
    assert "liminal.images.engines.local.making" not in output
    assert "liminal.images.engines.local.installer" not in output


def test_old_images_go_after_a_build_but_not_the_last_ones(project: Any, own: Any) -> None:
    def build(text: str, days_ago: int) -> Path:
        project.write("main.py", text)
        folder: Path = own.build(project.plan()).source.parent
        then = time.time() - days_ago * 24 * 3600
        os.utime(folder, (then, then))
        return folder

    folders = [build(f"print({number})\n", 20 - number) for number in range(7)]
    assert [folder.exists() for folder in folders] == [False] * 2 + [True] * 5
    back = build("print(2)\n", 0)
    build("print('new')\n", 0)
    assert back == folders[2]
    assert [folder.exists() for folder in folders[2:]] == [True, False, True, True, True]
    assert not list(back.parent.glob(".making-*"))


def test_images_of_the_last_day_stay(project: Any, own: Any) -> None:
    for number in range(7):
        project.write("main.py", f"print({number})\n")
        folder = own.build(project.plan()).source.parents[1]
    assert sum(path.is_dir() for path in folder.iterdir()) == 7


def test_prune_removes_environments_that_no_image_has(project: Any, own: Any) -> None:
    project.write("requirements.txt", "# one\n")
    own.build(project.plan())
    (used,) = own.environments()
    project.write("requirements.txt", "# two\n")
    own.build(project.plan("other"))
    (other,) = set(own.environments()) - {used}
    day = 25 * 60 * 60
    for record in (own.home / "environments").glob("*.json"):
        os.utime(record, (time.time() - day, time.time() - day))
    remove_tree(own.engine.store.of("other"))
    assert own.engine.prune(time.time(), dry_run=True) == (f"environment {other}",)
    assert set(own.environments()) == {used, other}
    assert own.engine.prune(time.time(), dry_run=False) == (f"environment {other}",)
    assert own.environments() == [used]
    project.write("requirements.txt", "# one\n")
    assert not own.build(project.plan()).rebuilt
    assert own.engine.prune(time.time(), dry_run=False) == ()


def test_prune_leaves_what_is_new(project: Any, own: Any) -> None:
    own.build(project.plan())
    remove_tree(own.engine.store.of("tiny"))
    assert own.engine.prune(time.time(), dry_run=False) == ()
