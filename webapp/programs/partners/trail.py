"""What every change of this program's records has in common: its word in the trail, its day."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy.exc import IntegrityError

from webapp.audit.changes import Trail, apply, check_version
from webapp.database import Base, db
from webapp.kernel.clock import local_date
from webapp.kernel.errors import Invalid
from webapp.people.models import Organisation
from webapp.programs.partners.drafts import PROGRAM

__all__ = ["apply", "check_version", "record", "record_many"]

_trail = Trail(PROGRAM)
record = _trail.record
record_many = _trail.record_many


def today(organisation_id: int, now: datetime) -> date:
    """The organisation's calendar day."""
    return local_date(now, timezone_of(organisation_id))


def timezone_of(organisation_id: int) -> str:
    """The organisation's time zone."""
    return db.session.get_one(Organisation, organisation_id).timezone


def store_new(row: Base, external_ref: str | None, what: str) -> None:
    """Store a row whose outside name must be new. Raises Invalid."""
    try:
        with db.session.begin_nested():
            db.session.add(row)
    except IntegrityError as error:
        if external_ref is None:
            raise
        raise Invalid("external_ref", f"There is {what} {external_ref!r} already.") from error
