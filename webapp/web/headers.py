"""Security headers on every answer."""

from __future__ import annotations

from flask import Flask, Response, g, request

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "font-src 'self'",
        "img-src 'self' data:",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "object-src 'none'",
    )
)
# A page that shows an e-mail in a frame, and the e-mail in it: styles alone, in a sandbox, for our own pages.
FRAMING_POLICY = POLICY + "; frame-src 'self'"
LETTER_POLICY = "; ".join(
    (
        "default-src 'none'",
        "style-src 'unsafe-inline'",
        "sandbox",
        "form-action 'none'",
        "frame-ancestors 'self'",
        "base-uri 'none'",
    )
)


def show_letters() -> None:
    """Let the page of this request show an e-mail in a frame."""
    g.content_policy = FRAMING_POLICY


def let_forms_lead_to(*origins: str) -> None:
    """Let a form of this request's page be answered by leading to another site; browsers ask the page for it."""
    wider = " ".join(("form-action 'self'", *origins))
    g.content_policy = POLICY.replace("form-action 'self'", wider)


def answer_letter() -> None:
    """The answer to this request is an e-mail as its recipient sees it: nothing in it runs, loads or leads away."""
    g.content_policy = LETTER_POLICY


def init_app(app: Flask) -> None:
    """Set the headers after each request; pages are never kept by a cache, assets are."""

    @app.after_request
    def _set(response: Response) -> Response:
        headers = response.headers
        is_error = response.status_code >= 400
        headers["Content-Security-Policy"] = POLICY if is_error else g.get("content_policy", POLICY)
        headers["X-Content-Type-Options"] = "nosniff"
        # Not no-referrer: the CSRF check needs the referrer of our own pages.
        headers["Referrer-Policy"] = "same-origin"
        headers["Cross-Origin-Opener-Policy"] = "same-origin"
        headers["Cross-Origin-Resource-Policy"] = "same-origin"
        headers["X-Robots-Tag"] = "noindex"
        headers["Permissions-Policy"] = "camera=(), microphone=(), geolocation=(), payment=()"
        if app.config["SESSION_COOKIE_SECURE"]:
            headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"
        if not request.path.startswith("/assets/"):
            headers.setdefault("Cache-Control", "no-store")
            headers.add("Vary", "HX-Request")
        return response
