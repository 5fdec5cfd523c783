"""Errors of the API: every one is problem+json (RFC 9457), also those that the web server itself meets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flask import Response
from werkzeug.exceptions import HTTPException

from webapp.kernel.errors import Invalid, NotAllowed, PaydeskError, StaleVersion
from webapp.web import errors

MEDIA_TYPE = "application/problem+json"
DOCS = "/api/v1/docs"

#: code -> (status, title, what it means and what to do next); the document and its page are made from it.
CODES: dict[str, tuple[int, str, str]] = {
    "unreadable": (
        400,
        "The request cannot be read",
        "The body is no JSON, or a header is not what it should be.",
    ),
    "key-missing": (
        400,
        "An idempotency key is missing",
        "Send Idempotency-Key with every call that may change something.",
    ),
    "unauthenticated": (
        401,
        "A token is needed",
        "Send Authorization: Bearer with a token that lives. Cookies do not count here.",
    ),
    "scope-missing": (
        403,
        "The token lacks a scope",
        "The member `scope` names it. Make a token that has it.",
    ),
    "forbidden": (
        403,
        "You may not do this",
        "The person of the token may not do this; the detail says why.",
    ),
    "not-found": (
        404,
        "Not found",
        "There is nothing at this address, or it is not yours to see.",
    ),
    "method-not-allowed": (
        405,
        "This address does not take that method",
        "The header Allow names those that it takes.",
    ),
    "conflict": (
        409,
        "Nothing was changed",
        "The record is not in the state for this, or a rule stops it; the detail and `reasons` say which.",
    ),
    "stale": (
        409,
        "Somebody changed it meanwhile",
        "Read it again, look at the change, then send the new version number.",
    ),
    "not-paid": (
        409,
        "The invoice is not paid",
        "Nothing is paid out of an invoice before its customer has paid; the detail names what is left.",
    ),
    "not-an-appointment": (
        409,
        "The invoice is not about an appointment",
        "Nobody worked for it at an appointment, so nobody is paid for it.",
    ),
    "no-practitioner": (
        409,
        "There is no practitioner to pay",
        "Name a primary practitioner of the appointment, or switch theirs on as a payee.",
    ),
    "nothing-left": (
        409,
        "Nothing of it is the practitioner's",
        "Tax or commission is all of what came in, or every payment is in a payout already.",
    ),
    "wallet-too-low": (
        409,
        "The clinic's wallet does not hold enough",
        "Put money into the clinic's wallet, then try again.",
    ),
    "running": (
        409,
        "The first call is still running",
        "Ask again with the same key after Retry-After seconds.",
    ),
    "too-large": (
        413,
        "The request is too large",
        "A body may have up to 1 MB.",
    ),
    "unsupported-type": (
        415,
        "Send JSON",
        "The body must be application/json in UTF-8.",
    ),
    "invalid": (
        422,
        "Something needs correcting",
        "The list `errors` names each field, what is wrong, and an example of right.",
    ),
    "key-reused": (
        422,
        "The idempotency key was used for another call",
        "A key belongs to one method, address and body. Use a new one.",
    ),
    "too-many": (
        429,
        "Too many calls",
        "Wait Retry-After seconds, then go on.",
    ),
    "failed": (
        500,
        "Something went wrong",
        "The error has been logged. Send the same call with the same key again: nothing happens twice.",
    ),
    "away": (
        503,
        "Paydesk cannot do this right now",
        "Nothing was changed. Send the same call with the same key again in a minute.",
    ),
}
_BY_STATUS = {400: "unreadable", 401: "unauthenticated", 403: "forbidden", 404: "not-found",
              405: "method-not-allowed", 409: "conflict", 413: "too-large", 415: "unsupported-type",
              422: "invalid", 429: "too-many", 500: "failed", 503: "away"}  # fmt: skip
RETRY_AFTER_AWAY = 10


class Problem(Exception):
    """An error with its code; `members` are added to the body, `headers` to the answer."""

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        members: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail or CODES[code][2])
        self.code, self.detail = code, detail or CODES[code][2]
        self.members, self.headers = dict(members or {}), dict(headers or {})

    @property
    def status(self) -> int:
        """The HTTP status."""
        return CODES[self.code][0]


def body_of(problem: Problem) -> dict[str, Any]:
    """The members of the JSON object."""
    status, title, _ = CODES[problem.code]
    return {
        "type": f"{DOCS}#{problem.code}",
        "title": title,
        "status": status,
        "code": problem.code,
        "detail": problem.detail,
        **problem.members,
    }


def response_of(problem: Problem) -> Response:
    """The answer to the caller."""
    response = Response(json.dumps(body_of(problem), ensure_ascii=False), problem.status, mimetype=MEDIA_TYPE)
    response.headers.extend(problem.headers)
    if problem.status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="Paydesk API"'
    return response


def field_error(field: str, message: str, example: str | None = None) -> dict[str, str | None]:
    """One entry of the list `errors`."""
    return {"field": field, "message": message, "example": example}


def from_error(error: PaydeskError) -> Problem:
    """A known error of the services as a problem, with the words that pages use."""
    if isinstance(error, Invalid):
        return Problem("invalid", error.message,
                       members={"errors": [field_error(error.field, error.reason, error.example)]})  # fmt: skip
    if isinstance(error, StaleVersion):
        return Problem("stale", error.message)
    if isinstance(error, NotAllowed):
        return Problem("conflict", error.message, members={"reasons": error.reasons})
    status = errors.status_of(error)
    code = _BY_STATUS[status]
    headers = {"Retry-After": str(RETRY_AFTER_AWAY)} if status == 503 else {}
    return Problem(code, CODES[code][2] if status == 404 else error.message, headers=headers)


def render(status: int, message: str, error: Exception) -> Response:
    """Answer any error under /api: hooked into the error handlers of the house."""
    if isinstance(error, Problem):
        return response_of(error)
    if isinstance(error, PaydeskError):
        return response_of(from_error(error))
    code = _BY_STATUS.get(status, "unreadable" if status < 500 else "failed")
    headers: dict[str, str] = {}
    if isinstance(error, HTTPException):
        allowed = getattr(error, "valid_methods", None)
        headers = {"Allow": ", ".join(sorted(allowed))} if allowed else {}
        message = (error.description or "") if status == 403 else ""
    if status == 503:
        headers["Retry-After"] = str(RETRY_AFTER_AWAY)
    if status == 429:
        headers["Retry-After"] = "60"
    return response_of(Problem(code, message if status in (403, 503) else "", headers=headers))
