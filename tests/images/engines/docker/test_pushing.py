"""``--push``, to a real registry on this machine."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from liminal.errors import BuildError, Interrupted

PYTHON = "3.11"
LIMINAL = [sys.executable, "-m", "liminal"]


@pytest.fixture
def registry(require: Callable[[str, str], NoReturn], tmp_path: Path) -> Iterator[str]:
    """The address of a registry; Docker speaks plain HTTP to those of this machine."""
    command = shutil.which("docker-registry")
    if command is None:
        require("registry", "apt install docker-registry")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"127.0.0.1:{port}"
    settings = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(tmp_path / "registry")}},
        "http": {"addr": address},
    }
    (tmp_path / "registry.yml").write_text(json.dumps(settings))
    process = subprocess.Popen(
        [command, "serve", tmp_path / "registry.yml"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(100):
            try:
                urllib.request.urlopen(f"http://{address}/v2/")
                break
            except OSError:
                time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait()


def test_both_names_are_pushed_and_the_digest_is_told(
    builder: Any, project: Any, registry: str, tmp_path: Path
) -> None:
    name = f"{registry}/team/app:1.2"
    project.write(
        "liminal.yml",
        f'name: app\nimages: [{{image: "{name}", source: ., python_version: "{PYTHON}"}}]\n',
    )
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "liminal",
            "build",
            "--engine",
            "docker",
            "--push",
            "--format",
            "json",
        ],
        cwd=project.folder,
        env={**os.environ, "LIMINAL_HOME": str(tmp_path / "home")},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    (told,) = json.loads(done.stdout)
    try:
        assert told["reference"] == f"{registry}/team/app:1.2-{told['hash']}"
        repository, _, digest = told["digest"].partition("@")
        assert repository == f"{registry}/team/app"
        with urllib.request.urlopen(f"http://{registry}/v2/team/app/tags/list") as answer:
            assert sorted(json.load(answer)["tags"]) == ["1.2", f"1.2-{told['hash']}"]
        request = urllib.request.Request(
            f"http://{registry}/v2/team/app/manifests/{digest}",
            headers={"Accept": "application/vnd.docker.distribution.manifest.v2+json"},
        )
        with urllib.request.urlopen(request) as answer:
            assert answer.status == 200
        # The engine keeps the digest, so that a later build without --push tells it too.
        again = builder.build(project.plan(name, python_version=PYTHON))
        assert again.digest == told["digest"]
    finally:
        for tag in (name, told["reference"]):
            builder.client.images.remove(tag, force=True)


def test_a_registry_that_is_not_there(builder: Any, project: Any) -> None:
    name = "127.0.0.1:9/team/app:1"
    built = builder.build(project.plan(name, python_version=PYTHON))
    try:
        with pytest.raises(BuildError) as found:
            builder.engine.push(built, builder.events.append)
        assert f'"{built.reference}" could not be pushed' in found.value.message
        assert "docker login" in (found.value.hint or "")
    finally:
        for tag in (name, built.reference):
            builder.client.images.remove(tag, force=True)


def test_a_push_to_a_registry_that_is_silent_can_be_interrupted(builder: Any, project: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        name = f"127.0.0.1:{silent.getsockname()[1]}/team/app:1"
        built = builder.build(project.plan(name, python_version=PYTHON))
        threading.Timer(1, builder.engine.cancel).start()
        began = time.monotonic()
        try:
            with pytest.raises(Interrupted):
                builder.engine.push(built, builder.events.append)
            assert time.monotonic() - began < 5
        finally:
            for tag in (name, built.reference):
                builder.client.images.remove(tag, force=True)
