"""Podman in place of Docker: one road through all of it, with Debian's."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from liminal.images.engines.docker.client import Address, connect, is_podman, podman_service
from liminal.images.engines.docker.podman import PodmanCommand

PYTHON = "3.11"
BASE = f"python:{PYTHON}-slim"
NAME = "liminal-tests-podman/smoke"

# What this kind of machine lets containers do: no limits of their own, and runc.
CONTAINERS_CONF = '[containers]\ndefault_ulimits = []\n[engine]\nruntime = "runc"\n'


@pytest.fixture
def podman(
    require: Callable[[str, str], NoReturn], docker: Any, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Address:  # fmt: skip
    """A service of Podman's, which has the base image."""
    command = shutil.which("podman")
    if command is None:
        require("podman", "apt install podman netavark aardvark-dns catatonit runc")
    (tmp_path / "containers.conf").write_text(CONTAINERS_CONF)
    monkeypatch.setenv("CONTAINERS_CONF", str(tmp_path / "containers.conf"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    (tmp_path / "run").mkdir(mode=0o700)
    if subprocess.run([command, "image", "exists", BASE], check=False).returncode:
        saved = b"".join(docker.images.get(BASE).save(named=True))
        subprocess.run([command, "load", "-q"], input=saved, check=True, capture_output=True)
    address = podman_service(os.environ)
    assert address is not None
    return address


def test_an_image_is_built_run_and_left_as_it_is(
    podman: Address, builder_at: Any, project: Any, wheel: Path, tmp_path: Path
) -> None:
    token = project.write("../token", "hush")
    project.write("wheels/tinything-1.0-py3-none-any.whl", wheel.read_bytes())
    project.write("requirements.txt", "./wheels/tinything-1.0-py3-none-any.whl\n")
    builder = builder_at(tmp_path / "home", DOCKER_HOST=podman.url)
    assert is_podman(builder.client)
    assert isinstance(builder.engine.builder, PodmanCommand)
    plan = project.plan(
        NAME,
        python_version=PYTHON,
        build_secrets={"token": str(token)},
        build_cmd="test $(cat /run/secrets/token) = hush && tinything > made.txt",
    )
    try:
        built = builder.build(plan)
        assert builder.run(built, "cat made.txt; python main.py; id -u").splitlines() == [
            "tinything 1.0", "main", "10001",
        ]  # fmt: skip
        assert not builder.build(plan).rebuilt
    finally:
        for tag in (NAME, f"{NAME}:{built.hash}"):
            builder.client.images.remove(tag)


def test_a_service_that_runs_is_used_and_the_one_we_start_answers(podman: Address) -> None:
    assert podman_service(os.environ) == podman
    client = connect({**os.environ, "DOCKER_HOST": podman.url})
    try:
        assert client.ping()
    finally:
        client.close()
