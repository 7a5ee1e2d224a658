"""Writing files: the old or the new, never a mix."""

from __future__ import annotations

import errno
import os
import resource
import signal
import stat
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from liminal.files import make_private_folder, remove_tree, write_atomic


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    write_atomic(path, b"old")
    write_atomic(path, b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_fails_keeps_the_old_file_and_names_it(tmp_path: Path) -> None:
    """F18: RLIMIT_FSIZE makes write(2) fail in the middle, as a full disk does."""
    path = tmp_path / "record.json"
    write_atomic(path, b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError, match=r"record\.json") as caught:
            write_atomic(path, b"x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.errno == errno.EFBIG
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_reader_sees_one_or_the_other_when_the_writer_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "record"
    code = """
        import sys
        from pathlib import Path
        from liminal.files import write_atomic
        while True:
            for letter in (b"a", b"b"):
                write_atomic(Path(sys.argv[1]), letter * 200_000)
    """
    for _ in range(5):
        writer = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code), path])
        deadline = time.monotonic() + 20
        while not path.exists() and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(0.03)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        assert path.read_bytes() in (b"a" * 200_000, b"b" * 200_000)


def test_a_tree_is_removed_with_what_is_read_only(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("mine")
    tree = tmp_path / "tree"
    (tree / "locked").mkdir(parents=True)
    (tree / "locked" / "file").write_text("x")
    (tree / "link").symlink_to(kept)
    (tree / "locked" / "file").chmod(0o400)
    (tree / "locked").chmod(0o500)
    remove_tree(tree)
    remove_tree(tree)  # that it is gone already is no error
    assert not tree.exists()
    assert (kept / "file").read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind root")
def test_a_folder_that_is_not_ours_is_an_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError):
        make_private_folder(tmp_path / "a")


def test_a_folder_below_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OSError, match="file"):
        make_private_folder(tmp_path / "file" / "a" / "b")


def test_new_folders_are_private_and_old_ones_stay_as_they_are(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    make_private_folder(tmp_path / "a" / "b")
    make_private_folder(tmp_path / "a" / "b")
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700
