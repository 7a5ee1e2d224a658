"""Document -> findings about its shape: the JSON Schema, with every plug-in's own keys in it."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jsonschema_rs

from liminal.compiler.nodes import Map
from liminal.compiler.wording import explain
from liminal.errors import Diagnostic
from liminal.plugins import Plugins, Schema

DEFAULT_TASK_TYPE = "python"


def compose(plugins: Plugins) -> dict[str, Any]:
    """The complete schema of a liminal.yml, draft 2020-12, with the types that are installed."""
    core = Path(__file__).with_name("liminal.schema.json")
    schema: dict[str, Any] = json.loads(core.read_text(encoding="utf-8"))
    _add_tasks(schema, plugins)
    for kind, group, default in (
        ("image", "liminal.images", "python"),
        ("executor", "liminal.executors", None),
        ("metrics_backend", "liminal.metrics", None),
        ("alerts_backend", "liminal.alerts", None),
    ):
        own = {name: type_.properties for name, type_ in plugins.loadable(group)}
        _add_choice(schema, kind, own, default)
    return schema


class Checker:
    """Judges documents by a schema; compiled once, for any number of them."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._validator = jsonschema_rs.validator_for(dict(schema))

    def check(self, root: Map) -> tuple[Diagnostic, ...]:
        """What in the document the schema does not allow, in the user's words."""
        if self._validator.is_valid(root):
            return ()
        return tuple(
            finding
            for problem in self._validator.iter_errors(root)
            for finding in explain(problem, root, self._schema)
        )


def _add_tasks(schema: dict[str, Any], plugins: Plugins) -> None:
    defs = schema["$defs"]
    variants = {}
    for name, type_ in plugins.loadable("liminal.tasks"):
        shared = ["task_keys", *(["container_keys"] if type_.container else [])]
        variants[name] = {**_refs(defs, shared), **type_.properties}
    _add_variants(schema, "task", variants, ("task",), DEFAULT_TASK_TYPE)
    defaults = schema["properties"]["task_defaults"]
    defaults["additionalProperties"] = False
    for name, properties in variants.items():
        defaults["properties"][name] = {
            "description": f"Defaults of the tasks of type {name}.",
            "type": "object",
            "properties": {k: v for k, v in properties.items() if k not in ("task", "type")},
            "additionalProperties": False,
        }
    _allow_pipeline_marker(defs)


def _allow_pipeline_marker(defs: dict[str, Any]) -> None:
    """Lets `pipeline_defaults.tasks` hold the entry that stands for the pipeline's own tasks."""
    marker = {"type": "object", "properties": {"type": {"const": "pipeline"}}}
    defs["default_task"] = {
        "if": {**marker, "required": ["type"]},
        "then": {
            **marker,
            "properties": {"task": True, "pipeline": True, "type": True, "description": True},
            "additionalProperties": False,
        },
        "else": {"$ref": "#/$defs/task"},
    }
    tasks = defs["pipeline_defaults"]["properties"]["tasks"]
    tasks["items"] = {"$ref": "#/$defs/default_task"}


def _add_choice(
    schema: dict[str, Any], kind: str, own: Mapping[str, Mapping[str, Schema]], default: str | None
) -> None:
    defs = schema["$defs"]
    shared = _refs(defs, [f"{kind}_keys"])
    required = (kind,) if default else (kind, "type")
    variants = {name: {**shared, **properties} for name, properties in own.items()}
    if kind == "image":
        variants = {
            name: {"image": defs["image"]["properties"]["image"], **properties}
            for name, properties in variants.items()
        }
    _add_variants(schema, kind, variants, required, default)


def _add_variants(
    schema: dict[str, Any],
    kind: str,
    variants: Mapping[str, Mapping[str, Schema]],
    required: Iterable[str],
    default: str | None,
) -> None:
    """Makes `#/$defs/KIND` choose among its types by the key ``type``.

    Each type gets a definition that holds all of its keys, because editors and messages can name
    the keys that are allowed only where one object lists them.
    """
    defs = schema["$defs"]
    choices: list[dict[str, Any]] = []
    for name, properties in sorted(variants.items()):
        defs[f"{kind}.{name}"] = {
            "type": "object",
            "properties": dict(properties),
            "additionalProperties": False,
        }
        is_type: dict[str, Any] = {"properties": {"type": {"const": name}}, "required": ["type"]}
        choices.append({"if": is_type, "then": {"$ref": f"#/$defs/{kind}.{name}"}})
    if default in variants:
        untyped = {"not": {"required": ["type"]}}
        choices.append({"if": untyped, "then": {"$ref": f"#/$defs/{kind}.{default}"}})
    defs[kind] = {
        "description": defs.get(kind, {}).get("description", f"A {kind.replace('_', ' ')}."),
        "type": "object",
        "properties": {"type": {"type": "string", "enum": sorted(variants)}},
        "required": list(required),
    }
    if choices:
        defs[kind]["allOf"] = choices


def _refs(defs: Mapping[str, Any], names: Iterable[str]) -> dict[str, Schema]:
    return {
        key: {"$ref": f"#/$defs/{name}/properties/{key}"}
        for name in names
        for key in defs[name]["properties"]
    }
