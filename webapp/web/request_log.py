"""One log line for every request, and an id that ties it to what the person sees.

The id stands in the answer's X-Request-ID, on the page of an unexpected error, and in every line logged meanwhile.
"""

from __future__ import annotations

import re
import secrets
import time

import structlog
from flask import Flask, Response, current_app, g, has_request_context, request
from sqlalchemy import inspect

from webapp.config import Settings

HEADER = "X-Request-ID"
_FORM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")
# Asked for again and again by machines, or files that never change: they would drown the rest.
# A provider's message is a row of the inbox, or one line that says why it was refused.
QUIET = frozenset(
    {
        "assets.serve",
        "public.health.show",
        "public.health.ready",
        "public.metrics.show",
        "public.hooks.receive",
    }
)

log = structlog.get_logger()


def current_id() -> str:
    """The id of the present request; empty outside one."""
    return str(g.get("request_id", "")) if has_request_context() else ""


def _choose() -> str:
    """The proxy's id, where one stands in front and sends a well-formed one; else a new one."""
    settings: Settings = current_app.config["SETTINGS"]
    given = request.headers.get(HEADER, "")
    if settings.trusted_proxies and _FORM.fullmatch(given):
        return given
    return secrets.token_hex(12)


def _begin() -> None:
    structlog.contextvars.clear_contextvars()
    g.request_id = _choose()
    g.request_began = time.perf_counter()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def _number_of(record: object) -> int | None:
    """The id of a loaded record, without asking the database again."""
    state = inspect(record, raiseerr=False)
    identity = state.identity if state is not None else None
    return identity[0] if identity else None


def _end(response: Response) -> Response:
    if "request_id" not in g:
        return response
    response.headers[HEADER] = g.request_id
    is_bad = response.status_code >= 500
    if request.endpoint in QUIET and not is_bad:
        return response
    # The signed-in person as flask-login left them: asking for them here could load them for the first time.
    user = g.get("_login_user")
    (log.error if is_bad else log.info)(
        "request",
        method=request.method,
        endpoint=request.endpoint,
        status=response.status_code,
        ms=round((time.perf_counter() - g.request_began) * 1000, 1),
        user_id=getattr(user, "id", None),
        organisation_id=_number_of(g.get("organisation")),
    )
    return response


def init_app(app: Flask) -> None:
    """Begin before every other part of the request, and end after it."""
    app.before_request(_begin)
    app.after_request(_end)
