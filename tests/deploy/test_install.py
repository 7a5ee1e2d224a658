"""Deployments: what they change, what they refuse, and what a kill leaves."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from liminal.deploy import install
from liminal.deploy.install import Change, delete, deploy, deployed, rollback
from liminal.errors import ServerError, UsageError
from tests.deploy.projects import compiled, files, project, seen

HERE = Path(__file__).parent


def kinds(changes: tuple[Change, ...]) -> dict[str, str]:
    return {change.pipeline: change.kind for change in changes}


@pytest.fixture
def dags(tmp_path: Path) -> Path:
    return tmp_path / "dags"


def test_it_says_what_is_new_changed_unchanged_and_removed(tmp_path: Path, dags: Path) -> None:
    first = compiled(project(tmp_path / "p", gone="a", kept="a", changed="a"))
    assert set(kinds(deploy(dags, first)).values()) == {"new"}
    second = compiled(project(tmp_path / "p", kept="a", changed="b", fresh="a"))
    # The place of a pipeline in its file is part of its plan, hence "kept" as the first one here.
    said = kinds(deploy(dags, second, dry_run=True))
    assert said == kinds(deploy(dags, second))
    assert said["gone"] == "removed"
    assert said["changed"] == "changed"
    assert said["fresh"] == "new"
    assert set(seen(dags)) == {"kept", "changed", "fresh"}


def test_a_dry_run_writes_nothing(tmp_path: Path, dags: Path) -> None:
    deploy(dags, compiled(project(tmp_path / "p", a="true")), dry_run=True)
    assert not dags.exists()


def test_the_same_input_gives_the_same_bytes_and_touches_nothing(
    tmp_path: Path, dags: Path
) -> None:
    new = compiled(project(tmp_path / "p", a="true", b="true"))
    deploy(dags, new)
    loaders = {path: path.stat().st_mtime_ns for path in dags.rglob("*.py")}
    content = files(dags)
    assert set(kinds(deploy(dags, compiled(tmp_path / "p"))).values()) == {"unchanged"}
    assert files(dags) == content
    assert {path: path.stat().st_mtime_ns for path in dags.rglob("*.py")} == loaders
    elsewhere = tmp_path / "elsewhere"
    deploy(elsewhere, compiled(project(tmp_path / "moved", a="true", b="true")))
    assert files(elsewhere) == content


def test_no_path_of_this_machine_and_no_symlink_is_in_the_folder(
    tmp_path: Path, dags: Path
) -> None:
    deploy(dags, compiled(project(tmp_path / "p", a="true")))
    assert not any(path.is_symlink() for path in dags.rglob("*"))
    assert not [name for name, content in files(dags).items() if str(tmp_path).encode() in content]


def test_airflow_would_look_at_the_loaders_only(tmp_path: Path, dags: Path) -> None:
    deploy(dags, compiled(project(tmp_path / "p", a="true")))
    assert [path.name for path in dags.rglob("*.py")] == ["a.py"]
    text = (dags / "app" / "a.py").read_text().lower()
    assert "airflow" in text
    assert "dag" in text


def test_f28_a_dag_of_another_application_is_refused_with_both_owners(
    tmp_path: Path, dags: Path
) -> None:
    deploy(dags, compiled(project(tmp_path / "one", "one", shared="true")))
    before = files(dags)
    other = compiled(project(tmp_path / "two", "two", shared="true"))
    with pytest.raises(UsageError, match=r'"shared" of the application "two".*"one"'):
        deploy(dags, other)
    assert files(dags) == before
    assert kinds(deploy(dags, other, clean=True))  # a renamed application
    assert [one.app for one in deployed(dags)] == ["two"]


def test_a_folder_that_is_not_ours_is_left_alone(tmp_path: Path, dags: Path) -> None:
    theirs = dags / "app" / "dag.py"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("mine")
    with pytest.raises(UsageError, match="Liminal has not made it"):
        deploy(dags, compiled(project(tmp_path / "p", a="true")))
    deploy(dags, compiled(project(tmp_path / "q", "other", a="true")), clean=True)
    assert theirs.read_text() == "mine"


def test_a_rollback_puts_the_release_before_back_and_touches_its_loaders(
    tmp_path: Path, dags: Path
) -> None:
    deploy(dags, compiled(project(tmp_path / "p", a="echo 1", b="true")))
    first, loader = seen(dags), dags / "app" / "a.py"
    deploy(dags, compiled(project(tmp_path / "p", a="echo 2", c="true")))
    second, then = seen(dags), loader.stat().st_mtime_ns
    time.sleep(0.01)
    release, changes = rollback(dags, "app", None)
    assert seen(dags) == first
    assert kinds(changes) == {"a": "changed", "b": "new", "c": "removed"}
    assert loader.stat().st_mtime_ns > then
    [found] = deployed(dags)
    assert found.release == release
    rollback(dags, "app", found.earlier[0][:6])
    assert seen(dags) == second
    with pytest.raises(UsageError, match="no earlier release begins with"):
        rollback(dags, "app", "nothing")
    with pytest.raises(UsageError, match=r'no application named "ap".*did you mean "app"'):
        rollback(dags, "ap", None)


def test_f29_what_a_newer_liminal_wrote_is_refused(tmp_path: Path, dags: Path) -> None:
    new = compiled(project(tmp_path / "p", a="true"))
    deploy(dags, new)
    record = dags / "app" / "current.json"
    record.write_text(record.read_text().replace('"format": 1', '"format": 2'))
    before = files(dags)
    with pytest.raises(ServerError, match="a newer Liminal"):
        deploy(dags, new)
    assert files(dags) == before


def test_f29_releases_that_are_many_and_old_go_and_those_used_lately_stay(
    tmp_path: Path, dags: Path
) -> None:
    for number in range(install.KEPT + 3):
        deploy(dags, compiled(project(tmp_path / "p", a=f"echo {number}")))
    releases = dags / "app" / "releases"
    assert len(list(releases.iterdir())) == install.KEPT + 3
    [found] = deployed(dags)
    long_ago = time.time() - 2 * install.KEPT_SECONDS
    for path in releases.iterdir():
        if path.name != found.earlier[-1]:  # a run is pinned to that one
            os.utime(path, (long_ago, long_ago))
    deploy(dags, ())
    left = {path.name for path in releases.iterdir()}
    assert left == {found.release, *found.earlier[: install.KEPT - 1], found.earlier[-1]}


def test_a_damaged_release_is_made_whole_by_the_next_deployment(tmp_path: Path, dags: Path) -> None:
    new = compiled(project(tmp_path / "p", a="true"))
    deploy(dags, new)
    before = files(dags)
    for path in dags.rglob("releases/*/*.json"):
        path.write_bytes(b"")
    assert kinds(deploy(dags, new)) == {"a": "new"}
    assert files(dags) == before


def test_an_application_that_has_no_pipelines_any_more_is_gone(tmp_path: Path, dags: Path) -> None:
    deploy(dags, compiled(project(tmp_path / "p", a="true")))
    assert kinds(deploy(dags, compiled(project(tmp_path / "p")))) == {"a": "removed"}
    assert files(dags) == {}


def test_deleting_leaves_the_other_applications(tmp_path: Path, dags: Path) -> None:
    deploy(dags, compiled(project(tmp_path / "one", "one", a="true")))
    before = files(dags)
    deploy(dags, compiled(project(tmp_path / "two", "two", b="true")))
    assert kinds(delete(dags, ["two"])) == {"b": "removed"}
    assert files(dags) == before
    assert delete(dags, ["two"]) == ()


@pytest.mark.parametrize("change", ["first", "second", "rollback", "delete"])
def test_f24_a_kill_at_any_step_leaves_the_old_or_the_new(tmp_path: Path, change: str) -> None:
    done = subprocess.run(
        [sys.executable, str(HERE / "kill_at_every_step.py"), str(tmp_path), change],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 10


def test_f25_two_deployments_at_once_are_one_after_the_other(tmp_path: Path, dags: Path) -> None:
    apps = [
        compiled(project(tmp_path / name, name, **{f"{name}_dag": "true"})) for name in "abcdef"
    ]
    threads = [threading.Thread(target=deploy, args=(dags, app)) for app in apps for _ in "12"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen(dags)) == [f"{name}_dag" for name in "abcdef"]


def test_a_full_disk_leaves_what_was_there(
    tmp_path: Path, require: Callable[[str, str], NoReturn]
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        require("mount", "run as root, to mount a small disk")
    try:
        deploy(disk / "dags", compiled(project(tmp_path / "p", a="true")))
        before = files(disk)
        big = compiled(
            project(tmp_path / "p", a="true", **{f"b{n}": "x" * 9000 for n in range(30)})
        )
        with pytest.raises(ServerError, match="No space left on device"):
            deploy(disk / "dags", big)
        assert seen(disk / "dags")
        deploy(disk / "dags", compiled(project(tmp_path / "p", a="true")))
        assert files(disk) == before
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_loaders_say_where_they_come_from(tmp_path: Path, dags: Path) -> None:
    deploy(dags, compiled(project(tmp_path / "p", a="true")))
    text = (dags / "app" / "a.py").read_text()
    assert re.search(r"Plan: [0-9a-f]{16}", text)
