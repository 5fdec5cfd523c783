"""The cookie by which a browser is known again; it opens nothing, it only tells a known browser from a new one."""

from __future__ import annotations

from datetime import timedelta

from flask import Response, after_this_request, current_app, request

from webapp.people.access import devices

# Browsers keep no cookie for longer.
KEPT_FOR = timedelta(days=400)


def cookie_name() -> str:
    """The cookie's name: bound to this host wherever the site is served over TLS, plain in demo mode."""
    return "__Host-paydesk-browser" if current_app.config["SESSION_COOKIE_SECURE"] else "paydesk-browser"


def device_token() -> str:
    """The browser's token; the answer to this request renews its cookie."""
    token = devices.token_from(request.cookies.get(cookie_name()))

    @after_this_request
    def _keep(response: Response) -> Response:
        response.set_cookie(
            cookie_name(),
            token,
            max_age=KEPT_FOR,
            path="/",
            secure=current_app.config["SESSION_COOKIE_SECURE"],
            httponly=True,
            samesite="Lax",
        )
        return response

    return token
