"""The records behind a practitioner's wallet in a month, with their figures: payouts, clawbacks, charges, set-offs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

from babel.dates import format_date
from sqlalchemy import and_, select

from webapp.database import db
from webapp.ledger.models import JournalEntry
from webapp.payouts.models import Payout
from webapp.programs.clinic.models import (
    Clawback,
    ClinicPayout,
    ClinicTransaction,
    Deduction,
    DeductionCharge,
    Invoice,
    PractitionerDebt,
)
from webapp.statements.build import clean
from webapp.statements.sections import Entry, Scope

COLUMNS = ("Base", "Commission", "Gateway fee", "Rent and fees", "Adjusted", "Carried over")
PAID_IN, REFUNDED, DEDUCTED = "payout.paid_into_wallet", "clinic.refunded", "clinic.deducted"
SET_OFF, ADJUSTED = "clinic.set_off", "clinic.adjusted"
#: Groups of records, and what their sum is called among the movements of the wallet.
INVOICES, BACK, CHARGES = "Paid for invoices", "Taken back by refunds", "Rent and fees"
DEBTS, BY_HAND = "Set off against what you owed", "Adjusted by the clinic"


class Booked(Protocol):
    """A journal entry that touches the wallet."""

    @property
    def id(self) -> int: ...
    @property
    def day(self) -> date: ...
    @property
    def kind(self) -> str: ...
    @property
    def source_id(self) -> int: ...
    @property
    def amount_minor(self) -> int: ...


@dataclass(frozen=True)
class Record:
    """A line of the section, and the journal entry that it belongs to."""

    entry_id: int
    day: date
    entry: Entry


def collect(scope: Scope, moved: Sequence[Booked]) -> list[Record]:
    """Every record of the period: five queries, however many there are."""
    return [
        *_payouts(scope),
        *_clawbacks(scope),
        *_charges(scope),
        *_set_offs(moved),
        *_adjustments(moved),
    ]


def _record(
    entry_id: int, day: date, group: str, item: str, source: str, figures: dict[str, int], payout: str = ""
) -> Record:
    values = tuple(figures.get(name, 0) for name in COLUMNS)
    return Record(
        entry_id,
        day,
        Entry(
            day=day,
            kind=group,
            item=clean(item),
            amount_minor=sum(values),
            group=group,
            source=clean(source),
            payout=payout,
            figures=values,
        ),
    )


def _booked(query: Any, scope: Scope, kind: str, source_type: str, source_id: Any) -> Any:
    """The query with the journal entry of each record, narrowed to the period."""
    is_its_entry = and_(
        JournalEntry.organisation_id == scope.organisation_id,
        JournalEntry.source_type == source_type,
        JournalEntry.source_id == source_id,
        JournalEntry.kind == kind,
    )
    return (
        query.join(JournalEntry, is_its_entry)
        .where(
            JournalEntry.currency == scope.currency,
            JournalEntry.effective_on.between(scope.first, scope.last),
        )
        .order_by(JournalEntry.effective_on, JournalEntry.id)
    )


def _payouts(scope: Scope) -> Iterable[Record]:
    """What each invoice brought: base less commission."""
    query = (
        select(JournalEntry.id, JournalEntry.effective_on, ClinicPayout, Payout.reference, Invoice.number)
        .select_from(ClinicPayout)
        .join(Payout, Payout.id == ClinicPayout.payout_id)
        .join(Invoice, Invoice.id == ClinicPayout.invoice_id)
        .where(ClinicPayout.organisation_id == scope.organisation_id, ClinicPayout.payee_id == scope.payee_id)
    )
    for ident, day, row, reference, number in db.session.execute(
        _booked(query, scope, PAID_IN, "payout", Payout.id)
    ):
        held = format_date(row.held_on, "d MMM y", locale="en")
        item = f"{number}, appointment of {held}"
        figures = {"Base": row.base_minor, "Commission": -row.commission_minor}
        yield _record(ident, day, INVOICES, item, reference, figures, reference)


def _clawbacks(scope: Scope) -> Iterable[Record]:
    """What refunds took back, at the rate of the payout; what the wallet did not hold is carried over."""
    query = (
        select(
            JournalEntry.id,
            JournalEntry.effective_on,
            Clawback,
            ClinicTransaction.reference,
            Invoice.number,
        )
        .select_from(Clawback)
        .join(ClinicTransaction, ClinicTransaction.id == Clawback.refund_id)
        .join(Invoice, Invoice.id == ClinicTransaction.invoice_id)
        .where(Clawback.organisation_id == scope.organisation_id, Clawback.payee_id == scope.payee_id)
    )
    for ident, day, row, reference, number in db.session.execute(
        _booked(query, scope, REFUNDED, "clinic_transaction", ClinicTransaction.id)
    ):
        figures = {
            "Base": -row.base_minor,
            "Commission": row.commission_minor,
            "Gateway fee": -row.fee_minor,
            "Carried over": row.carried_minor,
        }
        yield _record(ident, day, BACK, f"Refund of {number}", reference, figures)


def _charges(scope: Scope) -> Iterable[Record]:
    """Room rent and facility fees; what the wallet did not hold is carried over."""
    query = (
        select(JournalEntry.id, JournalEntry.effective_on, DeductionCharge, Deduction.name)
        .select_from(DeductionCharge)
        .join(Deduction, Deduction.id == DeductionCharge.deduction_id)
        .where(
            DeductionCharge.organisation_id == scope.organisation_id,
            DeductionCharge.payee_id == scope.payee_id,
        )
    )
    for ident, day, row, name in db.session.execute(
        _booked(query, scope, DEDUCTED, "clinic_deduction_charge", DeductionCharge.id)
    ):
        until = format_date(row.period_end, "d MMM y", locale="en")
        figures = {"Rent and fees": -row.amount_minor, "Carried over": row.carried_minor}
        yield _record(ident, day, CHARGES, f"{name}, until {until}", "", figures)


def _set_offs(moved: Sequence[Booked]) -> Iterable[Record]:
    """What payouts paid off of what was owed."""
    mine = [entry for entry in moved if entry.kind == SET_OFF]
    if not mine:
        return
    query = select(PractitionerDebt.id, PractitionerDebt.description).where(
        PractitionerDebt.id.in_({entry.source_id for entry in mine})
    )
    words = {row.id: row.description for row in db.session.execute(query)}
    for entry in mine:
        said = words.get(entry.source_id, "what was owed")
        item = said[:1].upper() + said[1:]
        yield _record(entry.id, entry.day, DEBTS, item, "", {"Carried over": entry.amount_minor})


def _adjustments(moved: Sequence[Booked]) -> Iterable[Record]:
    """What the clinic put into the wallet or took out of it by hand, with its reason."""
    mine = [entry for entry in moved if entry.kind == ADJUSTED]
    if not mine:
        return
    query = select(ClinicTransaction.id, ClinicTransaction.reference, ClinicTransaction.note).where(
        ClinicTransaction.id.in_({entry.source_id for entry in mine})
    )
    notes = {row.id: (row.reference, row.note) for row in db.session.execute(query)}
    for entry in mine:
        reference, note = notes.get(entry.source_id, ("", ""))
        item = note[:200] or "Adjusted"
        yield _record(entry.id, entry.day, BY_HAND, item, reference, {"Adjusted": entry.amount_minor})
