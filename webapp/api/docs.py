"""The document as its page shows it: flattened, so that the template only prints."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from webapp.api import openapi
from webapp.api.problems import CODES
from webapp.people.access.tokens import Scope


@cache
def context() -> dict[str, Any]:
    """What the template needs; the same for everybody."""
    document = openapi.document()
    groups: dict[str, dict[str, Any]] = {
        tag["name"]: {"title": tag["name"], "about": tag["description"], "operations": []}
        for tag in document["tags"]
    }
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            groups[operation["tags"][0]]["operations"].append(_operation(path, method, operation, document))
    return {
        "groups": list(groups.values()),
        "problems": [(code, *entry) for code, entry in CODES.items()],
        "scopes": [(scope.value, scope.label) for scope in Scope],
        "about": document["info"]["description"].split("\n\n"),
    }


def _operation(path: str, method: str, operation: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    status, success = next(
        (status, answer) for status, answer in operation["responses"].items() if "$ref" not in answer
    )
    media, content = next(iter(success["content"].items()))
    body = operation.get("requestBody")
    sent = body["content"]["application/json"]["example"] if body else None
    return {
        "id": operation["operationId"],
        "method": method.upper(),
        "path": path,
        "summary": operation["summary"],
        "description": operation["description"].partition(" Scope: ")[0],
        "scope": operation.get("x-scope"),
        "parameters": [_parameter(p) for p in operation["parameters"]],
        "fields": _fields(body["content"]["application/json"]["schema"], document) if body else [],
        "curl": _curl(path, method.upper(), operation, sent),
        "status": status,
        "media": media,
        "answer": _pretty(content["example"]) if "example" in content else None,
        "refusals": [code for code, answer in operation["responses"].items() if "$ref" in answer],
    }


def _parameter(parameter: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": parameter["name"],
        "where": {"path": "address", "query": "query", "header": "header"}[parameter["in"]],
        "type": _type(parameter["schema"]),
        "about": parameter.get("description", ""),
        "is_required": parameter["required"],
    }


def _fields(schema: dict[str, Any], document: dict[str, Any]) -> list[dict[str, Any]]:
    found = document["components"]["schemas"][schema["$ref"].removeprefix(openapi.REFERENCE)]
    required = set(found.get("required", []))
    return [
        {
            "name": name,
            "type": _type(field),
            "about": field.get("description", ""),
            "is_required": name in required,
        }
        for name, field in found["properties"].items()
    ]


def _type(schema: dict[str, Any]) -> str:
    """A schema in a few words: "text, up to 120", "one of flat, per_unit"."""
    if "anyOf" in schema:
        return ", or ".join(_type(part) for part in schema["anyOf"])
    if "$ref" in schema:
        return str(schema["$ref"].removeprefix(openapi.REFERENCE))
    if "enum" in schema:
        return "one of " + ", ".join(str(word) or "(empty)" for word in schema["enum"])
    if "const" in schema:
        return str(schema["const"])
    kind = str(schema.get("type", ""))
    if kind == "array":
        return f"list of {_type(schema['items'])}"
    words = {"string": {"date": "day", "date-time": "instant"}.get(schema.get("format", ""), "text"),
             "integer": "whole number", "boolean": "true or false", "null": "null"}.get(kind, kind)  # fmt: skip
    if "maxLength" in schema:
        words += f", up to {schema['maxLength']}"
    if kind == "integer" and "maximum" in schema:
        words += f", {schema.get('minimum', 0)} to {schema['maximum']}"
    return words


def _curl(path: str, method: str, operation: dict[str, Any], sent: Any) -> str:
    for parameter in operation["parameters"]:
        if parameter["in"] == "path":
            path = path.replace("{" + parameter["name"] + "}", str(parameter["example"]))
    lines = [f'curl "$PAYDESK{path}"', '-H "Authorization: Bearer $TOKEN"']
    if method != "GET":
        lines[0] = f'curl -X {method} "$PAYDESK{path}"'
        lines.append('-H "Idempotency-Key: $(uuidgen)"')
    if sent is not None:
        lines.append('-H "Content-Type: application/json"')
        lines.append("-d '" + json.dumps(sent, ensure_ascii=False).replace("'", "’") + "'")
    return " \\\n  ".join(lines)


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
