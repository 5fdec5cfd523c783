"""An e-mail as its recipient sees it, for a frame: in a sandbox, with a policy of its own."""

from __future__ import annotations

from flask import Response

from webapp.notices.models import Email
from webapp.web.headers import answer_letter


def answer(email: Email, html: str | None = None) -> Response:
    """The HTML version of a mail; `html` instead of the logged one, where marks are filled in."""
    answer_letter()
    return Response(email.body_html if html is None else html, mimetype="text/html")
