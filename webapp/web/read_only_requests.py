"""Reading requests take no write lock: GET and HEAD run in a reading transaction on SQLite."""

from __future__ import annotations

from flask import Flask

from webapp.database import db, read_only


def init_app(app: Flask) -> None:
    """Mark each request as reading; `transaction()` lifts the mark for its block."""

    @app.before_request
    def _mark() -> None:
        # Looking up the session and the record to act on reads, too; the write lock comes with transaction().
        read_only.set(True)
        db.session.info["is_writing"] = False

    @app.teardown_request
    def _unmark(error: BaseException | None) -> None:
        read_only.set(False)
