"""Deny by default: every route needs a signed-in person unless it is marked public."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from flask import Flask, abort, current_app, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from werkzeug.routing import IntegerConverter, ValidationError

View = TypeVar("View", bound=Callable[..., Any])
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# Parts of the site that let people in by something else than a session: blueprint -> its gate, which gets the view
# and raises for whoever may not come in.
gates: dict[str, Callable[[Callable[..., Any] | None], None]] = {}


def public(view: View) -> View:
    """Mark a view that needs no sign-in. There are few; the house tests list them."""
    view.is_public = True  # type: ignore[attr-defined]
    return view


def reads_raw_body(view: View) -> View:
    """Mark a view that takes what arrived byte by byte: nobody before it may read its form."""
    view.reads_raw_body = True  # type: ignore[attr-defined]
    return view


def _require_sign_in() -> ResponseReturnValue | None:
    if request.endpoint is None:
        return None
    view = current_app.view_functions.get(request.endpoint)
    if gate := gates.get(request.endpoint.partition(".")[0]):
        gate(view)
        return None
    if getattr(view, "is_public", False) or current_user.is_authenticated:
        return None
    if request.method in SAFE_METHODS and not request.headers.get("HX-Request"):
        return redirect(url_for("public.people.sign_in", next=request.full_path.rstrip("?")))
    abort(401)


def _is_own(origin: str | None) -> bool:
    """Whether a request that does not say Sec-Fetch-Site comes from our own pages, as far as it says.

    Older browsers send Origin alone; programs and mail clients send neither, and have no cookies to misuse.
    """
    if origin is None:
        return True
    settings = current_app.config["SETTINGS"]
    return origin in (f"{request.scheme}://{request.host}", settings.public_url)


def _refuse_cross_site() -> None:
    """Second layer behind the CSRF token: browsers say where an unsafe request comes from."""
    if request.method in SAFE_METHODS:
        return
    site = request.headers.get("Sec-Fetch-Site")
    if site in ("same-origin", "none") or (site is None and _is_own(request.headers.get("Origin"))):
        return
    abort(
        403,
        "This form was sent from another site. Open Paydesk and send it from there.",
    )


def _refuse_nul() -> None:
    """PostgreSQL cannot store the sign NUL, and no person types it: such a request is no form of ours."""
    texts = [request.path, *request.args.values()]
    view = current_app.view_functions.get(request.endpoint or "")
    if request.method not in SAFE_METHODS and not getattr(view, "reads_raw_body", False):
        texts += request.form.values()
    if any("\0" in text for text in texts):
        abort(400, "The text holds a sign that cannot be stored. Remove it and send it again.")


class RecordNumber(IntegerConverter):
    """A number in an address; one that no database could have given is an address that does not exist."""

    def to_python(self, value: str) -> int:
        """The number. Raises ValidationError (404) when it is larger than any record's."""
        if len(value) > 18:
            raise ValidationError
        return int(super().to_python(value))


def init_app(app: Flask) -> None:
    """Install the guards in front of every view; before the portals, whose addresses they also check."""
    app.url_map.converters["int"] = RecordNumber
    app.before_request(_refuse_nul)
    app.before_request(_refuse_cross_site)
    app.before_request(_require_sign_in)
