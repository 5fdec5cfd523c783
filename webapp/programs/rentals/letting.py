"""Changes to tenants and leases: made, ended, another rent from a month on."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import select

from webapp.audit.changes import check_version
from webapp.database import db, lock_row
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict, Invalid, NotFound
from webapp.kernel.money import MAXIMUM_MINOR
from webapp.people.numbers import next_number
from webapp.programs.rentals import charging
from webapp.programs.rentals.drafts import LeaseDraft, TenantDraft
from webapp.programs.rentals.models import (
    Lease,
    LeaseRent,
    LeaseState,
    LeaseTenant,
    RentCharge,
    Tenant,
    Unit,
)
from webapp.programs.rentals.service import add_new, record


def create_tenant(*, organisation_id: int, draft: TenantDraft, actor: Actor, now: datetime) -> Tenant:
    """A new tenant, numbered TN-0001 and on. Raises Invalid."""
    draft.check()
    row = Tenant(
        organisation_id=organisation_id,
        reference=next_number(organisation_id, "TN"),
        external_ref=draft.external_ref,
        name=" ".join(draft.name.split()),
        email=draft.email.strip().lower(),
        phone=draft.phone.strip(),
        created_at=now,
    )
    add_new(row, "external_ref", f"There is a tenant {draft.external_ref!r} already.")
    record("tenant", "created", row, f"{row.reference} {row.name}", actor, now, {"name": [None, row.name]})
    return row


def change_tenant(
    *,
    organisation_id: int,
    reference: str,
    draft: TenantDraft,
    actor: Actor,
    now: datetime,
    expected_version: int | None = None,
) -> Tenant:
    """Change a tenant's name, e-mail address and phone. Raises Invalid, NotFound, StaleVersion."""
    draft.check()
    row = lock_row(Tenant, Tenant.organisation_id == organisation_id, Tenant.reference == reference)
    check_version(row, reference, expected_version)
    changes = {}
    for field, value in (
        ("name", " ".join(draft.name.split())),
        ("email", draft.email.strip().lower()),
        ("phone", draft.phone.strip()),
    ):
        if getattr(row, field) != value:
            changes[field] = [getattr(row, field), value]
            setattr(row, field, value)
    if changes:
        row.version += 1
        record("tenant", "changed", row, f"{reference} {row.name}", actor, now, changes)
    db.session.flush()
    return row


def create_lease(*, organisation_id: int, draft: LeaseDraft, actor: Actor, now: datetime) -> Lease:
    """A new lease of a unit that is free, numbered LS-0001 and on. Raises Invalid, NotFound, Conflict."""
    draft.check()
    unit = lock_row(Unit, Unit.organisation_id == organisation_id, Unit.id == draft.unit_id)
    if not (unit.is_active and unit.property.is_active):
        raise Conflict(f"{unit.name} of {unit.property.name} is switched off. Switch it on before it is let.")
    if draft.currency != unit.property.currency:
        raise Invalid("currency", f"Rents of {unit.property.name} are in {unit.property.currency}.")
    tenants = db.session.scalars(
        select(Tenant.id).where(Tenant.organisation_id == organisation_id, Tenant.id.in_(draft.tenant_ids))
    )
    if set(draft.tenant_ids) - set(tenants):
        raise NotFound("There is no such tenant.")
    let = db.session.scalar(
        select(Lease).where(Lease.unit_id == unit.id, Lease.state == LeaseState.ACTIVE.value)
    )
    if let is not None:
        raise Conflict(f"{unit.name} is let already under {let.reference}. End that lease first.")
    row = Lease(
        organisation_id=organisation_id,
        reference=next_number(organisation_id, "LS"),
        external_ref=draft.external_ref,
        unit_id=unit.id,
        currency=draft.currency,
        rent_minor=draft.rent_minor,
        deposit_minor=draft.deposit_minor,
        due_day=draft.due_day,
        start_on=draft.start_on,
        end_on=draft.end_on,
        created_by_id=actor.user_id,
        created_by_label=actor.label,
        created_at=now,
        tenants=[LeaseTenant(tenant_id=tenant_id) for tenant_id in dict.fromkeys(draft.tenant_ids)],
    )
    add_new(row, "external_ref", f"There is a lease {draft.external_ref!r} already.")
    record("lease", "created", row, row.reference, actor, now, {"rent": [None, draft.rent_minor]})
    return row


def end_lease(*, organisation_id: int, reference: str, end_on: date, actor: Actor, now: datetime) -> Lease:
    """End a lease on a day; rent is asked for up to the month of that day. Raises Invalid, NotFound, Conflict."""
    row = lock_row(Lease, Lease.organisation_id == organisation_id, Lease.reference == reference)
    if row.state == LeaseState.ENDED:
        raise Conflict(f"{reference} has ended already, on {row.end_on}.")
    if end_on < row.start_on:
        raise Invalid("end_on", "The lease ends before it begins.", row.start_on.isoformat())
    before = row.end_on
    row.end_on, row.state = end_on, LeaseState.ENDED.value
    row.version += 1
    record(
        "lease", "ended", row, reference, actor, now, {"end": [str(before) if before else None, str(end_on)]}
    )
    db.session.flush()
    return row


def change_rent(
    *, organisation_id: int, reference: str, rent_minor: int, valid_from: date, actor: Actor, now: datetime
) -> LeaseRent:
    """Another monthly rent from the month of a day on; months that are asked for already stay as they are.

    Raises Invalid, NotFound, Conflict when the lease has ended.
    """
    row = lock_row(Lease, Lease.organisation_id == organisation_id, Lease.reference == reference)
    if row.state == LeaseState.ENDED:
        raise Conflict(f"{reference} has ended, on {row.end_on}. Its rent cannot change any more.")
    if not 0 < rent_minor <= MAXIMUM_MINOR:
        raise Invalid("rent", "Enter the monthly rent, more than zero.", "27,500.00")
    month = valid_from.replace(day=1)
    asked_for = db.session.scalar(
        select(RentCharge.period_start)
        .where(RentCharge.lease_id == row.id)
        .order_by(RentCharge.period_start.desc())
        .limit(1)
    )
    if asked_for is not None and month <= asked_for:
        reason = f"The rent up to {asked_for:%B %Y} is asked for already. Choose a later month."
        raise Invalid("valid_from", reason, f"1 {charging.add_months(asked_for, 1):%B %Y}")
    if month < row.start_on.replace(day=1):
        raise Invalid("valid_from", "The lease begins later than this.", row.start_on.isoformat())
    if any(change.valid_from == month for change in row.rents):
        raise Invalid("valid_from", f"There is another rent from {month:%B %Y} already.", "a later month")
    before = charging.rent_on(row, month)
    change = LeaseRent(
        valid_from=month,
        rent_minor=rent_minor,
        created_by_id=actor.user_id,
        created_by_label=actor.label,
        created_at=now,
    )
    row.rents.append(change)
    row.version += 1
    # Who changes the rent decides what is paid: as with terms, another person approves.
    row.unit.property.edited_by_id = actor.user_id
    changes = {"rent": [before, rent_minor], "from": [None, month.isoformat()]}
    record("lease", "rent_changed", row, reference, actor, now, changes)
    db.session.flush()
    return change
