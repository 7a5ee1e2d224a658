import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import docker_parts
import runner_plans


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment, as the engine local makes one for an image."""
    folder = tmp_path_factory.mktemp("environment") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    return folder


@pytest.fixture
def bench(tmp_path: Path, environment: Path) -> runner_plans.Bench:
    return runner_plans.bench(tmp_path, environment)


@pytest.fixture(scope="session")
def docker_engine(require: docker_parts.Require) -> Iterator[None]:
    """A Docker engine; of what this process builds there nothing stays."""
    docker_parts.find_engine(require)
    yield
    docker_parts.remove_images()


@pytest.fixture(scope="session")
def reference(docker_engine: None, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image that Liminal's docker engine built, with what `bench` has at its source."""
    folder = tmp_path_factory.mktemp("image") / "project"
    return docker_parts.build(folder, "img", runner_plans.SOURCE)


@pytest.fixture(params=["local", "docker"])
def any_bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[runner_plans.Bench]:
    """The same pipelines give the same results on each engine."""
    environment = request.getfixturevalue("environment")
    if request.param == "local":
        yield runner_plans.bench(tmp_path, environment)
        return
    reference = request.getfixturevalue("reference")
    bench = runner_plans.bench(tmp_path, environment, reference=reference)
    yield bench
    left = docker_parts.containers(bench.machine.home.path)
    docker_parts.remove_all(bench.machine.home.path)
    assert left == []


@pytest.fixture
def docker_bench(tmp_path: Path, environment: Path, reference: str) -> Iterator[runner_plans.Bench]:
    """The machine with a Docker engine; nothing of a test may stay there."""
    bench = runner_plans.bench(tmp_path, environment, reference=reference)
    yield bench
    left = docker_parts.containers(bench.machine.home.path)
    docker_parts.remove_all(bench.machine.home.path)
    assert left == []
