"""`liminal prune` with Docker: what nobody needs any more goes, and nothing else.

On an engine of its own: others' images are no business of a test.
"""

from __future__ import annotations

import io
import tempfile
import time
from pathlib import Path
from typing import Any

from liminal.images.context import read_context
from liminal.images.engines.docker.builders import Order
from liminal.images.engines.docker.tarball import pieces_of, write_tar

BASE = "python:3.11-slim"
NAME = "liminal-tests/pruned"
DAY = 24 * 60 * 60


def test_what_nobody_needs_is_removed_and_nothing_else(
    project: Any, own_engine: Any, builder_at: Any, tmp_path: Path
) -> None:
    builder = builder_at(tmp_path / "home", **own_engine.environ)
    plan = project.plan(NAME, type="dockerfile")
    made = []
    for number in range(7):
        project.write("Dockerfile", f"FROM {BASE}\nRUN echo {number} > /number\n")
        made.append(builder.build(plan))
    prune = builder.engine.prune
    assert prune(time.time(), dry_run=False) == ()  # all of them are new
    first, second = (f"image {one.reference}" for one in made[:2])
    assert set(prune(time.time() + 2 * DAY, dry_run=True)) == {first, second}
    assert builder.id_of(made[0].reference) == made[0].id
    # A container has the second.
    container = builder.client.containers.create(made[1].reference)
    assert prune(time.time() + 2 * DAY, dry_run=False) == (first,)
    container.remove()
    assert prune(time.time() + 2 * DAY, dry_run=False) == (second,)
    there = [builder.id_of(one.reference) is not None for one in made]
    assert there == [False, False, True, True, True, True, True]
    assert builder.id_of(NAME) == made[-1].id
    assert builder.id_of(BASE) is not None


def test_what_a_killed_build_left_without_a_name_is_removed(
    project: Any, own_engine: Any, builder_at: Any, tmp_path: Path
) -> None:
    builder = builder_at(tmp_path / "home", **own_engine.environ)
    project.write("Dockerfile", f"FROM {BASE}\nRUN echo 1 > /number\n")
    tar = io.BytesIO()
    write_tar(pieces_of(read_context("tiny", project.folder), ""), tar)
    with tempfile.TemporaryFile() as file:
        file.write(tar.getvalue())
        file.seek(0)
        order = Order(
            tar=file, dockerfile="Dockerfile", labels={"liminal.source-hash": "0" * 16}, lock=0
        )
        id = builder.engine.builder.build(order, builder.engine.processes, lambda line: None)
    gone = f"image without a name {id[7:19]}"
    assert builder.engine.prune(time.time(), dry_run=False) == ()  # somebody may be about to
    assert builder.engine.prune(time.time() + DAY, dry_run=False) == (gone,)
    assert builder.id_of(id) is None
