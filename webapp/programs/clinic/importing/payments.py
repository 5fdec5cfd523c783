"""Customers' payments from a file: each is booked once, however often the file comes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select

from webapp.database import db
from webapp.imports import naming, values
from webapp.imports.cells import Cells
from webapp.imports.columns import Mapped, Row
from webapp.imports.payees import key_of_name
from webapp.imports.rows import ReferenceImport
from webapp.kernel.actor import Actor
from webapp.kernel.clock import local_date
from webapp.kernel.errors import Invalid
from webapp.kernel.money import Money
from webapp.people.models import Organisation
from webapp.programs.clinic import payments
from webapp.programs.clinic.importing import found
from webapp.programs.clinic.models import ClinicTransaction, Invoice
from webapp.programs.clinic.states import PAYMENT_METHODS, InvoiceAction, Method, TransactionKind, allows

_NO_DAY = date(1900, 1, 1)


def key_of(reference: str) -> str:
    """The key under which a payment of a file is booked once."""
    return f"clinic:import:{reference}"


@dataclass(frozen=True)
class _Paid:
    """A payment that a row describes."""

    invoice_id: int
    amount_minor: int
    method: str
    happened_on: date
    fee_minor: int


class PaymentImport(ReferenceImport):
    """A payment that is booked stays as it is; what a row says otherwise of it is refused at the cell."""

    booked: dict[str, ClinicTransaction]
    references: dict[str, str]
    stored: dict[int, Invoice]

    def __init__(self, organisation: Organisation, mapped: Mapped, actor: Actor, now: datetime) -> None:
        super().__init__(organisation, mapped, actor, now)
        self.invoices = found.invoices(organisation.id)
        self.today = local_date(now, organisation.timezone)

    def prepare(self, rows: Sequence[Row]) -> None:
        """The invoices that these rows are about, and what of the rows is booked already."""
        keys = {key_of(reference): reference for reference in self.wanted(rows)}
        query = select(ClinicTransaction).where(
            ClinicTransaction.organisation_id == self.organisation.id,
            ClinicTransaction.idempotency_key.in_(keys),
        )
        self.booked = {keys[row.idempotency_key or ""]: row for row in db.session.scalars(query)}
        named = select(ClinicTransaction.provider_reference, ClinicTransaction.reference).where(
            ClinicTransaction.organisation_id == self.organisation.id,
            ClinicTransaction.kind == TransactionKind.PAYMENT.value,
            ClinicTransaction.provider_reference.in_({row["provider_reference"] for row in rows} - {""}),
        )
        self.references = {row[0]: row[1] for row in db.session.execute(named)}
        wanted = {ident for row in rows for ident in self.invoices.get(key_of_name(row["invoice"]), ())}
        invoices = select(Invoice).where(
            Invoice.organisation_id == self.organisation.id, Invoice.id.in_(wanted)
        )
        self.stored = {row.id: row for row in db.session.scalars(invoices)}

    def store(self, row: Row, cells: Cells) -> str:
        """Store one row. Raises PaydeskError."""
        paid = self.look(row, cells)
        cells.finish()
        if row["external_ref"] in self.booked:
            return "unchanged"
        done = payments.record_payment(
            organisation_id=self.organisation.id,
            number=self.stored[paid.invoice_id].number,
            amount_minor=paid.amount_minor,
            method=paid.method,
            happened_on=paid.happened_on,
            provider_reference=row["provider_reference"],
            fee_minor=paid.fee_minor,
            note=row["note"],
            idempotency_key=key_of(row["external_ref"]),
            actor=self.actor,
            now=self.now,
        )
        return "unchanged" if done.is_repeat else "created"

    def look(self, row: Row, cells: Cells) -> _Paid:
        """The payment that a row describes."""
        reference = self.reference(row, cells, "P-1")
        ident = cells.read(0, naming.one, self.invoices, "invoice", row["invoice"], "invoice", "INV-001")
        invoice, booked = self.stored.get(ident), self.booked.get(reference)
        currency = invoice.currency if invoice else self.organisation.currency
        paid = _Paid(
            invoice_id=ident,
            amount_minor=cells.read(0, naming.amount, "amount", row["amount"], currency, "90.00", 1),
            method=cells.read(Method.MANUAL.value, _method, row["method"]),
            happened_on=cells.read(_NO_DAY, self._day, row["happened_on"]),
            fee_minor=cells.read(0, naming.amount, "fee", row["fee"], currency, "2.90") if row["fee"] else 0,
        )
        self._check_texts(row, booked, cells)
        if booked is not None:
            _compare(booked, paid, cells)
        elif invoice is not None:
            _check_room(invoice, paid, row, cells)
        return paid

    def _day(self, text: str) -> date:
        day = values.parse_day("happened_on", text)
        if day is None:
            raise Invalid("happened_on", "There is no day.", "2026-11-10")
        if day > self.today:
            raise Invalid("happened_on", "The day is in the future.", self.today.isoformat())
        return day

    def _check_texts(self, row: Row, booked: ClinicTransaction | None, cells: Cells) -> None:
        for name, most in (("provider_reference", 120), ("note", 2000)):
            if len(row[name]) > most:
                cells.add(Invalid(name, f"Write at most {most:,} characters."))
        known = self.references.get(row["provider_reference"])
        if known is not None and (booked is None or booked.reference != known):
            reason = f"{row['provider_reference'][:80]} is recorded already, as {known}."
            cells.add(Invalid("provider_reference", reason, "another one, or none"))


def _method(text: str) -> str:
    """How the customer paid. Raises Invalid."""
    for each in PAYMENT_METHODS:
        if text.casefold() in (each.value, each.label.casefold()):
            return each.value
    known = ", ".join(each.value for each in PAYMENT_METHODS)
    raise Invalid("method", f"Say how the customer paid: {known}.", Method.GATEWAY.value)


def _check_room(invoice: Invoice, paid: _Paid, row: Row, cells: Cells) -> None:
    """What the service would refuse, at its cell; earlier rows of the file have moved the invoice already."""
    if not allows(invoice.state, InvoiceAction.PAY):
        cells.add(Invalid("invoice", f"{invoice.number} is not paid any more: nothing is left to pay."))
        return
    rest = Money(invoice.remaining_minor, invoice.currency)
    if paid.amount_minor > rest.amount:
        reason = f"{rest.format()} of {invoice.number} is left to pay; not more."
        cells.add(Invalid("amount", reason, rest.plain))
    is_kept = paid.method in (Method.GATEWAY, Method.POS)
    if row["fee"] and (paid.fee_minor > paid.amount_minor or (paid.fee_minor and not is_kept)):
        reason = "The fee is what the gateway keeps of the payment, at most all of it."
        cells.add(Invalid("fee", reason, "2.90"))


def _compare(booked: ClinicTransaction, paid: _Paid, cells: Cells) -> None:
    """Money that is booked is never changed by a file; it says so instead of doing nothing."""
    amount, fee = Money(booked.amount_minor, booked.currency), Money(booked.fee_minor, booked.currency)
    said = {
        "invoice": (booked.invoice_id, paid.invoice_id, ""),
        "amount": (booked.amount_minor, paid.amount_minor, amount.plain),
        "method": (booked.method, paid.method, booked.method),
        "happened_on": (booked.happened_on, paid.happened_on, booked.happened_on.isoformat()),
        "fee": (booked.fee_minor, paid.fee_minor, fee.plain),
    }
    for name, (before, after, shown) in said.items():
        if before != after:
            told = f"with {shown}" if shown else "for another invoice"
            reason = f"{booked.reference} was booked for this reference, {told}; a file does not change it."
            cells.add(Invalid(name, reason, shown or None))
