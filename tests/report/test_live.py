"""A build in a terminal: a line for each image at work, which is drawn again."""

from __future__ import annotations

import re

from liminal.images.events import BuildEvent, Finished, Note, Output, Started, Step
from liminal.report.live import LiveBuild


def screen(written: list[str]) -> list[str]:
    """What a terminal shows after that: lines, with those erased that the cursor went up over."""
    lines: list[str] = []
    for text in written:
        if up := re.match(r"\x1b\[(\d+)F\x1b\[J", text):
            del lines[-int(up[1]) :]
            text = text[up.end() :]
        lines += text.splitlines()
    return lines


def shown(*events: BuildEvent, columns: int = 60, ended: bool = False) -> list[str]:
    written: list[str] = []
    live = LiveBuild(
        write=written.append,
        clock=lambda: 7.0,
        columns=lambda: columns,
        colour=False,
        ascii_only=True,
    )
    with live:
        for event in events:
            live.tell(event)
        if not ended:
            return screen(written)
    return screen(written)


def test_a_bar_for_each_image_at_work_with_its_step_and_last_line() -> None:
    lines = shown(
        Started(image="a"),
        Started(image="longer"),
        Step(image="a", name="installing", number=5, total=8),
        Output(image="a", line="  Downloading\x1b[2J six"),
    )
    assert lines == [
        "a      ########--------    0 s  installing: Downloading six",
        "longer ----------------    0 s  building",
    ]


def test_a_line_is_never_wider_than_the_terminal() -> None:
    lines = shown(Started(image="a"), Output(image="a", line="x" * 200), columns=40)
    assert [len(line) for line in lines] == [39]


def test_what_stays_is_above_the_bars_and_in_the_end_alone() -> None:
    events = (
        Started(image="a"),
        Started(image="b"),
        Note(image="a", message="remember"),
        Finished(image="a", seconds=2),
    )
    *kept, bar = shown(*events)
    assert ["remember" in kept[0], "a" in kept[1], len(kept)] == [True, True, 2]
    assert bar.startswith("b ---")
    assert shown(*events, ended=True) == kept
