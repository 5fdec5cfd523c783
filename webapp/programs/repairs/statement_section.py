"""The driver's part of a monthly statement: each week with its receipt, and the driver's account beside the payouts.

The account is the driver's balance: what is earned and kept less what is owed, and what is held for payouts that wait.
Charges, earnings and adjustments of a month stand week by week; what left the account for payouts is a movement. All
of it is the ledger's: a section whose entries do not lead from one balance to the other is refused.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date

from sqlalchemy import select

from webapp.database import db
from webapp.kernel.words import day_range
from webapp.ledger.models import JournalEntry
from webapp.people.models import Organisation, Payee, Role
from webapp.programs.repairs.books import Receipt
from webapp.programs.repairs.drafts import PROGRAM
from webapp.programs.repairs.rules import Week, week_of
from webapp.statements import booked, sections
from webapp.statements.sections import Entry, Maker, Scope, Section

#: Earned and kept, owed, held for a payout that waits for approval.
ACCOUNTS = ("earnings:", "receivable:", "held:")
COLUMNS = ("Earned", "Charged", "Credited")
EARNED, CHARGED, CREDITED = range(3)
WEEKS, PAID_OUT, OTHER = "Weeks", "Approved for payout", "Other movements"
_COLUMN_OF = {
    "repairs.earned": EARNED,
    "repairs.charged": CHARGED,
    "repairs.instalment": CHARGED,
    "repairs.adjusted": CREDITED,
}
_MOVEMENTS = {"payout.approved": PAID_OUT, "payout.approved.reversed": "Approval taken back"}
_mine = booked.of_payees(Role.DRIVER, ACCOUNTS)


def balances(scope: Scope) -> tuple[int, int]:
    """What the ledger has of a driver at the start of the period and at its end."""
    return booked.balances(_mine, scope)


def concerned(organisation_id: int, first: date, last: date) -> Iterable[tuple[int, str]]:
    """Drivers with a balance, or a movement between two days."""
    return booked.concerned(_mine, organisation_id, first, last)


def _moved(scope: Scope) -> list[tuple[date, str, int]]:
    """(day, kind of entry, sum) of the period, in the order of the days."""
    days = (JournalEntry.effective_on, JournalEntry.kind)
    query = booked.in_period(_mine, scope, *days, booked.total()).group_by(*days).order_by(*days)
    return [(day, kind, int(amount)) for day, kind, amount in db.session.execute(query)]


def make(scope: Scope) -> Section | None:
    """The driver's section; None for who is no driver, and without a balance and a movement."""
    if db.session.get_one(Payee, scope.payee_id).kind != Role.DRIVER.value:
        return None
    opening, closing = balances(scope)
    moved = _moved(scope)
    entries = sorted(
        [*_weeks(scope, moved), *_movements(moved)], key=lambda entry: (entry.day, not entry.figures)
    )
    if not entries and not opening and not closing:
        return None
    return Section(
        key=PROGRAM,
        title="Your weeks",
        words="What you earned, were charged and were credited, by week. The weekly receipts have every line.",
        balance_title="Your balance with the fleet",
        columns=COLUMNS,
        amount_label="Balance",
        opening_minor=opening,
        closing_minor=closing,
        entries=tuple(entries),
        negative_words="You owe it. It is taken from what you earn next.",
    )


def _weeks(scope: Scope, moved: list[tuple[date, str, int]]) -> list[Entry]:
    """One record for each week of which something was booked in the period, at the last of its days there."""
    starts = db.session.get_one(Organisation, scope.organisation_id).week_start
    sums: dict[date, list[int]] = defaultdict(lambda: [0, 0, 0])
    days: dict[date, date] = {}
    for day, kind, amount in moved:
        column = _COLUMN_OF.get(kind)
        if column is not None:
            start = week_of(day, starts).start
            sums[start][column] += amount
            days[start] = max(day, days.get(start, day))
    numbers = _receipts(scope, list(sums))
    return [
        Entry(
            day=days[start],
            kind=WEEKS,
            item=f"Week {day_range(start, Week(start).end)}",
            amount_minor=sum(figures),
            group=WEEKS,
            source=numbers.get(start, ""),
            figures=tuple(figures),
        )
        for start, figures in sorted(sums.items())
        if any(figures)
    ]


def _receipts(scope: Scope, starts: list[date]) -> dict[date, str]:
    """The newest receipt of each week."""
    rows = db.session.execute(
        select(Receipt.week_start, Receipt.number)
        .where(
            Receipt.organisation_id == scope.organisation_id,
            Receipt.payee_id == scope.payee_id,
            Receipt.week_start.in_(starts),
        )
        .order_by(Receipt.id)
    )
    return {row.week_start: row.number for row in rows}


def _movements(moved: list[tuple[date, str, int]]) -> list[Entry]:
    """What left the account for payouts, and whatever else moved it."""
    return [
        Entry(
            day=day, kind=_MOVEMENTS.get(kind, OTHER), item=_MOVEMENTS.get(kind, OTHER), amount_minor=amount
        )
        for day, kind, amount in moved
        if kind not in _COLUMN_OF and amount
    ]


def register() -> None:
    """Let drivers' statements have this section; once, at start-up."""
    sections.register(PROGRAM, Maker(make, balances, concerned))


register()
