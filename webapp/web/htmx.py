"""Small helpers for htmx answers."""

from __future__ import annotations

import json

from flask import Response, make_response, redirect, request
from flask_htmx import HTMX

htmx = HTMX()


def is_fragment() -> bool:
    """Whether htmx asks for a piece of a page (not a history restore, which needs the whole page)."""
    return bool(htmx) and not htmx.history_restore_request


def see_other(address: str) -> Response:
    """Post/Redirect/Get: 303 for a plain form, HX-Location for htmx."""
    if request.headers.get("HX-Request"):
        response = make_response("", 200)
        response.headers["HX-Redirect"] = address
        return response
    return redirect(address, 303)  # type: ignore[return-value]


def toast(response: Response, text: str) -> Response:
    """Add a small message to an htmx answer."""
    response.headers["HX-Trigger"] = json.dumps({"toast": text})
    return response
