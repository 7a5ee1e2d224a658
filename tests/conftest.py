"""What all tests share."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import NoReturn

import pytest

# Most tests are of the local engine, on any machine; those of another one name it. Without this, a
# machine with Docker would build every image of every test in it.
os.environ.setdefault("LIMINAL_ENGINE", "local")

# A shell that starts pytest in the background has it ignore Ctrl-C, and whatever it starts too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

REQUIRED = frozenset(os.environ.get("LIMINAL_TEST_REQUIRE", "").replace(",", " ").split())
"""The real parts that this machine must have: a test may not skip for want of one of them."""


def _require(part: str, reason: str) -> NoReturn:
    if part in REQUIRED:
        pytest.fail(f"{part} is required by LIMINAL_TEST_REQUIRE: {reason}", pytrace=False)
    pytest.skip(f"{part}: {reason}")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="rewrite the expected files of tests/cases"
    )


@pytest.fixture(scope="session")
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether the expected files are to be rewritten."""
    return bool(request.config.getoption("--update-golden"))


@pytest.fixture(scope="session")
def require() -> Callable[[str, str], NoReturn]:
    """Ends a test for which a real part is missing: `require(PART, WHAT TO INSTALL)`.

    That skips the test, or fails it where LIMINAL_TEST_REQUIRE names the part.
    """
    return _require
