"""Reading a clinic's records for admins' lists: invoices with their payouts, customers, appointments. Never writes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Select, String, and_, case, cast, exists, func, or_, select
from sqlalchemy.orm import joinedload, selectinload

from webapp.database import db, like, within
from webapp.kernel.money import Money
from webapp.payouts.models import Payout
from webapp.people.models import Payee
from webapp.programs.clinic.models import (
    Appointment,
    AppointmentPractitioner,
    Clawback,
    ClinicPayout,
    ClinicTransaction,
    Customer,
    Invoice,
)
from webapp.programs.clinic.states import PAID_STATES, About, InvoiceState, TransactionKind

BATCH = 500
OPEN_STATES = (InvoiceState.PENDING.value, InvoiceState.PARTIAL.value)
_PAID = tuple(state.value for state in PAID_STATES)


@dataclass(frozen=True)
class InvoiceFilter:
    """What the list of invoices is narrowed to; empty fields narrow nothing.

    `payout`: "ready" can be paid out, "made" has a live payout, "blocked" waits for a decision.
    """

    text: str = ""
    state: str = ""
    practitioner: str = ""
    payout: str = ""
    issued_from: date | None = None
    issued_to: date | None = None


@dataclass(frozen=True)
class Total:
    """Count of the invoices of one state and currency, with what they come to and what has come in."""

    state: str
    count: int
    total: Money
    stayed: Money
    left: Money


def has_payout() -> Any:
    """Invoices that a payout pays for, or will."""
    return exists().where(ClinicPayout.invoice_id == Invoice.id, ClinicPayout.released_at.is_(None))


def _is_ready() -> Any:
    return and_(
        Invoice.state.in_(_PAID),
        Invoice.about == About.APPOINTMENT.value,
        Invoice.offer == "open",
        ~has_payout(),
    )


def list_invoices(organisation_id: int, chosen: InvoiceFilter | None = None) -> Select[Any]:
    """Invoices with customer, appointment and practitioners."""
    chosen = chosen or InvoiceFilter()
    query = (
        select(Invoice)
        .where(Invoice.organisation_id == organisation_id)
        .options(
            joinedload(Invoice.customer, innerjoin=True),
            joinedload(Invoice.appointment)
            .selectinload(Appointment.practitioners)
            .joinedload(AppointmentPractitioner.payee, innerjoin=True),
        )
    )
    if text := chosen.text.strip():
        query = query.where(
            or_(
                like(Invoice.number, text),
                like(Invoice.order_reference, text),
                Invoice.customer_id.in_(
                    select(Customer.id).where(
                        Customer.organisation_id == organisation_id,
                        or_(like(Customer.name, text), like(Customer.reference, text)),
                    )
                ),
            )
        )
    if chosen.state == "open":
        query = query.where(Invoice.state.in_(OPEN_STATES))
    elif chosen.state:
        query = query.where(Invoice.state == chosen.state)
    if chosen.practitioner:
        query = query.where(
            Invoice.appointment_id.in_(
                select(AppointmentPractitioner.appointment_id)
                .join(Payee, Payee.id == AppointmentPractitioner.payee_id)
                .where(
                    Payee.organisation_id == organisation_id,
                    or_(Payee.reference == chosen.practitioner, like(Payee.name, chosen.practitioner)),
                )
            )
        )
    if chosen.payout == "ready":
        query = query.where(_is_ready())
    elif chosen.payout == "made":
        query = query.where(has_payout())
    elif chosen.payout == "blocked":
        query = query.where(Invoice.offer == "blocked")
    return query.where(*within(Invoice.issued_on, chosen.issued_from, chosen.issued_to))


def payouts_by_invoice(ids: Sequence[int]) -> dict[int, list[tuple[ClinicPayout, Payout]]]:
    """Invoice id → its live payouts with the shared record that carries their state."""
    found: dict[int, list[tuple[ClinicPayout, Payout]]] = {}
    if ids:
        rows = db.session.execute(
            select(ClinicPayout, Payout)
            .join(Payout, Payout.id == ClinicPayout.payout_id)
            .where(ClinicPayout.invoice_id.in_(ids), ClinicPayout.released_at.is_(None))
            .options(joinedload(Payout.payee, innerjoin=True))
            .order_by(ClinicPayout.id)
        )
        for row, payout in rows:
            found.setdefault(row.invoice_id, []).append((row, payout))
    return found


def totals(organisation_id: int) -> list[Total]:
    """Every state and currency that some invoice has, in one query."""
    left = Invoice.total_minor - Invoice.received_minor - Invoice.written_off_minor
    rows = db.session.execute(
        select(
            Invoice.state,
            Invoice.currency,
            func.count(),
            func.sum(Invoice.total_minor),
            func.sum(Invoice.received_minor - Invoice.refunded_minor),
            func.sum(case((Invoice.state.in_(OPEN_STATES), left), else_=0)),
        )
        .where(Invoice.organisation_id == organisation_id)
        .group_by(Invoice.state, Invoice.currency)
        .order_by(Invoice.currency)
    )
    return [
        Total(state, int(n), *(Money(int(value), currency) for value in sums))
        for state, currency, n, *sums in rows
    ]


def needs(organisation_id: int, today: date) -> dict[str, int]:
    """How many invoices are ready to be paid out, overdue, or wait for a decision; one query."""
    late = and_(Invoice.state.in_(OPEN_STATES), Invoice.due_on < today)
    row = db.session.execute(
        select(
            func.count(case((_is_ready(), 1))),
            func.count(case((late, 1))),
            func.count(case((Invoice.offer == "blocked", 1))),
        ).where(Invoice.organisation_id == organisation_id)
    ).one()
    return dict(zip(("ready", "late", "blocked"), map(int, row), strict=True))


@dataclass(frozen=True)
class Month:
    """What came in, what is still asked for and what was paid out, of one month and currency.

    Collected is less what went back to customers, paid out less what refunds took back.
    """

    month: str
    collected_minor: int
    outstanding_minor: int
    paid_out_minor: int


def months(organisation_id: int, currency: str, since: date) -> list[Month]:
    """Month by month from the one that `since` lies in; three queries however many months."""
    of_day = func.substr(cast(Invoice.issued_on, String), 1, 7)
    outstanding: dict[str, int] = {
        str(month): int(left)
        for month, left in db.session.execute(
            select(of_day, func.sum(Invoice.total_minor - Invoice.received_minor - Invoice.written_off_minor))
            .where(
                Invoice.organisation_id == organisation_id,
                Invoice.currency == currency,
                Invoice.state.in_(OPEN_STATES),
                Invoice.issued_on >= since,
            )
            .group_by(of_day)
        )
    }
    happened = func.substr(cast(ClinicTransaction.happened_on, String), 1, 7)
    signed = case(
        (ClinicTransaction.kind == TransactionKind.REFUND.value, -ClinicTransaction.amount_minor),
        else_=ClinicTransaction.amount_minor,
    )
    moved: dict[tuple[str, bool], int] = {}
    is_out = ClinicTransaction.kind == TransactionKind.PAYOUT.value
    for month, out, amount in db.session.execute(
        select(happened, is_out, func.sum(signed))
        .where(
            ClinicTransaction.organisation_id == organisation_id,
            ClinicTransaction.currency == currency,
            ClinicTransaction.state == "completed",
            ClinicTransaction.kind.in_(
                [TransactionKind.PAYMENT.value, TransactionKind.REFUND.value, TransactionKind.PAYOUT.value]
            ),
            ClinicTransaction.happened_on >= since,
        )
        .group_by(happened, is_out)
    ):
        moved[month, bool(out)] = int(amount or 0)
    taken = func.substr(cast(Clawback.happened_on, String), 1, 7)
    for month, amount in db.session.execute(
        select(taken, func.sum(Clawback.amount_minor))
        .where(
            Clawback.organisation_id == organisation_id,
            Clawback.currency == currency,
            Clawback.happened_on >= since,
        )
        .group_by(taken)
    ):
        moved[month, True] = moved.get((month, True), 0) - int(amount or 0)
    names = sorted({*outstanding, *(month for month, _ in moved)})
    return [
        Month(name, moved.get((name, False), 0), outstanding.get(name, 0), moved.get((name, True), 0))
        for name in names
    ]


def list_customers(organisation_id: int, text: str = "") -> Select[Any]:
    """Customers."""
    query = select(Customer).where(Customer.organisation_id == organisation_id)
    if text := text.strip():
        query = query.where(
            or_(like(Customer.name, text), like(Customer.reference, text), like(Customer.email, text))
        )
    return query


def list_appointments(
    organisation_id: int, text: str = "", held_from: date | None = None, held_to: date | None = None
) -> Select[Any]:
    """Appointments with customer and practitioners."""
    query = (
        select(Appointment)
        .where(Appointment.organisation_id == organisation_id)
        .options(
            joinedload(Appointment.customer, innerjoin=True),
            selectinload(Appointment.practitioners).joinedload(AppointmentPractitioner.payee, innerjoin=True),
        )
    )
    if text := text.strip():
        query = query.where(
            or_(
                like(Appointment.reference, text),
                like(Appointment.category, text),
                Appointment.customer.has(like(Customer.name, text)),
                Appointment.practitioners.any(AppointmentPractitioner.payee.has(like(Payee.name, text))),
            )
        )
    return query.where(*within(Appointment.held_on, held_from, held_to))


def invoices_of_appointments(ids: Sequence[int]) -> dict[int, list[Invoice]]:
    """Appointment id → its invoices."""
    found: dict[int, list[Invoice]] = {}
    if ids:
        for invoice in db.session.scalars(
            select(Invoice).where(Invoice.appointment_id.in_(ids)).order_by(Invoice.id)
        ):
            found.setdefault(invoice.appointment_id or 0, []).append(invoice)
    return found


def count_by_customer(ids: Sequence[int]) -> dict[int, int]:
    """Customer id → how many invoices there are."""
    if not ids:
        return {}
    rows = db.session.execute(
        select(Invoice.customer_id, func.count())
        .where(Invoice.customer_id.in_(ids))
        .group_by(Invoice.customer_id)
    )
    return {customer_id: int(n) for customer_id, n in rows}


def every(query: Select[Any], key: Any) -> Iterator[Any]:
    """All rows of a list, newest first, a batch at a time."""
    last: int | None = None
    while True:
        part = query if last is None else query.where(key < last)
        rows = db.session.scalars(part.order_by(None).order_by(key.desc()).limit(BATCH)).unique().all()
        yield from rows
        if len(rows) < BATCH:
            return
        last = rows[-1].id
        db.session.expunge_all()


def practitioners(organisation_id: int) -> Sequence[Payee]:
    """Everybody who can be named at an appointment or in a rule."""
    return db.session.scalars(
        select(Payee)
        .where(Payee.organisation_id == organisation_id, Payee.kind == "practitioner", Payee.is_active)
        .order_by(Payee.name, Payee.id)
        .limit(500)
    ).all()
