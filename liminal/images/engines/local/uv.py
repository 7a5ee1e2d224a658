"""uv on this machine: its binary, and the interpreters that it can download."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from liminal.errors import BuildError
from liminal.images.engines.local.interpreter import (
    Interpreter,
    available_versions,
    find_interpreter,
)
from liminal.images.engines.steps import Steps


def find_uv(named: str | None, environ: Mapping[str, str]) -> str | None:
    """A uv that runs, or None: its wheel may be of another machine, or uninstalled.

    Args:
        named: the binary to try; None for the one that came with Liminal.
        environ: to run it in.
    """
    try:
        path = named or _installed()
        subprocess.run(
            [path, "--version"], env=environ, stdin=subprocess.DEVNULL, capture_output=True,
            timeout=20, check=True,
        )  # fmt: skip
    except (ImportError, OSError, subprocess.SubprocessError):
        return None
    return path


def download_interpreter(
    wanted: str,
    uv: str | None,
    *,
    environ: Mapping[str, str],
    memory: Path,
    steps: Steps,
    lock: int,
) -> Interpreter:
    """The interpreter of that version, which this machine did not have, downloaded by uv.

    Args:
        wanted: the version.
        uv: its binary, or None where it cannot run.
        environ: for uv.
        steps: what reports and runs.
        memory: see `find_interpreter`.
        lock: see `Steps.run`.

    Raises:
        BuildError: uv cannot download it, or cannot run.
    """
    hint = f"install Python {wanted}, or set python_version to one that is here: " + ", ".join(
        available_versions(environ)
    )
    if uv is None:
        raise BuildError(f"this machine has no Python {wanted}, and no uv to get it", hint=hint)
    steps.run(
        f"getting Python {wanted}, which this machine does not have,",
        [uv, "python", "install", "--no-progress", "--no-bin", wanted],
        folder=Path(os.sep),
        environ=environ,
        lock=lock,
        hint=hint,
    )
    found = find_interpreter(wanted, environ, memory)
    if found is None:
        raise BuildError(f"uv downloaded Python {wanted}, but it does not run", hint=hint)
    return found


def _installed() -> str:
    import uv

    return uv.find_uv_bin()
