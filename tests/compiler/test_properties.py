"""Any input gives findings or applications: never a traceback, never a position that is none."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from liminal.compiler import Compilation, compile_path
from liminal.compiler.document import Refused, parse
from liminal.compiler.graph import ordered
from liminal.compiler.schema import compose
from liminal.compiler.variables import text as placeholders
from liminal.errors import has_errors
from liminal.plan import plans
from liminal.plugins import discover
from liminal.report import findings

CASES = [
    file.read_bytes() for file in sorted(Path(__file__).parents[1].glob("cases/*/liminal.yml"))
]
PLUGINS = discover()
SCHEMA = compose(PLUGINS)

FEW = 60
EXAMPLES = int(os.environ.get("LIMINAL_TEST_EXAMPLES", FEW))
"""How many inputs each property is tried with: few and always the same ones, or more by hand."""

quick = settings(
    max_examples=EXAMPLES,
    deadline=5000,
    derandomize=EXAMPLES == FEW,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def compile_bytes(data: bytes) -> Compilation:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "src").mkdir()
        Path(folder, "src", "serving.py").write_text("def predict(body): ...\n")
        Path(folder, "liminal.yml").write_bytes(data)
        compilation = compile_path(folder, {"HOME": "/home/me"}, PLUGINS)
        lines = data.decode("utf-8", "replace").splitlines() or [""]
        for found in compilation.findings:
            if found.origin.file.endswith("liminal.yml"):
                assert 1 <= found.origin.line <= len(lines) + 1
            assert found.origin.column >= 1
            assert found.message
            # The last word may be a name of the user's: ".." in a chain of tasks.
            assert not found.message.endswith(".") or found.message.endswith(" ..")
        for write in (findings.as_text, findings.as_json, findings.as_github, findings.as_sarif):
            write(compilation.findings)
        assert has_errors(compilation.findings) or len(compilation.apps) == len(
            compilation.resolved
        )
        for app in compilation.apps:
            plans(app, PLUGINS)
    return compilation


def words(schema: Any) -> set[str]:
    """Every key and every allowed value that the schema names."""
    found: set[str] = set()
    if isinstance(schema, dict):
        found |= set(schema.get("properties", {}))
        found |= {word for word in schema.get("enum", []) if isinstance(word, str)}
        for value in schema.values():
            found |= words(value)
    elif isinstance(schema, list):
        for value in schema:
            found |= words(value)
    return found


KEYS = st.sampled_from(sorted(words(SCHEMA)))
SCALARS = st.one_of(
    KEYS,
    st.integers(),
    st.floats(),
    st.booleans(),
    st.none(),
    st.sampled_from(
        ["{{ ds }}", "{{ a }}", "{{ tasks.t.o }}", "{{", "}}", "{% x %}", "src", "..", "/", "~",
         "t", "p", "@daily", "* * * * *", "2024-02-30", "3.12", "a > 1", "i", "/predict", "serving",
         "predict", "", " ", "a b", "\n", "0 0 31 2 *", "Europe/Berlin", "99999999999", "base"]
    ),
    st.text(max_size=12),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=25,
)


def of_schema(schema: Any, depth: int = 0) -> st.SearchStrategy[Any]:
    """What the schema allows more or less, with a wrong value now and then."""
    while isinstance(schema, dict) and "$ref" in schema:
        target: Any = SCHEMA
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        schema = target
    if not isinstance(schema, dict) or depth > 7:
        return SCALARS
    choices = [case["then"] for case in schema.get("allOf", []) if "then" in case]
    if choices:
        required = dict.fromkeys(schema.get("required", []), SCALARS)
        return st.one_of([merged(of_schema(choice, depth + 1), required) for choice in choices])
    if "properties" in schema:
        properties = {
            key: of_schema(value, depth + 1) for key, value in schema["properties"].items()
        }
        keys = st.lists(st.sampled_from(sorted(properties)), max_size=6, unique=True)
        return keys.flatmap(
            lambda some: st.fixed_dictionaries(
                {
                    key: properties[key]
                    for key in {*some, *schema.get("required", [])} & {*properties}
                }
            )
        )
    if "items" in schema:
        return st.lists(of_schema(schema["items"], depth + 1), max_size=3)
    examples = [*schema.get("enum", []), *schema.get("examples", [])]
    return st.one_of(st.sampled_from(examples), SCALARS) if examples else SCALARS


def merged(
    entry: st.SearchStrategy[Any], more: dict[str, st.SearchStrategy[Any]]
) -> st.SearchStrategy[Any]:
    return st.tuples(entry, st.fixed_dictionaries(more)).map(
        lambda both: {**both[1], **both[0]} if isinstance(both[0], dict) else both[0]
    )


@quick
@given(data=st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    compile_bytes(data)


@quick
@given(
    text=st.text(
        alphabet="name: a\n-[]{}&*!|>%@'\"#?,<\t~{}$\\0159éß\u200b\U0001f600", max_size=120
    )
)
def test_any_text_of_yaml_s_characters(text: str) -> None:
    compile_bytes(text.encode())


@quick
@given(value=st.dictionaries(KEYS, VALUES, max_size=8))
def test_any_structure_of_known_words(value: dict[str, Any]) -> None:
    compile_bytes(yaml.safe_dump({"name": "a", **value}, allow_unicode=True).encode())


@quick
@given(value=of_schema(SCHEMA))
def test_almost_what_the_schema_allows(value: Any) -> None:
    compile_bytes(yaml.safe_dump({**value, "name": "a"}, allow_unicode=True).encode())


@quick
@given(
    case=st.sampled_from(CASES),
    edits=st.lists(
        st.tuples(
            st.floats(0, 1),
            st.integers(0, 12),
            st.sampled_from(
                [b"", b" ", b"\n", b"\t", b":", b"- ", b"{", b"}", b"[", b"]", b"'", b'"', b"&a ",
                 b"*a", b"<<: ", b"{{ x }}", b"{{", b"}}", b"{%", b"!!str ", b"~", b"0", b"\xff",
                 b"\xc3\xa9", b"\0", b"|\n", b"# ", b"? ", b"---\n", b"name: b\n", b"null", b"[]"]
            ),
        ),
        min_size=1,
        max_size=4,
    ),
)  # fmt: skip
def test_any_mutation_of_a_golden_case(case: bytes, edits: list[tuple[float, int, bytes]]) -> None:
    for where, removed, inserted in edits:
        at = int(where * len(case))
        case = case[:at] + inserted + case[at + removed :]
    compile_bytes(case)


@quick
@given(first=st.sampled_from(CASES), second=st.sampled_from(CASES), at=st.floats(0, 1))
def test_any_two_golden_cases_spliced(first: bytes, second: bytes, at: float) -> None:
    compile_bytes(first[: int(at * len(first))] + second[int(at * len(second)) :])


@quick
@given(value=st.dictionaries(st.text(min_size=1, max_size=8), VALUES, max_size=6))
@example(value={"a": {"b": 1}, "c": [None, "010"]})
def test_what_yaml_writes_is_read_as_it_was(value: dict[str, Any]) -> None:
    text = yaml.safe_dump(value, allow_unicode=True)
    try:
        document, found = parse(text, "f")
    except Refused:
        return  # a control character, which PyYAML writes as an escape and we refuse
    if not found and value and "<<" not in value:
        assert document.root is not None
        assert list(document.root) == list(yaml.safe_load(text))


@quick
@given(
    needs=st.dictionaries(
        st.sampled_from("abcdefgh"), st.lists(st.sampled_from("abcdefghx"), max_size=4)
    )
)
def test_order_and_cycles(needs: dict[str, list[str]]) -> None:
    order, cycles = ordered(needs)
    assert sorted(order) == sorted(needs)
    for cycle in cycles:
        assert len(set(cycle)) == len(cycle)
        for name, need in zip(cycle, [*cycle[1:], cycle[0]], strict=True):
            assert need in needs[name]
    if not cycles:
        for name, needed in needs.items():
            for need in needed:
                assert need not in needs or order.index(need) < order.index(name)


@quick
@given(value=st.text(alphabet="{} ab.%", max_size=40))
def test_placeholders_keep_the_text(value: str) -> None:
    assert str(placeholders(value)).replace(" ", "") == value.replace(" ", "")


def test_the_golden_cases_are_there() -> None:
    assert len(CASES) > 20


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_any_beginning_of_a_golden_case(case: bytes) -> None:
    for end in range(0, len(case), max(1, len(case) // 25)):
        compile_bytes(case[:end])
