"""Which files belong to an image, and its hash."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from liminal.errors import BuildError
from liminal.images.context import read_context


def paths(project: Any, **keys: Any) -> list[str]:
    return [entry.path for entry in read_context("tiny", project.folder, **keys).entries]


def digest(project: Any) -> str:
    return read_context("tiny", project.folder).digest


def test_the_paths_are_sorted_and_folders_come_before_what_is_in_them(project: Any) -> None:
    for path in ("b/x", "a.txt", "a/z", "b-c/y"):
        project.write(path)
    (project.folder / "empty").mkdir()
    expected = ["a", "a/z", "a.txt", "b", "b/x", "b-c", "b-c/y", "empty", "main.py"]
    assert paths(project) == expected


def test_the_same_content_gives_the_same_hash_wherever_and_whenever(
    project: Any, tmp_path: Path
) -> None:
    before = digest(project)
    os.utime(project.folder / "main.py", (1, 1))
    assert digest(project) == before
    project.folder.rename(tmp_path / "elsewhere")
    assert read_context("tiny", tmp_path / "elsewhere").digest == before


def test_each_kind_of_change_changes_the_hash(project: Any) -> None:
    seen = {digest(project)}
    project.write("main.py", "print('other')\n")
    seen.add(digest(project))
    (project.folder / "main.py").chmod(0o755)
    seen.add(digest(project))
    (project.folder / "main.py").rename(project.folder / "start.py")
    seen.add(digest(project))
    (project.folder / "folder").mkdir()
    seen.add(digest(project))
    (project.folder / "link").symlink_to("start.py")
    seen.add(digest(project))
    (project.folder / "link").unlink()
    (project.folder / "link").symlink_to("folder")
    seen.add(digest(project))
    assert len(seen) == 7


def test_what_no_image_needs_is_left_out(project: Any) -> None:
    """F20: by default, without any .dockerignore."""
    for path in (
        ".git/config", "a/__pycache__/x.pyc", "old.pyc", "node_modules/m/index.js",
        "venv/pyvenv.cfg", "venv/lib/x.py", "conda/conda-meta/history", "conda/bin/python",
        ".ipynb_checkpoints/n.ipynb", ".env", "deep/.env.local", "credentials.json",
        "deep/credentials", ".netrc", ".pypirc",
    ):  # fmt: skip
        project.write(path, "secret")
    project.write("a/environment.py")
    assert paths(project) == ["a", "a/environment.py", "deep", "main.py"]
    context = read_context("tiny", project.folder)
    assert context.secrets == (
        ".env", ".netrc", ".pypirc", "credentials.json", "deep/.env.local", "deep/credentials",
    )  # fmt: skip


def test_the_dockerignore_adds_to_the_defaults_and_takes_secrets_back(project: Any) -> None:
    project.write(".dockerignore", "*.csv\r\n!.env.example\r\ndata/*\r\n!data/keep\r\n.env\r\n")
    for path in ("a.csv", ".env", ".env.example", "data/drop", "data/keep", "credentials"):
        project.write(path)
    assert paths(project) == [".dockerignore", ".env.example", "data", "data/keep", "main.py"]
    # What the user's own line leaves out needs no remark.
    assert read_context("tiny", project.folder).secrets == ("credentials",)


def test_folders_above_a_file_that_is_taken_in_again_are_there(project: Any) -> None:
    project.write(".dockerignore", "*\n!src/deep/a.py\n")
    for path in ("src/deep/a.py", "src/deep/b.py", "src/c.py", "other/d.py"):
        project.write(path)
    assert paths(project) == ["src", "src/deep", "src/deep/a.py"]


def test_a_bad_line_of_the_dockerignore_is_named(project: Any) -> None:
    project.write(".dockerignore", "docs\n!\n")
    with pytest.raises(BuildError, match=r'\.dockerignore:2: "!" is not a pattern'):
        read_context("tiny", project.folder)


@pytest.mark.parametrize("target", ["main.py", "folder", "folder/../main.py", "missing"])
def test_a_link_that_stays_inside_is_kept_as_a_link(project: Any, target: str) -> None:
    """F12."""
    (project.folder / "folder").mkdir()
    (project.folder / "link").symlink_to(target)
    found = {e.path: e for e in read_context("tiny", project.folder).entries}["link"]
    assert (found.kind, found.target) == ("link", target)


def test_an_absolute_link_that_stays_inside_becomes_a_relative_one(project: Any) -> None:
    (project.folder / "folder").mkdir()
    (project.folder / "folder" / "link").symlink_to(project.folder / "main.py")
    found = {e.path: e for e in read_context("tiny", project.folder).entries}["folder/link"]
    assert found.target == "../main.py"


@pytest.mark.parametrize(
    "target", ["../outside", "/etc/passwd", "folder/../../outside", "second", "../project-2"]
)
def test_a_link_that_leads_out_is_refused_by_name(project: Any, target: str) -> None:
    """F12: also by way of a second link, and to a neighbour whose name begins the same."""
    (project.folder / "folder").mkdir()
    (project.folder / "a-link").symlink_to(target)
    if target == "second":
        (project.folder / "second").symlink_to("/etc")
    with pytest.raises(BuildError, match='the link "a-link" leads out of the source') as caught:
        read_context("tiny", project.folder)
    assert caught.value.exit_code == 4
    assert "dockerignore" in str(caught.value.hint)
    project.write(".dockerignore", "a-link\nsecond\n")
    assert "a-link" not in paths(project)


def test_a_loop_of_links_ends(project: Any) -> None:
    (project.folder / "a").symlink_to("b")
    (project.folder / "b").symlink_to("a")
    (project.folder / "self").symlink_to(".")
    assert paths(project) == ["a", "b", "main.py", "self"]


def test_what_is_no_file_is_left_out_and_listed(project: Any) -> None:
    """F12."""
    os.mkfifo(project.folder / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(project.folder)  # the path of a socket is limited
        try:
            server.bind("socket")
        finally:
            os.chdir(here)
        context = read_context("tiny", project.folder)
    assert context.special == ("fifo", "socket")
    assert [entry.path for entry in context.entries] == ["main.py"]


def test_names_that_differ_in_case_only_are_refused(project: Any) -> None:
    """F12."""
    project.write("Data/a")
    project.write("data/a")
    if len(list(project.folder.iterdir())) == 2:
        pytest.skip("this disk ignores case")
    with pytest.raises(BuildError, match='"Data" and "data" differ in case only'):
        read_context("tiny", project.folder)


def test_a_folder_apart_does_not_belong_to_it(project: Any) -> None:
    project.write("home/environments/x")
    assert paths(project, apart=(project.folder / "home",)) == ["main.py"]


def test_a_name_that_is_no_text_is_hashed_all_the_same(project: Any) -> None:
    name = os.fsdecode(b"caf\xe9\n.txt")
    try:
        (project.folder / name).write_text("x")
    except OSError:
        pytest.skip("this disk wants UTF-8")
    assert name in paths(project)
    assert digest(project) == digest(project)


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind root")
def test_a_file_that_cannot_be_read_is_named(project: Any) -> None:
    (project.folder / "main.py").chmod(0)
    with pytest.raises(BuildError, match=r'cannot read ".*main\.py"'):
        read_context("tiny", project.folder)


def test_the_largest_at_the_top_are_known(project: Any) -> None:
    project.write("data/a", "x" * 300)
    project.write("data/b/c", "x" * 300)
    project.write("model", "x" * 500)
    context = read_context("tiny", project.folder)
    assert context.largest(2) == (("data", 600), ("model", 500))
    assert context.size == 1100 + len("print('main')\n")
