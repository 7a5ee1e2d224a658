"""docs/reference.md is what scripts/reference.py makes, and its hand-written part is complete."""

from __future__ import annotations

import importlib.util
import re
from datetime import datetime, timezone
from pathlib import Path
from types import ModuleType

from liminal.compiler.link.placeholders import RUN_NAMES
from liminal.runners.embedded.macros import macros

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference.md").read_text("utf-8")


def reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference", ROOT / "scripts" / "reference.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_the_script_makes() -> None:
    assert reference().page() == PAGE, "run `make reference`"


def test_the_contents_lead_to_headings() -> None:
    titles = re.findall(r"^#+ (.+)$", PAGE, re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 _-]", "", title.lower()).replace(" ", "-") for title in titles}
    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) <= anchors


def test_each_name_of_a_run_is_told() -> None:
    told = set(re.findall(r"`([\w.]+)`", PAGE))
    known = RUN_NAMES | set(macros(datetime(2026, 1, 31, tzinfo=timezone.utc), "run"))
    assert {name.removesuffix("_nodash") for name in known} <= told


def test_rows_have_four_cells() -> None:
    tables = PAGE[PAGE.index("## Keys of the file") :]
    rows = [line for line in tables.splitlines() if line.startswith("|")]
    assert rows
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {5}
