"""`/openapi.json`: what the service takes and answers, for people and for tools."""

from __future__ import annotations

from typing import Any

from .config import Endpoint, ServiceConfig

_PROBLEM = {
    "type": "object",
    "properties": {
        "error": {"type": "string", "description": "a short fixed word for programs"},
        "detail": {"type": "string", "description": "one sentence for people"},
        "request_id": {"type": "string", "description": "the id that the service's log repeats"},
    },
    "required": ["error", "detail", "request_id"],
}
_PROBLEMS = {
    "400": "the body is not what it says it is",
    "408": "the body took too long to arrive",
    "413": "the body is too large",
    "415": "the body is compressed",
    "422": "the body has not the expected fields",
    "500": "the function failed",
    "503": "no worker can take the request now",
    "504": "the function took too long",
}
_EXAMPLE_DEPTH = 6


def openapi_document(config: ServiceConfig, descriptions: list[dict[str, Any]]) -> dict[str, Any]:
    """The OpenAPI 3.1 document of a service.

    Args:
        config: The service.
        descriptions: What a worker tells of each endpoint, in the endpoints' order; empty while
            none has loaded.
    """
    schemas: dict[str, Any] = {"Problem": _PROBLEM}
    paths = {}
    for number, endpoint in enumerate(config.endpoints):
        description = descriptions[number] if descriptions else {}
        paths[endpoint.endpoint] = {
            method.lower(): _operation(endpoint, method, description, schemas)
            for method in endpoint.methods
        }
    return {
        "openapi": "3.1.0",
        "info": {"title": config.service, "version": "1"},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _operation(
    endpoint: Endpoint, method: str, description: dict[str, Any], schemas: dict[str, Any]
) -> dict[str, Any]:
    problem = {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    responses: dict[str, Any] = {"200": {"description": "the function's result"}}
    for status, text in _PROBLEMS.items():
        responses[status] = {"description": text, "content": problem}
    operation: dict[str, Any] = {
        "operationId": f"{method.lower()}_{endpoint.function}_{endpoint.endpoint.strip('/')}",
        "summary": description.get("summary", ""),
        "responses": responses,
    }
    # A body of a GET request has no meaning in HTTP, though it is read.
    if description.get("content_type") and method not in ("GET", "DELETE"):
        schema = _without_definitions(description["schema"], schemas)
        content = {"schema": schema, "example": example_of(schema, schemas)}
        operation["requestBody"] = {
            "required": description["required"],
            "content": {description["content_type"]: content},
        }
    return operation


def _without_definitions(schema: Any, schemas: dict[str, Any]) -> Any:
    """The schema with the models that it defines moved to `schemas`."""
    if isinstance(schema, list):
        return [_without_definitions(item, schemas) for item in schema]
    if not isinstance(schema, dict):
        return schema
    for name, definition in schema.get("$defs", {}).items():
        schemas[name] = _without_definitions(definition, schemas)
    return {
        key: _without_definitions(value, schemas) for key, value in schema.items() if key != "$defs"
    }


def example_of(schema: dict[str, Any], schemas: dict[str, Any], depth: int = 0) -> Any:
    """A value of the schema, to begin with on the documentation's page."""
    if depth > _EXAMPLE_DEPTH:
        return None
    if "$ref" in schema:
        return example_of(schemas.get(schema["$ref"].rpartition("/")[2], {}), schemas, depth + 1)
    for key in ("default", "const"):
        if key in schema:
            return schema[key]
    for key in ("examples", "enum"):
        if schema.get(key):
            return schema[key][0]
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            return example_of(schema[key][0], schemas, depth + 1)
    return _example_of_type(schema, schemas, depth)


def _example_of_type(schema: dict[str, Any], schemas: dict[str, Any], depth: int) -> Any:
    match schema.get("type"):
        case "object":
            properties = schema.get("properties", {})
            return {key: example_of(one, schemas, depth + 1) for key, one in properties.items()}
        case "array":
            items = schema.get("prefixItems") or [schema.get("items", {})]
            return [example_of(one, schemas, depth + 1) for one in items]
        case "string":
            return {"date": "2026-01-31", "date-time": "2026-01-31T12:00:00Z"}.get(
                schema.get("format", ""), "text"
            )
        case "integer":
            return 1
        case "number":
            return 1.0
        case "boolean":
            return True
        case _:
            return None
