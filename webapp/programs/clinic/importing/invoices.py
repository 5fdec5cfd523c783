"""Invoices with their lines from a file: one row for each invoice, its lines with semicolons between them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from webapp.database import db
from webapp.imports import naming, values
from webapp.imports.cells import Cells, Neutral, same
from webapp.imports.columns import Mapped, Row
from webapp.imports.rows import ReferenceImport
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Invalid
from webapp.kernel.money import MAXIMUM_MINOR, Money
from webapp.people.models import Organisation
from webapp.programs.clinic import invoicing
from webapp.programs.clinic.drafts import InvoiceDraft, LineDraft
from webapp.programs.clinic.importing import found
from webapp.programs.clinic.models import Appointment, Invoice
from webapp.programs.clinic.states import About

_NO_DAY = date(1900, 1, 1)
_NEUTRAL: Neutral[InvoiceDraft] = {
    "due_on": same(due_on=None),
    "order_reference": same(order_reference=""),
    "note": same(note=""),
}


class InvoiceImport(ReferenceImport):
    """An invoice that is there stays as it is: a row that says something else is refused at the cell."""

    stored: dict[str, Invoice]

    def __init__(self, organisation: Organisation, mapped: Mapped, actor: Actor, now: datetime) -> None:
        super().__init__(organisation, mapped, actor, now)
        self.customers = found.customers(organisation.id)
        self.appointments = found.appointments(organisation.id)
        query = select(Appointment.id, Appointment.customer_id).where(
            Appointment.organisation_id == organisation.id
        )
        self.customer_of = {row.id: row.customer_id for row in db.session.execute(query)}

    def prepare(self, rows: Sequence[Row]) -> None:
        """The stored invoices that these rows are about, with their lines."""
        query = (
            select(Invoice)
            .where(
                Invoice.organisation_id == self.organisation.id, Invoice.external_ref.in_(self.wanted(rows))
            )
            .options(selectinload(Invoice.lines))
        )
        self.stored = {row.external_ref or "": row for row in db.session.scalars(query)}

    def store(self, row: Row, cells: Cells) -> str:
        """Store one row. Raises PaydeskError."""
        draft = self.look(row, cells)
        cells.finish()
        if row["external_ref"] in self.stored:
            return "unchanged"
        invoicing.create_invoice(
            organisation_id=self.organisation.id, draft=draft, actor=self.actor, now=self.now
        )
        return "created"

    def look(self, row: Row, cells: Cells) -> InvoiceDraft:
        """The invoice that a row describes."""
        reference = self.reference(row, cells, "I-1")
        currency = cells.read(
            self.organisation.currency, values.parse_currency, row["currency"], self.organisation.currency
        )
        issued_on = cells.read(None, values.parse_day, "issued_on", row["issued_on"])
        if issued_on is None:
            cells.add(Invalid("issued_on", "There is no day.", "2026-11-10"))
        appointment = self._appointment(row, cells)
        customer = self._customer(row, appointment, cells)
        about = cells.read(
            About.OTHER.value, _about, row["about"], bool(row["appointment"]), row["order_reference"]
        )
        draft = InvoiceDraft(
            customer_id=customer,
            lines=self._lines(row, currency, cells),
            issued_on=issued_on or _NO_DAY,
            about=about,
            appointment_id=appointment,
            order_reference=row["order_reference"],
            due_on=cells.read(None, values.parse_day, "due_on", row["due_on"]) if issued_on else None,
            currency=currency,
            note=row["note"],
            external_ref=reference,
        )
        if not cells.errors:
            cells.examine(draft, InvoiceDraft.check, _NEUTRAL)
            _check_total(draft, cells)
        existing = self.stored.get(reference)
        if existing is not None and not cells.errors:
            _compare(existing, draft, row, cells)
        return draft

    def _appointment(self, row: Row, cells: Cells) -> int | None:
        if not row["appointment"]:
            return None
        none = 0
        ident = cells.read(
            none, naming.one, self.appointments, "appointment", row["appointment"], "appointment", "A-1"
        )
        return ident or None

    def _customer(self, row: Row, appointment: int | None, cells: Cells) -> int:
        """Who gets it; with an appointment its own customer, whom the row need not name."""
        theirs = self.customer_of.get(appointment) if appointment else None
        if not row["customer"] and (theirs or row["appointment"]):
            return theirs or 0
        said = cells.read(0, naming.one, self.customers, "customer", row["customer"], "customer", "C-1")
        if said and theirs and said != theirs:
            cells.add(Invalid("customer", "The appointment is one of another customer."))
        return said

    def _lines(self, row: Row, currency: str, cells: Cells) -> tuple[LineDraft, ...]:
        """The lines; a cell with one number counts for all of them."""
        names = naming.parts(row["description"])
        if not names:
            cells.add(Invalid("description", "There is no line.", "Initial assessment"))
            return ()
        count = len(names)
        nothing = [0] * count
        prices = cells.read(nothing, _amounts, "unit_price", row["unit_price"], currency, count, True)
        discounts = cells.read(nothing, _amounts, "discount", row["discount"], currency, count, False)
        one, none = [Decimal(1)] * count, [Decimal(0)] * count
        quantities = cells.read(one, _numbers, "quantity", row["quantity"], one)
        taxes = cells.read(none, _numbers, "tax_percent", row["tax_percent"], none)
        lines = [
            LineDraft(name, price, quantity, discount, tax)
            for name, price, quantity, discount, tax in zip(
                names, prices, quantities, discounts, taxes, strict=True
            )
        ]
        for line in lines:
            cells.read(None, line.figures, currency)
        return tuple(lines)


def _about(text: str, is_appointment: bool, order_reference: str) -> str:
    """What it is for; by what else the row says where the cell is empty. Raises Invalid."""
    if not text:
        if is_appointment:
            return About.APPOINTMENT.value
        return (About.ORDER if order_reference else About.OTHER).value
    for each in About:
        if text.casefold() in (each.value, each.label.casefold()):
            if (each is About.APPOINTMENT) is not is_appointment:
                reason = "An invoice for an appointment names it; no other invoice does."
                raise Invalid("appointment", reason, "A-1")
            return each.value
    raise Invalid("about", f"{text[:40]!r} is nothing that an invoice can be for.", "appointment")


def _spread(field: str, texts: list[str], count: int, example: str) -> list[str]:
    if len(texts) == 1:
        return texts * count
    if len(texts) != count:
        raise Invalid(field, f"There are {count} lines and {len(texts)} values.", example)
    return texts


def _amounts(field: str, text: str, currency: str, count: int, must: bool) -> list[int]:
    """Amounts of the lines. A price is needed; a discount is of the line that it stands for."""
    texts = naming.parts(text)
    example = "90.00; 15.00" if must else "0; 5.00"
    if not texts:
        if must:
            raise Invalid(field, "There is no price.", example)
        return [0] * count
    if must or len(texts) > 1 or count == 1:
        return [
            naming.amount(field, each, currency, example) for each in _spread(field, texts, count, example)
        ]
    raise Invalid(field, f"There are {count} lines and one discount.", example)


def _numbers(field: str, text: str, instead: list[Decimal]) -> list[Decimal]:
    texts = [part.rstrip("% ") for part in naming.parts(text)]
    if not texts:
        return instead
    return [naming.number(field, each, "1; 2") for each in _spread(field, texts, len(instead), "1; 2")]


def _check_total(draft: InvoiceDraft, cells: Cells) -> None:
    total = sum(line.figures(draft.currency).total_minor for line in draft.lines)
    if not 0 < total <= MAXIMUM_MINOR:
        cells.add(
            Invalid("unit_price", "The invoice comes to nothing, or to more than is possible.", "90.00")
        )


def _compare(existing: Invoice, draft: InvoiceDraft, row: Row, cells: Cells) -> None:
    """An invoice is never changed by a file; it says so instead of doing nothing."""
    lines = [line.figures(draft.currency) for line in draft.lines]
    there = [line.description for line in existing.lines]
    total = sum(line.total_minor for line in lines)
    said = {
        "customer": (existing.customer_id, draft.customer_id, ""),
        "appointment": (existing.appointment_id, draft.appointment_id, ""),
        "issued_on": (existing.issued_on, draft.issued_on, existing.issued_on.isoformat()),
        "due_on": (existing.due_on, draft.due_on or existing.due_on, existing.due_on.isoformat()),
        "currency": (existing.currency, draft.currency, existing.currency),
        "description": (
            there,
            [" ".join(line.description.split()) for line in draft.lines],
            "; ".join(there),
        ),
        "unit_price": (existing.total_minor, total, Money(existing.total_minor, existing.currency).plain),
    }
    for name, (before, after, shown) in said.items():
        if before != after:
            told = f", with {shown}" if shown else ", with another one"
            reason = f"{existing.number} is there already{told}; a file does not change an invoice."
            cells.add(Invalid(name, reason, shown or None))
