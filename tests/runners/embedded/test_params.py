import pytest

from liminal.errors import UsageError
from liminal.runners.embedded.params import check_params

PARAMS = {
    "rows": {"type": "integer", "minimum": 1, "default": 10},
    "mode": {"enum": ("fast", "slow"), "default": "fast"},
    "name": {"type": "string", "pattern": "^[a-z]+$", "default": "x"},
    "list": {"type": ("array", "null"), "default": None},
}


def test_values_that_the_schemas_allow_pass() -> None:
    check_params(PARAMS, {})
    check_params(PARAMS, {"rows": "5", "mode": "slow", "name": "abc", "list": "[1]", "other": "x"})
    check_params({"n": {"type": "string"}}, {"n": "010"})


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(UsageError) as found:
        check_params(
            {**PARAMS, "needed": {"type": "string"}},
            {"rows": "0", "mode": "medium", "name": "A1", "list": "{}"},
        )
    lines = found.value.message.splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "--var list={}",
        "--var mode=medium",
        "--var name=A1",
        'the pipeline needs a value for its param "needed"',
        "--var rows=0",
    ]


def test_formats_are_checked_as_when_compiling() -> None:
    params = {"day": {"type": "string", "format": "date", "default": "2026-01-01"}}
    check_params(params, {"day": "2026-02-28"})
    with pytest.raises(UsageError, match="--var day=2026-02-30"):
        check_params(params, {"day": "2026-02-30"})
