"""What a practitioner may look for in a month's statement in vain: invoices without a payout in it, and why."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import exists, or_, select

from webapp.database import db
from webapp.kernel.money import Money
from webapp.payouts.models import Payout
from webapp.payouts.states import PayoutState
from webapp.programs.clinic.models import (
    Appointment,
    AppointmentPractitioner,
    ClinicPayout,
    Invoice,
    SplitMode,
)
from webapp.programs.clinic.queries import works_at
from webapp.programs.clinic.settings import settings_of
from webapp.programs.clinic.states import InvoiceState
from webapp.statements.sections import LeftOut, Scope

#: Invoices of earlier months are named as long as they can still be paid out.
OPEN = (
    InvoiceState.PENDING.value,
    InvoiceState.PARTIAL.value,
    InvoiceState.PAID.value,
    InvoiceState.PAID_MANUAL.value,
)


def left_out(scope: Scope) -> tuple[LeftOut, ...]:
    """As it stands now: invoices of appointments up to the period's end that no payout until then pays for.

    Appointments of the period without an invoice are named, too. Four queries, however many there are.
    """
    found = [*_without_payout(scope), *_waiting(scope), *_without_invoice(scope)]
    return tuple(sorted(found, key=lambda each: (each.day, each.item)))


def _without_payout(scope: Scope) -> Iterable[LeftOut]:
    live = exists().where(
        ClinicPayout.invoice_id == Invoice.id,
        ClinicPayout.payee_id == scope.payee_id,
        ClinicPayout.released_at.is_(None),
    )
    rows = db.session.execute(
        select(Invoice, Appointment, AppointmentPractitioner.is_primary)
        .join(Appointment, Appointment.id == Invoice.appointment_id)
        .join(
            AppointmentPractitioner,
            (AppointmentPractitioner.appointment_id == Appointment.id)
            & (AppointmentPractitioner.payee_id == scope.payee_id),
        )
        .where(
            Appointment.organisation_id == scope.organisation_id,
            Invoice.currency == scope.currency,
            Appointment.held_on <= scope.last,
            or_(Appointment.held_on >= scope.first, Invoice.state.in_(OPEN)),
            ~live,
        )
    ).all()
    if not rows:
        return
    is_primary_only = settings_of(scope.organisation_id).split_mode == SplitMode.PRIMARY
    for invoice, appointment, is_primary in rows:
        is_others = is_primary_only and not is_primary
        if is_others and appointment.held_on < scope.first:
            continue
        why = "It is paid to the primary practitioner of the appointment." if is_others else _why(invoice)
        yield LeftOut(appointment.held_on, invoice.number, why, invoice.total_minor)


def _why(invoice: Invoice) -> str:
    """Why an invoice has no payout; how it was decided is the clinic's own matter."""
    state = InvoiceState(invoice.state)
    if state is InvoiceState.PENDING:
        return "The customer has not paid."
    if state is InvoiceState.PARTIAL:
        there = Money(invoice.stayed_minor, invoice.currency).plain
        return f"Part paid: {there} of {Money(invoice.total_minor, invoice.currency).plain} has come in."
    if state is InvoiceState.REFUNDED:
        return "All that was paid went back to the customer."
    if state is InvoiceState.WRITTEN_OFF:
        return "The customer is not asked for it any more."
    if invoice.offer == "blocked":
        return "Its payout was rejected or cancelled. The clinic decides whether to make it again."
    if invoice.offer == "dismissed":
        return "The clinic has decided not to pay it out."
    return "It is paid; its payout is not made yet."


def _waiting(scope: Scope) -> Iterable[LeftOut]:
    """Payouts that are made and were not in the wallet by the period's end."""
    rows = db.session.execute(
        select(ClinicPayout, Payout.reference, Payout.state, Invoice.number)
        .join(Payout, Payout.id == ClinicPayout.payout_id)
        .join(Invoice, Invoice.id == ClinicPayout.invoice_id)
        .where(
            ClinicPayout.organisation_id == scope.organisation_id,
            ClinicPayout.payee_id == scope.payee_id,
            ClinicPayout.currency == scope.currency,
            ClinicPayout.released_at.is_(None),
            ClinicPayout.held_on <= scope.last,
            or_(Payout.paid_on.is_(None), Payout.paid_on > scope.last),
        )
    )
    for row, reference, state, number in rows:
        if state == PayoutState.PAID:
            why = f"{reference} came into your wallet after this month."
        else:
            why = f"{reference} waits for approval."
        yield LeftOut(row.held_on, number, why, row.amount_minor)


def _without_invoice(scope: Scope) -> Iterable[LeftOut]:
    invoiced = exists().where(Invoice.appointment_id == Appointment.id)
    rows = db.session.execute(
        select(Appointment.held_on, Appointment.reference).where(
            Appointment.organisation_id == scope.organisation_id,
            Appointment.held_on.between(scope.first, scope.last),
            Appointment.is_cancelled.is_(False),
            works_at(scope.payee_id, Appointment.id),
            ~invoiced,
        )
    )
    for day, reference in rows:
        yield LeftOut(day, reference, "The appointment has no invoice yet.", 0)
