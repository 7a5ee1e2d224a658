"""What others wrote, on its way to a terminal."""

from liminal.images.events import Note
from liminal.report.build import line
from liminal.report.terminal import printable

ATTACK = "\x1b]0;pwn\x07\x1b[2Jtext"


def test_nothing_that_a_terminal_obeys_is_left_and_lines_stay() -> None:
    assert printable(f"one\n{ATTACK}\n50%\r100%", colour=False) == "one\ntext\n100%"


def test_colours_stay_when_asked_and_do_not_run_on() -> None:
    assert printable("\x1b[31mred\nplain", colour=True) == "\x1b[31mred\x1b[0m\nplain"


def test_an_event_of_a_build_cannot_take_over_the_terminal() -> None:
    assert line(Note(image="tiny", message=ATTACK)) == "tiny | note: text"
