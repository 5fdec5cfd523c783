"""Units and properties that are renamed, switched off because they are not let any more, and on again."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.exc import IntegrityError

from webapp.database import db, lock_row
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict, Invalid
from webapp.programs.rentals.models import Lease, LeaseState, Property, Unit
from webapp.programs.rentals.service import lock_property, record, unit_name

# So many leases are named in a refusal.
NAMED = 10


def rename_unit(*, organisation_id: int, reference: str, name: str, actor: Actor, now: datetime) -> Unit:
    """Give a unit another name. Raises Invalid, NotFound."""
    row = lock_row(Unit, Unit.organisation_id == organisation_id, Unit.reference == reference)
    said, before = unit_name(name), row.name
    place = row.property.name
    if said != before:
        try:
            with db.session.begin_nested():
                row.name = said
        except IntegrityError as error:
            raise Invalid("name", f"{place} has a unit {said!r} already.") from error
        record("unit", "renamed", row, f"{reference} {place}, {said}", actor, now, {"name": [before, said]})
    return row


def switch_unit(
    *, organisation_id: int, reference: str, is_active: bool, today: date, actor: Actor, now: datetime
) -> Unit:
    """Switch a unit off, so that it is not let any more, or on again. Raises NotFound, Conflict while it is let."""
    row = lock_row(Unit, Unit.organisation_id == organisation_id, Unit.reference == reference)
    _switch("unit", row, is_active, Lease.unit_id == row.id, today, actor, now)
    return row


def switch_property(
    *, organisation_id: int, reference: str, is_active: bool, today: date, actor: Actor, now: datetime
) -> Property:
    """Switch a property off with all its units, or on again. Raises NotFound, Conflict while one of them is let."""
    row = lock_property(organisation_id, reference)
    _switch("property", row, is_active, Lease.unit.has(Unit.property_id == row.id), today, actor, now)
    row.version += 1
    db.session.flush()
    return row


def _switch(
    subject: str, row: Unit | Property, is_active: bool, mine: Any, today: date, actor: Actor, now: datetime
) -> None:
    if row.is_active == is_active:
        raise Conflict(
            f"{row.reference} is switched {'on' if is_active else 'off'} already. Nothing was done."
        )
    runs = or_(Lease.state == LeaseState.ACTIVE.value, Lease.end_on >= today)
    live = db.session.scalars(select(Lease.reference).where(mine, runs).order_by(Lease.id)).all()
    if live and not is_active:
        more = f" and {len(live) - NAMED} more" if len(live) > NAMED else ""
        ends = "End that lease first" if len(live) == 1 else "End those leases first"
        raise Conflict(
            f"{row.reference} is let under {', '.join(live[:NAMED])}{more}. {ends}; nothing was done."
        )
    row.is_active = is_active
    word = "switched_on" if is_active else "switched_off"
    record(
        subject, word, row, f"{row.reference} {row.name}", actor, now, {"active": [not is_active, is_active]}
    )
    db.session.flush()
