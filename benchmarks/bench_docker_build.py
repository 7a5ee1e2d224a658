"""Images: ``liminal build`` on a Docker engine, against ``docker build`` of Dockerfiles by hand."""

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from benchmarks.by_hand import BASE, BEST, FULL, NAIVE, Engine, engine, load
from benchmarks.installed import CACHE, Installed
from benchmarks.measure import Figure, cpu_seconds_of, in_turns, seconds_of

PREFIX = "liminal-bench/"
PYTHON = "3.11"
PINS = ("tomli==2.2.1", "tomli==2.3.0")


def figures(installed: Installed) -> Iterator[Figure]:
    """Nothing, the source, or the requirements changed; sizes; three images side by side."""
    with engine(installed.environ, PREFIX) as found:
        if found is None:
            return
        bench = _Bench(installed, found)
        yield from bench.nothing_changed()
        yield from bench.sizes()
        yield from bench.source_changed()
        yield from bench.requirements_changed()
        yield from bench.side_by_side()


@dataclass(frozen=True, slots=True)
class _Bench:
    installed: Installed
    engine: Engine

    def nothing_changed(self) -> Iterator[Figure]:
        """Three images, which are there."""
        folder = _three_images("unchanged", "true")
        self._liminal(folder)
        python = [str(self.installed.bin / "python"), "-c", "import click, docker"]
        command, environ = self.installed.command("build"), self.engine.environ
        medians = in_turns(
            {
                "build": lambda: seconds_of(command, folder, environ),
                "build, CPU": lambda: cpu_seconds_of(command, folder, environ),
                "import": lambda: seconds_of(python, folder, environ),
                "import, CPU": lambda: cpu_seconds_of(python, folder, environ),
            },
            rounds=9,
        )
        yield Figure(
            name="nothing changed: liminal build of 3 images",
            value=medians["build"],
            unit="s",
            limit=0.5,
            details=f"{_told(medians)} (import click, docker); {load()}",
        )
        yield Figure(
            name="  CPU time of it, which other work does not add to",
            value=medians["build, CPU"],
            unit="s",
            limit=0.5,
        )

    def sizes(self) -> Iterator[Figure]:
        """The iris project as Liminal makes it, and by hand: well, and as most do."""
        folder = _iris("sizes", self.installed)
        names = {kind: f"{PREFIX}{kind}" for kind in ("best", "full", "naive-full", "naive-slim")}
        self._liminal(folder)
        self.engine.build(names["best"], folder, BEST)
        self.engine.build(names["full"], folder, FULL)
        self.engine.build(names["naive-full"], folder, NAIVE.format(base=names["full"]))
        self.engine.build(names["naive-slim"], folder, NAIVE.format(base=BASE))
        ours = self.engine.size(f"{PREFIX}sizes")
        sizes = {kind: self.engine.size(name) for kind, name in names.items()}
        yield Figure(
            name="size to that of a good Dockerfile by hand",
            value=ours / sizes["best"],
            unit="times",
            limit=1.03,
            details=f"liminal {_mb(ours)}, by hand {_mb(sizes['best'])}; "
            f"base {_mb(self.engine.size(BASE))}",
        )
        yield Figure(
            name="size to FROM python; COPY; pip install",
            value=ours / sizes["naive-full"],
            unit="times",
            limit=0.7,
            details=f"naive {_mb(sizes['naive-full'])}, on {BASE} with some of buildpack-deps "
            f"({_mb(sizes['full'])}) in place of the full image, which is larger",
        )
        yield Figure(
            name="  and to the same on slim",
            value=ours / sizes["naive-slim"],
            unit="times",
            details=f"naive on slim {_mb(sizes['naive-slim'])}",
        )

    def source_changed(self) -> Iterator[Figure]:
        """One file of the iris project; with what it serves, both import that from the image."""
        for kind, limit in (("python", 1.5), ("python_server", None)):
            served = ("python", "-c", "import serving") if kind == "python_server" else None
            folder = _iris(f"source-{kind}", self.installed, kind=kind)

            def change(folder: Path = folder) -> None:
                with (folder / "training.py").open("a") as file:
                    file.write(f"# {time.time_ns()}\n")

            medians = self._both(folder, change, rounds=5, served=served)
            yield Figure(
                name="one source file changed: liminal to docker build"
                if limit
                else "  and with a look into it: do the served functions import?",
                value=medians["liminal"] / medians["by hand"],
                unit="times",
                limit=limit,
                details=f"{_told(medians)}; {load()}",
            )

    def requirements_changed(self) -> Iterator[Figure]:
        """Another version of a small package beside those of the iris project."""
        folder = _iris("requirements", self.installed)
        file = folder / "requirements.txt"
        original, number = file.read_text(), count()

        def change() -> None:
            # The time too, or the second run of this would find the layers of the first.
            file.write_text(f"{original}{PINS[next(number) // 2 % 2]}\n# {time.time_ns()}\n")

        medians = self._both(folder, change, rounds=3)
        yield Figure(
            name="requirements changed: liminal to docker build",
            value=medians["liminal"] / medians["by hand"],
            unit="times",
            limit=1.3,
            details=f"{_told(medians)}; {load()}",
        )

    def side_by_side(self) -> Iterator[Figure]:
        """Three images that install something and then wait, or compute."""
        compute = "python -c 'sum(range(30_000_000))'"
        for kind, work, limit in (
            ("install, compute and wait for 3 s", f"{compute}; sleep 3", 0.7),
            ("install and compute", f"{compute}; {compute}; {compute}", None),
        ):
            folder = _three_images("side-by-side", work)

            def timed(jobs: str, folder: Path = folder) -> float:
                for number in range(3):
                    text = f"tomli\n# {time.time_ns()}\n"
                    (folder / f"source{number}" / "requirements.txt").write_text(text)
                return self._liminal(folder, "--jobs", jobs)

            medians = in_turns(
                {"side by side": lambda: timed("3"), "in turn": lambda: timed("1")}, rounds=3
            )
            yield Figure(
                name=f"{'' if limit else '  '}3 images that {kind}: --jobs 3 to 1",
                value=medians["side by side"] / medians["in turn"],
                unit="times",
                limit=limit,
                details=f"{_told(medians)}; {load()}",
            )

    def _both(
        self,
        folder: Path,
        change: Callable[[], None],
        rounds: int,
        served: Sequence[str] | None = None,
    ) -> dict[str, float]:
        def liminal() -> float:
            change()
            return self._liminal(folder)

        def by_hand() -> float:
            change()
            name = f"{PREFIX}{folder.name}-by-hand"
            seconds = self.engine.build(name, folder, BEST)
            return seconds + (self.engine.run(name, *served) if served else 0)

        return in_turns({"liminal": liminal, "by hand": by_hand}, rounds=rounds)

    def _liminal(self, folder: Path, *words: str) -> float:
        command = self.installed.command("build", "--engine", "docker", *words)
        return seconds_of(command, folder, self.engine.environ)


def _iris(name: str, installed: Installed, kind: str = "python") -> Path:
    """The iris project with one image, for both ways of building it."""
    folder = CACHE / "docker" / name
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(installed.iris, folder)
    served = "    endpoints: [{endpoint: /predict, module: serving, function: predict}]\n"
    if kind == "python_server":
        # What the serving application needs, so that both sides install the same.
        import liminal

        needed = Path(liminal.__file__).parent / "serving" / "requirements.txt"
        with (folder / "requirements.txt").open("a") as file:
            file.write(needed.read_text())
    (folder / "liminal.yml").write_text(
        f"name: bench\nimages:\n  - image: {PREFIX}{name}\n    type: {kind}\n    source: .\n"
        f"    python_version: '{PYTHON}'\n{served if kind == 'python_server' else ''}"
    )
    return folder


def _three_images(name: str, build_cmd: str) -> Path:
    folder = CACHE / "docker" / name
    shutil.rmtree(folder, ignore_errors=True)
    images = ""
    for number in range(3):
        source = folder / f"source{number}"
        source.mkdir(parents=True)
        (source / "main.py").write_text(f"print({number})\n")
        (source / "requirements.txt").write_text("tomli\n")
        images += (
            f"  - image: {PREFIX}{name}-{number}\n    type: python\n    source: source{number}\n"
            f"    python_version: '{PYTHON}'\n    build_cmd: \"{build_cmd}\"\n"
        )
    (folder / "liminal.yml").write_text(f"name: bench\nimages:\n{images}")
    return folder


def _told(medians: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.2f} s" for name, value in medians.items())


def _mb(size: int) -> str:
    return f"{size / 1e6:.0f} MB"
