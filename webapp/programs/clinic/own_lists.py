"""Reading a practitioner's own invoices: number, initials, money; never who the customer is. Never writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Date, Select, bindparam, select, text
from sqlalchemy.orm import joinedload

from webapp.database import ask, db
from webapp.kernel.money import Money
from webapp.payouts.models import Payout
from webapp.programs.clinic.models import Appointment, AppointmentPractitioner, ClinicPayout, Invoice


@dataclass(frozen=True)
class OwnInvoice:
    """An invoice as its practitioner sees it; the payouts are their own."""

    invoice: Invoice
    appointment: Appointment
    payouts: Sequence[tuple[ClinicPayout, Payout]]

    @property
    def initials(self) -> str:
        """All that is said of the customer."""
        return self.invoice.customer.initials

    def _sum(self, name: str, taken: str) -> Money:
        minor = sum(getattr(row, name) - getattr(row, taken) for row, _ in self.payouts)
        return Money(minor, self.invoice.currency)

    @property
    def commission(self) -> Money:
        """What the clinic kept, less what went back."""
        return self._sum("commission_minor", "taken_commission_minor")

    @property
    def amount(self) -> Money:
        """What the practitioner got, less what they gave back."""
        return self._sum("base_minor", "taken_base_minor") - self.commission


def list_own(organisation_id: int, payee_id: int, since: date | None = None) -> Select[Any]:
    """Invoices of a practitioner's appointments, with customer and appointment."""
    mine = select(AppointmentPractitioner.appointment_id).where(AppointmentPractitioner.payee_id == payee_id)
    query = (
        select(Invoice)
        .where(Invoice.organisation_id == organisation_id, Invoice.appointment_id.in_(mine))
        .options(joinedload(Invoice.customer, innerjoin=True), joinedload(Invoice.appointment))
    )
    return query if since is None else query.where(Invoice.issued_on >= since)


@dataclass(frozen=True)
class OwnMonth:
    """What came in on own invoices and what of it was paid into the own wallet, of one month ("2026-11").

    Both less what refunds took back.
    """

    month: str
    collected_minor: int
    paid_minor: int


_MONTHS = text("""
    SELECT month, sum(collected) AS collected, sum(paid) AS paid FROM (
        SELECT substr(CAST(t.happened_on AS VARCHAR(10)), 1, 7) AS month,
            CASE t.kind WHEN 'refund' THEN -t.amount_minor ELSE t.amount_minor END AS collected, 0 AS paid
        FROM clinic_transactions t JOIN clinic_invoices i ON i.id = t.invoice_id
        WHERE t.organisation_id = :organisation AND t.currency = :currency AND t.state = 'completed'
            AND t.kind IN ('payment', 'refund') AND t.happened_on >= :since
            AND i.appointment_id IN (
                SELECT appointment_id FROM clinic_appointment_practitioners WHERE payee_id = :payee
            )
        UNION ALL
        SELECT substr(CAST(p.paid_on AS VARCHAR(10)), 1, 7), 0, c.base_minor - c.commission_minor
        FROM clinic_payouts c JOIN payouts p ON p.id = c.payout_id
        WHERE c.organisation_id = :organisation AND c.currency = :currency AND c.payee_id = :payee
            AND p.state = 'paid' AND p.paid_on >= :since
        UNION ALL
        SELECT substr(CAST(happened_on AS VARCHAR(10)), 1, 7), 0, -amount_minor
        FROM clinic_clawbacks
        WHERE organisation_id = :organisation AND currency = :currency AND payee_id = :payee AND happened_on >= :since
    ) AS moved GROUP BY month ORDER BY month
""").bindparams(bindparam("since", type_=Date))


def months(organisation_id: int, payee_id: int, currency: str, since: date) -> list[OwnMonth]:
    """A practitioner's months in which anything moved, the oldest first, by one statement. Amounts in minor units."""
    values = {"organisation": organisation_id, "payee": payee_id, "currency": currency, "since": since}
    return [OwnMonth(row.month, int(row.collected), int(row.paid)) for row in ask(_MONTHS, values)]


def with_payouts(invoices: Sequence[Invoice], payee_id: int) -> list[OwnInvoice]:
    """Each with the practitioner's own live payouts, by one query."""
    found: dict[int, list[tuple[ClinicPayout, Payout]]] = {}
    if invoices:
        rows = db.session.execute(
            select(ClinicPayout, Payout)
            .join(Payout, Payout.id == ClinicPayout.payout_id)
            .where(
                ClinicPayout.invoice_id.in_([invoice.id for invoice in invoices]),
                ClinicPayout.payee_id == payee_id,
                ClinicPayout.released_at.is_(None),
            )
            .options(joinedload(Payout.payee, innerjoin=True))
            .order_by(ClinicPayout.id)
        )
        for row, payout in rows:
            found.setdefault(row.invoice_id, []).append((row, payout))
    return [
        OwnInvoice(invoice, invoice.appointment, found.get(invoice.id, []))
        for invoice in invoices
        if invoice.appointment is not None
    ]
