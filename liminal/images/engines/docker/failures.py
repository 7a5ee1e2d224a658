"""Why a build failed, for somebody who may know no Docker: what happened, and what to do."""

import re

from liminal.errors import BuildError
from liminal.images.engines.docker.progress import Failure
from liminal.images.engines.process import StepFailed

_STAYS = "and build again; what was built before stays in place"

_NO_SPACE = re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE)
_NO_SHELL = re.compile(
    r"/bin/sh\"?: (?:stat /bin/sh: )?no such file|unable to find user 0", re.IGNORECASE
)
_NO_PYTHON = re.compile(r"python3: (?:not found|No such file)")
_NO_PIP = re.compile(r"No module named '?(?:pip|venv|ensurepip)|ensurepip is not\s+available")
_COMPILER = r"(?:\S*-)?(?:gcc|g\+\+|cc|clang|gfortran|cmake|cargo|rustc|make)"
_NO_COMPILER = re.compile(
    rf"(?:command|compiler) ['\"]?{_COMPILER}['\"]? failed: No such file|"
    rf"No such file or directory: ['\"]{_COMPILER}['\"]|\b{_COMPILER}: not found|"
    r"Unknown compiler\(s\)|No CMAKE_C\w*_COMPILER could be found"
)

_NO_TOOLS = re.compile(r"No matching distribution found for (?:dumb-init|uv)\b")

_BY_STEP = {
    "installing the requirements": f"correct the requirements {_STAYS}",
    "installing the system packages": f"correct system_packages {_STAYS}",
    "installing the build packages": f"correct build_packages {_STAYS}",
    "running build_cmd": f"correct build_cmd {_STAYS}",
}


def build_failed(image: str, base: str, failure: Failure, error: StepFailed) -> BuildError:
    """The error for the user: the step, how it ended, what it wrote last, what to do.

    Args:
        image: its name.
        base: the image that it begins with, or would.
        failure: what the builder's lines tell.
        error: what is known without them.
    """
    lines = failure.lines or error.lines
    what = f"{failure.title} failed" if failure.title else "the build failed"
    how = f"exit status {failure.status}" if failure.status is not None else ""
    if not how and not lines:
        how = error.how
    written = "".join(f"\n  | {line}" for line in lines)
    return BuildError(
        f'image "{image}": {what}{f": {how}" if how else ""}{written}',
        hint=_hint(base, failure.title or "", "\n".join((error.how, *error.lines, *lines))),
    )


def _hint(base: str, title: str, text: str) -> str:
    for pattern, hint in (
        (_NO_SPACE, 'free some space: "docker system df" shows what takes it'),
        (_NO_SHELL, f'"{base}" has no shell; take a base_image that has one, and Python 3'),
        (_NO_PYTHON, f'"{base}" has no Python 3; take a base_image that has it'),
        (
            _NO_PIP,
            f'"{base}" lacks pip or venv; add python3-pip and python3-venv to system_packages',
        ),
        (
            _NO_COMPILER,
            "a package has no wheel for this Python and must be compiled; add "
            '"build_packages: [build-essential]" to the image',
        ),
        (
            _NO_TOOLS,
            "every image is made with uv and has dumb-init as its init: the package index, or the "
            "folder, that pip_conf names must have both",
        ),
    ):
        if pattern.search(text):
            return hint
    return _BY_STEP.get(title, f"mend it {_STAYS}")


def base_not_pulled(image: str, base: str, reason: str) -> BuildError:
    """The error for a base image that the engine cannot get."""
    return BuildError(
        f'image "{image}": its base image "{base}" could not be pulled: {reason}',
        hint="correct its name, log in to its registry, or build without Docker: --engine local",
    )
