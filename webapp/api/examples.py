"""Whole examples out of the examples of single fields."""

from __future__ import annotations

from typing import Any

_PREFIX = "#/components/schemas/"


def example_of(schema: dict[str, Any], schemas: dict[str, Any]) -> Any:
    """A value that fits the schema, as a person would write it."""
    if schema.get("examples"):
        return schema["examples"][0]
    if "$ref" in schema:
        return example_of(schemas[schema["$ref"].removeprefix(_PREFIX)], schemas)
    if "anyOf" in schema:
        return example_of(schema["anyOf"][0], schemas)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    kind = str(schema.get("type", ""))
    if kind == "object":
        return {name: example_of(field, schemas) for name, field in schema.get("properties", {}).items()}
    if kind == "array":
        return [example_of(schema["items"], schemas)] if "items" in schema else []
    if kind == "null":
        return None
    return {"string": "text", "integer": 1, "boolean": True}.get(kind, schema.get("default"))
