"""The owner's part of a monthly statement: rent by property and unit with each deduction, and what is held for them.

Its account is what is held for the owner less what they owe because rent went back: rents add to it, payouts take from
it. Every figure is compared with the ledger; what does not agree is refused before anything is drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from babel.dates import format_date
from sqlalchemy import and_, select

from webapp.database import db
from webapp.kernel.money import Money
from webapp.ledger.models import JournalEntry
from webapp.people.models import Role
from webapp.programs.rentals.drafts import PROGRAM, SOURCE_TYPE
from webapp.programs.rentals.models import (
    Distribution,
    DistributionShare,
    Lease,
    Property,
    RentCharge,
    RentPayment,
    Unit,
)
from webapp.programs.rentals.owner_queries import DEDUCTIONS
from webapp.statements import booked, sections
from webapp.statements.build import DoesNotAddUp, clean
from webapp.statements.sections import Entry, Maker, Scope, Section

SHARED_OUT, APPROVED, TAKEN_BACK = "rent.shared_out", "payout.approved", "payout.approved.reversed"
WENT_BACK = {"rent.refunded": "Rent refunded to tenants", "rent.charged_back": "Rent charged back by tenants"}
COLUMNS = ("Rent", "Management fee", "Tax on fee", "Tax withheld", "Bills", "Reserve")
# What belongs to the owner, and what they owe, in one account: both on the owner's side when the sign is turned.
_mine = booked.of_payees(Role.OWNER, ("held:", "receivable:"))


def balances(scope: Scope) -> tuple[int, int]:
    """What the ledger holds for the owner, less what they owe, at the start of the period and at its end."""
    return booked.balances(_mine, scope)


def concerned(organisation_id: int, first: date, last: date) -> Iterable[tuple[int, str]]:
    """Owners with something held, owed or moved between two days."""
    return booked.concerned(_mine, organisation_id, first, last)


def make(scope: Scope) -> Section | None:
    """The section of an owner's month; None without a balance and without a rent. Raises DoesNotAddUp."""
    opening, closing = balances(scope)
    moved = _moved(scope)
    rents = _rents(scope)
    references = booked.payout_references(entry for entry, _ in moved)
    found: list[tuple[date, int, Entry]] = []
    amounts = {entry.id: amount for entry, amount in moved}
    for entry, share, rent in rents:
        found.append((entry.effective_on, entry.id, _rent(entry, share, rent, amounts.pop(entry.id, 0))))
    for entry, amount in moved:
        if entry.id in amounts and amount:
            found.append((entry.effective_on, entry.id, _movement(entry, amount, references)))
    if not found and not opening and not closing:
        return None
    return Section(
        key=PROGRAM,
        title="Rent by property and unit",
        words="Your part of each rent that was received, and what was taken from it.",
        balance_title="Rent held for you",
        columns=COLUMNS,
        amount_label="For you",
        opening_minor=opening,
        closing_minor=closing,
        entries=tuple(entry for _, _, entry in sorted(found, key=lambda one: one[:2])),
        negative_words="Rent went back to tenants after it was paid to you. It is taken from your next payouts.",
    )


def _moved(scope: Scope) -> Sequence[tuple[JournalEntry, int]]:
    """The journal entries of the period that touch the owner's accounts, with what they do to them."""
    amount = booked.total().label("amount")
    touched = (
        booked.in_period(_mine, scope, JournalEntry.id.label("id"), amount)
        .group_by(JournalEntry.id)
        .subquery()
    )
    rows = db.session.execute(
        select(JournalEntry, touched.c.amount).join(touched, touched.c.id == JournalEntry.id)
    )
    return [(entry, int(amount)) for entry, amount in rows]


def _rents(scope: Scope) -> Sequence[tuple[JournalEntry, DistributionShare, Any]]:
    """The rents that were shared out in the period and of which the owner had a part."""
    is_its_entry = and_(
        JournalEntry.organisation_id == Distribution.organisation_id,
        JournalEntry.source_type == SOURCE_TYPE,
        JournalEntry.source_id == Distribution.payment_id,
        JournalEntry.kind == SHARED_OUT,
    )
    rows = db.session.execute(
        select(
            JournalEntry,
            DistributionShare,
            RentPayment.reference,
            RentCharge.period_start,
            Unit.name.label("unit"),
            Property.name.label("place"),
        )
        .join(Distribution, Distribution.id == DistributionShare.distribution_id)
        .join(JournalEntry, is_its_entry)
        .join(RentPayment, RentPayment.id == Distribution.payment_id)
        .join(RentCharge, RentCharge.id == RentPayment.charge_id)
        .join(Lease, Lease.id == RentCharge.lease_id)
        .join(Unit, Unit.id == Lease.unit_id)
        .join(Property, Property.id == Distribution.property_id)
        .where(
            Distribution.organisation_id == scope.organisation_id,
            DistributionShare.payee_id == scope.payee_id,
            Distribution.currency == scope.currency,
            JournalEntry.effective_on.between(scope.first, scope.last),
        )
        .order_by(JournalEntry.effective_on, JournalEntry.id)
    )
    return [(row[0], row[1], row) for row in rows]


def _rent(entry: JournalEntry, share: DistributionShare, row: Any, booked: int) -> Entry:
    part = share.part
    if part["net"] != booked:
        said, has = (Money(minor, entry.currency).plain for minor in (part["net"], booked))
        raise DoesNotAddUp(
            f"{row.reference} was shared out with {said} {entry.currency} for the owner; the ledger booked {has}."
        )
    month = format_date(row.period_start, "MMMM y", locale="en")
    return Entry(
        day=entry.effective_on,
        kind="Rent received, less deductions",
        item=clean(f"{row.unit}, {month}"),
        amount_minor=booked,
        group=clean(row.place),
        source=row.reference,
        figures=(part["gross"], *(-part[name] for name in DEDUCTIONS)),
    )


def _movement(entry: JournalEntry, amount: int, references: dict[int, str]) -> Entry:
    payout = references.get(entry.source_id, "") if entry.source_type == "payout" else ""
    if entry.kind == APPROVED:
        kind, item = "Put into payouts to you", f"{payout} approved"
    elif entry.kind == TAKEN_BACK:
        kind, item = "Taken back from payouts", f"{payout} cancelled"
    else:
        kind, item = WENT_BACK.get(entry.kind, "Other entries"), clean(entry.description)
    return Entry(day=entry.effective_on, kind=kind, item=item, amount_minor=amount, payout=payout)


def register() -> None:
    """Let owners' statements have this section; once, at start-up."""
    sections.register(PROGRAM, Maker(make, balances, concerned))


register()
