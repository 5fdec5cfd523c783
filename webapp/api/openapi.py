"""The OpenAPI 3.1 document, made from the operations, the pydantic models and the table of problems."""

from __future__ import annotations

import re
from functools import cache
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from webapp.api import idempotency, limits
from webapp.api.examples import example_of
from webapp.api.operations import JSON_TYPE, PREFIX, REPEATED, Operation, Resource
from webapp.api.problems import CODES, DOCS, MEDIA_TYPE, Problem, body_of, field_error
from webapp.people.access.tokens import Scope

REFERENCE = "#/components/schemas/"
_ARGUMENT = re.compile(r"<(?:(int):)?(\w+)>")
_EXAMPLES: dict[str, dict[str, Any]] = {"reference": {"payouts": "PO-2026-000123", "payout_actions": "PO-2026-000123",
                           "installations": "ISR-000042", "payees": "PY-0001", "bank_changes": "BC-0001",
                           "properties": "PR-0001", "leases": "LS-0001", "rents": "RC-2026-000001",
                           "rent_payments": "RP-2026-000001", "bank_files": "BF-2026-0001",
                           "customers": "CU-0001", "appointments": "AP-0001", "transactions": "TX-000001",
                           "wallets": "PY-0001", "withdrawals": "PO-2026-000123", "payout_runs": "BA-0001",
                           "runs": "BA-0001", "repairs": "RPR-2026-001",
                           "repair_actions": "RPR-2026-001", "instalments": "RPR-2026-001-01", "drivers": "PY-0001",
                           "driver_adjustments": "AD-000017", "driver_loans": "LN-2026-001",
                           "driver_leases": "LS-0001", "partners": "PY-0001", "partner_programs": "PP-0001",
                           "deals": "DL-000001", "partner_registrations": "DR-0001",
                           "commissions": "CM-000001"},
             "number": {"statements": "RA-2026-000017", "invoices": "INV-001", "invoice_money": "INV-001",
                        "invoice_payouts": "INV-001", "weekly_receipts": "DTR-2026-000017",
                        "medallions": "5Y21"},
             "rule_id": {"commission_rules": 7, "partner_rules": 7}, "touch_id": {"touchpoints": 7},
             "dispute_id": {"partner_disputes": 7}, "event_id": {"deal_events": "evt_01J9ZK4Q"},
             "configuration_id": {"rates": 7}, "retention_id": {"retentions": 7},
             "finding_id": {"findings": 7}, "message_id": {"messages": 7},
             "replan_id": {"repair_actions": 7}, "plate": {"vehicles": "T612345C"},
             "week": {"weekly_runs": "2026-11-22"}, "name": {"connections": "cashfree"}}  # fmt: skip
#: Problems that any call may meet, and those of calls that act.
_ALWAYS = (401, 403, 404, 422, 429, 500, 503)
_ABOUT = """Paydesk's API does what its pages do, with the same rules and the same sentences.

Send a token as `Authorization: Bearer pd_…`. It acts as its person in one organisation, within its scopes and the
person's roles. Send an `Idempotency-Key` with every call that is not a GET: the same call with the same key gets
the first answer again, so a call whose answer was lost can simply be sent again. Amounts are whole minor units, and
the same as exact decimal text. Instants are UTC. Errors are problem+json (RFC 9457)."""


def _models() -> list[tuple[type[BaseModel], Any]]:
    found: dict[tuple[type[BaseModel], Any], None] = {}
    for operation in operations():
        if operation.body is not None:
            found[operation.body, "validation"] = None
        if operation.answers is not None:
            found[operation.answers, "serialization"] = None
    return list(found)


def operations() -> list[Operation]:
    """Every operation, in the order of the document."""
    return [operation for resource in Resource.registered for operation in resource.operations]


@cache
def document() -> dict[str, Any]:
    """The whole document; the same for everybody, so it is made once."""
    _, defined = models_json_schema(_models(), ref_template=REFERENCE + "{model}")
    schemas: dict[str, Any] = {**defined["$defs"], **_problem_schemas()}
    paths: dict[str, Any] = {}
    for operation in operations():
        path = PREFIX + _ARGUMENT.sub(r"{\2}", operation.rule)
        paths.setdefault(path, {})[operation.method.lower()] = _operation(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Paydesk API", "version": version("paydesk"), "description": _ABOUT},
        "servers": [{"url": "/"}],
        "tags": [{"name": r.title, "description": r.about} for r in Resource.registered],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": _problem_responses(),
            "headers": _headers(),
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token made on the page API tokens, or by `paydesk token create`. Scopes: "
                    + "; ".join(f"{scope.value}: {scope.label}" for scope in Scope),
                }
            },
        },
    }


def _operation(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {
        "operationId": f"{operation.group}_{operation.name}",
        "tags": [next(r.title for r in Resource.registered if r.name == operation.group)],
        "summary": operation.summary,
        "description": operation.description
        + (f" Scope: `{operation.scope.value}`." if operation.scope else ""),
        "parameters": [*_arguments(operation), *_query(operation), *_key(operation)],
        "responses": {**_successes(operation, schemas), **_refusals(operation)},
    }
    if operation.scope is not None:
        made["x-scope"] = operation.scope.value
    if operation.body is not None:
        schema = {"$ref": REFERENCE + operation.body.__name__}
        made["requestBody"] = {
            "required": True,
            "content": {JSON_TYPE: {"schema": schema, "example": example_of(schema, schemas)}},
        }
    return made


def _arguments(operation: Operation) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "integer", "minimum": 0} if kind else {"type": "string", "minLength": 1},
            "example": _EXAMPLES[name][operation.group],
        }
        for kind, name in _ARGUMENT.findall(operation.rule)
    ]


def _query(operation: Operation) -> list[dict[str, Any]]:
    if operation.query is None:
        return []
    schema = operation.query.model_json_schema(ref_template=REFERENCE + "{model}")
    made = []
    for name, field in schema["properties"].items():
        alternatives = [part for part in field.get("anyOf", []) if part.get("type") != "null"]
        plain = {**{k: v for k, v in field.items() if k not in ("anyOf", "title", "default")},
                 **(alternatives[0] if alternatives else {})}  # fmt: skip
        if field.get("default") is not None:
            plain["default"] = field["default"]
        about = plain.pop("description", "")
        examples = plain.pop("examples", [])
        parameter = {"name": name, "in": "query", "required": False, "schema": plain}
        if about:
            parameter["description"] = about
        if examples:
            parameter["example"] = examples[0]
        made.append(parameter)
    return made


def _key(operation: Operation) -> list[dict[str, Any]]:
    if not operation.is_unsafe:
        return []
    return [
        {
            "name": idempotency.HEADER,
            "in": "header",
            "required": True,
            "description": "Any text of your own that is new for each thing you want done, such as a UUID.",
            "schema": {
                "type": "string",
                "minLength": 1,
                "maxLength": idempotency.MAXIMUM_KEY,
                "pattern": "^[!-~]+$",
            },
            "example": "7f9c2b8e-41d0-4a57-9f65-0c6f7b1f2a11",
        }
    ]


def _successes(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    made = {str(operation.status): _success(operation, schemas)}
    if operation.repeats:
        again = _success(operation, schemas)
        again["headers"].pop("Location")
        made[str(REPEATED)] = {**again, "description": "It was there already: `is_repeat` is true."}
    return made


def _success(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    headers = {name: {"$ref": f"#/components/headers/{name}"} for name in _COUNTED}
    if operation.location:
        headers["Location"] = {"$ref": "#/components/headers/Location"}
    if operation.is_unsafe:
        headers[idempotency.REPLAYED] = {"$ref": f"#/components/headers/{idempotency.REPLAYED}"}
    if operation.answers is None:
        content: dict[str, Any] = {operation.media_type: {"schema": {"type": "string", "format": "binary"}}}
    else:
        schema = {"$ref": REFERENCE + operation.answers.__name__}
        content = {operation.media_type: {"schema": schema, "example": example_of(schema, schemas)}}
    word = "Made." if operation.status == 201 else "Done." if operation.is_unsafe else "Here it is."
    return {"description": word, "headers": headers, "content": content}


def _refusals(operation: Operation) -> dict[str, Any]:
    found = set(_ALWAYS)
    if operation.is_unsafe:
        found |= {400, 409}
    if operation.body is not None:
        found |= {413, 415}
    if operation.answers is None:
        found.add(409)
    # An address without that method, and a query that holds a sign which cannot be stored.
    found |= {400, 405}
    return {str(status): {"$ref": f"#/components/responses/Problem{status}"} for status in sorted(found)}


_COUNTED = {
    "RateLimit-Limit": f"Calls a minute: {limits.READS.amount} that read, {limits.WRITES.amount} that act.",
    "RateLimit-Remaining": "Calls that are left.",
    "RateLimit-Reset": "Seconds until there are more.",
}


def _headers() -> dict[str, Any]:
    number = {"type": "string", "pattern": r"^\d+$"}
    return {
        **{name: {"description": words, "schema": number} for name, words in _COUNTED.items()},
        "Location": {
            "description": "Where what was made is read.",
            "schema": {"type": "string", "format": "uri-reference"},
        },
        "Retry-After": {"description": "Seconds to wait.", "schema": number},
        "WWW-Authenticate": {"description": "How to prove who you are.", "schema": {"type": "string"}},
        idempotency.REPLAYED: {
            "description": "true when this is the answer that the first call with the key got.",
            "schema": {"type": "string", "enum": ["true"]},
        },
    }


def _problem_schemas() -> dict[str, Any]:
    text = {"type": "string"}
    return {
        "FieldError": {
            "type": "object",
            "required": ["field", "message", "example"],
            "properties": {
                "field": {
                    **text,
                    "description": "Path in the body, or the name of a parameter.",
                    "examples": ["reason"],
                },
                "message": {**text, "examples": ["Give a reason; it is kept with the payout."]},
                "example": {"type": ["string", "null"], "examples": ["The size of ISR-000042 is wrong."]},
            },
        },
        "Changed": {
            "type": "object",
            "required": ["field", "seen", "now", "what"],
            "properties": {
                "field": {**text, "description": "What was sent.", "examples": ["version"]},
                "seen": {"type": "integer", "description": "As the caller saw it.", "examples": [1]},
                "now": {"type": "integer", "description": "As it is.", "examples": [2]},
                "what": {"type": "array", "items": text, "description": "What happened, as sentences."},
            },
        },
        "Problem": {
            "type": "object",
            "description": "RFC 9457.",
            "required": ["type", "title", "status", "code", "detail"],
            "properties": {
                "type": {**text, "format": "uri-reference", "examples": [f"{DOCS}#conflict"]},
                "title": text,
                "status": {"type": "integer"},
                "code": {**text, "enum": list(CODES)},
                "detail": {**text, "description": "A sentence for people; programs look at `code`."},
                "errors": {"type": "array", "items": {"$ref": REFERENCE + "FieldError"}},
                "reasons": {"type": "array", "items": text, "description": "Every rule that stops it."},
                "changed": {
                    "type": "array",
                    "items": {"$ref": REFERENCE + "Changed"},
                    "description": "With `stale`: what is not as the caller saw it.",
                },
                "scope": {
                    **text,
                    "description": "The scope that is missing.",
                    "enum": [s.value for s in Scope],
                },
            },
        },
    }


def _problem_responses() -> dict[str, Any]:
    made: dict[str, Any] = {}
    for code, (status, title, about) in CODES.items():
        entry = made.setdefault(
            f"Problem{status}",
            {"description": "", "headers": _problem_headers(status),
             "content": {MEDIA_TYPE: {"schema": {"$ref": REFERENCE + "Problem"}, "examples": {}}}},
        )  # fmt: skip
        entry["description"] = f"{entry['description']} {title} (`{code}`): {about}".strip()
        entry["content"][MEDIA_TYPE]["examples"][code] = {"value": body_of(_sample(code))}
    return made


def _sample(code: str) -> Problem:
    """A problem with the members that it has in real life."""
    if code == "scope-missing":
        words = "This token does not have the scope payouts:approve."
        return Problem(code, words, members={"scope": "payouts:approve"})
    if code == "invalid":
        words = "Give a reason; it is kept with the payout."
        return Problem(
            code, f"reason: {words}", members={"errors": [field_error("reason", words, "Paid twice.")]}
        )
    if code == "conflict":
        words = "You created this payout; another person must approve it."
        return Problem(code, words, members={"reasons": [words]})
    if code == "stale":
        words = "PO-2026-000123 changed since you opened this page. Look at it again; nothing was done."
        what = ["Held by admin@solaria.example on 21 Nov 2026, 14:00 EST."]
        changed = {"field": "version", "seen": 1, "now": 2, "what": what}
        return Problem(code, words, members={"changed": [changed]})
    return Problem(code)


def _problem_headers(status: int) -> dict[str, Any]:
    if status == 401:
        return {"WWW-Authenticate": {"$ref": "#/components/headers/WWW-Authenticate"}}
    if status in (429, 503):
        return {"Retry-After": {"$ref": "#/components/headers/Retry-After"}}
    return {}
