"""A folder with a liminal.yml -> what the compiler says of it."""

from __future__ import annotations

import resource
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from liminal.compiler import Compilation, compile_path
from liminal.plugins import Plugins, discover
from liminal.report import findings


@dataclass(frozen=True)
class Folder:
    """The folder in which a test compiles; the findings name files from there."""

    path: Path
    plugins: Plugins

    def write(self, file: str, content: str | bytes = "") -> Path:
        target = self.path / file
        target.parent.mkdir(parents=True, exist_ok=True)
        data = content if isinstance(content, bytes) else textwrap.dedent(content).encode()
        target.write_bytes(data)
        return target

    def compile(self, content: str | bytes | None = None, **environ: str) -> Compilation:
        if content is not None:
            self.write("liminal.yml", content)
        return compile_path(".", environ, self.plugins)

    def told(self, content: str | bytes | None = None, **environ: str) -> str:
        """The findings as the user reads them."""
        return findings.as_text(self.compile(content, **environ).findings)

    def first(self, content: str | bytes | None = None, **environ: str) -> str:
        """The first line of the findings, without the file's name."""
        return self.told(content, **environ).split("\n")[0].removeprefix("liminal.yml:")


@pytest.fixture(scope="session")
def installed() -> Plugins:
    return discover()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installed: Plugins) -> Folder:
    monkeypatch.chdir(tmp_path)
    return Folder(tmp_path, installed)


@dataclass(frozen=True)
class Cost:
    """What a compilation took in a process of its own, without its start."""

    seconds: float
    megabytes: float
    told: str


_MEASURE = """
import resource, sys, time
from liminal.compiler import compile_path
from liminal.plugins import discover
from liminal.report import findings
plugins = discover()
compile_path(sys.argv[1], {}, plugins)
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before, start = time.process_time(), peak()
found = compile_path(sys.argv[2], {}, plugins).findings
print(time.process_time() - before, peak() - start)
print(findings.as_text(found[:20]))
"""


@pytest.fixture
def cost(tmp_path: Path) -> Callable[[str], Cost]:
    """Measures the compilation of a text; a crash of the interpreter fails the test."""

    def measure(text: str) -> Cost:
        warm, file = tmp_path / "warm" / "liminal.yml", tmp_path / "measured" / "liminal.yml"
        for target, content in ((warm, "name: warm\n"), (file, text)):
            target.parent.mkdir()
            target.write_text(content)
        child = subprocess.run(
            [sys.executable, "-c", _MEASURE, str(warm), str(file)],
            capture_output=True,
            text=True,
            timeout=60,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30)),
        )
        assert child.returncode == 0, child.stderr[-2000:]
        figures, _, told = child.stdout.partition("\n")
        seconds, megabytes = figures.split()
        return Cost(float(seconds), float(megabytes), told.replace(str(file), "liminal.yml"))

    return measure
