"""Every error becomes one clear page (or fragment for htmx) with the right status."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

import structlog
from flask import Flask, Response, current_app, make_response, render_template, request, url_for
from flask_login import current_user
from flask_wtf.csrf import CSRFError
from redis import RedisError
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException

from webapp.database import db
from webapp.kernel.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    PaydeskError,
    Unavailable,
)
from webapp.web import request_log
from webapp.web.guards import SAFE_METHODS
from webapp.web.i18n import N_

STATUS: dict[type[PaydeskError], int] = {
    NotFound: 404,
    Forbidden: 403,
    Invalid: 422,
    Conflict: 409,
    Unavailable: 503,
}
TITLES = {
    400: "The request cannot be read",
    401: "Sign in to go on",
    403: "You may not do this",
    404: "Page not found",
    405: "This address does not take that action",
    409: "Nothing was changed",
    413: "The file is too large",
    422: "Something needs correcting",
    429: "Too many tries",
    500: "Something went wrong",
    503: "Paydesk cannot do this right now",
}
MESSAGES = {
    401: "Your session has ended, so nothing was changed. Sign in and you come back to the page you were on.",
    404: "There is nothing at this address, or it is not yours to see.",
    413: "Files may have up to 10 MB.",
    429: "Wait a few minutes, then try again.",
    500: "The error has been logged. We do not know if your action went through: look at the record before "
    "you try again.",
}
log = structlog.get_logger()
# Parts of the site that say in their own form what went wrong: beginning of the path -> who renders it.
renderers: dict[str, Callable[[int, str, Exception], Response]] = {}


def status_of(error: PaydeskError) -> int:
    """The HTTP status of an error class (its nearest ancestor in the table)."""
    for kind in type(error).__mro__:
        if kind in STATUS:
            return STATUS[kind]
    return 500


def _came_from() -> str:
    """Where a person who is signed out meanwhile wants back to: the page with the form, not what it was sent to."""
    if request.method in SAFE_METHODS:
        return request.full_path.rstrip("?")
    page = urlsplit(request.referrer or "")
    if page.netloc != request.host:
        return "/"
    return f"{page.path}?{page.query}" if page.query else page.path


def _sign_in_again() -> dict[str, str]:
    return {
        "action_href": url_for("public.people.sign_in", next=_came_from()),
        "action_label": N_("Sign in"),
    }


def _is_signed_out() -> bool:
    """Whether a form without a good token comes from somebody whose session is over: the token went with it."""
    view = current_app.view_functions.get(request.endpoint or "")
    return not getattr(view, "is_public", False) and not current_user.is_authenticated


def _page(code: int, message: str, error: Exception) -> Response:
    db.session.rollback()
    for beginning, render in renderers.items():
        if request.path.startswith(beginning):
            return render(code, message, error)
    title = TITLES.get(code, "Error")
    # The script shows the page's sentence beside what the person typed; it never swaps an error in.
    reference = request_log.current_id() if code >= 500 else None
    action = _sign_in_again() if code == 401 else {}
    page = render_template(
        "errors/error.html", code=code, title=title, message=message, reference=reference, **action
    )
    return make_response(page, code)


def init_app(app: Flask) -> None:
    """Install the handlers."""

    @app.errorhandler(PaydeskError)
    def _paydesk(error: PaydeskError) -> Response:
        return _page(status_of(error), error.message, error)

    @app.errorhandler(CSRFError)
    def _csrf(error: CSRFError) -> Response:
        if _is_signed_out():
            return _page(401, MESSAGES[401], error)
        return _page(
            400,
            "This form is no longer valid. Go back, reload the page, and send it again.",
            error,
        )

    @app.errorhandler(RedisError)
    def _store(error: RedisError) -> Response:
        log.error("store.unreachable", error=type(error).__name__)
        return _page(
            503,
            "The job store does not answer. Nothing was changed. Try again in a minute.",
            error,
        )

    @app.errorhandler(OperationalError)
    def _database(error: OperationalError) -> Response:
        log.error("database.unreachable", error=type(error.orig).__name__)
        return _page(
            503,
            "The database is busy or away. Look at the record before you try again.",
            error,
        )

    @app.errorhandler(HTTPException)
    def _http(error: HTTPException) -> Response:
        code = error.code or 500
        if code < 400:
            return error.get_response()  # type: ignore[return-value]
        written = error.description if code in (400, 403, 409, 422) else None
        return _page(code, written or MESSAGES.get(code, "Go back and try again."), error)

    @app.errorhandler(Exception)
    def _last_resort(error: Exception) -> Response:
        # The rule and not the path, which may hold the token of a link.
        log.exception("unhandled", rule=str(request.url_rule))
        return _page(500, MESSAGES[500], error)
