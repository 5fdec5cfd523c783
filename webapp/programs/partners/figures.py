"""Sums behind the first page of partners and its plots. Reads only; all of it is counted by the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, select

from webapp.database import ask
from webapp.kernel.clock import local_date
from webapp.kernel.money import Money
from webapp.payouts.models import Payout
from webapp.payouts.states import PayoutState
from webapp.people.models import Payee
from webapp.people.rule_book import RuleState
from webapp.programs.partners import calculation_runs, due
from webapp.programs.partners.drafts import PROGRAM
from webapp.programs.partners.models import (
    Commission,
    CommissionDispute,
    PartnerProgram,
    PartnerRuleVersion,
    Registration,
)
from webapp.programs.partners.standing import Standing, stands
from webapp.programs.partners.states import DisputeState, RegistrationState

_S = PayoutState
#: What each card counts: states of payouts.
CARDS: Mapping[str, tuple[str, frozenset[str]]] = {
    "pending": ("To approve", frozenset({_S.PENDING_APPROVAL.value})),
    "approved": (
        "Approved, not paid",
        frozenset({_S.APPROVED.value, _S.PROCESSING.value, _S.FAILED.value, _S.RETRY_SCHEDULED.value,
                   _S.REVERSED.value}),
    ),
    "paid": ("Paid", frozenset({_S.PAID.value})),
    "all": ("All", frozenset(state.value for state in PayoutState)),
}  # fmt: skip
#: Partners of the plot.
TOP = 10


@dataclass(frozen=True)
class Card:
    """How many payouts are in some states, and what they come to by currency."""

    key: str
    label: str
    count: int
    sums: tuple[Money, ...]


def cards(organisation_id: int) -> list[Card]:
    """Payouts to approve, approved, paid, and all, each currency by itself. One query."""
    rows = ask(
        select(Payout.state, Payout.currency, func.count(), func.sum(Payout.amount_minor))
        .where(Payout.organisation_id == organisation_id, Payout.program == PROGRAM)
        .group_by(Payout.state, Payout.currency)
        .order_by(Payout.currency)
    )
    found = []
    for key, (label, states) in CARDS.items():
        count, sums = 0, dict[str, int]()
        for state, currency, n, minor in rows:
            if state in states:
                count += n
                sums[currency] = sums.get(currency, 0) + int(minor)
        found.append(Card(key, label, count, tuple(Money(minor, code) for code, minor in sums.items())))
    return found


@dataclass(frozen=True)
class Pending:
    """How many payouts wait for approval, and since when the oldest does."""

    count: int
    oldest: datetime


def pending(organisation_id: int) -> Pending | None:
    """What waits for approval; None when nothing does."""
    row = ask(
        select(func.count(), func.min(Payout.created_at)).where(
            Payout.organisation_id == organisation_id,
            Payout.program == PROGRAM,
            Payout.state == _S.PENDING_APPROVAL.value,
        )
    )[0]
    return Pending(int(row[0]), row[1]) if row[0] else None


@dataclass(frozen=True)
class Needs:
    """What waits for somebody; whether there is a program, and whether there is a commission."""

    registrations: int
    disputes: int
    rejected: int
    failed: int
    rules: int
    due: int
    has_programs: bool
    has_commissions: bool


def needs(organisation_id: int, today: date) -> Needs:
    """What waits for somebody. One query."""

    def counted(model: Any, *conditions: ColumnElement[bool]) -> Any:
        query = select(func.count()).select_from(model)
        return query.where(model.organisation_id == organisation_id, *conditions).scalar_subquery()

    def there(model: Any) -> Any:
        return exists().where(model.organisation_id == organisation_id)

    failed = (_S.FAILED.value, _S.REVERSED.value)
    row = ask(
        select(
            counted(Registration, Registration.state == RegistrationState.PENDING.value),
            counted(CommissionDispute, CommissionDispute.state == DisputeState.OPEN.value),
            counted(Commission, stands(Standing.REJECTED, today)),
            counted(Payout, and_(Payout.program == PROGRAM, Payout.state.in_(failed))),
            counted(PartnerRuleVersion, PartnerRuleVersion.state == RuleState.PROPOSED.value),
            counted(Commission, stands(Standing.DUE, today)),
            there(PartnerProgram),
            there(Commission),
        )
    )[0]
    registrations, disputes, rejected, failed_ones, rules, ready = (int(n) for n in row[:6])
    return Needs(registrations, disputes, rejected, failed_ones, rules, ready, bool(row[6]), bool(row[7]))


@dataclass(frozen=True)
class Paid:
    """What a partner was paid."""

    reference: str
    name: str
    amount: Money


def most_paid(organisation_id: int, currency: str) -> list[Paid]:
    """The partners who were paid most in a currency, the first of them first; at most TOP."""
    total = func.sum(Payout.amount_minor)
    rows = ask(
        select(Payee.reference, Payee.name, total)
        .join(Payee, Payee.id == Payout.payee_id)
        .where(
            Payout.organisation_id == organisation_id,
            Payout.program == PROGRAM,
            Payout.currency == currency,
            Payout.state == _S.PAID.value,
        )
        .group_by(Payee.id, Payee.reference, Payee.name)
        .order_by(total.desc(), Payee.id)
        .limit(TOP)
    )
    return [Paid(reference, name, Money(int(minor), currency)) for reference, name, minor in rows]


def paid_currencies(organisation_id: int) -> list[str]:
    """In which currencies partners were paid."""
    query = select(Payout.currency).where(
        Payout.organisation_id == organisation_id,
        Payout.program == PROGRAM,
        Payout.state == _S.PAID.value,
    )
    return [row[0] for row in ask(query.distinct().order_by(Payout.currency))]


def next_payouts(organisation_id: int, currency: str, timezone: str, now: datetime) -> Mapping[date, int]:
    """The day of the next calculation and what it would pay in a currency, of what is open now and due by then."""
    found = calculation_runs.upcoming(organisation_id, local_date(now, timezone))
    if found is None:
        return {}
    wanted = due.is_due(organisation_id, found.span, found.day, is_automatic=True)
    sums = (
        select(func.sum(Commission.amount_minor).label("minor"))
        .where(*wanted, Commission.currency == currency)
        .group_by(Commission.payee_id)
        .subquery()
    )
    minor = ask(select(func.sum(sums.c.minor)).where(sums.c.minor > 0))[0][0]
    return {found.day: int(minor)} if minor else {}
