"""Each month's rent that is asked for: one charge per lease and month, made some days before it is due."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from sqlalchemy import or_, select

from webapp.audit import service as audit
from webapp.database import db, insert_ignoring_conflict, lock_row
from webapp.kernel.actor import Actor
from webapp.kernel.checks import need_reason
from webapp.kernel.clock import add_months, month_bounds
from webapp.kernel.errors import Conflict
from webapp.kernel.ids import new_uid
from webapp.outbox import service as outbox
from webapp.people.numbers import next_number
from webapp.programs.rentals.models import ChargeState, Lease, LeaseState, RentCharge
from webapp.programs.rentals.service import settings_of

# A lease that was entered late is asked for so many earlier months at most; older rent is entered by hand.
MOST_MONTHS_BACK = 12
# A scheduler that was away is forgiven so much: the tenant is still asked by mail.
TOLD_LATE = timedelta(days=7)


def due_months(lease: Lease, today: date, days_before: int) -> list[date]:
    """First days of the months whose rent is to be asked for by now, oldest first."""
    month = max(lease.start_on.replace(day=1), add_months(today, -MOST_MONTHS_BACK))
    months = []
    while _due_on(lease, month) - timedelta(days=days_before) <= today:
        if lease.end_on is not None and month > lease.end_on:
            break
        months.append(month)
        month = add_months(month, 1)
    return months


def _due_on(lease: Lease, month: date) -> date:
    """The due day of a month; of the first month not before the lease begins."""
    return max(month.replace(day=lease.due_day), lease.start_on)


def rent_on(lease: Lease, month: date) -> int:
    """The full monthly rent in minor units that was agreed for a month."""
    agreed = [change.rent_minor for change in lease.rents if change.valid_from <= month_bounds(month)[0]]
    return agreed[-1] if agreed else lease.rent_minor


def amount_for(lease: Lease, month: date) -> int:
    """The rent of a month in minor units: by days in a first or last month that the lease covers partly."""
    first, last = month_bounds(month)
    start = max(first, lease.start_on)
    end = min(last, lease.end_on) if lease.end_on else last
    days, covered = (last - first).days + 1, (end - start).days + 1
    rent_minor = rent_on(lease, month)
    if covered >= days:
        return rent_minor
    # Rounded half-even to the minor unit: the one rounding of a part of a month.
    whole, rest = divmod(rent_minor * covered, days)
    return whole + (1 if 2 * rest > days or (2 * rest == days and whole % 2) else 0)


def make_charges(*, organisation_id: int, today: date, actor: Actor, now: datetime) -> list[RentCharge]:
    """The charges that are due to be made and are not there; safe to repeat."""
    days_before = settings_of(organisation_id).charge_days_before
    leases = db.session.scalars(
        select(Lease).where(
            Lease.organisation_id == organisation_id,
            Lease.start_on <= today + timedelta(days=31),
            or_(Lease.state == LeaseState.ACTIVE.value, Lease.end_on >= add_months(today, -1)),
        )
    ).all()
    known = set(
        db.session.execute(
            select(RentCharge.lease_id, RentCharge.period_start).where(
                RentCharge.organisation_id == organisation_id,
                RentCharge.period_start >= add_months(today, -MOST_MONTHS_BACK),
            )
        ).all()
    )
    made = []
    for lease in leases:
        for month in due_months(lease, today, days_before):
            if (lease.id, month) not in known:
                made += _make(lease, month, now)
    for charge in made:
        # A lease that was entered late is not followed by mails about months long gone.
        if charge.due_on >= today - TOLD_LATE:
            outbox.ask_mail(
                kind="notice.rent.due", reference_id=charge.id, organisation_id=organisation_id, now=now
            )
    if made:
        audit.record(
            tag="rentals:rent_charges:made",
            actor=actor,
            now=now,
            organisation_id=organisation_id,
            subject_type="rent_charges",
            subject_label=f"{len(made)} months of rent",
            changes={"first": [None, made[0].reference], "last": [None, made[-1].reference]},
        )
    return made


def _make(lease: Lease, month: date, now: datetime) -> list[RentCharge]:
    amount = amount_for(lease, month)
    if amount <= 0:
        return []
    first, last = month_bounds(month)
    values = {
        "uid": new_uid(),
        "organisation_id": lease.organisation_id,
        "reference": next_number(lease.organisation_id, f"RC-{month.year}", 6),
        "lease_id": lease.id,
        "period_start": first,
        "period_end": last,
        "due_on": _due_on(lease, month),
        "currency": lease.currency,
        "amount_minor": amount,
        "paid_minor": 0,
        "state": ChargeState.OPEN.value,
        "waived_reason": "",
        "created_at": now,
        "version": 1,
    }
    if not insert_ignoring_conflict(db.session(), RentCharge, values):
        return []
    return [db.session.scalars(select(RentCharge).where(RentCharge.uid == values["uid"])).one()]


def waive(*, organisation_id: int, reference: str, reason: str, actor: Actor, now: datetime) -> RentCharge:
    """Ask for a month's rent no more. Raises Invalid without a reason, NotFound, Conflict when it is paid."""
    charge = lock_row(
        RentCharge, RentCharge.organisation_id == organisation_id, RentCharge.reference == reference
    )
    if charge.state not in (ChargeState.OPEN, ChargeState.PART):
        raise Conflict(f"{reference} is {ChargeState(charge.state).label.lower()} already.")
    reason = need_reason(reason, "The flat could not be used.", "charge")
    before = charge.state
    charge.state, charge.waived_reason = ChargeState.WAIVED.value, reason
    charge.version += 1
    audit.record(
        tag="rentals:rent_charge:waived",
        actor=actor,
        now=now,
        organisation_id=organisation_id,
        subject_type="rent_charge",
        subject_id=charge.id,
        subject_label=reference,
        changes={"state": [before, charge.state]},
        note=charge.waived_reason,
    )
    return charge


def count_paid(charge: RentCharge, minor: int) -> None:
    """Add to (or, when negative, take from) what is paid of a charge, and let its state follow."""
    charge.paid_minor += minor
    charge.version += 1
    if charge.state == ChargeState.WAIVED:
        return
    if charge.paid_minor >= charge.amount_minor:
        charge.state = ChargeState.PAID.value
    else:
        charge.state = (ChargeState.PART if charge.paid_minor > 0 else ChargeState.OPEN).value
