"""Rent that was open before Paydesk: a month that is asked for with what is left of it."""

from __future__ import annotations

from datetime import date, datetime

from webapp.database import db, lock_row
from webapp.kernel.actor import Actor
from webapp.kernel.checks import check_amount
from webapp.kernel.clock import month_bounds
from webapp.kernel.errors import Conflict
from webapp.kernel.ids import new_uid
from webapp.people.numbers import next_number
from webapp.programs.rentals.models import ChargeState, Lease, RentCharge
from webapp.programs.rentals.service import record


def open_rent(
    *,
    organisation_id: int,
    lease_id: int,
    month: date,
    amount_minor: int,
    due_on: date | None = None,
    actor: Actor,
    now: datetime,
) -> RentCharge:
    """Ask for what is open of a month of a lease, in minor units; also of one before the lease begins here.

    `due_on`: None is the lease's due day in that month. No mail is written: the tenant knows, or is told by people.
    Raises NotFound, Invalid for an amount that is none, Conflict when the month is asked for already.
    """
    lease = lock_row(Lease, Lease.organisation_id == organisation_id, Lease.id == lease_id)
    check_amount("amount", amount_minor, "25,000.00")
    first, last = month_bounds(month)
    known = db.session.query(RentCharge).filter_by(lease_id=lease.id, period_start=first).one_or_none()
    if known is not None:
        raise Conflict(f"{known.reference} asks for the rent of {first:%B %Y} already.")
    charge = RentCharge(
        uid=new_uid(),
        organisation_id=organisation_id,
        reference=next_number(organisation_id, f"RC-{first.year}", 6),
        lease_id=lease.id,
        period_start=first,
        period_end=last,
        due_on=due_on or first.replace(day=lease.due_day),
        currency=lease.currency,
        amount_minor=amount_minor,
        paid_minor=0,
        state=ChargeState.OPEN.value,
        created_at=now,
    )
    db.session.add(charge)
    db.session.flush()
    # Whoever says what is owed decides what is paid out of it: as with terms, another person approves.
    lease.unit.property.edited_by_id = actor.user_id
    record("rent_charge", "opened", charge, charge.reference, actor, now, {"amount": [None, amount_minor]})
    return charge
