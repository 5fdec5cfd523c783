"""When things happen in the demo: hours of an organisation's own day, and what is over for good."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import delete

from webapp.database import db
from webapp.outbox.models import OutboxMessage

#: E-mails and PDFs of what happened longer ago than this are history: nobody gets them again.
RECENT = timedelta(days=3)


def moment(zone: str, day: date, hour: int, minute: int = 0) -> datetime:
    """An hour of a day in a time zone."""
    return datetime.combine(day, time(hour, minute), ZoneInfo(zone))


def forget_history(organisation_id: int, now: datetime) -> None:
    """Nothing is sent or drawn any more for what is older than `RECENT`."""
    db.session.execute(
        delete(OutboxMessage).where(
            OutboxMessage.organisation_id == organisation_id, OutboxMessage.created_at < now - RECENT
        )
    )
