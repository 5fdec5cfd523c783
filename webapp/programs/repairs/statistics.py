"""Figures of the program: repairs and instalments by state, how charging goes, what receipts came to. Reads only.

Overall, or of a driver, a lease, a range of days: of repairs the day of the invoice counts, of instalments the day on
which they are due, of receipts the day on which their week begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_DOWN, Decimal

from sqlalchemy import case, func, select

from webapp.database import ask
from webapp.kernel.labels import Label
from webapp.kernel.money import Money
from webapp.people.queries import payees_named
from webapp.programs.repairs import lists
from webapp.programs.repairs.books import WeeklyProblem, WeeklyRun
from webapp.programs.repairs.lists import DUE, InstalmentFilter, ReceiptFilter, RepairFilter
from webapp.programs.repairs.models import DriverLease, Instalment
from webapp.programs.repairs.states import InstalmentState, RepairState
from webapp.web import listing

#: The step of a weekly run that charges instalments.
POSTING = "charge"


@dataclass(frozen=True)
class StatisticsFilter:
    """What is counted; empty fields narrow nothing. `driver` is a reference or a part of a name, `lease` a number."""

    driver: str = ""
    lease: str = ""
    date_from: date | None = None
    date_to: date | None = None


@dataclass(frozen=True)
class StateFigures:
    """Count and amount of what is in one state. `state` is the word, also "due" of instalments; `label` names it."""

    state: str
    label: str
    count: int
    amount: Money
    # Of repairs: what is paid, and what is neither paid nor taken back.
    paid: Money
    outstanding: Money


@dataclass(frozen=True)
class Posting:
    """How charging goes, of instalments whose week has begun and that could be charged.

    `charged` are charged, the backlog is not yet. `failures` are drivers whom weekly runs could not charge, and who
    are not charged since.
    """

    charged: int
    backlog: int
    backlog_amount: Money
    failures: int

    @property
    def success_percent(self) -> Decimal | None:
        """Charged of all that could be, with one decimal, never rounded up; None when there was nothing to charge."""
        whole = self.charged + self.backlog
        if not whole:
            return None
        return (Decimal(100 * self.charged) / whole).quantize(Decimal("0.1"), ROUND_DOWN)


@dataclass(frozen=True)
class Statistics:
    """All figures in one currency."""

    currency: str
    repairs: Sequence[StateFigures]
    instalments: Sequence[StateFigures]
    posting: Posting
    # Count, earnings, charges, adjustments, net and paid of weekly receipts, without what a correction replaced.
    receipts: int
    receipt_sums: dict[str, Money]


def statistics(
    organisation_id: int, currency: str, today: date, chosen: StatisticsFilter | None = None
) -> Statistics:
    """The figures as they are now; `today` is the organisation's day, which decides what is due. Four questions."""
    chosen = chosen or StatisticsFilter()
    instalments = _instalments(organisation_id, currency, today, chosen)
    by_state = {each.state: each for each in instalments}
    charged = sum(by_state[state].count for state in (InstalmentState.POSTED, InstalmentState.PAID))
    due = by_state[DUE]
    receipts = lists.receipts(
        organisation_id,
        ReceiptFilter(
            driver=chosen.driver, lease=chosen.lease, week_from=chosen.date_from, week_to=chosen.date_to,
            is_newest=True,
        ),
    )  # fmt: skip
    totals = {total.currency: total for total in listing.totals(receipts)}
    mine = totals.get(currency)
    return Statistics(
        currency,
        _repairs(organisation_id, currency, chosen),
        instalments,
        Posting(charged, due.count, due.amount, _failures(organisation_id, chosen)),
        mine.count if mine else 0,
        dict(mine.sums) if mine else {name: Money(0, currency) for name in receipts.sums},
    )


def _repairs(organisation_id: int, currency: str, chosen: StatisticsFilter) -> list[StateFigures]:
    of = lists.repairs(
        organisation_id,
        RepairFilter(
            driver=chosen.driver, lease=chosen.lease, date_from=chosen.date_from, date_to=chosen.date_to
        ),
    )
    names = ("amount", "paid", "outstanding")
    columns = (func.count(), *(func.sum(of.sums[name]) for name in names))
    query = of.query.with_only_columns(lists.repair.state, *columns).where(of.currency == currency)
    found = {state: tuple(map(int, values)) for state, *values in ask(query.group_by(lists.repair.state))}
    return [_figures(state, found.get(state.value, (0, 0, 0, 0)), currency) for state in RepairState]


def _figures(state: Label, values: Sequence[int], currency: str) -> StateFigures:
    count, amount, paid, outstanding = values
    return StateFigures(
        state.value, state.label, count, *(Money(each, currency) for each in (amount, paid, outstanding))
    )


def _instalments(
    organisation_id: int, currency: str, today: date, chosen: StatisticsFilter
) -> list[StateFigures]:
    of = lists.instalments(
        organisation_id,
        InstalmentFilter(
            driver=chosen.driver, lease=chosen.lease, date_from=chosen.date_from, date_to=chosen.date_to
        ),
    )
    state = case((lists.is_due(today), DUE), else_=Instalment.state).label("standing")
    query = (
        of.query.with_only_columns(state, func.count(), func.sum(Instalment.amount_minor))
        .where(of.currency == currency)
        .group_by(state)
    )
    found = {word: (int(count), int(amount)) for word, count, amount in ask(query)}
    words = [(DUE, "Due"), *InstalmentState.choices()]
    nothing = Money(0, currency)
    return [
        StateFigures(
            word, label, found.get(word, (0, 0))[0], Money(found.get(word, (0, 0))[1], currency), nothing, nothing
        )
        for word, label in words
    ]  # fmt: skip


def _failures(organisation_id: int, chosen: StatisticsFilter) -> int:
    query = (
        select(func.count())
        .select_from(WeeklyProblem)
        .join(WeeklyRun, WeeklyRun.id == WeeklyProblem.run_id)
        .where(WeeklyRun.organisation_id == organisation_id, WeeklyProblem.step == POSTING)
    )
    if chosen.driver:
        query = query.where(WeeklyProblem.payee_id.in_(payees_named(organisation_id, chosen.driver)))
    if chosen.lease:
        of_lease = select(DriverLease.payee_id).where(
            DriverLease.id.in_(lists.leases_named(organisation_id, chosen.lease))
        )
        query = query.where(WeeklyProblem.payee_id.in_(of_lease))
    if chosen.date_from:
        query = query.where(WeeklyRun.week_start >= chosen.date_from)
    if chosen.date_to:
        query = query.where(WeeklyRun.week_start <= chosen.date_to)
    return int(ask(query)[0][0])
