"""What goes wrong in a build with Docker: F16-F23 of the faults, by number."""

from __future__ import annotations

import hashlib
import http.server
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from liminal.errors import BuildError, Interrupted
from liminal.images.events import Skipped, Waiting

PYTHON = "3.11"
BASE = f"python:{PYTHON}-slim"
LIMINAL = [sys.executable, "-m", "liminal"]


def failure(builder: Any, plan: Any) -> BuildError:
    with pytest.raises(BuildError) as found:
        builder.build(plan)
    return found.value


def containers(builder: Any) -> list[str]:
    """The build containers that run now, of the classic builder; BuildKit's are none."""
    return [one.id for one in builder.client.containers.list(filters={"label": "liminal.app=app"})]


class TestF16TheEngineCannotBeUsed:
    """One line that names the address and says what to do, exit 4, within seconds."""

    @pytest.fixture
    def project_file(self, project: Any) -> Path:
        project.write(
            "liminal.yml",
            f'name: app\nimages: [{{image: x, source: ., python_version: "{PYTHON}"}}]\n',
        )
        return Path(project.folder)

    def build(self, folder: Path, *wrapper: str, **environ: str) -> tuple[int, str]:
        began = time.monotonic()
        done = subprocess.run(
            [*wrapper, *LIMINAL, "build", "--engine", "docker"],
            cwd=folder,
            env={**os.environ, "LIMINAL_HOME": str(folder.parent / "home"), **environ},
            capture_output=True,
            text=True,
            check=False,
        )
        assert time.monotonic() - began < 20  # asked is 5 s, on a quiet machine; 60 is a timeout
        assert "Traceback" not in done.stderr
        return done.returncode, done.stderr

    @pytest.mark.parametrize("host", ["unix:///nowhere/docker.sock", "tcp://127.0.0.1:9", "x"])
    def test_a_wrong_docker_host(self, project_file: Path, host: str) -> None:
        status, said = self.build(project_file, DOCKER_HOST=host)
        assert status == 4
        first, second = said.strip().splitlines()
        assert first == f"error: no Docker engine answers at {host} (from DOCKER_HOST)"
        assert second.startswith("  hint: correct DOCKER_HOST")

    def test_an_engine_that_is_too_old(self, project_file: Path) -> None:
        class Old(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer = json.dumps({"Version": "1.0", "ApiVersion": "1.12"}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *given: object) -> None:
                pass

        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Old) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            host = f"tcp://127.0.0.1:{server.server_port}"
            status, said = self.build(project_file, DOCKER_HOST=host)
            server.shutdown()
        assert status == 4
        assert f"{host} (from DOCKER_HOST) speaks another version of its language" in said
        assert "hint: update it to 20.10 or later" in said

    def test_an_engine_behind_ssh(self, project_file: Path) -> None:
        if importlib.util.find_spec("paramiko") is not None:
            pytest.skip("what docker needs for ssh is here")
        status, said = self.build(project_file, DOCKER_HOST="ssh://127.0.0.1:9")
        assert status == 4
        assert "ssh://127.0.0.1:9 (from DOCKER_HOST) is reached by ssh" in said
        assert 'pip install "docker[ssh]"' in said

    def test_a_context_that_leads_nowhere(self, project_file: Path, tmp_path: Path) -> None:
        name = hashlib.sha256(b"away").hexdigest()
        meta = tmp_path / "docker/contexts/meta" / name / "meta.json"
        meta.parent.mkdir(parents=True)
        meta.write_text(json.dumps({"Endpoints": {"docker": {"Host": "unix:///away.sock"}}}))
        (tmp_path / "docker/config.json").write_text(json.dumps({"currentContext": "away"}))
        status, said = self.build(project_file, DOCKER_CONFIG=str(tmp_path / "docker"))
        assert status == 4
        assert (
            'no Docker engine answers at unix:///away.sock (from the Docker context "away")' in said
        )

    def test_no_permission_on_its_socket(self, docker: Any) -> None:
        """Root may use any socket, so this is somebody else."""
        if os.geteuid() != 0:
            pytest.skip("takes root, to become somebody else")
        code = (
            "import os, docker\n"
            "from liminal.images.engines.docker.client import connect, EngineProblem\n"
            "os.setgroups([]); os.setgid(54321); os.setuid(54321)\n"
            "try: connect(dict(os.environ))\n"
            "except EngineProblem as problem: print(problem.message, '|', problem.hint)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd="/",
            env={**os.environ, "HOME": "/"},
            capture_output=True,
            text=True,
            check=True,
        )
        message, _, hint = done.stdout.partition(" | ")
        assert re.fullmatch(
            r"the Docker engine at unix:///\S+docker.sock is not yours to use: permission denied",
            message,
        )
        assert "usermod -aG docker" in hint

    def test_auto_does_without(self, project_file: Path) -> None:
        done = subprocess.run(
            [*LIMINAL, "build", "--engine", "auto"],
            cwd=project_file,
            env={
                **os.environ,
                "LIMINAL_HOME": str(project_file.parent / "home"),
                "DOCKER_HOST": "unix:///nowhere.sock",
            },
            capture_output=True,
            text=True,
            check=True,
        )
        assert "engine local: no Docker engine answers at unix:///nowhere.sock" in done.stderr


class TestF17AStepFails:
    """The step, its status, its last lines; what was built before stays."""

    @pytest.fixture
    def good(self, builder: Any, project: Any, image_name: str) -> Any:
        return builder.build(project.plan(image_name, python_version=PYTHON))

    def test_pip_install(self, builder: Any, project: Any, image_name: str, good: Any) -> None:
        project.write("requirements.txt", "./not-a-wheel-1.0-py3-none-any.whl\n")
        project.write("not-a-wheel-1.0-py3-none-any.whl", "no zip")
        error = failure(builder, project.plan(image_name, python_version=PYTHON))
        first, *lines = error.message.splitlines()
        assert first == f'image "{image_name}": installing the requirements failed: exit status 1'
        assert any("not-a-wheel" in line or "not_a_wheel" in line for line in lines)
        assert len(lines) <= 20
        assert error.hint.startswith("correct the requirements and build again")
        assert builder.id_of(image_name) == good.id

    def test_build_cmd(self, builder: Any, project: Any, image_name: str, good: Any) -> None:
        command = "for i in $(seq 50); do echo line $i; done; echo the end; exit 7"
        error = failure(builder, project.plan(image_name, python_version=PYTHON, build_cmd=command))
        assert f'"{image_name}": running build_cmd failed: exit status 7' in error.message
        assert error.message.splitlines()[-1] == "  | the end"
        assert len(error.message.splitlines()) == 21
        assert "build_cmd" in (error.hint or "")
        assert builder.id_of(image_name) == good.id

    def test_a_system_package(self, builder: Any, project: Any, image_name: str, good: Any) -> None:
        plan = project.plan(image_name, python_version=PYTHON, system_packages=("no-such-thing",))
        error = failure(builder, plan)
        assert "installing the system packages failed: exit status 100" in error.message
        assert "Unable to locate package no-such-thing" in error.message
        assert error.hint.startswith("correct system_packages")
        assert builder.id_of(image_name) == good.id

    def test_a_package_that_needs_a_compiler(
        self, builder: Any, project: Any, image_name: str
    ) -> None:
        project.write("requirements.txt", "./ext\n")
        project.write("ext/pyproject.toml", EXTENSION)
        project.write("ext/backend.py", COMPILES)
        error = failure(builder, project.plan(image_name, python_version=PYTHON))
        assert "build_packages: [build-essential]" in (error.hint or "")

    def test_a_base_image_without_a_shell(
        self, builder: Any, project: Any, image_name: str
    ) -> None:
        import io
        import tarfile

        empty = io.BytesIO()
        with tarfile.open(fileobj=empty, mode="w") as tar:
            tar.addfile(tarfile.TarInfo("nothing"))
        base = f"{image_name}-base"
        builder.client.api.import_image_from_data(empty.getvalue(), base)
        error = failure(builder, project.plan(image_name, base_image=base))
        assert error.hint == f'"{base}" has no shell; take a base_image that has one, and Python 3'

    def test_a_base_image_without_python(self, builder: Any, project: Any, image_name: str) -> None:
        base = f"{image_name}-base"
        context = project.folder.parent / "base"
        context.mkdir()
        (context / "Dockerfile").write_text(f"FROM {BASE}\nRUN rm /usr/bin/python3\n")
        builder.client.images.build(path=str(context), tag=base, rm=True)
        error = failure(builder, project.plan(image_name, base_image=base))
        assert error.hint == f'"{base}" has no Python 3; take a base_image that has it'

    def test_a_base_image_with_another_python(
        self, builder: Any, project: Any, image_name: str
    ) -> None:
        error = failure(builder, project.plan(image_name, base_image=BASE, python_version="3.9"))
        assert re.search(r"the base image has Python 3\.11\.\d+, not 3\.9", error.message)

    def test_a_base_image_that_nobody_has(
        self, builder: Any, project: Any, image_name: str
    ) -> None:
        error = failure(builder, project.plan(image_name, base_image="127.0.0.1:9/no/such:1"))
        assert 'its base image "127.0.0.1:9/no/such:1" could not be pulled' in error.message
        assert "--engine local" in (error.hint or "")

    def test_an_instruction_of_the_users_dockerfile(
        self, builder: Any, project: Any, image_name: str
    ) -> None:
        project.write("Dockerfile", f"FROM {BASE}\nRUN echo before; false\n")
        error = failure(builder, project.plan(image_name, type="dockerfile"))
        assert "RUN echo before; false failed: exit status 1\n  | before" in error.message
        project.write("Dockerfile", f"FROM {BASE}\nCOPY nothing /\n")
        error = failure(builder, project.plan(image_name, type="dockerfile"))
        assert "nothing" in error.message
        project.write("Dockerfile", f"FROM {BASE}\nRUMN x\n")
        error = failure(builder, project.plan(image_name, type="dockerfile"))
        assert "RUMN" in error.message


EXTENSION = """\
[project]
name = "ext"
version = "1.0"
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""
COMPILES = """
import subprocess
def build_wheel(folder, config_settings=None, metadata_directory=None):
    subprocess.run(["gcc", "--version"], check=True)
"""


def test_f18_a_full_disk_of_the_engine(
    project: Any, own_engine: Any, builder_at: Any, tmp_path: Path
) -> None:
    builder = builder_at(tmp_path / "home", **own_engine.environ)
    fills = "RUN head -c 600000000 /dev/zero > /big\n"
    project.write("Dockerfile", f"FROM {BASE}\nRUN echo first\n")
    plan = project.plan("liminal-tests/full", type="dockerfile")
    good = builder.build(plan)
    project.write("Dockerfile", f"FROM {BASE}\n{fills}")
    error = failure(builder, plan)
    assert "No space left on device" in error.message
    assert error.hint.startswith("free some space")
    assert builder.id_of("liminal-tests/full") == good.id
    assert builder.client.containers.list(all=True) == []
    assert list((tmp_path / "home" / "locks").iterdir()) == [builder.engine.lock(plan.image.name)]


def test_f18_a_full_disk_of_this_machine(
    builder: Any, project: Any, image_name: str, tmp_path: Path
) -> None:
    if os.geteuid() != 0:
        pytest.skip("takes root, for a small disk")
    home = builder.engine.home.path
    home.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", home], check=True)
    try:
        project.write("big", b"0" * 3_000_000)
        error = failure(builder, project.plan(image_name, python_version=PYTHON))
        assert "No space left on device" in error.message
        assert [path.name for path in home.rglob("*") if path.is_file()] == [
            builder.engine.lock(image_name).name
        ]
        assert builder.id_of(image_name) is None
    finally:
        subprocess.run(["umount", home], check=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_f19_an_interrupted_build_leaves_nothing_and_the_next_works(
    builder: Any, project: Any, image_name: str, number: signal.Signals, tmp_path: Path
) -> None:
    sleeps = f"sleep 31{number.value}"
    project.write(
        "liminal.yml",
        f"""\
        name: app
        images:
          - {{image: {image_name}, source: ., python_version: "{PYTHON}", build_cmd: {sleeps}}}
        """,
    )
    process = subprocess.Popen(
        [*LIMINAL, "build", "--engine", "docker"],
        cwd=project.folder,
        env={**os.environ, "LIMINAL_HOME": str(tmp_path / "home")},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_until(lambda: any(sleeps in line for line in commands()) or process.poll() is not None)
        process.send_signal(number)
        _, said = process.communicate(timeout=20)
    finally:
        process.kill()
    assert "Traceback" not in said
    assert process.returncode == (-9 if number is signal.SIGKILL else 130), said
    wait_until(lambda: not any(sleeps in line for line in commands()))
    assert builder.id_of(image_name) is None
    assert builder.build(project.plan(image_name, python_version=PYTHON)).rebuilt


def commands() -> Iterator[str]:
    """The command lines of all processes, those in build containers too."""
    import psutil

    for process in psutil.process_iter(["cmdline"]):
        yield " ".join(process.info["cmdline"] or ())


def wait_until(true: Any, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_f19_a_cancelled_engine_ends_its_builds(
    builder: Any, project: Any, image_name: str
) -> None:
    plan = project.plan(image_name, python_version=PYTHON, build_cmd="sleep 314")
    problems: list[BaseException] = []

    def build() -> None:
        try:
            builder.build(plan)
        except BaseException as problem:
            problems.append(problem)

    thread = threading.Thread(target=build)
    thread.start()
    wait_until(lambda: any("sleep 314" in line for line in commands()))
    builder.engine.cancel()
    thread.join(timeout=10)
    assert isinstance(problems[0], Interrupted)
    wait_until(lambda: not any("sleep 314" in line for line in commands()))


def test_f20_no_secret_is_in_the_image_its_history_or_the_log(
    builder: Any, builder_at: Any, project: Any, wheel: Path, image_name: str, tmp_path: Path
) -> None:
    """Each one is usable while installing, and nowhere to be found afterwards."""
    for place in (".env", "credentials.json", ".git/config", ".pypirc", "folder/.env.local"):
        project.write(place, f"CANARY-{place}")
    conf = project.write("../pip.conf", "[global]\ntimeout = 17\n# CANARY-pip-conf\n")
    token = project.write("../token", "CANARY-token")
    trusted = project.write("../ca.pem", "# CANARY-certificate\n")
    # The quotes are the shell's: the command itself is in the history, and may not hold the word.
    uses = (
        "pip config list | grep -q \"global.timeout='17'\""
        ' && grep -q CANA""RY-pip-conf $PIP_CONFIG_FILE'
        ' && test $(cat /run/secrets/token) = CANA""RY-token'
        ' && test $(cat $LIMINAL_BUILD_SECRETS/token) = CANA""RY-token'
        ' && grep -q CANA""RY-certificate $SSL_CERT_FILE'
        ' && test $HTTP_PROXY = http://user:CANA""RY-proxy@127.0.0.1:9'
        " && echo all usable"
    )
    proxied = builder_at(
        tmp_path / "home2",
        HTTP_PROXY="http://user:CANARY-proxy@127.0.0.1:9",
        NO_PROXY="*",
    )
    built = proxied.build(
        project.plan(
            image_name,
            python_version=PYTHON,
            pip_conf=str(conf),
            build_secrets={"token": str(token)},
            ca_bundle=str(trusted),
            build_cmd=uses,
            no_cache=True,
        )
    )
    assert "all usable" in proxied.output()
    image = builder.client.images.get(built.reference)
    found = canaries(b"".join(image.save()))
    found |= canaries(repr(image.history()).encode() + repr(image.attrs).encode())
    found |= canaries(repr(proxied.events).encode())
    assert found == set()


def canaries(data: bytes) -> set[bytes]:
    """Layers are tars without compression in what `docker save` writes."""
    return set(re.findall(rb"CANARY-[\w.-]+", data))


def test_f20_settings_of_the_environment_with_a_password_reach_the_installer_only(
    builder: Any, builder_at: Any, project: Any, image_name: str, tmp_path: Path
) -> None:
    project.write("requirements.txt", "six==1.17.0\n")
    index = "https://user:CANARY-index@127.0.0.1:9/simple"
    with_index = builder_at(tmp_path / "home2", UV_INDEX=index)
    plan = project.plan(image_name, python_version=PYTHON)
    error = failure(with_index, plan)
    assert "127.0.0.1:9" in error.message  # the installer has asked there
    assert canaries(repr(with_index.events).encode() + error.message.encode()) == set()


def test_f22_of_two_builds_at_once_the_second_waits_and_takes_what_the_first_made(
    builder: Any, builder_at: Any, project: Any, image_name: str
) -> None:
    plan = project.plan(image_name, python_version=PYTHON, build_cmd="sleep 1.5")
    home = builder.engine.home.path
    code = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1])\n"
        "import conftest_docker as it, conftest_images as images\n"
        "project = images.Project(Path(sys.argv[2]))\n"
        "builder = it.builder_at(Path(sys.argv[3]))\n"
        "plan = project.plan(sys.argv[4], python_version='3.11', build_cmd='sleep 1.5')\n"
        "builder.engine.build(plan, lambda event: print(type(event).__name__, flush=True))\n"
    )
    folder = project.folder.parent / "modules"
    folder.mkdir()
    here = Path(__file__).parent
    (folder / "conftest_docker.py").write_text((here / "conftest.py").read_text())
    (folder / "conftest_images.py").write_text((here.parents[1] / "conftest.py").read_text())
    other = subprocess.Popen(
        [sys.executable, "-c", code, folder, project.folder, home, image_name],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "Started\n"
    built = builder.build(plan)
    assert other.wait(timeout=30) == 0
    assert not built.rebuilt
    (waited,) = builder.of(Waiting)
    assert waited.pid == other.pid
    assert [event.reason for event in builder.of(Skipped)] == ["built by another process meanwhile"]


def test_an_engine_that_stops_during_a_build(
    project: Any, own_engine: Any, builder_at: Any, tmp_path: Path
) -> None:
    builder = builder_at(tmp_path / "home", **own_engine.environ)
    project.write("Dockerfile", f"FROM {BASE}\nRUN echo so far; sleep 315\n")
    threading.Timer(2, own_engine.stop).start()
    began = time.monotonic()
    error = failure(builder, project.plan("liminal-tests/stopped", type="dockerfile"))
    assert time.monotonic() - began < 15
    assert error.message.startswith('image "liminal-tests/stopped": ')
