"""An application's pipelines as plans."""

from pathlib import Path

import pytest

from liminal.compiler import compile_path
from liminal.plan import Plans, plans
from liminal.plugins import Plugins, discover


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    return discover()


def planned(folder: Path, text: str, plugins: Plugins) -> Plans:
    (folder / "liminal.yml").write_text(text, encoding="utf-8")
    (app,) = compile_path(str(folder), {}, plugins).required_apps()
    return plans(app, plugins)


TASKS = """
name: a
pipelines:
  - pipeline: p
    tasks:
      - {task: last, image: i, cmd: x, depends_on: [middle, side]}
      - {task: middle, image: i, cmd: x, depends_on: [first]}
      - {task: first, image: i, cmd: x, depends_on: []}
      - {task: side, image: i, cmd: x, depends_on: []}
"""


def test_tasks_stand_after_those_they_depend_on_and_else_as_in_the_file(
    tmp_path: Path, plugins: Plugins
) -> None:
    (plan,) = planned(tmp_path, TASKS, plugins).pipelines
    names = [task.name for task in plan.tasks]
    assert names == ["start", "first", "middle", "side", "last", "end"]


def test_a_chain_of_thousands_of_tasks_is_planned(tmp_path: Path, plugins: Plugins) -> None:
    chain = "".join(f"      - {{task: t{n}, image: i, cmd: x}}\n" for n in range(3000))
    text = f"name: a\npipelines:\n  - pipeline: p\n    tasks:\n{chain}"
    (plan,) = planned(tmp_path, text, plugins).pipelines
    assert [task.name for task in plan.tasks][1:-1] == [f"t{n}" for n in range(3000)]


def test_a_secret_is_in_no_plan_but_by_its_path(tmp_path: Path, plugins: Plugins) -> None:
    (tmp_path / "token").write_text("canary-4711")
    text = (
        "name: a\nsecrets:\n  - {secret: s, local_path_file: token}\n"
        "pipelines:\n  - pipeline: p\n    tasks:\n"
        "      - {task: t, image: i, cmd: x, secrets: [{secret: s, remote_path: /run/s}]}\n"
    )
    made = planned(tmp_path, text, plugins)
    assert "canary-4711" not in repr(made)
    task = next(task for task in made.pipelines[0].tasks if task.name == "t")
    assert task.container is not None
    (secret,) = task.container.secrets
    assert (secret.name, secret.remote_path) == ("s", "/run/s")
    assert Path(secret.file) == tmp_path / "token"


def test_a_mount_leads_to_its_volume_beside_the_file(tmp_path: Path, plugins: Plugins) -> None:
    text = (
        "name: a\nvolumes:\n  - {volume: v, local: {path: data}}\n"
        "pipelines:\n  - pipeline: p\n    tasks:\n"
        "      - task: t\n        image: i\n        cmd: x\n"
        "        mounts: [{mount: m, volume: v, path: d, sub_path: in/side, read_only: true}]\n"
    )
    (plan,) = planned(tmp_path, text, plugins).pipelines
    container = plan.tasks[1].container
    assert container is not None
    (mount,) = container.mounts
    assert mount.source is not None
    assert Path(mount.source) == tmp_path / "data" / "in" / "side"
    assert (mount.path, mount.read_only) == ("d", True)
