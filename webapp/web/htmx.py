"""Small helpers for htmx answers."""

from __future__ import annotations

from typing import Any

from flask import Response, flash, make_response, redirect, request
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


def flash_with_undo(text: str, href: str, fields: dict[str, Any]) -> None:
    """Say on the next page what was done, with a button that posts `fields` to `href` to have it back.

    For what is one's own and moves nothing: a view, a note. See docs/decisions/0015.
    """
    flash({"text": text, "href": href, "fields": fields}, "undo")  # type: ignore[arg-type]
