"""What other connections of the same database do, for tests in which two acts cross."""

from __future__ import annotations

from sqlalchemy import text

from webapp.database import db


def is_somebody_waiting() -> bool:
    """Whether a connection waits for a lock of another one. PostgreSQL alone can say so."""
    with db.engine.connect() as connection:
        waiting = connection.execute(
            text(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                "AND wait_event_type = 'Lock'"
            )
        )
        return bool(waiting.scalar_one())
