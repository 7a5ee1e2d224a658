"""The engine docker: what it builds, what it leaves as it is, what it says."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from uv import find_uv_bin

from liminal.errors import BuildError, Interrupted
from liminal.images.events import Finished, Note, Skipped, Warning

PYTHON = "3.11"
BASE = f"python:{PYTHON}-slim"


PROJECT = """\
[project]
name = "app"
version = "1"
requires-python = ">=3.11"
dependencies = ["{}"]
"""


def requires_tinything(project: Any, wheel: Path) -> None:
    """Requirements that need no index."""
    project.write("wheels/tinything-1.0-py3-none-any.whl", wheel.read_bytes())
    project.write("requirements.txt", "./wheels/tinything-1.0-py3-none-any.whl\n")


def test_an_image_is_what_the_best_author_of_dockerfiles_would_make(
    builder: Any, project: Any, wheel: Path, image_name: str
) -> None:
    requires_tinything(project, wheel)
    project.write("tool.sh", "#!/bin/sh\necho tool\n").chmod(0o700)
    built = builder.build(
        project.plan(image_name, python_version=PYTHON, env_vars={"QUOTED": 'a "b" $HOME \\ é'})
    )
    assert built.rebuilt
    assert isinstance(builder.events[-1], Finished)
    found = builder.run(
        built,
        "pwd; id -u; id -g; python main.py; ./tool.sh; python -c 'import tinything, sys;"
        "print(tinything.__cached__, sys.prefix)'; echo $QUOTED; echo $PYTHONUNBUFFERED",
    ).splitlines()
    assert found == [
        "/app", "10001", "0", "main", "tool",
        "/opt/venv/lib/python3.11/site-packages/__pycache__/tinything.cpython-311.pyc /opt/venv",
        'a "b" $HOME \\ é', "1",
    ]  # fmt: skip
    # Bytecode is there, and what only installing needs is not.
    builder.run(
        built,
        "test -f /opt/venv/lib/python3.11/site-packages/__pycache__/tinything.cpython-311.pyc"
        " && test -f /app/__pycache__/main.cpython-311.pyc"
        " && ! test -e /opt/uv && ! test -e /tmp/install && ! test -e /opt/venv/bin/pip"
        ' && test -z "$(ls /var/cache/liminal 2>/dev/null)" && ! test -e /root/.cache',
    )
    labels = builder.client.images.get(built.reference).labels
    assert labels["liminal.app"] == "app"
    assert labels["liminal.source-hash"] == built.hash
    assert labels["org.opencontainers.image.base.name"] == BASE
    assert labels["org.opencontainers.image.base.digest"].startswith("sha256:")
    assert labels["org.opencontainers.image.title"] == image_name
    assert built.reference == f"{image_name}:{built.hash}"
    assert builder.id_of(image_name) == builder.id_of(built.reference) == built.id


def test_the_init_forwards_signals_to_all_that_a_command_started(
    builder: Any, project: Any, image_name: str
) -> None:
    built = builder.build(project.plan(image_name, python_version=PYTHON))
    command = "trap 'echo got it; exit 3' TERM; sleep 1000 & wait"
    container = builder.client.containers.run(
        built.reference, ["/bin/sh", "-c", command], detach=True
    )
    try:
        time.sleep(0.3)
        container.kill("SIGTERM")
        assert container.wait(timeout=10)["StatusCode"] == 3
        assert container.logs() == b"got it\n"
    finally:
        container.remove(force=True)


def test_whoever_runs_it_may_write_to_its_source_and_home(
    builder: Any, project: Any, image_name: str
) -> None:
    project.write("folder/data.txt", "1")
    built = builder.build(project.plan(image_name, python_version=PYTHON))
    found = builder.run(
        built,
        "echo 2 > folder/data.txt; touch folder/new ~/new; cat folder/data.txt",
        user="4321:4321",
        group_add=["0"],
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
    )
    assert found == "2"


def test_nothing_is_built_that_did_not_change(builder: Any, project: Any, image_name: str) -> None:
    plan = project.plan(image_name, python_version=PYTHON)
    first = builder.build(plan)
    again = builder.build(plan)
    assert [event.reason for event in builder.of(Skipped)] == ["nothing changed"]
    assert (again.id, again.rebuilt) == (first.id, False)
    project.write("main.py", "print('other')\n")
    other = builder.build(plan)
    assert other.hash != first.hash
    project.write("main.py", "print('main')\n")
    back = builder.build(plan)
    assert (back.id, back.rebuilt) == (first.id, False)
    assert builder.id_of(image_name) == first.id  # the name stands for it again


def test_somebody_elses_image_under_the_name_gives_way(
    builder: Any, project: Any, image_name: str
) -> None:
    plan = project.plan(image_name, python_version=PYTHON)
    built = builder.build(plan)
    builder.client.images.get(BASE).tag(image_name, "latest")
    assert builder.build(plan).id == built.id
    assert builder.id_of(image_name) == built.id


def test_a_change_to_the_source_installs_nothing(
    builder: Any, project: Any, wheel: Path, image_name: str
) -> None:
    requires_tinything(project, wheel)
    plan = project.plan(image_name, python_version=PYTHON)
    first = builder.build(plan)
    project.write("main.py", "print('changed')\n")
    second = builder.build(plan)
    assert not {"installing the requirements", "getting the installer"} & set(builder.steps())
    assert builder.venv_layer(second) == builder.venv_layer(first)
    before, after = builder.layers(first), builder.layers(second)
    # The same layers but for the last two: the source, and its bytecode.
    assert len(before) == len(after)
    assert [one == other for one, other in zip(before, after, strict=True)].count(False) == 2
    assert builder.run(second, "python main.py") == "changed"


def test_the_same_source_gives_the_same_image_whoever_has_it_and_since_when(
    builder: Any, project: Any, image_name: str, tmp_path: Path
) -> None:
    project.write("script.py", "print(1)\n").chmod(0o600)
    first = builder.build(project.plan(image_name, python_version=PYTHON))
    other = type(project)(tmp_path / "elsewhere")
    for path in sorted(project.folder.iterdir()):
        copy = other.write(path.name, path.read_bytes())
        copy.chmod(0o664)
        os.utime(copy, (1_000_000_000, 1_000_000_000))
    builder.client.images.remove(first.reference)
    builder.client.images.remove(image_name)
    second = builder.build(other.plan(image_name, python_version=PYTHON))
    assert second.rebuilt
    assert (second.hash, second.id) == (first.hash, first.id)


def test_changed_requirements_are_installed(
    builder: Any, project: Any, wheel: Path, image_name: str
) -> None:
    project.write("requirements.txt", "# nothing yet\n")
    plan = project.plan(image_name, python_version=PYTHON)
    first = builder.build(plan)
    requires_tinything(project, wheel)
    second = builder.build(plan)
    assert second.hash != first.hash
    assert builder.run(second, "tinything") == "tinything 1.0"


def test_f23_another_base_image_under_the_same_name_is_built_upon(
    builder: Any, project: Any, image_name: str
) -> None:
    base = f"{image_name}-base"
    builder.client.images.get(BASE).tag(base, "latest")
    plan = project.plan(image_name, base_image=base)
    first = builder.build(plan)
    assert not builder.build(plan).rebuilt
    context = project.folder.parent / "base"
    context.mkdir()
    (context / "Dockerfile").write_text(f"FROM {BASE}\nRUN echo new > /new\n")
    builder.client.images.build(path=str(context), tag=base, rm=True)
    second = builder.build(plan)
    assert second.rebuilt
    assert second.hash != first.hash
    assert builder.run(second, "cat /new") == "new"


def test_an_image_for_another_platform_is_another_image(
    builder: Any, builder_at: Any, project: Any, image_name: str
) -> None:
    plan = project.plan(image_name, python_version=PYTHON)
    builder.build(plan)
    version = builder.client.version()
    for platform, same in ((f"{version['Os']}/{version['Arch']}", True), ("linux/s390x", False)):
        other = builder_at(builder.engine.home.path, DOCKER_DEFAULT_PLATFORM=platform).engine
        assert (other.unchanged(other.read(plan)) is not None) is same


def test_an_image_stays_when_its_base_was_removed(
    builder: Any, project: Any, image_name: str
) -> None:
    base = f"{image_name}-base"
    builder.client.images.get(BASE).tag(base, "latest")
    plan = project.plan(image_name, base_image=base)
    builder.build(plan)
    builder.client.images.remove(base)
    assert not builder.build(plan).rebuilt


def test_f23_packages_of_one_index_are_not_taken_for_those_of_another(
    builder: Any, project: Any, wheel: Path, image_name: str
) -> None:
    requires_tinything(project, wheel)
    conf = project.write("../pip.conf", "[global]\ntimeout = 17\n")
    plan = project.plan(image_name, python_version=PYTHON, pip_conf=str(conf))
    first = builder.build(plan)
    project.write("main.py", "print('changed')\n")
    second = builder.build(plan)
    assert builder.venv_layer(second) == builder.venv_layer(first)
    conf.write_text("[install]\nprefer-binary = true\n")
    third = builder.build(plan)
    assert builder.venv_layer(third) != builder.venv_layer(first)


def test_no_cache_makes_everything_again(
    builder: Any, project: Any, wheel: Path, image_name: str
) -> None:
    requires_tinything(project, wheel)
    layer = builder.venv_layer(builder.build(project.plan(image_name, python_version=PYTHON)))
    built = builder.build(project.plan(image_name, python_version=PYTHON, no_cache=True))
    assert built.rebuilt
    assert builder.venv_layer(built) != layer


@pytest.mark.parametrize("form", ["pyproject", "lock", "folder"])
def test_requirements_in_all_their_forms(
    builder: Any, project: Any, image_name: str, form: str
) -> None:
    project.package("libs/own", "own")
    if form == "folder":
        project.write("requirements.txt", "-r more/other.txt\n")
        project.write("more/other.txt", "-e ./libs/own\n")
    else:
        needed = "own" if form == "lock" else "six==1.17.0"
        project.write("pyproject.toml", PROJECT.format(needed))
    if form == "lock":
        with (project.folder / "pyproject.toml").open("a") as file:
            file.write('[tool.uv.sources]\nown = {path = "libs/own"}\n')
        subprocess.run([find_uv_bin(), "lock"], cwd=project.folder, check=True, capture_output=True)
    built = builder.build(project.plan(image_name, python_version=PYTHON))
    module = "six" if form == "pyproject" else "own"
    assert (
        builder.run(built, f"cd /; python -c 'import {module}; print({module}.__name__)'") == module
    )
    assert not (project.folder / "libs/own/built-here").exists()


def test_pip_lists_the_dependencies_of_a_pyproject(
    builder: Any, project: Any, image_name: str
) -> None:
    project.write("pyproject.toml", PROJECT.format("six==1.17.0"))
    conf = project.write("../pip.conf", "[global]\ntimeout = 17\n")
    built = builder.build(project.plan(image_name, python_version=PYTHON, pip_conf=str(conf)))
    assert builder.run(built, "python -c 'import six; print(six.__version__)'") == "1.17.0"


def test_system_packages_are_in_the_image_and_build_packages_are_not(
    builder: Any, project: Any, image_name: str
) -> None:
    built = builder.build(
        project.plan(
            image_name,
            python_version=PYTHON,
            system_packages=("libgomp1",),
            build_packages=("file",),
        )
    )
    found = builder.run(built, "ls /usr/lib/*/libgomp.so.1; command -v file || echo no file")
    assert found.splitlines()[0].endswith("libgomp.so.1")
    assert found.splitlines()[1] == "no file"
    assert builder.run(built, "find /var/lib/apt/lists /var/cache/apt -type f | head") == ""


def test_build_cmd_runs_in_the_image_with_pip_and_what_it_makes_stays(
    builder: Any, project: Any, wheel: Path, image_name: str
) -> None:
    project.write("wheels/tinything-1.0-py3-none-any.whl", wheel.read_bytes())
    command = "pip install -q wheels/*.whl && tinything > made.txt && echo x > ~/made # so"
    built = builder.build(project.plan(image_name, python_version=PYTHON, build_cmd=command))
    assert "running build_cmd" in builder.steps()
    found = builder.run(built, "cat made.txt ~/made; tinything; echo y >> made.txt")
    assert found.splitlines() == ["tinything 1.0", "x", "tinything 1.0"]


def test_a_dockerfile_of_the_users_own(builder: Any, project: Any, image_name: str) -> None:
    token = project.write("../token", "hush-hush")
    project.write(
        "docker/mine.Dockerfile",
        f"""\
        FROM {BASE}
        RUN --mount=type=secret,id=token test "$(cat /run/secrets/token)" = hush-hush
        COPY main.py /somewhere/
        CMD ["python", "/somewhere/main.py"]
        """,
    )
    plan = project.plan(
        image_name,
        type="dockerfile",
        dockerfile="docker/mine.Dockerfile",
        build_secrets={"token": str(token)},
    )
    built = builder.build(plan)
    assert builder.client.containers.run(built.reference, remove=True) == b"main\n"
    assert not builder.build(plan).rebuilt
    project.write(".dockerignore", "docker\n")
    with pytest.raises(BuildError, match="is left out of the build"):
        builder.build(plan)


def test_a_server_image_serves_by_itself_and_its_functions_are_tried(
    builder: Any, project: Any, image_name: str
) -> None:
    endpoints = project.endpoints(("/predict", "serving", "predict"))
    project.write("serving.py", "def predict(body): return {'got': body}\n")
    plan = project.plan(
        image_name, type="python_server", python_version=PYTHON, endpoints=endpoints
    )
    built = builder.build(plan)
    assert "trying the functions" in builder.steps()
    container = builder.client.containers.run(built.reference, detach=True)
    code = (
        "import urllib.request as u, time\n"
        "for _ in range(100):\n"
        "    try: print(u.urlopen('http://127.0.0.1:8080/predict', b'hi').read().decode()); break\n"
        "    except OSError: time.sleep(0.1)\n"
    )
    try:
        done = container.exec_run(["python", "-c", code])
        assert json.loads(done.output) == {"got": "hi"}
        container.stop(timeout=10)
        assert container.wait()["StatusCode"] == 0
    finally:
        container.remove(force=True)


def test_an_endpoint_that_does_not_import_is_found_right_after_the_build(
    builder: Any, project: Any, image_name: str
) -> None:
    endpoints = project.endpoints(("/predict", "serving", "predict"))
    keys = {"type": "python_server", "python_version": PYTHON, "endpoints": endpoints}
    project.write("serving.py", "def predict(body): ...\n")
    good = builder.build(project.plan(image_name, **keys))
    for code, words in (
        ("import not_installed\n", "No module named 'not_installed'"),
        ("def other(body): ...\n", 'has no function "predict"'),
        ("def predict(a, b, c): ...\n", "predict"),
    ):
        project.write("serving.py", code)
        with pytest.raises(BuildError) as found:
            builder.build(project.plan(image_name, **keys))
        assert words in found.value.message
        assert builder.id_of(image_name) == good.id
    # What only its surroundings can mend is no error: there is no model yet.
    project.write("serving.py", "MODEL = open('model')\ndef predict(body): ...\n")
    assert builder.build(project.plan(image_name, **keys)).rebuilt
    (warned,) = builder.of(Warning)
    assert "could not be tried" in warned.message
    assert "FileNotFoundError" in warned.message


def test_trying_the_functions_can_be_interrupted(
    builder: Any, project: Any, image_name: str
) -> None:
    project.write("serving.py", "import time; time.sleep(60)\n")
    endpoints = project.endpoints(("/predict", "serving", "predict"))
    plan = project.plan(
        image_name, type="python_server", python_version=PYTHON, endpoints=endpoints
    )
    app = f"of-{image_name}"

    def tried() -> list[Any]:
        return list(builder.client.containers.list(filters={"label": f"liminal.app={app}"}))

    def cancel() -> None:
        while not tried():
            time.sleep(0.1)
        builder.engine.cancel()

    threading.Thread(target=cancel, daemon=True).start()
    with pytest.raises(Interrupted):
        builder.build(replace(plan, app=app))
    assert not tried()
    assert builder.id_of(image_name) is None


def test_f21_the_dockerignore_is_honoured_and_cannot_drop_what_is_ours(
    builder: Any, project: Any, image_name: str
) -> None:
    project.write("requirements.txt", "")
    project.write("data/big.csv", "x")
    project.write("data/keep.csv", "x")
    project.write(".env", "SECRET=1")
    project.write(".dockerignore", "*\r\n!data\r\ndata/*\r\n!data/keep.csv\r\n# comment\r\n")
    built = builder.build(project.plan(image_name, python_version=PYTHON))
    assert builder.run(built, "find . -type f").splitlines() == ["./data/keep.csv"]


def test_odd_files_of_a_source(builder: Any, project: Any, image_name: str) -> None:
    import socket

    project.write("broken-target", "")
    (project.folder / "link").symlink_to("main.py")
    (project.folder / "dangling").symlink_to("nowhere")
    (project.folder / "folder").mkdir()
    (project.folder / "folder" / "up").symlink_to("../main.py")
    os.mkfifo(project.folder / "fifo")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(os.path.relpath(project.folder / "socket"))
    with (project.folder / "huge").open("wb") as huge:
        huge.truncate(210_000_000)
    project.write("umlaut-ä.txt", "ä")
    built = builder.build(project.plan(image_name, python_version=PYTHON))
    listener.close()
    told = [event.message for event in builder.of(Warning)]
    assert [line for line in told if "no regular file" in line] == [
        '"fifo" is no regular file, and is left out',
        '"socket" is no regular file, and is left out',
    ]
    assert any("210 MB" in line and '"huge"' in line for line in told)
    found = builder.run(
        built, "readlink link dangling folder/up; cat umlaut-ä.txt; stat -c %s huge"
    )
    assert found.splitlines()[:3] == ["main.py", "nowhere", "../main.py"]
    assert found.splitlines()[3] == "ä210000000"


def test_variables_that_lead_to_this_machines_disk_are_told(
    builder: Any, project: Any, image_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write("requirements.txt", "")
    other = builder.engine.environ | {"PIP_FIND_LINKS": "/opt/wheels", "UV_CONSTRAINT": "x.txt"}
    object.__setattr__(builder.engine, "environ", other)
    builder.build(project.plan(image_name, python_version=PYTHON))
    notes = [event.message.split()[0] for event in builder.of(Note)]
    assert notes == ["PIP_FIND_LINKS", "UV_CONSTRAINT"]
