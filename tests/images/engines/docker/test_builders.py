"""Which builder a machine has, and what becomes of an image without BuildKit."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from liminal.errors import BuildError
from liminal.images.engines.docker.buildkit import BuildKitCommand
from liminal.images.engines.docker.classic import ClassicBuilder

PYTHON = "3.11"


def command(folder: Path, name: str, version: str, *, buildx: bool = False) -> Path:
    """A command line of Docker, as far as it is asked for its version."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    answer = "exit 0" if buildx else "echo 'docker: no command buildx' >&2; exit 1"
    version = f"echo 'Docker version {version}, build x'"
    path.write_text(f"#!/bin/sh\nif [ $1 = buildx ]; then {answer}; fi\n{version}\n")
    path.chmod(0o755)
    return path


def test_the_first_command_line_with_buildkit_is_taken(builder_at: Any, tmp_path: Path) -> None:
    without = command(tmp_path / "one", "docker", "28.2.2")
    old = command(tmp_path / "two", "docker", "20.10.24+dfsg1")
    new = command(tmp_path / "three", "docker", "29.0.0", buildx=True)
    for folders, wanted in (
        ((without, old, new), (str(old), False)),
        ((without, new, old), (str(new), True)),
    ):
        path = os.pathsep.join([*(str(one.parent) for one in folders), "/bin"])
        found = builder_at(tmp_path / "home", PATH=path).engine.builder
        assert isinstance(found, BuildKitCommand)
        assert (found.path, found.buildx) == wanted


@pytest.fixture
def classic(builder_at: Any, tmp_path: Path) -> Any:
    """The engine on a machine whose command line has no BuildKit."""
    without = command(tmp_path / "bin", "docker", "28.2.2")
    made = builder_at(tmp_path / "home", PATH=f"{without.parent}{os.pathsep}/usr/bin/none")
    assert isinstance(made.engine.builder, ClassicBuilder)
    return made


def test_the_classic_builder_makes_the_same_image(
    classic: Any, builder: Any, project: Any, wheel: Path, image_name: str
) -> None:
    project.write("wheels/tinything-1.0-py3-none-any.whl", wheel.read_bytes())
    project.write("requirements.txt", "./wheels/tinything-1.0-py3-none-any.whl\n")
    plan = project.plan(image_name, python_version=PYTHON, build_cmd="tinything > made.txt")
    built = classic.build(plan)
    assert "installing the requirements" in classic.steps()
    found = classic.run(built, "cat made.txt; id -u; tinything; echo x > new; ls /tmp; ls /opt")
    assert found.splitlines() == ["tinything 1.0", "10001", "tinything 1.0", "liminal", "venv"]
    # Whoever has BuildKit takes it for what it would have built.
    assert not builder.build(plan).rebuilt
    project.write("main.py", "print('changed')\n")
    assert classic.build(plan).rebuilt
    assert classic.venv_layer(classic.build(plan)) == classic.venv_layer(built)


def test_a_failing_step_of_the_classic_builder(classic: Any, project: Any, image_name: str) -> None:
    plan = project.plan(image_name, python_version=PYTHON, build_cmd="echo before; exit 7")
    with pytest.raises(BuildError) as found:
        classic.build(plan)
    first, *lines = found.value.message.splitlines()
    assert first == f'image "{image_name}": running build_cmd failed: exit status 7'
    assert lines[-1].strip() == "| before"
    assert classic.id_of(image_name) is None


@pytest.mark.parametrize("key", ["pip_conf", "ca_bundle", "build_secrets"])
def test_secrets_are_refused_where_they_would_stay(
    classic: Any, project: Any, image_name: str, key: str
) -> None:
    file = str(project.write("../secret", "hush"))
    value = {"token": file} if key == "build_secrets" else file
    with pytest.raises(BuildError) as found:
        classic.build(project.plan(image_name, python_version=PYTHON, **{key: value}))
    assert "the classic builder would leave them in the image" in found.value.message
    assert "BuildKit" in (found.value.hint or "")
    assert classic.id_of(image_name) is None


BUILDX = """\
#!/bin/sh
[ "$1" = buildx ] || exit 9
[ "$2" = build ] || exit 0
for word; do
    case $word in
        --metadata-file=*) told=${word#*=};;
        --iidfile=*) echo CONFIG > "${word#*=}";;
        --label=liminal.source-hash=*) label=$word;;
        -f) next=dockerfile;;
        *) [ "$next" = dockerfile ] && dockerfile=$word; next=;;
    esac
done
REAL build --iidfile="$told.id" -f "$dockerfile" "$label" - || exit 1
printf '{"containerimage.config.digest": "CONFIG", "containerimage.digest": "%s"}' \\
    "$(cat "$told.id")" > "$told"
"""


def test_buildx_is_called_by_its_name_and_its_image_found_in_either_store(
    builder: Any, builder_at: Any, project: Any, image_name: str, tmp_path: Path
) -> None:
    """With containerd's store an image's id is not the digest of its configuration."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = BUILDX.replace("REAL", builder.engine.builder.path)
    (folder / "docker").write_text(script.replace("CONFIG", f"sha256:{'0' * 64}"))
    (folder / "docker").chmod(0o755)
    made = builder_at(tmp_path / "home", PATH=f"{folder}{os.pathsep}{os.environ['PATH']}")
    assert made.engine.builder.buildx
    assert made.build(project.plan(image_name, python_version=PYTHON)).rebuilt
    assert made.id_of(image_name) is not None


def test_an_engine_that_stops_during_a_classic_build(
    project: Any, own_engine: Any, builder_at: Any, tmp_path: Path
) -> None:
    without = command(tmp_path / "bin", "docker", "28.2.2")
    made = builder_at(tmp_path / "home", PATH=str(without.parent), **own_engine.environ)
    project.write("Dockerfile", "FROM python:3.11-slim\nRUN echo so far; sleep 315\n")
    threading.Timer(2, own_engine.stop).start()
    with pytest.raises(BuildError) as found:
        made.build(project.plan("liminal-tests/stopped", type="dockerfile"))
    assert found.value.message.startswith('image "liminal-tests/stopped": ')
