"""Projects, wheels and engines for the tests of images: all of them real."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from liminal.home import Home
from liminal.images.engines.local import LocalEngine, LocalImage
from liminal.images.events import BuildEvent, Step
from liminal.images.python import Python
from liminal.images.python_server import PythonServer
from liminal.images.recipe import ImagePlan
from liminal.model import Endpoint, Image
from liminal.origin import Origin
from liminal.plugins import Plugins

PLUGINS = Plugins(
    {"liminal.images": {"python": lambda: Python, "python_server": lambda: PythonServer}}
)


def wheel_bytes(name: str, version: str = "1.0", command: bool = False) -> bytes:
    """A wheel with one module, and a command of its name where that is wanted."""
    content = io.BytesIO()
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": f"VERSION = {version!r}\n\n\ndef main():\n    print({name!r}, VERSION)\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if command:
        files[f"{info}/entry_points.txt"] = f"[console_scripts]\n{name} = {name}:main\n"
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(content, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return content.getvalue()


# A build backend that needs nothing from an index.
BACKEND = """
import os, pathlib, time, zipfile

def build_wheel(folder, config_settings=None, metadata_directory=None):
    marker = os.environ.get("TEST_BUILD_MARKER")
    if marker:
        pathlib.Path(marker).write_text("begun")
        time.sleep(float(os.environ["TEST_BUILD_SECONDS"]))
    pathlib.Path("built-here").write_text("x")
    info = "{name}-1.0.dist-info"
    with zipfile.ZipFile(pathlib.Path(folder, "{name}-1.0-py3-none-any.whl"), "w") as archive:
        archive.write("{name}.py")
        archive.writestr(
            info + "/METADATA", "Metadata-Version: 2.1\\nName: {name}\\nVersion: 1.0\\n"
        )
        archive.writestr(
            info + "/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
        )
        archive.writestr(info + "/RECORD", "")
    return "{name}-1.0-py3-none-any.whl"

build_editable = build_wheel
"""


@dataclass
class Project:
    """An application's folder."""

    folder: Path

    def write(self, path: str, content: str | bytes = "") -> Path:
        """A file in it."""
        place = self.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        data = textwrap.dedent(content).encode() if isinstance(content, str) else content
        place.write_bytes(data)
        return place

    def package(self, path: str, name: str) -> None:
        """A folder with a package that installs without an index."""
        self.write(
            f"{path}/pyproject.toml",
            f"""\
            [project]
            name = "{name}"
            version = "1.0"
            [build-system]
            requires = []
            build-backend = "backend"
            backend-path = ["."]
            """,
        )
        self.write(f"{path}/backend.py", BACKEND.replace("{name}", name))
        self.write(f"{path}/{name}.py", "VALUE = 1\n")

    def endpoints(self, *given: tuple[str, str, str]) -> tuple[Endpoint, ...]:
        """Endpoints, each of path, module and function."""
        return tuple(
            Endpoint(
                path=path,
                module=module,
                function=function,
                methods=("GET", "POST"),
                batch=None,
                origin=Origin("liminal.yml", 1, 1),
            )
            for path, module, function in given
        )

    def image(self, name: str = "tiny", **keys: Any) -> Image:
        """An image of it."""
        given = {"type": "python", "source": ".", **keys}
        return Image(
            name=name, folder=str(self.folder), origin=Origin("liminal.yml", 1, 1), **given
        )

    def plan(self, name: str = "tiny", **keys: Any) -> ImagePlan:
        """The same, for an engine."""
        return ImagePlan(app="app", image=self.image(name, **keys))


@dataclass
class Builder:
    """An engine with the events of its last build."""

    engine: LocalEngine
    events: list[BuildEvent] = field(default_factory=list)

    @property
    def home(self) -> Path:
        return self.engine.home.path

    def build(self, plan: ImagePlan) -> LocalImage:
        self.events.clear()
        return self.engine.build(plan, self.events.append)

    def find(self, name: str) -> LocalImage | None:
        """What the name stands for."""
        store = self.engine.store
        current = store.current(name)
        return None if current is None else store.read(name, current)

    def of(self, kind: type[BuildEvent]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def steps(self) -> list[str]:
        return [event.name for event in self.events if isinstance(event, Step)]

    def environments(self) -> list[str]:
        folder = self.home / "environments"
        return sorted(path.name for path in folder.iterdir() if path.is_dir())


def engine_at(home: Path, **environ: str) -> Builder:
    given = {**os.environ, **environ}
    return Builder(LocalEngine(home=Home(home), environ=given, plugins=PLUGINS))


def run_in(image: LocalImage, code: str) -> str:
    """What the code prints in the image."""
    paths = [str(image.source), *([str(image.site)] if image.site else [])]
    return subprocess.run(
        [image.environment / "bin/python", "-c", textwrap.dedent(code)],
        cwd=image.source,
        env={**os.environ, **image.env_vars, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


BUILD = """
import os, sys
sys.path.insert(0, sys.argv[1])
import conftest_of_images as it
from pathlib import Path
project = it.Project(Path(sys.argv[2]))
builder = it.engine_at(Path(sys.argv[3]))
built = builder.engine.build(
    project.plan(**eval(sys.argv[4])), lambda event: print(event, flush=True)
)
print("BUILT", built.hash, built.rebuilt, flush=True)
"""


@pytest.fixture(scope="session")
def build_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Starts a build in a process of its own."""
    folder = tmp_path_factory.mktemp("modules")
    (folder / "conftest_of_images.py").write_text(Path(__file__).read_text())
    started: list[subprocess.Popen[str]] = []

    def start(
        project: Project, home: Path, *, wrapper: str = "", keys: Any = None, **environ: str
    ) -> Any:
        code = f"{wrapper}\n{BUILD}"
        root = os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                code,
                str(folder),
                str(project.folder),
                str(home),
                repr(keys or {}),
            ],
            env={**os.environ, "PYTHONPATH": root, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project without requirements."""
    made = Project(tmp_path / "project")
    made.write("main.py", "print('main')\n")
    return made


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of the package `tinything`, with a command of its name."""
    path = tmp_path_factory.mktemp("wheels") / "tinything-1.0-py3-none-any.whl"
    path.write_bytes(wheel_bytes("tinything", command=True))
    return path


@pytest.fixture(scope="session")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LIMINAL_HOME for tests that need none of their own."""
    return tmp_path_factory.mktemp("shared") / "home"


@pytest.fixture
def shared(shared_home: Path) -> Builder:
    """An engine in the shared home."""
    return engine_at(shared_home)


@pytest.fixture
def own(tmp_path: Path) -> Builder:
    """An engine in a home of its own."""
    return engine_at(tmp_path / "home")


@pytest.fixture(name="engine_at")
def _engine_at() -> Any:
    """Makes an engine in a home, with environment variables on top of this process's."""
    return engine_at


@pytest.fixture(name="run_in")
def _run_in() -> Any:
    """Runs Python code in an image."""
    return run_in


@pytest.fixture(name="wheel_bytes")
def _wheel_bytes() -> Any:
    """Makes a wheel."""
    return wheel_bytes
