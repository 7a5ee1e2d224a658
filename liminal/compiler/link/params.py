"""The typed inputs of a run: each a JSON Schema, with a default that it allows."""

from collections.abc import Sequence
from itertools import islice
from typing import Any

import jsonschema_rs

from liminal.compiler.link.context import Context
from liminal.compiler.nodes import Map, Seq, Value
from liminal.origin import Origin
from liminal.suggest import nearest

_MAX_UNKNOWN = 20
"""Keys of one param that are looked at for misspellings."""

_REGEX_LIMITS = jsonschema_rs.FancyRegexOptions(backtrack_limit=10_000, size_limit=50_000)
"""Of the patterns of params: what a person writes is far below, and no pattern costs much."""

_TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")
_KEYWORDS = tuple(
    "$anchor $comment $defs $id $ref $schema additionalProperties allOf anyOf const contains"
    " contentEncoding contentMediaType default dependentRequired dependentSchemas deprecated"
    " description else enum examples exclusiveMaximum exclusiveMinimum format if items"
    " maxContains maxItems maxLength maxProperties maximum minContains minItems minLength"
    " minProperties minimum multipleOf not oneOf pattern patternProperties prefixItems properties"
    " propertyNames readOnly required then title type unevaluatedItems unevaluatedProperties"
    " uniqueItems writeOnly"
    # What Airflow's form adds. Source: Airflow 3.3, core-concepts/params.
    " custom_html_form description_md section source values_display".split()
)


def check_params(pipeline: Map, scheduled: bool, context: Context) -> None:
    """Adds a finding for each param that Airflow would refuse.

    Args:
        pipeline: its entry.
        scheduled: whether runs begin by themselves, so that nobody is there to fill in a form.
        context: where findings go.
    """
    params = pipeline.mapping("params")
    for name, schema in params.items():
        if context.is_full:
            return
        if not isinstance(schema, Map):
            continue
        _check_keywords(name, schema, context)
        validator = _validator(name, schema, params, context)
        if validator is None:
            continue
        if "default" in schema:
            _check_default(name, schema, validator, context)
        elif scheduled:
            context.error(
                "param-without-default",
                f'param "{name}" has no default, and the pipeline runs by its schedule',
                params.at(name),
                'add "default: …"',
            )


def _check_keywords(name: str, schema: Map, context: Context) -> None:
    """Adds an error for each key that looks misspelt; JSON Schema itself allows any."""
    unknown = (key for key in schema if key not in _KEYWORDS)
    for key in islice(unknown, _MAX_UNKNOWN):
        meant = nearest(key, _KEYWORDS)
        if meant:
            message = f'param "{name}" has no key "{key}"; did you mean "{meant}"?'
            context.error("unknown-key", message, schema.at_key(key))


def _validator(
    name: str, schema: Map, params: Map, context: Context
) -> jsonschema_rs.Validator | None:
    try:
        return jsonschema_rs.validator_for(
            _plain(schema),
            validate_formats=True,
            retriever=_refuse,
            pattern_options=_REGEX_LIMITS,
        )
    except jsonschema_rs.ValidationError as problem:
        if type(problem.kind).__name__.endswith("Referencing"):
            message = f'param "{name}" refers to something that is not in it'
            context.error("bad-param", message, params.at(name), 'a "$ref" here begins with "#"')
            return None
        value, origin = _value_at(params, [name, *problem.instance_path])
        _tell(name, list(problem.instance_path), value, problem.message, origin, context)
    except (ValueError, jsonschema_rs.ReferencingError) as problem:
        message = f'param "{name}" is not a JSON Schema: {_first_line(str(problem))}'
        context.error("bad-param", message, params.at(name))
    return None


def _plain(value: Value) -> Any:
    """The value as the validator takes schemas: plain dicts and lists only."""
    match value:
        case Map():
            return {key: _plain(item) for key, item in value.items()}
        case Seq():
            return [_plain(item) for item in value]
        case _:
            return value


def _refuse(uri: str) -> dict[str, Any]:
    """Keeps a ``$ref`` from reading files or the network."""
    raise ValueError(f"{uri} is not in this file")


def _tell(
    name: str,
    path: Sequence[str | int],
    value: Value,
    problem: str,
    origin: Origin,
    context: Context,
) -> None:
    if path and path[-1] == "type" and isinstance(value, str):
        meant = nearest(value, _TYPES)
        question = f'; did you mean "{meant}"?' if meant else ""
        message = f'param "{name}" cannot have the type "{value}"{question}'
        context.error("bad-param", message, origin, f"types: {', '.join(_TYPES)}")
        return
    where = f'"{".".join(str(step) for step in path)}" of ' if path else ""
    message = f'{where}param "{name}" is not JSON Schema: {_first_line(problem)}'
    context.error("bad-param", message, origin)


def _check_default(
    name: str, schema: Map, validator: jsonschema_rs.Validator, context: Context
) -> None:
    problem = next(iter(validator.iter_errors(schema["default"])), None)
    if problem is None:
        return
    _, origin = _value_at(schema, ["default", *problem.instance_path])
    message = f'the default of param "{name}" does not fit it: {_first_line(problem.message)}'
    context.error("bad-default", message, origin)


def _value_at(node: Value, path: Sequence[str | int]) -> tuple[Value, Origin]:
    """The value at the end of the path, as far as it leads, and where it stands."""
    origin = node.origin if isinstance(node, Map | Seq) else Origin("", 1, 1)
    for step in path:
        match node, step:
            case Map(), str() if step in node:
                origin, node = node.at(step), node[step]
            case Seq(), int() if step < len(node):
                origin, node = node.at(step), node[step]
            case _:
                break
    return node, origin


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]
