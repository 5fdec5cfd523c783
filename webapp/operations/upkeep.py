"""Daily upkeep of the embedded database: it keeps no statistics of its own accord, and chooses indexes by them."""

from __future__ import annotations

from datetime import datetime

from webapp.database import db
from webapp.runs import tasks

TASK = "database.upkeep"
DAY = 86_400


def look_after(organisation_id: int, due_at: datetime, now: datetime) -> bool:
    """Let SQLite look at the tables that changed much; PostgreSQL does it by itself. True when there was work."""
    if db.engine.dialect.name != "sqlite":
        return False
    connection = db.engine.raw_connection()
    try:
        # A limit on the rows looked at per index keeps it short however much there is.
        connection.cursor().execute("PRAGMA analysis_limit=1000")
        connection.cursor().execute("ANALYZE")
    finally:
        connection.close()
    return True


tasks.register_task(TASK, look_after, every=DAY)
