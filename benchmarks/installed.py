"""Liminal as a user has it: the wheel, in a virtual environment with compiled bytecode."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
CACHE = CHECKOUT / ".cache" / "bench"


@dataclass(frozen=True, slots=True)
class Installed:
    """An installation, a copy of the iris example, and a LIMINAL_HOME of their own."""

    bin: Path
    iris: Path
    environ: Mapping[str, str]

    def command(self, *words: str) -> list[str]:
        """A ``liminal`` command line."""
        return [str(self.bin / "liminal"), *words]


def install() -> Installed:
    """Builds and installs the wheel anew; the environment under it is kept between runs."""
    venv = CACHE / "venv"
    if not (venv / "bin" / "python").exists():
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    pip = [venv / "bin" / "python", "-m", "pip", "install", "--quiet"]
    constraints = ["--constraint", CHECKOUT / "constraints.txt"]
    subprocess.run([*pip, *constraints, CHECKOUT], check=True)
    subprocess.run([*pip, "--force-reinstall", "--no-deps", CHECKOUT], check=True)
    iris = CACHE / "iris"
    shutil.rmtree(iris, ignore_errors=True)
    shutil.copytree(CHECKOUT / "examples" / "iris", iris)
    environ = {**os.environ, "LIMINAL_HOME": str(CACHE / "home")}
    environ.pop("PYTHONPATH", None)
    return Installed(venv / "bin", iris, environ)
