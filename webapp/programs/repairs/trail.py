"""What every change of this program's records has in common: its word in the trail, its day, the driver's lock."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

from sqlalchemy import select

from webapp.audit.changes import Trail, apply, check_version
from webapp.database import db
from webapp.kernel.errors import Invalid, NotFound
from webapp.people.models import Organisation, Payee, Role
from webapp.people.organisations import today
from webapp.people.queries import get_payee_by_id
from webapp.programs.repairs.drafts import PROGRAM
from webapp.programs.repairs.rules import Week, week_of

__all__ = ["apply", "check_version", "record", "record_many", "today"]


_trail = Trail(PROGRAM)
record = _trail.record
record_many = _trail.record_many


def organisation(organisation_id: int) -> Organisation:
    """The organisation, whose time zone and first day of the week count."""
    return db.session.get_one(Organisation, organisation_id)


def this_week(organisation_id: int, now: datetime) -> Week:
    """The week that today lies in."""
    return week_of(today(organisation_id, now), organisation(organisation_id).week_start)


def check_day(field: str, day: date, organisation_id: int, now: datetime) -> None:
    """A day may lie in this week, but not beyond it. Raises Invalid."""
    last = this_week(organisation_id, now).end
    if day > last:
        raise Invalid(field, "This day lies beyond the present week.", last.isoformat())


def get_driver(organisation_id: int, payee_id: int) -> Payee:
    """A driver of the organisation. Raises NotFound."""
    return get_payee_by_id(organisation_id, payee_id, Role.DRIVER)


def lock_drivers(organisation_id: int, payee_ids: Iterable[int]) -> dict[int, Payee]:
    """Lock drivers, by whose rows all work on their money waits for one another; in the order of their ids.

    Raises NotFound when one of them is none of the organisation's.
    """
    wanted = sorted(set(payee_ids))
    rows = db.session.scalars(
        select(Payee)
        .where(
            Payee.organisation_id == organisation_id,
            Payee.id.in_(wanted),
            Payee.kind == Role.DRIVER.value,
        )
        .order_by(Payee.id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).all()
    if len(rows) != len(wanted):
        raise NotFound("There is no such driver.")
    return {row.id: row for row in rows}
