"""The browser of the tests: every request starts with empty request globals, as on a real server."""

from __future__ import annotations

from typing import Any

from flask import g, has_app_context
from flask.testing import FlaskClient

from webapp.database import db


class FreshClient(FlaskClient):
    """Tests hold an application context open, which Flask would share between requests.

    Without this, the person signed in by one request, and the CSRF check it passed, would leak into the next.
    """

    def open(self, *args: Any, **kwargs: Any) -> Any:
        """Forget what earlier requests left behind, then send the request."""
        if has_app_context():
            for name in list(g):
                g.pop(name)
            db.session.rollback()
        return super().open(*args, **kwargs)
