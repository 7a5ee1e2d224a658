"""The typed inputs of a run, checked as Airflow checks them when a run is triggered."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from liminal.errors import UsageError
from liminal.model import Setting


def check_params(params: Mapping[str, Mapping[str, Setting]], supplied: Mapping[str, str]) -> None:
    """Make sure that each param has a value, and one that its schema allows.

    Raises:
        UsageError: names each that has not.
    """
    problems = [words for name in sorted(params) for words in _problems(name, params, supplied)]
    if problems:
        raise UsageError("\n".join(problems), hint="give a value with --var NAME=VALUE")


def _problems(
    name: str, params: Mapping[str, Mapping[str, Setting]], supplied: Mapping[str, str]
) -> Iterator[str]:
    schema = plain_data(params[name])
    if name not in supplied:
        if "default" not in schema:
            yield f'the pipeline needs a value for its param "{name}"'
        return
    import jsonschema_rs  # only a pipeline with params pays for it

    # With the options of `liminal.compiler.link.params`, so that both say the same of a value.
    validator = jsonschema_rs.validator_for(
        schema,
        validate_formats=True,
        retriever=_refuse,
        pattern_options=jsonschema_rs.FancyRegexOptions(backtrack_limit=10_000, size_limit=50_000),
    )
    found = list(validator.iter_errors(_typed(supplied[name], schema)))
    if found:
        yield f"--var {name}={supplied[name]}: {'; '.join(error.message for error in found)}"


def _refuse(uri: str) -> dict[str, Any]:
    """Keeps a ``$ref`` from reading files or the network."""
    raise ValueError(f"{uri} is not in this file")


def _typed(value: str, schema: Mapping[str, Any]) -> Any:
    """The value as the schema wants it: text where text will do, else what JSON makes of it."""
    kinds = schema.get("type", "string" if "enum" not in schema else None)
    if kinds == "string" or (isinstance(kinds, list) and "string" in kinds):
        return value
    if value in schema.get("enum", ()):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def plain_data(value: Setting) -> Any:
    """The frozen value as JSON has it."""
    if isinstance(value, Mapping):
        return {key: plain_data(inner) for key, inner in value.items()}
    if isinstance(value, tuple):
        return [plain_data(inner) for inner in value]
    return value if isinstance(value, str | int | float | None) else str(value)
