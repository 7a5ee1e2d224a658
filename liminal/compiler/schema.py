"""Document -> findings about its shape: the JSON Schema, with every plug-in's own keys in it."""

import json
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import jsonschema_rs

from liminal.compiler.excerpt import beginnings
from liminal.compiler.nodes import Map
from liminal.compiler.wording import explain
from liminal.errors import MAX_FINDINGS, Diagnostic
from liminal.plugins import Plugins, Schema

DEFAULT_TASK_TYPE = "python"
DEFAULT_IMAGE_TYPE = "python"


def compose(plugins: Plugins) -> dict[str, Any]:
    """The complete schema of a liminal.yml, draft 2020-12, with the types that are installed."""
    core = Path(__file__).with_name("liminal.schema.json")
    schema: dict[str, Any] = json.loads(core.read_text(encoding="utf-8"))
    _add_tasks(schema, plugins)
    _add_images(schema, plugins)
    for kind, group in (
        ("executor", "liminal.executors"),
        ("metrics_backend", "liminal.metrics"),
        ("alerts_backend", "liminal.alerts"),
    ):
        shared = _refs(schema["$defs"], [f"{kind}_keys"])
        variants = {name: {**shared, **type_.properties} for name, type_ in plugins.loadable(group)}
        _add_variants(schema, kind, variants, (kind, "type"), plugins.names(group))
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
        # The validator lists all errors at once: seconds, for a large file of nothing else.
        for part in beginnings(root):
            problems = list(self._validator.iter_errors(part))
            if len(problems) >= MAX_FINDINGS:
                break
        findings = (
            finding for problem in problems for finding in explain(problem, part, self._schema)
        )
        # A name is judged by itself and as a key of its type: the same is told once.
        return tuple(dict.fromkeys(islice(findings, MAX_FINDINGS)))


def _add_tasks(schema: dict[str, Any], plugins: Plugins) -> None:
    defs = schema["$defs"]
    variants = {}
    for name, type_ in plugins.loadable("liminal.tasks"):
        shared = ["task_keys", *(["container_keys"] if type_.container else [])]
        variants[name] = {**_refs(defs, shared), **type_.properties}
    names = plugins.names("liminal.tasks")
    _add_variants(schema, "task", variants, ("task",), names, DEFAULT_TASK_TYPE)
    defaults = schema["properties"]["task_defaults"]
    defaults["additionalProperties"] = False
    for name, properties in variants.items():
        defaults["properties"][name] = {
            "description": f"Defaults of the tasks of type {name}.",
            "type": "object",
            "properties": {k: v for k, v in properties.items() if k not in ("task", "type")},
            "additionalProperties": False,
            "default": {},
            "examples": [{"retries": 2}],
        }
    _allow_pipeline_marker(defs)


def _allow_pipeline_marker(defs: dict[str, Any]) -> None:
    """Lets `pipeline_defaults.tasks` hold the entry that stands for the pipeline's own tasks."""
    is_marker = {"properties": {"type": {"const": "pipeline"}}, "required": ["type"]}
    defs["default_task"] = {
        "if": is_marker,
        "then": {"$ref": "#/$defs/pipeline_marker"},
        "else": {"$ref": "#/$defs/task"},
    }
    tasks = defs["pipeline_defaults"]["properties"]["tasks"]
    tasks["items"] = {"$ref": "#/$defs/default_task"}


def _add_images(schema: dict[str, Any], plugins: Plugins) -> None:
    """Images by their type, and services, which may hold an image of any type in short form."""
    defs = schema["$defs"]
    own = dict(plugins.loadable("liminal.images"))
    first = {"image": defs["image"]["properties"]["image"]}
    shared = {**first, **_refs(defs, ["image_keys"])}
    variants = {
        name: {
            **{
                key: rule
                for key, rule in shared.items()
                if key not in getattr(type_, "without", ())
            },
            **type_.properties,
        }
        for name, type_ in own.items()
    }
    names = plugins.names("liminal.images")
    _add_variants(schema, "image", variants, ("image",), names, DEFAULT_IMAGE_TYPE)
    defs["service_keys"]["properties"]["type"]["enum"] = sorted(own)
    for table in ("service", "service_defaults"):
        for name in sorted(own):
            for key in own[name].properties:
                here = {"$ref": f"#/$defs/image.{name}/properties/{key}"}
                defs[table]["properties"].setdefault(key, here)


def _add_variants(
    schema: dict[str, Any],
    kind: str,
    variants: Mapping[str, Mapping[str, Schema]],
    required: Iterable[str],
    names: Iterable[str],
    default: str | None = None,
) -> None:
    """Makes `#/$defs/KIND` choose among its types by the key ``type``.

    Each type gets a definition that holds all of its keys, because editors and messages can name
    the keys that are allowed only where one object lists them. A type that does not load is among
    the `names` without such a definition: linking says why it does not.
    """
    defs = schema["$defs"]
    choices: list[dict[str, Any]] = []
    for name, properties in sorted(variants.items()):
        defs[f"{kind}.{name}"] = {
            "type": "object",
            "properties": {**properties, "type": {**properties["type"], "examples": [name]}},
            "additionalProperties": False,
        }
        is_type: dict[str, Any] = {"properties": {"type": {"const": name}}, "required": ["type"]}
        choices.append({"if": is_type, "then": {"$ref": f"#/$defs/{kind}.{name}"}})
    if default in variants:
        untyped = {"not": {"required": ["type"]}}
        choices.append({"if": untyped, "then": {"$ref": f"#/$defs/{kind}.{default}"}})
    kind_of_it = {**defs[f"{kind}_keys"]["properties"]["type"], "enum": sorted(names)}
    named = next((own[kind] for own in variants.values()), True)
    defs[kind] = {
        "description": defs.get(kind, {}).get("description", f"A {kind.replace('_', ' ')}."),
        "type": "object",
        # The name is judged even where the type is none that is known.
        "properties": {"type": kind_of_it, kind: named},
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
