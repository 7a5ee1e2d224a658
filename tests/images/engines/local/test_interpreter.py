"""Which Python a version means on this machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from liminal.images.engines.local.interpreter import (
    available_versions,
    find_interpreter,
    running_interpreter,
)

RUNNING = ".".join(map(str, sys.version_info[:2]))


@pytest.fixture
def machine(tmp_path: Path) -> dict[str, str]:
    """A machine with no interpreter but the running one."""
    (tmp_path / "bin").mkdir()
    return {"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path)}


def fake(path: Path, version: str, log: Path | None = None) -> Path:
    """Something that answers as an interpreter of the version would."""
    path.parent.mkdir(parents=True, exist_ok=True)
    note = f"echo asked >> {log}\n" if log else ""
    path.write_text(f"#!/bin/sh\n{note}printf '%s\\n' {path} {version} cpython-x\n")
    path.chmod(0o755)
    return path


def test_the_running_one_is_itself_and_no_environment() -> None:
    found = running_interpreter()
    assert found.is_version(RUNNING)
    assert not (Path(found.path).parents[1] / "pyvenv.cfg").exists()


def test_version_numbers_are_compared_as_numbers(machine: dict[str, str], tmp_path: Path) -> None:
    memory = tmp_path / "memory.json"
    assert find_interpreter(RUNNING, machine, memory) == running_interpreter()
    assert find_interpreter(RUNNING[:-1] or "3.1", machine, memory) != running_interpreter()
    exact = running_interpreter().version
    assert find_interpreter(exact, machine, memory) == running_interpreter()
    assert find_interpreter(f"{RUNNING}.99", machine, memory) is None


def test_it_is_found_on_the_path_in_pyenv_and_in_uv(
    machine: dict[str, str], tmp_path: Path
) -> None:
    memory = tmp_path / "memory.json"
    fake(tmp_path / ".local/share/uv/python/cpython-3.90.1-x/bin/python3.90", "3.90.1")
    found = find_interpreter("3.90", machine, memory)
    assert found is not None
    assert found.version == "3.90.1"
    for version in ("3.90.2", "3.90.10"):
        fake(tmp_path / f".pyenv/versions/{version}/bin/python3.90", version)
    found = find_interpreter("3.90", machine, memory)
    assert found is not None
    assert found.version == "3.90.10"
    fake(tmp_path / "bin/python3.90", "3.90.5")
    found = find_interpreter("3.90", machine, memory)
    assert found is not None
    assert found.version == "3.90.5"
    found = find_interpreter("3.90.2", machine, memory)
    assert found is not None
    assert found.version == "3.90.2"
    assert available_versions(machine)[-1] == "3.90"


def test_a_shim_that_answers_nothing_is_passed_over(
    machine: dict[str, str], tmp_path: Path
) -> None:
    fake(tmp_path / "bin/python3.90", "3.90.1").write_text("#!/bin/sh\nexit 127\n")
    fake(tmp_path / ".pyenv/versions/3.90.2/bin/python3.90", "3.90.2")
    found = find_interpreter("3.90", machine, tmp_path / "memory.json")
    assert found is not None
    assert found.version == "3.90.2"


def test_pyenvs_shims_are_never_asked(machine: dict[str, str], tmp_path: Path) -> None:
    log = tmp_path / "log"
    fake(tmp_path / ".pyenv/shims/python3.90", "3.90.1", log)
    machine["PATH"] = str(tmp_path / ".pyenv/shims")
    assert find_interpreter("3.90", machine, tmp_path / "memory.json") is None
    assert not log.exists()


@pytest.mark.skipif(not Path("/bin/true").exists(), reason="needs a program that is no script")
def test_an_answer_is_remembered_until_the_file_changes(
    machine: dict[str, str], tmp_path: Path
) -> None:
    real = Path(running_interpreter().path)
    place = tmp_path / "bin/python3.90"
    place.symlink_to("/bin/true")
    memory = tmp_path / "memory.json"
    # It answers nothing, and that is remembered too.
    assert find_interpreter("3.90", machine, memory) is None
    first = memory.read_bytes()
    assert find_interpreter("3.90", machine, memory) is None
    assert memory.read_bytes() == first
    place.unlink()
    place.symlink_to(real)
    assert find_interpreter("3.90", machine, memory) is None  # another version than its name says
    assert memory.read_bytes() != first


def test_a_broken_memory_is_no_harm(machine: dict[str, str], tmp_path: Path) -> None:
    memory = tmp_path / "memory.json"
    fake(tmp_path / "bin/python3.90", "3.90.1")
    for content in (b"{", b"[]", b'{"x": 1}', os.urandom(10)):
        memory.write_bytes(content)
        assert find_interpreter("3.90", machine, memory) is not None


def test_a_memory_that_cannot_be_written_is_no_harm(
    machine: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("x")
    fake(tmp_path / "bin/python3.90", "3.90.1")
    assert find_interpreter("3.90", machine, tmp_path / "file" / "memory.json") is not None
