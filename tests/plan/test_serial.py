"""Compiled pipelines as JSON: exact both ways."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from liminal.compiler import compile_path
from liminal.model import Deferred, Placeholder
from liminal.origin import Origin
from liminal.plan import plans
from liminal.plan.serial import CompiledPipeline, Source, UnreadablePlan, as_json, from_json
from liminal.plugins import discover

CASES = Path(__file__).parent.parent / "cases"
PLUGINS = discover()


def compiled_of(case: str) -> list[CompiledPipeline]:
    apps = compile_path(str(CASES / case), {}, PLUGINS).apps
    source = Source(origin=Origin("liminal.yml", 3, 5), text="pipeline: x\n")
    return [
        CompiledPipeline(plan=plan, source=source, tasks={"a": source})
        for app in apps
        for plan in plans(app, PLUGINS).pipelines
    ]


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir()))
def test_every_case_comes_back_as_it_was(case: str) -> None:
    for compiled in compiled_of(case):
        text = as_json(compiled)
        assert from_json(text) == compiled
        assert as_json(from_json(text)) == text


def with_params(compiled: CompiledPipeline, params: object) -> CompiledPipeline:
    import dataclasses

    plan = dataclasses.replace(compiled.plan, params=params)  # type: ignore[arg-type]
    return dataclasses.replace(compiled, plan=plan)


def test_a_mapping_with_our_own_key_comes_back_as_it_was() -> None:
    value = {"is": {"is": "TaskPlan", "entries": ()}, "x": ((1, 2.0), (True, None))}
    value["deferred"] = Deferred(("a", Placeholder("b", word=True)))  # type: ignore[assignment]
    compiled = with_params(compiled_of("tasks_order")[0], {"p": value})
    back = from_json(as_json(compiled))
    assert back == compiled
    assert list(back.plan.params["p"]) == ["is", "x", "deferred"]


def test_f29_a_newer_format_is_refused_even_if_it_has_words_that_we_do_not_know() -> None:
    text = as_json(compiled_of("tasks_order")[0]).replace('"format": 1', '"format": 2')
    for newer in (text, text.replace('"is": "TaskPlan"', '"is": "TaskPlan2"')):
        with pytest.raises(UnreadablePlan, match="update Liminal"):
            from_json(newer)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"format": 1}', '{"format": 1, "pipeline": 3}']
)
def test_what_is_damaged_is_refused(text: str) -> None:
    with pytest.raises(UnreadablePlan, match="damaged"):
        from_json(text)


def test_plans_are_plain_json() -> None:
    assert json.loads(as_json(compiled_of("tasks_order")[0]))["format"] == 1
