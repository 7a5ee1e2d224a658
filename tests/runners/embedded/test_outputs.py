from pathlib import Path

import pytest
from runner_plans import task

from liminal.runners.embedded.outputs import (
    BadOutputs,
    as_values,
    parse_outputs,
    read_outputs,
    store_outputs,
)


def test_lines_are_pairs_and_the_last_of_a_name_counts() -> None:
    content = b"a=1\n\nb=x=y z\r\nextra=3\na=2\n"
    assert parse_outputs(content, ["a", "b"]) == {"a": "2", "b": "x=y z"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", 'did not write its output "a", "b"'),
        (b"a=1\n", 'did not write its output "b"'),
        (b"a=1\nno pair\n", "no KEY=VALUE in line 2"),
        (b"=1\n", "no KEY=VALUE in line 1"),
        (b"a=\0\nb=1", "no KEY=VALUE in line 1"),
        (b"\xff=1", "not UTF-8"),
        (b"a=1\nb=" + b"x" * 65536, "more than 64 KiB"),
    ],
)
def test_what_is_wrong_is_said(content: bytes, words: str) -> None:
    with pytest.raises(BadOutputs) as found:
        parse_outputs(content, ["a", "b"])
    assert words in str(found.value)


def test_copies_hand_on_a_json_list() -> None:
    one = task("t", outputs=("k",), copies=({"x": "1"}, {"x": "2"}))
    assert as_values(one, [{"k": "a"}, {"k": "b"}]) == {"t.k": '["a", "b"]'}
    assert as_values(task("t", outputs=("k",)), [{"k": "a"}]) == {"t.k": "a"}


def test_stored_outputs_are_read_again_and_damaged_ones_are_none(tmp_path: Path) -> None:
    store_outputs(tmp_path, "t", {"t.k": "é"})
    assert read_outputs(tmp_path, "t") == {"t.k": "é"}
    (tmp_path / "outputs" / "t.json").write_text("[1")
    assert read_outputs(tmp_path, "t") is None
    assert read_outputs(tmp_path, "u") is None
