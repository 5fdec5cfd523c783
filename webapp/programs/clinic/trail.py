"""What every change of this program's records has in common: its word in the trail, its day, its number."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy.exc import IntegrityError

from webapp.audit.changes import Trail, apply, check_version
from webapp.database import db
from webapp.kernel.clock import local_date
from webapp.kernel.errors import Invalid
from webapp.people.models import Organisation
from webapp.programs.clinic.drafts import PROGRAM

__all__ = ["apply", "check_version", "record"]


record = Trail(PROGRAM).record


def store_new(row: Any, external_ref: str | None, what: str) -> None:
    """Store a row whose outside name must be new. Raises Invalid."""
    try:
        with db.session.begin_nested():
            db.session.add(row)
    except IntegrityError as error:
        if external_ref is None:
            raise
        raise Invalid("external_ref", f"There is {what} {external_ref!r} already.") from error


def today(organisation_id: int, now: datetime) -> date:
    """The organisation's calendar day."""
    return local_date(now, db.session.get_one(Organisation, organisation_id).timezone)
