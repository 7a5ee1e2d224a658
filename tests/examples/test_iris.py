"""examples/iris is a plain project that works alone: its store, its training and its serving.

What needs a store runs twice: on a folder, and on S3 spoken over HTTP to moto's server.
"""

import importlib
import logging
import math
import os
import pickle
import re
import resource
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
import skops.io
import yaml
from moto.server import ThreadedMotoServer
from sklearn.linear_model import LogisticRegression

EXAMPLE = Path(__file__).parents[2] / "examples" / "iris"
BUCKET = "iris-models"


@pytest.fixture(autouse=True)
def no_bytecode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.delenv("MODEL_STORE", raising=False)
    monkeypatch.delenv("MIN_ACCURACY", raising=False)


@pytest.fixture
def iris(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The example's modules, imported anew."""
    names = ["model_store", "serving", "training"]
    monkeypatch.syspath_prepend(str(EXAMPLE))
    for name in names:
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield SimpleNamespace(**{name: importlib.import_module(name) for name in names})
    for name in names:
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The URL of a bucket on an S3 server of this machine."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        environment.setenv("AWS_ACCESS_KEY_ID", "test")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "test")
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        environment.setenv("NO_PROXY", "127.0.0.1")
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        yield f"s3://{BUCKET}"
    server.stop()


@pytest.fixture
def folder_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """MODEL_STORE, a folder that is not there yet."""
    url = str(tmp_path / "store")
    monkeypatch.setenv("MODEL_STORE", url)
    return url


@pytest.fixture(params=["folder", "s3"])
def url(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """MODEL_STORE, an empty store of each kind."""
    if request.param == "folder":
        return str(request.getfixturevalue("folder_url"))
    url = f"{request.getfixturevalue('s3')}/{uuid.uuid4().hex}"
    monkeypatch.setenv("MODEL_STORE", url)
    return url


def model_that_says(probability: float) -> LogisticRegression:
    """A model that answers every flower with the odds of this probability."""
    model = LogisticRegression().fit([[0], [1]], [False, True])
    model.coef_[:] = 0
    model.intercept_[:] = -math.log(1 / probability - 1)
    return model


def training(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(EXAMPLE / "training.py"), *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


def example_script(text: str, *arguments: str, **options: Any) -> "subprocess.Popen[str]":
    """A process that can import the example's modules."""
    return subprocess.Popen(
        [sys.executable, "-c", text, *arguments],
        env={**os.environ, "PYTHONPATH": str(EXAMPLE)},
        stdout=subprocess.PIPE,
        text=True,
        **options,
    )


# The store


def test_empty_store_has_no_versions(iris: Any, url: str) -> None:
    store = iris.model_store.ModelStore()
    assert store.newest_candidate() is None
    assert store.production() is None


def test_newest_candidate_is_the_last_one_saved(iris: Any, url: str) -> None:
    saved = [iris.model_store.ModelStore().save(model_that_says(0.5)) for _ in range(12)]
    store = iris.model_store.ModelStore()
    assert saved == sorted(set(saved))
    assert store.newest_candidate() == saved[-1]
    assert store.production() is None


def test_candidate_of_another_process_is_seen(iris: Any, s3: str) -> None:
    folder = uuid.uuid4().hex
    store = iris.model_store.ModelStore(f"{s3}/{folder}")
    version = store.save(model_that_says(0.5))
    assert store.newest_candidate() == version
    key = f"{folder}/candidates/{version}.skops"
    new = f"{folder}/candidates/00000002-00000000.skops"
    boto3.client("s3").copy({"Bucket": BUCKET, "Key": key}, BUCKET, new)
    assert store.newest_candidate() == "00000002-00000000"


def test_promotion_names_the_version_in_production(iris: Any, url: str) -> None:
    reader, writer = iris.model_store.ModelStore(), iris.model_store.ModelStore()
    first, second = (writer.save(model_that_says(odds)) for odds in (0.25, 0.75))
    for version, odds in [(first, 0.25), (second, 0.75), (first, 0.25)]:
        writer.promote(version)
        assert reader.production() == version
        assert reader.load(version).predict_proba([[1]])[0, 1] == pytest.approx(odds)
    assert reader.newest_candidate() == second


def test_only_a_candidate_can_be_promoted(iris: Any, url: str) -> None:
    store = iris.model_store.ModelStore()
    version = store.save(model_that_says(0.5))
    store.promote(version)
    for other in ["00000099-00000000", "../production", ""]:
        with pytest.raises(ValueError, match="there is no candidate"):
            store.promote(other)
    assert store.production() == version


def test_stray_files_are_no_versions(iris: Any, folder_url: str) -> None:
    store = iris.model_store.ModelStore()
    version = store.save(model_that_says(0.5))
    for name in [".DS_Store", "99999999-ffffffff.skops.0123.tmp", "zzz.skops", "99999999.skops"]:
        (Path(folder_url) / "candidates" / name).write_bytes(b"x")
    assert store.newest_candidate() == version


def test_failed_write_leaves_nothing(iris: Any, folder_url: str) -> None:
    store = iris.model_store.ModelStore()
    version = store.save(model_that_says(0.25))
    store.promote(version)
    before = sorted(Path(folder_url).rglob("*"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))  # like a disk that is full
    try:
        with pytest.raises(OSError, match="File too large"):
            store.save(model_that_says(0.75))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert sorted(Path(folder_url).rglob("*")) == before
    assert (store.newest_candidate(), store.production()) == (version, version)


CRASHES = """
import os, random, shutil, signal, sys, time
import numpy
from model_store import ModelStore

what, root = sys.argv[1:]
random.seed(0)
hits = 0
for attempt in range(400):
    folder = f"{root}/{attempt}"
    store = ModelStore(folder)
    pair = [store.save(numpy.full(500_000, mark)) for mark in (1, 2)]
    store.promote(pair[0])
    child = os.fork()
    if child == 0:
        while True:
            for version in pair:
                if what == "save":
                    store.save(numpy.full(500_000, 3))
                else:
                    store.promote(version)
    time.sleep(random.uniform(0.001, 0.03))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)

    left = [name for _, _, names in os.walk(folder) for name in names if name.endswith(".tmp")]
    hits += len(left)
    store = ModelStore(folder)
    assert store.production() in pair
    for name in os.listdir(f"{folder}/candidates"):
        if name.endswith(".skops"):
            marks = store.load(name[:-6])
            assert marks.shape == (500_000,) and len(set(marks)) == 1, name
    store.promote(store.save(numpy.full(500_000, 4)))
    assert store.load(store.production())[0] == 4
    shutil.rmtree(folder)
    if hits == 10:
        break
print(attempt + 1, hits)
"""


@pytest.mark.parametrize("what", ["save", "promote"])
def test_kill_in_the_middle_leaves_old_or_new(what: str, tmp_path: Path) -> None:
    process = example_script(CRASHES, what, str(tmp_path))
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    _kills, in_the_middle = map(int, output.split())
    assert in_the_middle == 10  # a temporary file shows that the kill came while it was written


WRITER = """
import sys
import numpy
from model_store import ModelStore

store = ModelStore()
print("ready", flush=True)
sys.stdin.readline()
for _ in range(20):
    print(store.save(numpy.full(50_000, int(sys.argv[1]))))
"""


def test_two_writers_at_once_never_mix(iris: Any, url: str) -> None:
    writers = [example_script(WRITER, mark, stdin=subprocess.PIPE) for mark in "12"]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    versions = [writer.communicate(timeout=120)[0].split() for writer in writers]

    store = iris.model_store.ModelStore()
    assert len(set(versions[0] + versions[1])) == 40
    assert store.newest_candidate() == max(versions[0] + versions[1])
    for mark, own in zip((1, 2), versions, strict=True):
        assert own == sorted(own)
        assert all(set(store.load(version)) == {mark} for version in own)


def test_reader_beside_promotions_always_finds_a_version(iris: Any, url: str) -> None:
    store = iris.model_store.ModelStore()
    versions = [store.save(model_that_says(odds)) for odds in (0.25, 0.75)]
    store.promote(versions[0])

    def read() -> set[str]:
        reader = iris.model_store.ModelStore()
        return {reader.production() for _ in range(200)}

    with ThreadPoolExecutor() as pool:
        reading = pool.submit(read)
        while not reading.done():
            for version in versions:
                store.promote(version)
        assert reading.result() <= set(versions)


class Stranger:
    """A type that no model is made of."""


def test_a_saved_model_cannot_bring_code(iris: Any, folder_url: str, tmp_path: Path) -> None:
    store = iris.model_store.ModelStore()
    file = Path(folder_url) / "candidates" / f"{store.save(model_that_says(0.5))}.skops"

    class Touch:
        def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
            return os.mkdir, (str(tmp_path / "executed"),)

    for content in [pickle.dumps(Touch()), skops.io.dumps(Stranger())]:
        file.write_bytes(content)
        with pytest.raises(Exception, match=r"not a zip file|Untrusted types"):
            store.load(file.stem)
    assert not (tmp_path / "executed").exists()


# The training


def test_trained_validated_and_served(iris: Any, url: str, tmp_path: Path) -> None:
    trained = training("train", cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr
    version = iris.model_store.ModelStore().newest_candidate()
    assert trained.stdout == f"saved candidate {version}\n"
    assert iris.serving.predict(iris.serving.Flower(2.1)) == (iris.serving.NO_MODEL, 503)

    validated = training("validate", cwd=tmp_path)
    assert validated.returncode == 0, validated.stderr
    assert validated.stdout.startswith(f"promoted {version}: ")
    iris.serving.CHECK_EVERY_SECONDS = 0
    answer = iris.serving.predict(iris.serving.Flower(2.1))
    assert answer["model_version"] == version
    assert 0.8 < answer["probability"] < 1
    assert iris.serving.predict(iris.serving.Flower(0.2))["probability"] < 0.1
    assert not (tmp_path / "models").exists()


def test_models_folder_is_the_default_store(tmp_path: Path) -> None:
    assert training("train", cwd=tmp_path, MODEL_STORE="").returncode == 0
    assert training("validate", cwd=tmp_path, MODEL_STORE="").returncode == 0
    (candidate,) = (tmp_path / "models" / "candidates").iterdir()
    assert (tmp_path / "models" / "production").read_text() == f"{candidate.stem}\n"


def test_below_the_threshold_exits_1_with_one_sentence(iris: Any, url: str, tmp_path: Path) -> None:
    store = iris.model_store.ModelStore()
    good = store.save(model_that_says(0.25))
    store.promote(good)
    iris.training.train(store)
    validated = training("validate", cwd=tmp_path, MIN_ACCURACY="1")
    assert validated.returncode == 1
    assert validated.stdout == ""
    assert re.fullmatch(
        rf"candidate {store.newest_candidate()} is not promoted: "
        r"its accuracy on held-out rows is 0\.\d{3}, less than 1\n",
        validated.stderr,
    )
    assert store.production() == good


@pytest.mark.parametrize("min_accuracy", [1.0, 1.5, float("inf"), float("nan")])
def test_production_stays_below_the_threshold(
    min_accuracy: float, iris: Any, folder_url: str
) -> None:
    store = iris.model_store.ModelStore()
    iris.training.train(store)
    iris.training.validate(store, 0.9)
    promoted = store.production()
    iris.training.train(store)
    with pytest.raises(SystemExit, match="is not promoted"):
        iris.training.validate(store, min_accuracy)
    assert store.production() == promoted != store.newest_candidate()


def test_accuracy_on_the_threshold_is_enough(iris: Any, folder_url: str) -> None:
    store = iris.model_store.ModelStore()
    iris.training.train(store)
    _, _, widths, answers = iris.training.iris_rows()
    iris.training.validate(store, store.load(store.newest_candidate()).score(widths, answers))
    assert store.production() == store.newest_candidate()


def test_a_model_that_guesses_is_not_promoted(iris: Any, folder_url: str) -> None:
    store = iris.model_store.ModelStore()
    store.save(model_that_says(0.25))
    with pytest.raises(SystemExit, match=r"is 0\.667, less than 0\.9"):
        iris.training.validate(store, 0.9)
    assert store.production() is None


def test_nothing_to_validate(iris: Any, url: str) -> None:
    with pytest.raises(SystemExit, match="there is no candidate yet: run"):
        iris.training.validate(iris.model_store.ModelStore(), 0.9)


def test_training_is_deterministic_and_holds_rows_out(iris: Any, folder_url: str) -> None:
    store = iris.model_store.ModelStore()
    models = []
    for _ in range(2):
        iris.training.train(store)
        models.append(store.load(store.newest_candidate()))
    assert models[0].coef_ == models[1].coef_
    assert models[0].intercept_ == models[1].intercept_
    assert [len(rows) for rows in iris.training.iris_rows()] == [105, 105, 45, 45]


# The service


def test_without_a_model_every_endpoint_says_503(iris: Any, folder_url: str) -> None:
    serving = iris.serving
    for answer in [serving.predict(serving.Flower(2.1)), serving.healthcheck(), serving.version()]:
        assert answer == ({"error": "there is no model in production yet"}, 503)
    assert not Path(folder_url).exists()


def test_endpoints_answer(iris: Any, folder_url: str) -> None:
    store = iris.model_store.ModelStore()
    version = store.save(model_that_says(0.75))
    store.promote(version)
    assert iris.serving.healthcheck() == {"status": "ok"}
    assert iris.serving.version() == {"model_version": version}
    answer = iris.serving.predict(iris.serving.Flower(petal_width=2))
    assert answer == {"probability": pytest.approx(0.75), "model_version": version}
    assert type(answer["probability"]) is float


@pytest.mark.parametrize("width", [0, -1, 100, 10**400, float("inf"), float("nan")])
def test_impossible_width_is_a_422(width: float, iris: Any, folder_url: str) -> None:
    answer, status = iris.serving.predict(iris.serving.Flower(width))
    assert status == 422
    assert "petal_width" in answer["error"]


def test_promotion_is_picked_up_without_a_restart(iris: Any, url: str) -> None:
    store = iris.model_store.ModelStore()
    old, new = (store.save(model_that_says(odds)) for odds in (0.25, 0.75))
    store.promote(old)
    assert iris.serving.version() == {"model_version": old}
    store.promote(new)
    deadline = time.monotonic() + 30
    while iris.serving.version() != {"model_version": new}:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    answer = iris.serving.predict(iris.serving.Flower(1.0))
    assert answer == {"probability": pytest.approx(0.75), "model_version": new}


def test_store_is_not_asked_with_every_request(iris: Any, folder_url: str) -> None:
    iris.serving.CHECK_EVERY_SECONDS = 3600
    store = iris.model_store.ModelStore()
    version = store.save(model_that_says(0.25))
    store.promote(version)
    assert iris.serving.version() == {"model_version": version}
    shutil.rmtree(folder_url)
    for _ in range(10):
        assert iris.serving.version() == {"model_version": version}


def two_features() -> bytes:
    model = LogisticRegression().fit([[0, 0], [1, 1]], [False, True])
    return bytes(skops.io.dumps(model))


BROKEN_MODELS: dict[str, Callable[[bytes], bytes]] = {
    "half-written": lambda whole: whole[: len(whole) // 2],
    "empty": lambda whole: b"",
    "not a model": lambda whole: skops.io.dumps({"a": 1}),
    "other features": lambda whole: two_features(),
    "pickle": lambda whole: pickle.dumps({"a": 1}),
}


@pytest.mark.parametrize("broken", BROKEN_MODELS)
def test_broken_model_keeps_the_old_one(
    broken: str, iris: Any, folder_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    iris.serving.CHECK_EVERY_SECONDS = 0
    store = iris.model_store.ModelStore()
    old, new = (store.save(model_that_says(odds)) for odds in (0.25, 0.75))
    store.promote(old)
    assert iris.serving.version() == {"model_version": old}
    file = Path(folder_url) / "candidates" / f"{new}.skops"
    whole = file.read_bytes()
    file.write_bytes(BROKEN_MODELS[broken](whole))
    store.promote(new)

    for _ in range(3):
        answer = iris.serving.predict(iris.serving.Flower(1.0))
        assert answer == {"probability": pytest.approx(0.25), "model_version": old}
    assert iris.serving.healthcheck() == {"status": "ok"}
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == [
        f"cannot take the model in production, still serving {old}"
    ]

    file.write_bytes(whole)
    assert iris.serving.version() == {"model_version": new}


@pytest.mark.parametrize(
    "pointer", [b"", b"0000", b"\xff\xfe", b"../../etc/passwd\n", b"00000099-00000000\n", None]
)
def test_broken_pointer_keeps_the_old_model(
    pointer: bytes | None, iris: Any, folder_url: str
) -> None:
    iris.serving.CHECK_EVERY_SECONDS = 0
    store = iris.model_store.ModelStore()
    old, new = (store.save(model_that_says(odds)) for odds in (0.25, 0.75))
    store.promote(old)
    assert iris.serving.version() == {"model_version": old}
    file = Path(folder_url) / "production"
    file.unlink() if pointer is None else file.write_bytes(pointer)
    assert iris.serving.version() == {"model_version": old}
    store.promote(new)
    assert iris.serving.version() == {"model_version": new}


def test_broken_first_model_is_a_503_until_it_is_whole(iris: Any, folder_url: str) -> None:
    iris.serving.CHECK_EVERY_SECONDS = 0
    store = iris.model_store.ModelStore()
    version = store.save(model_that_says(0.25))
    store.promote(version)
    file = Path(folder_url) / "candidates" / f"{version}.skops"
    whole = file.read_bytes()
    file.write_bytes(whole[:100])
    assert iris.serving.healthcheck() == (iris.serving.NO_MODEL, 503)
    file.write_bytes(whole)
    assert iris.serving.healthcheck() == {"status": "ok"}


def test_lost_bucket_keeps_the_old_model(
    iris: Any, s3: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = f"iris-{uuid.uuid4().hex}"
    boto3.client("s3").create_bucket(Bucket=bucket)
    monkeypatch.setenv("MODEL_STORE", f"s3://{bucket}")
    iris.serving.CHECK_EVERY_SECONDS = 0
    store = iris.model_store.ModelStore()
    version = store.save(model_that_says(0.25))
    store.promote(version)
    assert iris.serving.version() == {"model_version": version}
    objects = boto3.resource("s3").Bucket(bucket)
    objects.objects.delete()
    objects.delete()
    assert iris.serving.version() == {"model_version": version}


def test_store_that_hangs_holds_up_one_request_only(iris: Any, folder_url: str) -> None:
    iris.serving.CHECK_EVERY_SECONDS = 0
    store = iris.model_store.ModelStore()
    version = store.save(model_that_says(0.25))
    store.promote(version)
    assert iris.serving.version() == {"model_version": version}
    pipe = Path(folder_url) / "production"
    pipe.unlink()
    os.mkfifo(pipe)  # who opens it to read waits for a writer
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(iris.serving.version) for _ in range(20)]
        deadline = time.monotonic() + 10
        while sum(answer.done() for answer in answers) < 19 and time.monotonic() < deadline:
            time.sleep(0.01)
        waiting = sum(not answer.done() for answer in answers)
        writer = os.open(pipe, os.O_RDWR)
        pipe.unlink()
        os.close(writer)
    assert waiting == 1
    assert all(answer.result() == {"model_version": version} for answer in answers)


def test_answers_beside_promotions_never_mix_models(iris: Any, folder_url: str) -> None:
    iris.serving.CHECK_EVERY_SECONDS = 0
    store = iris.model_store.ModelStore()
    odds = {store.save(model_that_says(odds)): odds for odds in (0.25, 0.75)}
    store.promote(min(odds))

    seen: set[str] = set()

    def ask() -> None:
        for _ in range(50):
            answer = iris.serving.predict(iris.serving.Flower(1.0))
            assert answer["probability"] == pytest.approx(odds[answer["model_version"]])
            seen.add(answer["model_version"])

    deadline = time.monotonic() + 60
    with ThreadPoolExecutor(8) as pool:
        while seen != set(odds):
            assert time.monotonic() < deadline
            answers = [pool.submit(ask) for _ in range(8)]
            while not all(answer.done() for answer in answers):
                for version in odds:
                    store.promote(version)
            for answer in answers:
                answer.result()


# The project


def test_nothing_but_the_yaml_and_the_readme_knows_liminal() -> None:
    files = [path for path in sorted(EXAMPLE.iterdir()) if path.is_file()]
    knows = {path.name for path in files if "liminal" in path.read_text().lower()}
    assert knows <= {"README.md", "liminal.yml"}


def test_endpoints_of_the_yaml_are_there(iris: Any) -> None:
    (image,) = yaml.safe_load((EXAMPLE / "liminal.yml").read_text())["images"]
    assert [endpoint["endpoint"] for endpoint in image["endpoints"]] == [
        "/predict",
        "/healthcheck",
        "/version",
    ]
    for endpoint in image["endpoints"]:
        assert callable(getattr(getattr(iris, endpoint["module"]), endpoint["function"]))
