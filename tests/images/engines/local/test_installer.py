"""Installing in other ways: pip, a build_cmd, secrets, certificates, another Python."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from liminal.errors import BuildError
from liminal.images.engines.local.interpreter import available_versions, running_interpreter
from liminal.images.events import Note, Warning


@pytest.fixture
def without_uv(shared: Any) -> Any:
    """An engine whose uv does not run."""
    shared.engine = replace(shared.engine, uv="/bin/false")
    return shared


def test_pip_does_it_where_uv_does_not_run(
    project: Any, without_uv: Any, wheel: Path, run_in: Any
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
    project.write("uv.lock", "version = 1\n")
    image = without_uv.build(project.plan("with-pip"))
    assert run_in(image, "import tinything; print(tinything.VERSION)") == "1.0"
    assert (image.environment / "bin/pip").exists()
    assert list(image.environment.rglob("tinything.*.pyc"))
    assert "uv.lock is not read" in without_uv.of(Warning)[0].message
    assert not without_uv.build(project.plan("with-pip")).rebuilt


def test_pip_tells_what_it_cannot_do(project: Any, without_uv: Any) -> None:
    project.write("pyproject.toml", '[project]\nname = "x"\ndynamic = ["dependencies"]\n')
    with pytest.raises(BuildError, match="its dependencies are dynamic") as caught:
        without_uv.build(project.plan("with-pip-2"))
    assert "requirements.txt" in str(caught.value.hint)


def test_a_pip_conf_is_used_and_leaves_no_trace(
    project: Any, own: Any, wheel: Path, run_in: Any
) -> None:
    """F20: an index that only pip.conf names, with a password."""
    project.write(
        "secret/pip.conf",
        f"[global]\nno-index = true\nfind-links = {wheel.parent}\n# password canary-9f3\n",
    )
    project.write(".dockerignore", "secret\n")
    project.write("requirements.txt", "tinything\n")
    image = own.build(project.plan(pip_conf="secret/pip.conf"))
    assert run_in(image, "import tinything; print(tinything.VERSION)") == "1.0"
    stored = [path for path in own.home.rglob("*") if path.is_file()]
    assert not [path for path in stored if b"canary-9f3" in path.read_bytes()]
    assert "canary-9f3" not in repr(own.events)


def test_a_build_cmd_installs_for_its_own_image_only(
    project: Any, own: Any, wheel: Path, wheel_bytes: Any, run_in: Any
) -> None:
    project.write("requirements.txt", f"{wheel}\n")
    other = project.folder.parent / "otherthing-1.0-py3-none-any.whl"
    other.write_bytes(wheel_bytes("otherthing"))
    command = (
        f"python -m pip install -q --no-index {other} && tinything > said && pip --version > pip"
    )
    plain = own.build(project.plan("plain"))
    image = own.build(project.plan("special", build_cmd=command, env_vars={"PIP_NO_INPUT": "1"}))
    assert run_in(image, "import tinything, otherthing; print(otherthing.VERSION)") == "1.0"
    assert (image.source / "said").read_text() == "tinything 1.0\n"
    assert str(own.home) in (image.source / "pip").read_text()
    assert not (project.folder / "said").exists()
    for environment in {plain.environment, *_bases(own.home, image.environment)}:
        assert not list(environment.rglob("otherthing.py"))
    said = subprocess.run(
        [image.environment / "bin/tinything"], capture_output=True, text=True, check=True
    )
    assert said.stdout == "tinything 1.0\n"
    # A change of the source runs the command again, and installs no requirement again.
    project.write("main.py", "print('other')\n")
    changed = own.build(project.plan("special", build_cmd=command, env_vars={"PIP_NO_INPUT": "1"}))
    assert own.steps() == ["copying the source", "running build_cmd"]
    assert run_in(changed, "import otherthing; print(otherthing.VERSION)") == "1.0"


def _bases(home: Path, overlay: Path) -> list[Path]:
    folders = [path for path in (home / "environments").iterdir() if path.is_dir()]
    return [path for path in folders if path != overlay]


def test_build_secrets_are_there_while_building_and_gone_afterwards(
    project: Any, own: Any, run_in: Any
) -> None:
    """F20."""
    token = project.folder.parent / "token"
    token.write_text("canary-77a")
    command = (
        'test "$(cat $LIMINAL_BUILD_SECRETS/token)" = canary-77a'
        " && stat -c %a $LIMINAL_BUILD_SECRETS $LIMINAL_BUILD_SECRETS/token > modes"
        " && echo $LIMINAL_BUILD_SECRETS > where"
    )
    image = own.build(project.plan(build_cmd=command, build_secrets={"token": str(token)}))
    assert (image.source / "modes").read_text().split() == ["700", "600"]
    assert not Path((image.source / "where").read_text().strip()).exists()
    stored = [path for path in own.home.rglob("*") if path.is_file()]
    assert not [path for path in stored if b"canary-77a" in path.read_bytes()]


def test_build_secrets_are_gone_when_the_build_fails(project: Any, own: Any) -> None:
    token = project.folder.parent / "token"
    token.write_text("canary-77b")
    with pytest.raises(BuildError):
        own.build(project.plan(build_cmd="exit 1", build_secrets={"token": str(token)}))
    stored = [path for path in own.home.rglob("*") if path.is_file()]
    assert not [path for path in stored if b"canary-77b" in path.read_bytes()]


def test_a_ca_bundle_comes_on_top_of_what_is_trusted(
    project: Any, engine_at: Any, tmp_path: Path
) -> None:
    trusted = tmp_path / "trusted.pem"
    trusted.write_text("TRUSTED\n")
    project.write("company.pem", "COMPANY\n")
    own = engine_at(tmp_path / "home", SSL_CERT_FILE=str(trusted))
    command = 'cat "$SSL_CERT_FILE" > seen; test "$SSL_CERT_FILE" = "$PIP_CERT"'
    image = own.build(project.plan(build_cmd=command, ca_bundle="company.pem"))
    assert (image.source / "seen").read_text().split() == ["TRUSTED", "COMPANY"]


def test_a_version_that_this_machine_has_is_used(project: Any, shared: Any, run_in: Any) -> None:
    # A second call, for uv's own environments are folders on the path too.
    versions = available_versions(os.environ)
    wanted = next(
        (v for v in reversed(versions) if int(v[2:]) >= 10 and not _is_running(v)),
        versions[-1],
    )
    image = shared.build(project.plan("version", python_version=wanted))
    code = "import sys; print('.'.join(map(str, sys.version_info[:2])))"
    assert run_in(image, code) == wanted


def _is_running(version: str) -> bool:
    return running_interpreter().is_version(version)


def test_without_a_version_the_default_or_the_running_one_is_used(
    project: Any, engine_at: Any, tmp_path: Path, run_in: Any
) -> None:
    alone = {"PATH": "/bin", "HOME": str(tmp_path), "PYENV_ROOT": str(tmp_path)}
    own = engine_at(tmp_path / "home", **alone)
    image = own.build(project.plan())
    code = "import sys; print('.'.join(map(str, sys.version_info[:2])))"
    if "3.12" in available_versions({**os.environ, **alone}):
        assert run_in(image, code) == "3.12"
    else:
        assert run_in(image, code) == ".".join(map(str, sys.version_info[:2]))
        assert "has no Python 3.12, which images have by default" in own.of(Note)[0].message


def test_a_version_that_nobody_has_says_which_are_here(
    project: Any, engine_at: Any, tmp_path: Path
) -> None:
    own = engine_at(tmp_path / "home", UV_PYTHON_DOWNLOADS="never")
    with pytest.raises(BuildError) as caught:
        own.build(project.plan(python_version="3.99"))
    assert "3.99" in caught.value.message
    assert ".".join(map(str, sys.version_info[:2])) in str(caught.value.hint)


def test_a_version_that_is_none_is_refused(project: Any, shared: Any) -> None:
    """F14."""
    for wanted in ("3.12; rm -rf /", "../../bin", "--help", "3.12\n", "2.7", ""):
        with pytest.raises(BuildError, match="is not a Python version"):
            shared.build(project.plan(python_version=wanted))
