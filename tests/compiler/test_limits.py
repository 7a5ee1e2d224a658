"""1 MB in a nasty shape, and a few hundred bytes that would become gigabytes: bounded all the same.

The shapes are those of ``shapes.py``; run by hand, it measures all of them at 1 MB. Here each is
measured with generous bounds, in processes of their own.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

FILE = Path(__file__).with_name("shapes.py")

QUICK = (
    "wide_empty_maps many_keys many_aliased_maps merge_growing many_tag_directives"
    " open_braces long_image_of_parts many_misspelt_names every_variable_every_other"
    " many_long_values long_value_in_texts default_merged_into_every_task"
    " tasks_around_every_pipeline ring_of_tasks many_unknown_tasks many_copies huge_matrix"
    " many_misspelt_mounts chain_of_outputs"
).split()
"""The shapes that took seconds to minutes, or gigabytes, before there was a limit."""


def shapes() -> ModuleType:
    spec = importlib.util.spec_from_file_location("shapes", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_quick_shapes_exist() -> None:
    assert set(QUICK) <= set(shapes().SHAPES)


@pytest.mark.parametrize("name", QUICK)
def test_nasty_shape_takes_bounded_time_and_memory(name: str) -> None:
    child = subprocess.run(
        [sys.executable, str(FILE), name], capture_output=True, text=True, timeout=60
    )
    assert child.returncode == 0, child.stderr[-2000:]
    _, _, _, seconds, _, megabytes, *_ = child.stdout.split()
    # At most 1 s and 300 MB on a quiet machine.
    assert float(seconds) < 5
    assert float(megabytes) < 300
