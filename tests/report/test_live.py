"""A build in a terminal: what is drawn, drawn over, and what stays."""

from __future__ import annotations

import re

from liminal.images.events import Finished, Note, Output, Skipped, Started, Step
from liminal.report.live import LiveBuild


class Terminal:
    """As much of one as the display uses: lines, and going up to draw over them."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.now = 0.0

    def write(self, text: str) -> None:
        up = re.match(r"\x1b\[(\d+)F\x1b\[J", text)
        if up:
            del self.lines[len(self.lines) - int(up[1]) :]
            text = text[up.end() :]
        assert "\x1b" not in text
        assert text == "" or text.endswith("\n")
        self.lines += text.split("\n")[:-1]


def display(terminal: Terminal, columns: int = 80, ascii_only: bool = True) -> LiveBuild:
    return LiveBuild(
        write=terminal.write,
        clock=lambda: terminal.now,
        columns=lambda: columns,
        colour=False,
        ascii_only=ascii_only,
    )


def test_each_image_at_work_has_a_line_that_is_drawn_over() -> None:
    terminal = Terminal()
    live = display(terminal)
    live.tell(Started(image="one"))
    live.tell(Started(image="longer"))
    live.tell(Step(image="one", name="installing the requirements", number=5, total=8))
    terminal.now = 12.4
    live.tell(Output(image="one", line=" + six==1.17.0 "))
    assert terminal.lines == [
        "one    ########--------   12 s  installing the requirements: + six==1.17.0",
        "longer ----------------   12 s  building",
    ]


def test_what_ended_and_what_should_be_read_stays_above() -> None:
    terminal = Terminal()
    live = display(terminal)
    live.tell(Started(image="one"))
    live.tell(Started(image="two"))
    live.tell(Note(image="one", message="mind this"))
    live.tell(Finished(image="one", seconds=3.21))
    live.tell(Skipped(image="three", reason="nothing changed"))
    assert terminal.lines == [
        "one | note: mind this",
        "one | built in 3.2 s",
        "three | up to date: nothing changed",
        "two ----------------    0 s  building",
    ]


def test_nothing_is_left_of_the_bars_when_it_ends() -> None:
    terminal = Terminal()
    with display(terminal) as live:
        live.tell(Started(image="one"))
    assert terminal.lines == []


def test_a_line_never_wraps_and_never_obeys_what_a_step_writes() -> None:
    terminal = Terminal()
    live = display(terminal, columns=40)
    live.tell(Started(image="one"))
    live.tell(Output(image="one", line="\x1b[2J" + "x" * 500))
    assert [len(line) for line in terminal.lines] == [39]


def test_time_goes_on_without_events() -> None:
    terminal = Terminal()
    with display(terminal) as live:
        live.tell(Started(image="one"))
        terminal.now = 65
        for _ in range(200):
            if any("65 s" in line for line in terminal.lines):
                break
            import time

            time.sleep(0.05)
        else:
            raise AssertionError(terminal.lines)
