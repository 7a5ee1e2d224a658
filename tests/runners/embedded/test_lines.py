import asyncio
import os
from pathlib import Path

import pytest

from liminal.runners.embedded import lines
from liminal.runners.embedded.lines import Output


class Written:
    """What an output showed and warned of."""

    def __init__(self, log: Path) -> None:
        self.lines: list[str] = []
        self.warnings: list[str] = []
        self.log = log
        self.output = Output(log, self.lines.extend, self.warnings.append)


def written(log: Path, *chunks: bytes) -> Written:
    async def write() -> Written:
        made = Written(log)
        for chunk in chunks:
            made.output(chunk)
        made.output.close()
        return made

    return asyncio.run(write())


def test_lines_come_whole_however_the_bytes_come(tmp_path: Path) -> None:
    content = "one\nzwei é\r\n\ndrei \x1b[31mrot\x1b[0m\nrest".encode()
    expected = ["one", "zwei é", "", "drei \x1b[31mrot\x1b[0m", "rest"]
    for size in (1, 2, 3, 100):
        chunks = [content[at : at + size] for at in range(0, len(content), size)]
        made = written(tmp_path / "log", *chunks)
        assert made.lines == expected
        assert made.log.read_bytes() == content


def test_bytes_that_are_not_utf8_are_replaced_and_kept_in_the_log(tmp_path: Path) -> None:
    made = written(tmp_path / "log", b"a\xff\xfeb\n", b"\xc3")
    assert made.lines == ["a\ufffd\ufffdb", "\ufffd"]
    assert made.log.read_bytes() == b"a\xff\xfeb\n\xc3"


def test_a_long_line_comes_in_pieces(tmp_path: Path) -> None:
    made = written(tmp_path / "log", *[b"x" * 100_000] * 10, b"\nend\n")
    assert all(len(line) <= lines.LINE_LIMIT for line in made.lines)
    assert "".join(made.lines) == "x" * 1_000_000 + "end"
    assert made.lines[-1] == "end"


def test_a_line_that_does_not_end_is_shown_after_a_while(tmp_path: Path) -> None:
    async def prompt() -> Written:
        made = Written(tmp_path / "log")
        made.output(b"name? ")
        assert made.lines == []
        while not made.lines:
            await asyncio.sleep(0.01)
        made.output(b"x\n")
        made.output.close()
        return made

    assert asyncio.run(prompt()).lines == ["name? ", "x"]


def test_the_log_is_capped_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "LOG_LIMIT", 1024 * 1024)
    made = written(tmp_path / "log", *[b"x" * 65535 + b"\n"] * 40)
    assert len(made.lines) == 40
    assert made.log.stat().st_size < 1024 * 1024 + 100
    assert made.log.read_bytes().endswith(b"[liminal: no more than 1 MiB of log are kept]\n")
    (warning,) = made.warnings
    assert "cut off at 1 MiB" in warning


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux only")
def test_a_full_disk_is_said_once_and_the_task_goes_on(tmp_path: Path) -> None:
    (tmp_path / "log").symlink_to("/dev/full")
    made = written(tmp_path / "log", b"a\n", b"b\n")
    assert made.lines == ["a", "b"]
    (warning,) = made.warnings
    assert "is not complete: No space left on device" in warning


def test_a_log_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    made = written(tmp_path / "file" / "log", b"a\n")
    assert made.lines == ["a"]
    assert len(made.warnings) == 1


def test_the_log_is_private(tmp_path: Path) -> None:
    made = written(tmp_path / "t" / "log", b"a\n")
    assert os.stat(made.log).st_mode & 0o077 == 0
