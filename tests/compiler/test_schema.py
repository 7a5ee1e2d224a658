"""The composed schema says of every key what it is, what holds without it, and how it looks."""

import sys
from pathlib import Path
from typing import Any, ClassVar

import jsonschema
import pytest

from liminal.compiler import compile_path
from liminal.compiler.schema import compose
from liminal.plugins import Plugins, discover
from liminal.serving import config

sys.path.insert(0, str(Path(__file__).parent))

import schema_properties

PLUGINS = discover()
SCHEMA = compose(PLUGINS)
PROPERTIES = list(schema_properties.properties(SCHEMA))
OPTIONAL_WORDS = ("by default", "By default", "may come from")


def validator(rule: Any) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator({**rule, "$defs": SCHEMA["$defs"]})


def needed(found: Any) -> bool:
    """Whether the key must be there, by the schema or, once defaults are merged in, by its type."""
    kind, _, name = found.table.replace("root.task_defaults.", "task.").partition(".")
    own = ()
    if name and "." not in name and kind in ("task", "metrics_backend"):
        own = PLUGINS.load({"task": "liminal.tasks"}.get(kind, "liminal.metrics"), name).required
    of_all = SCHEMA["$defs"].get(kind, {}).get("required", ())
    return found.required or found.key in (*of_all, *own)


def test_it_is_valid_draft_2020_12() -> None:
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_every_key_has_a_description_in_a_sentence() -> None:
    wrong = [
        str(found)
        for found in PROPERTIES
        if not found.rule.get("description", "").endswith(".")
        or not found.rule["description"][0].isupper()
    ]
    assert wrong == []


def test_every_key_says_what_holds_without_it() -> None:
    wrong = [
        str(found)
        for found in PROPERTIES
        if not needed(found)
        and "default" not in found.rule
        and not any(words in found.rule["description"] for words in OPTIONAL_WORDS)
    ]
    assert wrong == []


def test_no_default_is_null_unless_null_may_be_written() -> None:
    wrong = [
        str(found)
        for found in PROPERTIES
        if "default" in found.rule and not validator(found.rule).is_valid(found.rule["default"])
    ]
    assert wrong == []


def test_no_default_stops_the_completion_of_an_editor() -> None:
    """yaml-language-server 1.25 ends it at a null that is a default and not the first type."""
    wrong = [
        str(found)
        for found in PROPERTIES
        if "default" in found.rule
        and found.rule["default"] is None
        and found.rule["type"][0] != "null"
    ]
    assert wrong == []


def test_every_key_has_examples_that_it_allows() -> None:
    wrong = [
        f"{found}: {example!r}: {problem.message}"
        for found in PROPERTIES
        for example in found.rule.get("examples", [None])
        for problem in validator(found.rule).iter_errors(example)
    ]
    assert wrong == []
    assert [str(found) for found in PROPERTIES if not found.rule.get("examples")] == []


def test_every_pattern_says_in_words_what_it_wants() -> None:
    def patterns(rule: Any) -> Any:
        if isinstance(rule, dict):
            if isinstance(rule.get("pattern"), str):
                yield rule
            for part in rule.values():
                yield from patterns(part)
        elif isinstance(rule, list):
            for part in rule:
                yield from patterns(part)

    assert [rule for rule in patterns(SCHEMA) if "patternErrorMessage" not in rule] == []


def test_the_defaults_of_services_are_those_of_the_server() -> None:
    keys = SCHEMA["$defs"]["service"]["properties"]
    default = {
        key: schema_properties.resolved(keys[key], SCHEMA)["default"]
        for key in ("threads", "request_timeout_seconds", "max_body_mb")
    }
    assert default == {
        "threads": config.DEFAULT_THREADS,
        "request_timeout_seconds": config.DEFAULT_REQUEST_TIMEOUT_SECONDS,
        "max_body_mb": config.DEFAULT_MAX_BODY_MB,
    }


@pytest.mark.parametrize(
    ("kind", "group"),
    [
        ("task", "liminal.tasks"),
        ("image", "liminal.images"),
        ("executor", "liminal.executors"),
        ("metrics_backend", "liminal.metrics"),
        ("alerts_backend", "liminal.alerts"),
    ],
)
def test_a_plug_in_adds_its_keys(kind: str, group: str) -> None:
    class Own:
        properties: ClassVar = {"own_key": {"description": "Its own.", "type": "string"}}
        required = ()
        container = True
        steps = ()

    entries = {name: dict(types) for name, types in PLUGINS.entries.items()}
    entries[group]["own"] = lambda: Own
    schema = compose(Plugins(entries))
    assert "own" in schema["$defs"][kind]["properties"]["type"]["enum"]
    assert "own_key" in schema["$defs"][f"{kind}.own"]["properties"]
    plain = {key: rule for key, rule in schema["$defs"][kind].items() if key != "$defs"}
    judge = jsonschema.Draft202012Validator({**plain, "$defs": schema["$defs"]})
    assert judge.is_valid({kind: "x", "type": "own", "own_key": "text"})
    assert not judge.is_valid({kind: "x", "type": "own", "own_key": 5})


def test_a_plug_in_that_does_not_load_leaves_the_others(tmp_path: Path) -> None:
    def broken() -> Any:
        raise ImportError("no such module")

    entries = {name: dict(types) for name, types in PLUGINS.entries.items()}
    entries["liminal.tasks"]["broken"] = broken
    task = "{task: t, type: broken, key: 1}, {task: u, image: i, cmd: c, type: python}"
    file = tmp_path / "liminal.yml"
    file.write_text(f"name: a\npipelines:\n- {{pipeline: p, tasks: [{task}]}}\n")
    findings = compile_path(str(file), {}, Plugins(entries)).findings
    assert [(found.code, found.message.rpartition(": ")[2]) for found in findings] == [
        ("plugin", "no such module")
    ]
