"""Invoices: made, written off, and what becomes of one whose payout was rejected."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select

from webapp.database import db, lock_row
from webapp.kernel.actor import Actor
from webapp.kernel.checks import need_reason
from webapp.kernel.errors import Conflict, Invalid
from webapp.kernel.money import MAXIMUM_MINOR, Money, exponent
from webapp.people.models import Organisation
from webapp.people.numbers import next_number
from webapp.programs.clinic import trail
from webapp.programs.clinic.drafts import InvoiceDraft
from webapp.programs.clinic.models import Appointment, Customer, Invoice, InvoiceLine
from webapp.programs.clinic.settings import settings_of
from webapp.programs.clinic.states import InvoiceAction, InvoiceState, check_action, state_of

SERIES, WIDTH = "INV", 3


def create_invoice(*, organisation_id: int, draft: InvoiceDraft, actor: Actor, now: datetime) -> Invoice:
    """A new invoice with the next number of the organisation; a rolled-back one leaves no gap. Raises Invalid."""
    draft.check()
    organisation = db.session.get_one(Organisation, organisation_id)
    currency = draft.currency or organisation.currency
    try:
        exponent(currency)
    except ValueError:
        raise Invalid("currency", f"{currency} is not a currency.", organisation.currency) from None
    lines = [
        InvoiceLine(
            position=position,
            description=" ".join(line.description.split()),
            quantity=line.quantity,
            unit_price_minor=line.unit_price_minor,
            gross_minor=figures.gross_minor,
            discount_minor=figures.discount_minor,
            tax_percent=line.tax_percent,
            tax_minor=figures.tax_minor,
        )
        for position, line in enumerate(draft.lines, start=1)
        for figures in (line.figures(currency),)
    ]
    total = sum(line.total_minor for line in lines)
    if not 0 < total <= MAXIMUM_MINOR:
        raise Invalid("lines", "The lines add up to nothing, or to more than Paydesk accepts.")
    _check_subject(organisation_id, draft)
    due_on = draft.due_on or draft.issued_on + timedelta(days=settings_of(organisation_id).due_days)
    # The number is taken last: it is what other new invoices wait for.
    row = Invoice(
        organisation_id=organisation_id,
        number=next_number(organisation_id, SERIES, WIDTH),
        external_ref=draft.external_ref or None,
        customer_id=draft.customer_id,
        about=draft.about,
        appointment_id=draft.appointment_id,
        order_reference=draft.order_reference.strip(),
        currency=currency,
        issued_on=draft.issued_on,
        due_on=due_on,
        subtotal_minor=sum(line.gross_minor for line in lines),
        discount_minor=sum(line.discount_minor for line in lines),
        tax_minor=sum(line.tax_minor for line in lines),
        total_minor=total,
        note=draft.note.strip(),
        created_by_id=actor.user_id,
        created_by_label=actor.label,
        created_at=now,
        lines=lines,
    )
    trail.store_new(row, draft.external_ref, "an invoice")
    changes = {"total": [None, Money(total, currency).plain], "currency": [None, currency]}
    trail.record("invoice", "created", row, row.number, actor, now, changes)
    return row


def _check_subject(organisation_id: int, draft: InvoiceDraft) -> None:
    known = select(Customer.id).where(
        Customer.organisation_id == organisation_id, Customer.id == draft.customer_id
    )
    if db.session.scalar(known) is None:
        raise Invalid("customer", "The customer is not one of this organisation.")
    if draft.appointment_id is None:
        return
    appointment = db.session.scalar(
        select(Appointment).where(
            Appointment.organisation_id == organisation_id, Appointment.id == draft.appointment_id
        )
    )
    if appointment is None:
        raise Invalid("appointment", "The appointment is not one of this organisation.")
    if appointment.customer_id != draft.customer_id:
        raise Invalid("appointment", f"{appointment.reference} is an appointment of another customer.")
    if appointment.is_cancelled:
        raise Invalid("appointment", f"{appointment.reference} is cancelled.")


def lock_invoice(organisation_id: int, number: str, expected_version: int | None = None) -> Invoice:
    """The invoice's row, read afresh and locked; all that moves its money begins with it.

    Raises NotFound, StaleVersion.
    """
    row = lock_row(Invoice, Invoice.organisation_id == organisation_id, Invoice.number == number)
    trail.check_version(row, number, expected_version)
    return row


def settle_state(row: Invoice, now: datetime) -> None:
    """Put the invoice in the state that its figures amount to, and count its version up."""
    state = state_of(
        total_minor=row.total_minor,
        received_minor=row.received_minor,
        refunded_minor=row.refunded_minor,
        written_off_minor=row.written_off_minor,
        is_by_hand=row.is_by_hand,
    )
    if state in (InvoiceState.PAID, InvoiceState.PAID_MANUAL) and row.paid_at is None:
        row.paid_at = now
    row.state = state.value
    row.version += 1


def write_off(
    *,
    organisation_id: int,
    number: str,
    reason: str,
    actor: Actor,
    now: datetime,
    expected_version: int | None = None,
) -> Invoice:
    """Ask for the rest of an invoice no more: what came in counts as all of it; no money moves.

    Raises NotFound, Invalid without a reason, IllegalTransition, StaleVersion.
    """
    row = lock_invoice(organisation_id, number)
    check_action(row.state, InvoiceAction.WRITE_OFF, number)
    trail.check_version(row, number, expected_version)
    reason = need_reason(reason, "The customer moved away.", "invoice")
    rest, before = row.remaining_minor, row.state
    row.written_off_minor += rest
    row.write_off_reason = reason
    settle_state(row, now)
    db.session.flush()
    changes = {"written off": [None, Money(rest, row.currency).plain], "state": [before, row.state]}
    trail.record("invoice", "written_off", row, number, actor, now, changes, row.write_off_reason)
    return row


def decide_offer(
    *, organisation_id: int, number: str, is_offered: bool, reason: str, actor: Actor, now: datetime
) -> Invoice:
    """A person's word on an invoice whose payout was rejected or cancelled: offer it again, or dismiss it.

    Raises NotFound, Conflict when there is nothing to decide, Invalid without a reason.
    """
    row = lock_invoice(organisation_id, number)
    if row.offer == "open":
        raise Conflict(f"No payout of {number} was rejected or cancelled; there is nothing to decide.")
    reason = need_reason(reason, "The shares are right now.", "invoice")
    before = row.offer
    row.offer, row.offer_reason = ("open", "") if is_offered else ("dismissed", reason[:300])
    row.version += 1
    db.session.flush()
    word = "offered_again" if is_offered else "dismissed"
    changes = {"offer": [before, row.offer]}
    trail.record("invoice", word, row, number, actor, now, changes, reason)
    return row
