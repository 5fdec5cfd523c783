"""Vehicles, medallions and leases: who drives what, for how much a week, from when to when."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.exc import IntegrityError

from webapp.database import db, lock_row
from webapp.kernel.actor import Actor
from webapp.kernel.checks import need, need_reason
from webapp.kernel.errors import Conflict, Invalid, NotFound
from webapp.people.numbers import next_number
from webapp.programs.repairs import trail
from webapp.programs.repairs.books import Receipt
from webapp.programs.repairs.drafts import LeaseDraft
from webapp.programs.repairs.models import DriverLease, LeaseVehicle, Medallion, Vehicle
from webapp.programs.repairs.rules import LeaseFacts
from webapp.programs.repairs.states import Shift

_DAY = timedelta(days=1)


def create_vehicle(
    *, organisation_id: int, plate: str, actor: Actor, now: datetime, vin: str = ""
) -> Vehicle:
    """A vehicle. Raises Invalid when its plate or VIN is there already."""
    said = need("plate", plate, 40, "the plate", "T612345C").upper()
    number = vin.strip().upper()[:40] or None
    row = Vehicle(organisation_id=organisation_id, plate=said, vin=number, created_at=now)
    _store(row, "plate", f"There is a vehicle {said} or one with this VIN already.")
    trail.record("vehicle", "created", row, said, actor, now)
    return row


def create_medallion(*, organisation_id: int, number: str, actor: Actor, now: datetime) -> Medallion:
    """A medallion. Raises Invalid when its number is there already."""
    said = need("number", number, 40, "the medallion's number", "5Y21").upper()
    row = Medallion(organisation_id=organisation_id, number=said, created_at=now)
    _store(row, "number", f"There is a medallion {said} already.")
    trail.record("medallion", "created", row, said, actor, now)
    return row


def _store(row: Vehicle | Medallion | DriverLease, field: str, message: str) -> None:
    try:
        with db.session.begin_nested():
            db.session.add(row)
    except IntegrityError as error:
        raise Invalid(field, message) from error


def get_lease(organisation_id: int, lease_id: int) -> DriverLease:
    """Raises NotFound."""
    found = db.session.scalar(
        select(DriverLease).where(DriverLease.organisation_id == organisation_id, DriverLease.id == lease_id)
    )
    if found is None:
        raise NotFound("There is no such lease.")
    return found


def lease_on(payee_id: int, day: date) -> DriverLease | None:
    """The lease that a driver has on a day."""
    return db.session.scalar(
        select(DriverLease).where(
            DriverLease.payee_id == payee_id,
            DriverLease.starts_on <= day,
            or_(DriverLease.ends_on.is_(None), DriverLease.ends_on >= day),
        )
    )


def facts_of(lease: DriverLease, vehicle_id: int) -> LeaseFacts:
    """What decides whether a vehicle's repair may be charged under a lease."""
    days = tuple((each.from_on, each.until_on) for each in lease.vehicles if each.vehicle_id == vehicle_id)
    return LeaseFacts(lease.takes_repairs, lease.starts_on, lease.ends_on, days)


def _vehicle(organisation_id: int, vehicle_id: int) -> Vehicle:
    # Two leases for the same shift of a vehicle wait for one another here.
    return lock_row(
        Vehicle, Vehicle.organisation_id == organisation_id, Vehicle.id == vehicle_id, key_share=True
    )


def _refuse_taken(
    vehicle: Vehicle, shift: str, first: date, last: date | None, but_for: int | None = None
) -> None:
    """A vehicle is on one lease at a time, or on one for the day and one for the night. Raises Conflict."""
    clashes = {Shift.FULL.value, shift} if shift != Shift.FULL else set(Shift)
    query = (
        select(DriverLease.reference)
        .join(LeaseVehicle, LeaseVehicle.lease_id == DriverLease.id)
        .where(
            LeaseVehicle.vehicle_id == vehicle.id,
            DriverLease.shift.in_([str(each) for each in clashes]),
            or_(LeaseVehicle.until_on.is_(None), LeaseVehicle.until_on >= first),
            or_(DriverLease.ends_on.is_(None), DriverLease.ends_on >= first),
        )
    )
    if last is not None:
        query = query.where(LeaseVehicle.from_on <= last)
    if but_for is not None:
        query = query.where(DriverLease.id != but_for)
    taken = db.session.scalar(query.limit(1))
    if taken is not None:
        raise Conflict(f"{vehicle.plate} is on the lease {taken} then.")


def create_lease(*, organisation_id: int, draft: LeaseDraft, actor: Actor, now: datetime) -> DriverLease:
    """A driver's lease of a vehicle. Raises NotFound, Invalid, or Conflict when driver or vehicle have one then."""
    draft.check()
    payee = trail.lock_drivers(organisation_id, [draft.payee_id])[draft.payee_id]
    vehicle = _vehicle(organisation_id, draft.vehicle_id)
    if draft.medallion_id is not None and not db.session.scalar(
        select(Medallion.id).where(
            Medallion.organisation_id == organisation_id, Medallion.id == draft.medallion_id
        )
    ):
        raise NotFound("There is no such medallion.")
    other = select(DriverLease.reference).where(
        DriverLease.payee_id == payee.id,
        or_(DriverLease.ends_on.is_(None), DriverLease.ends_on >= draft.starts_on),
    )
    if draft.ends_on is not None:
        other = other.where(DriverLease.starts_on <= draft.ends_on)
    if (found := db.session.scalar(other.limit(1))) is not None:
        raise Conflict(f"{payee.name} has the lease {found} then. End it first.")
    _refuse_issued(payee.id, draft.starts_on)
    _refuse_taken(vehicle, draft.shift, draft.starts_on, draft.ends_on)
    row = DriverLease(
        organisation_id=organisation_id,
        reference=next_number(organisation_id, "LS", 4),
        external_ref=draft.external_ref,
        payee_id=payee.id,
        medallion_id=draft.medallion_id,
        shift=draft.shift,
        currency=trail.organisation(organisation_id).currency,
        weekly_minor=draft.weekly_minor,
        takes_repairs=draft.takes_repairs,
        starts_on=draft.starts_on,
        ends_on=draft.ends_on,
        created_by_id=actor.user_id,
        created_by_label=actor.label,
        created_at=now,
        vehicles=[LeaseVehicle(vehicle_id=vehicle.id, from_on=draft.starts_on)],
    )
    _store(row, "external_ref", f"There is a lease {draft.external_ref!r} already.")
    changes = {"weekly": [None, row.weekly_minor], "vehicle": [None, vehicle.plate]}
    trail.record("lease", "created", row, f"{row.reference} {payee.name}", actor, now, changes)
    return row


def _refuse_issued(payee_id: int, day: date) -> None:
    """Nothing changes for days that a receipt has been issued for. Raises Conflict that names it."""
    found = db.session.execute(
        select(Receipt.number, Receipt.week_start)
        .where(Receipt.payee_id == payee_id, Receipt.week_start > day - 7 * _DAY)
        .order_by(Receipt.id.desc())
        .limit(1)
    ).first()
    if found is not None:
        raise Conflict(
            f"The receipt {found.number} for the week of {found.week_start.isoformat()} is issued already. "
            "Choose a day after that week."
        )


def end_lease(
    *,
    organisation_id: int,
    lease_id: int,
    last_day: date,
    reason: str,
    actor: Actor,
    now: datetime,
    expected_version: int | None = None,
) -> DriverLease:
    """The lease's last day; its last week is charged by its days, and its receipt of that week is the final one.

    Raises NotFound, Invalid, StaleVersion, or Conflict when it ended before or a receipt is issued for later days.
    """
    row = get_lease(organisation_id, lease_id)
    trail.lock_drivers(organisation_id, [row.payee_id])
    row = lock_row(DriverLease, DriverLease.id == lease_id)
    trail.check_version(row, row.reference, expected_version)
    said = need_reason(reason, "The driver moved away.", "lease")
    if last_day < row.starts_on:
        raise Invalid("last_day", "The lease ends before it begins.", row.starts_on.isoformat())
    if row.ends_on is not None and row.ends_on <= last_day:
        raise Conflict(f"{row.reference} ends on {row.ends_on.isoformat()} already.")
    _refuse_issued(row.payee_id, last_day + _DAY)
    before = row.ends_on
    row.ends_on, row.end_reason = last_day, said
    for each in row.vehicles:
        if each.until_on is None and each.from_on <= last_day:
            each.until_on = last_day
    row.version += 1
    db.session.flush()
    changes = {"ends_on": [before.isoformat() if before else None, last_day.isoformat()]}
    trail.record("lease", "ended", row, f"{row.reference} {row.payee.name}", actor, now, changes, said)
    return row


def swap_vehicle(
    *,
    organisation_id: int,
    lease_id: int,
    vehicle_id: int,
    from_on: date,
    actor: Actor,
    now: datetime,
    expected_version: int | None = None,
) -> DriverLease:
    """Another vehicle on the lease from a day on; what the driver owes for the one before stays theirs.

    Raises NotFound, Invalid, StaleVersion, Conflict.
    """
    row = get_lease(organisation_id, lease_id)
    trail.lock_drivers(organisation_id, [row.payee_id])
    vehicle = _vehicle(organisation_id, vehicle_id)
    row = lock_row(DriverLease, DriverLease.id == lease_id)
    trail.check_version(row, row.reference, expected_version)
    last = row.vehicles[-1]
    if row.ends_on is not None and from_on > row.ends_on:
        raise Conflict(f"{row.reference} ends on {row.ends_on.isoformat()}.")
    if last.vehicle_id == vehicle.id:
        raise Conflict(f"{vehicle.plate} is on {row.reference} already.")
    if from_on <= last.from_on:
        raise Invalid(
            "from_on", "Choose a day after the present vehicle's first one.", last.from_on.isoformat()
        )
    _refuse_taken(vehicle, row.shift, from_on, row.ends_on, but_for=row.id)
    plate = last.vehicle.plate
    last.until_on = from_on - _DAY
    row.vehicles.append(
        LeaseVehicle(vehicle_id=vehicle.id, vehicle=vehicle, from_on=from_on, until_on=row.ends_on)
    )
    row.version += 1
    db.session.flush()
    changes = {"vehicle": [plate, vehicle.plate], "from": [None, from_on.isoformat()]}
    trail.record("lease", "vehicle_swapped", row, f"{row.reference} {row.payee.name}", actor, now, changes)
    return row
