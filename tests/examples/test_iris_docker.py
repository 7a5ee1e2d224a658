"""examples/iris by the command line: the same result as processes and as containers."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

from liminal.images.engines.docker.client import EngineProblem, connected

EXAMPLE = Path(__file__).parents[2] / "examples" / "iris"
LIMINAL = Path(sys.executable).parent / "liminal"
BASE = "python:3.11-slim"
PREFIX = f"liminal-tests-{os.environ.get('PYTEST_XDIST_WORKER', 'one')}-iris/"
PATIENCE_SECONDS = 300


@dataclass(frozen=True)
class Result:
    """What came of the example on one engine."""

    project: Path
    trained: str
    validated: str
    answers: list[float]
    served: str

    @property
    def models(self) -> Path:
        return self.project / "models"

    @property
    def production(self) -> str:
        return (self.models / "production").read_text().strip()


@pytest.fixture(scope="module")
def with_docker(require: Callable[[str, str], NoReturn]) -> Iterator[None]:
    """An engine with the base image; of what this file builds there nothing stays."""
    try:
        with connected(os.environ) as client:
            if not client.images.list(BASE):
                require("docker", f"there is no image {BASE}; tests/engine/start makes it")
            yield
            for image in client.images.list(filters={"reference": f"{PREFIX}*"}):
                for tag in image.tags:
                    if tag.startswith(PREFIX):
                        client.images.remove(tag, force=True)
    except EngineProblem as problem:
        require("docker", problem.message)


@pytest.fixture(scope="module")
def results(with_docker: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Result]:
    """Engine -> what came of it."""
    made = {}
    for engine in ("local", "docker"):
        folder = tmp_path_factory.mktemp(engine)
        made[engine] = whole_example(engine, folder / "iris", folder / "home")
    return made


def whole_example(engine: str, project: Path, home: Path) -> Result:
    """Built, trained, validated and asked, each by its command."""
    ignored = shutil.ignore_patterns("models", "__pycache__")
    shutil.copytree(EXAMPLE, project, ignore=ignored)
    file = project / "liminal.yml"
    image = f"{PREFIX}iris"
    text = file.read_text().replace("image: iris\n", f"image: {image}\n")
    # Only the slim image of this version is where the tests run.
    file.write_text(text.replace("    source: .\n", "    source: .\n    python_version: '3.11'\n"))
    environ = {**os.environ, "LIMINAL_HOME": str(home)}
    for name in ("MODEL_STORE", "MIN_ACCURACY", "LIMINAL_ENGINE"):
        environ.pop(name, None)

    def liminal(*words: str) -> str:
        command = [str(LIMINAL), *words, "--engine", engine]
        done = subprocess.run(command, cwd=project, env=environ, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    assert f"{image} | built in " in liminal("build")
    ran = liminal("run")
    assert f"{image} | built in " not in ran
    answers, served = asked([str(LIMINAL), "serve", "--engine", engine], project, environ)
    trained = re.search(r"saved candidate (\S+)", ran)
    validated = re.search(r"promoted (\S+): its accuracy on held-out rows is \S+", ran)
    assert trained is not None, ran
    assert validated is not None, ran
    return Result(project, trained[1], validated[0], answers, served)


def asked(command: list[str], project: Path, environ: dict[str, str]) -> tuple[list[float], str]:
    """The service's answers for three flowers, and the version that gave them."""
    process = subprocess.Popen(
        [*command, "--port", "0"],
        cwd=project,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    timer = threading.Timer(PATIENCE_SECONDS, process.kill)
    timer.start()
    said = []
    try:
        for line in process.stdout or ():
            said.append(line)
            if " answers on " in line:
                break
        assert said, "it said nothing"
        assert " answers on " in said[-1], "".join(said)
        url = said[-1].split(" answers on ")[1].split(";")[0].strip()
        found = [posted(f"{url}/predict", {"petal_width": width}) for width in (0.2, 1.6, 2.1)]
        process.send_signal(signal.SIGINT)
        rest = process.communicate(timeout=PATIENCE_SECONDS)[0]
        assert process.returncode == 0, "".join(said) + rest
    finally:
        timer.cancel()
        if process.poll() is None:
            process.kill()
            process.communicate()
    (version,) = {str(one["model_version"]) for one in found}
    return [float(str(one["probability"])) for one in found], version


def posted(url: str, body: object) -> dict[str, object]:
    with urllib.request.urlopen(url, data=json.dumps(body).encode(), timeout=60) as answer:
        found: dict[str, object] = json.load(answer)
        return found


def test_both_engines_promote_a_model_of_the_same_accuracy(results: dict[str, Result]) -> None:
    local, docker = results["local"], results["docker"]
    for result in (local, docker):
        assert result.validated.startswith(f"promoted {result.trained}: ")
        assert result.production == result.trained
        assert [one.stem for one in (result.models / "candidates").iterdir()] == [result.trained]
    said = [result.validated.replace(result.trained, "MODEL") for result in (local, docker)]
    assert said[0] == said[1]


def test_both_engines_answer_with_the_promoted_model_and_the_same_numbers(
    results: dict[str, Result],
) -> None:
    local, docker = results["local"], results["docker"]
    assert (local.served, docker.served) == (local.production, docker.production)
    assert docker.answers == pytest.approx(local.answers)
    assert local.answers == sorted(local.answers)
    assert local.answers[0] < 0.1 < 0.8 < local.answers[2]


def test_the_models_belong_to_the_user_on_both_engines(results: dict[str, Result]) -> None:
    for result in results.values():
        made = [result.models, *result.models.rglob("*")]
        assert {(one.stat().st_uid, one.stat().st_gid) for one in made} == {
            (os.getuid(), os.getgid())
        }
