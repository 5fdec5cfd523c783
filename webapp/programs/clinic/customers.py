"""Changes to customers and appointments."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import exists, select

from webapp.database import db, lock_row
from webapp.kernel.actor import Actor
from webapp.kernel.clock import local_date
from webapp.kernel.errors import Conflict, Invalid
from webapp.people.models import Organisation, Payee, Role
from webapp.people.numbers import next_number
from webapp.programs.clinic import trail
from webapp.programs.clinic.drafts import AppointmentDraft, CustomerDraft, Share
from webapp.programs.clinic.models import (
    Appointment,
    AppointmentPractitioner,
    ClinicPayout,
    Customer,
    Invoice,
)


def create_customer(*, organisation_id: int, draft: CustomerDraft, actor: Actor, now: datetime) -> Customer:
    """A new customer, numbered CU-0001 and on. Raises Invalid."""
    draft.check()
    row = Customer(
        organisation_id=organisation_id,
        reference=next_number(organisation_id, "CU"),
        external_ref=draft.external_ref or None,
        name=" ".join(draft.name.split()),
        email=draft.email.strip(),
        phone=draft.phone.strip(),
        created_at=now,
    )
    trail.store_new(row, draft.external_ref, "a customer")
    trail.record("customer", "created", row, row.reference, actor, now, {"name": [None, row.name]})
    return row


def change_customer(
    *,
    organisation_id: int,
    reference: str,
    draft: CustomerDraft,
    actor: Actor,
    now: datetime,
    expected_version: int | None = None,
) -> Customer:
    """Change a customer. Raises NotFound, Invalid, StaleVersion."""
    draft.check()
    row = lock_row(Customer, Customer.organisation_id == organisation_id, Customer.reference == reference)
    trail.check_version(row, reference, expected_version)
    values = {
        "name": " ".join(draft.name.split()),
        "email": draft.email.strip(),
        "phone": draft.phone.strip(),
    }
    if changes := trail.apply(row, values):
        row.version += 1
        db.session.flush()
        trail.record("customer", "changed", row, reference, actor, now, changes)
    return row


def create_appointment(
    *, organisation_id: int, draft: AppointmentDraft, actor: Actor, now: datetime
) -> Appointment:
    """A new appointment, numbered AP-0001 and on. Raises Invalid."""
    draft.check()
    _check_customer(organisation_id, draft.customer_id)
    _check_practitioners(organisation_id, draft.shares)
    row = Appointment(
        organisation_id=organisation_id,
        reference=next_number(organisation_id, "AP"),
        external_ref=draft.external_ref or None,
        customer_id=draft.customer_id,
        category=" ".join(draft.category.split()),
        starts_at=draft.starts_at,
        held_on=_day(organisation_id, draft.starts_at),
        edited_by_id=actor.user_id,
        created_by_id=actor.user_id,
        created_by_label=actor.label,
        created_at=now,
        practitioners=[_practitioner(share) for share in draft.shares],
    )
    trail.store_new(row, draft.external_ref, "an appointment")
    changes = {"practitioners": [None, _said(row)], "category": [None, row.category]}
    trail.record("appointment", "created", row, row.reference, actor, now, changes)
    return row


def change_appointment(
    *,
    organisation_id: int,
    reference: str,
    draft: AppointmentDraft,
    actor: Actor,
    now: datetime,
    expected_version: int | None = None,
) -> Appointment:
    """Change when it is, its category, and who works at it; not once somebody is paid for it.

    Raises NotFound, Invalid, Conflict, StaleVersion.
    """
    draft.check()
    row = _lock(organisation_id, reference, expected_version)
    _check_customer(organisation_id, draft.customer_id)
    _check_practitioners(organisation_id, draft.shares)
    before = _said(row)
    values = {
        "customer_id": draft.customer_id,
        "category": " ".join(draft.category.split()),
        "starts_at": draft.starts_at,
        "held_on": _day(organisation_id, draft.starts_at),
    }
    changes = trail.apply(row, values)
    if {(p.payee_id, p.weight, p.is_primary) for p in row.practitioners} != {
        (s.payee_id, s.weight, s.is_primary) for s in draft.shares
    }:
        # The old ones go first: the new ones take their places.
        row.practitioners.clear()
        db.session.flush()
        row.practitioners.extend(_practitioner(share) for share in draft.shares)
        db.session.flush()
        changes["practitioners"] = [before, _said(row)]
    if changes:
        row.version += 1
        # Who corrects the hour does not take the place of who named the practitioners.
        if {"practitioners", "category", "held_on"} & changes.keys():
            row.edited_by_id = actor.user_id
        db.session.flush()
        trail.record("appointment", "changed", row, reference, actor, now, changes)
    return row


def cancel_appointment(
    *,
    organisation_id: int,
    reference: str,
    actor: Actor,
    now: datetime,
    expected_version: int | None = None,
) -> Appointment:
    """It does not take place; its invoices stay as they are. Raises NotFound, Conflict, StaleVersion."""
    row = _lock(organisation_id, reference, expected_version)
    if not row.is_cancelled:
        row.is_cancelled = True
        row.version += 1
        db.session.flush()
        trail.record("appointment", "cancelled", row, reference, actor, now, {"cancelled": [False, True]})
    return row


def _lock(organisation_id: int, reference: str, expected_version: int | None) -> Appointment:
    """The appointment, which nobody is paid for yet: its invoices are locked before it, as paying locks them."""
    invoices = (
        select(Invoice.id)
        .join(Appointment, Appointment.id == Invoice.appointment_id)
        .where(Appointment.organisation_id == organisation_id, Appointment.reference == reference)
        .order_by(Invoice.id)
        .with_for_update(of=Invoice)
    )
    ids = db.session.scalars(invoices).all()
    row = lock_row(
        Appointment, Appointment.organisation_id == organisation_id, Appointment.reference == reference
    )
    trail.check_version(row, reference, expected_version)
    paid = exists().where(ClinicPayout.invoice_id.in_(ids), ClinicPayout.released_at.is_(None))
    if ids and db.session.scalar(select(paid)):
        raise Conflict(f"{reference} is in a payout already. Nothing was changed.")
    return row


def _practitioner(share: Share) -> AppointmentPractitioner:
    return AppointmentPractitioner(payee_id=share.payee_id, is_primary=share.is_primary, weight=share.weight)


def _said(row: Appointment) -> str:
    return ", ".join(
        f"{p.payee_id} ({p.weight}{', primary' if p.is_primary else ''})" for p in row.practitioners
    )


def _day(organisation_id: int, starts_at: datetime) -> date:
    return local_date(starts_at, db.session.get_one(Organisation, organisation_id).timezone)


def _check_customer(organisation_id: int, customer_id: int) -> None:
    known = select(Customer.id).where(Customer.organisation_id == organisation_id, Customer.id == customer_id)
    if db.session.scalar(known) is None:
        raise Invalid("customer", "The customer is not one of this organisation.")


def _check_practitioners(organisation_id: int, shares: Sequence[Share]) -> None:
    wanted = {share.payee_id for share in shares}
    known = db.session.scalars(
        select(Payee.id).where(
            Payee.organisation_id == organisation_id,
            Payee.kind == Role.PRACTITIONER.value,
            Payee.id.in_(wanted),
        )
    )
    if wanted - set(known):
        raise Invalid("practitioners", "A practitioner is not one of this organisation.")
