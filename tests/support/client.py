"""The browser of the tests: every request starts with empty request globals, as on a real server."""

from __future__ import annotations

from typing import Any

from flask import g, has_app_context
from flask.testing import FlaskClient

from webapp.database import db


class FreshClient(FlaskClient):
    """Tests hold an application context open, which Flask would share between requests.

    Without this, the person signed in by one request, and the CSRF check it passed, would leak into the next.

    Answers are read to their end and closed, as a server does: a download that a test does not read would hold
    the application context until it is collected as garbage, and end the session of whatever test runs then.
    """

    def open(self, *args: Any, **kwargs: Any) -> Any:
        """Forget what earlier requests left behind, then send the request and read the whole answer."""
        if has_app_context():
            for name in list(g):
                g.pop(name)
            db.session.rollback()
        return super().open(*args, **{"buffered": True, **kwargs})
