"""Sums behind the plots of the admins' home: what is about to leave, how transfers went, how long payouts took.

Every question is bounded: what is open is little, and of what is over only the newest is looked at, however long the
history. The plots are asked for after the page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import median_low
from typing import Any

from sqlalchemy import Select, and_, case, exists, func, select

from webapp.database import db
from webapp.kernel.clock import local_date
from webapp.kernel.money import Money
from webapp.ledger.models import Account
from webapp.payouts.list_paths import OPEN, read_by
from webapp.payouts.lists import is_open
from webapp.payouts.models import Payout, Transfer
from webapp.payouts.states import PayoutState, TransferState
from webapp.people.changes.models import MethodChange
from webapp.people.changes.rules import ChangeState
from webapp.people.models import PayoutMethod
from webapp.reconciliation.models import BankAccount, Statement

FORECAST_DAYS = 14
#: Ended transfers, and paid payouts, that are looked at: the newest ones.
LOOKED_AT = 5_000
WEEKS = 8
#: Reasons shown by themselves; the rest stand together.
REASONS = 6
#: The fourth and later tries stand together.
LAST_TRY = 4
_S, _T = PayoutState, TransferState
_ENDED = (_T.SUCCEEDED.value, _T.FAILED.value, _T.REVERSED.value)
_MOVES = (_S.APPROVED.value, _S.PROCESSING.value, _S.RETRY_SCHEDULED.value)
_BOOKED_AT_BANK = ("bank", "collections")

#: organisation id, currency, time zone, now -> what a program expects to pay by day, in minor units.
Expected = Callable[[int, str, str, datetime], Mapping[date, int]]
_expected: dict[str, tuple[str, Expected]] = {}


def register_expected(program: str, label: str, expected: Expected) -> None:
    """Let a program say what it is about to pay beyond the payouts that exist, under a label of its own."""
    _expected[program] = (label, expected)


@dataclass(frozen=True)
class Balance:
    """What is at the bank, and how that is known: a statement's last day, or the books (None)."""

    amount: Money
    stated_on: date | None


@dataclass(frozen=True)
class Forecast:
    """Fourteen days ahead in one currency, in minor units per day; `series` are (name, per day)."""

    currency: str
    days: list[date]
    series: list[tuple[str, list[int]]]
    # Payouts that exist: approved, and waiting for an approval; and what somebody must put right first.
    approved: Money
    to_approve: Money
    stopped: Money
    balance: Balance | None


@dataclass(frozen=True)
class Outcome:
    """How the transfers of one rail and try went."""

    rail: str
    n: int
    good: int
    all: int


@dataclass(frozen=True)
class Outcomes:
    """Outcomes by rail and try, why transfers failed, and whether older ones were left out."""

    rows: list[Outcome]
    reasons: list[tuple[str, int]]
    is_part: bool


@dataclass(frozen=True)
class Week:
    """Payouts paid in one week: how many, and the middle of the minutes from made to paid."""

    start: date
    count: int
    median_minutes: int


@dataclass(frozen=True)
class Times:
    """Weeks, the newest last, and the middle over all of them."""

    weeks: list[Week]
    count: int
    median_minutes: int
    is_part: bool


def balance(organisation_id: int, currency: str) -> Balance | None:
    """What the newest statement says is there, else what the books say; None where neither knows. Two queries."""
    stated = db.session.execute(
        select(Statement.closing_minor, Statement.closing_on)
        .join(BankAccount, Statement.account_id == BankAccount.id)
        .where(
            BankAccount.organisation_id == organisation_id,
            BankAccount.currency == currency,
            BankAccount.is_current,
            Statement.closing_minor.is_not(None),
            Statement.closing_on.is_not(None),
        )
        .order_by(Statement.closing_on.desc())
        .limit(1)
    ).first()
    if stated is not None:
        return Balance(Money(int(stated[0] or 0), currency), stated[1])
    booked = db.session.scalar(
        select(func.sum(Account.balance_minor)).where(
            Account.organisation_id == organisation_id,
            Account.currency == currency,
            Account.code.in_(_BOOKED_AT_BANK),
        )
    )
    # Where nobody books what is paid into the account, what left it is all that the books know.
    return Balance(Money(int(booked), currency), None) if booked and booked > 0 else None


def forecast(
    organisation_id: int, currency: str, timezone: str, now: datetime, programs: set[str]
) -> Forecast:
    """What is about to leave by day, against what is there."""
    today = local_date(now, timezone)
    days = [today + timedelta(days=n) for n in range(FORECAST_DAYS)]
    approved, waiting = dict.fromkeys(days, 0), dict.fromkeys(days, 0)
    sums = {"approved": 0, "to_approve": 0, "stopped": 0}
    for state, retry_at, until, can_go, minor in db.session.execute(_open(organisation_id, currency)):
        at = max((t for t in (retry_at, until) if t is not None), default=None)
        day = local_date(at, timezone) if at is not None and at > now else today
        kind = "approved" if state in _MOVES else "to_approve" if state == _S.PENDING_APPROVAL.value else ""
        if not can_go or not kind:
            sums["stopped"] += int(minor)
            continue
        sums[kind] += int(minor)
        into = approved if kind == "approved" else waiting
        if day in into:
            into[day] += int(minor)
    series = [
        ("Approved or on the way", [approved[day] for day in days]),
        ("To approve, if approved today", [waiting[day] for day in days]),
    ]
    for program, (label, expected) in sorted(_expected.items()):
        if program in programs:
            found = expected(organisation_id, currency, timezone, now)
            series.append((label, [found.get(day, 0) for day in days]))
    return Forecast(
        currency,
        days,
        series,
        approved=Money(sums["approved"], currency),
        to_approve=Money(sums["to_approve"], currency),
        stopped=Money(sums["stopped"], currency),
        balance=balance(organisation_id, currency),
    )


def _open(organisation_id: int, currency: str) -> Select[Any]:
    """Open payouts summed up by what decides about their day: few rows, however many payouts."""
    asked = exists().where(
        MethodChange.payee_id == Payout.payee_id, MethodChange.state == ChangeState.PENDING.value
    )
    can_go = and_(PayoutMethod.id.is_not(None), Payout.is_held.is_(False), ~asked)
    retry_at = case((Payout.state == _S.RETRY_SCHEDULED.value, Payout.retry_at))
    query: Any = (
        select(
            Payout.state,
            retry_at.label("retry_at"),
            PayoutMethod.cool_off_until,
            can_go.label("can_go"),
            func.sum(Payout.amount_minor),
        )
        .outerjoin(
            PayoutMethod, and_(PayoutMethod.payee_id == Payout.payee_id, PayoutMethod.is_current.is_(True))
        )
        .where(Payout.organisation_id == organisation_id, is_open(), Payout.currency == currency)
        .group_by(Payout.state, "retry_at", PayoutMethod.cool_off_until, "can_go")
    )
    return read_by(query, OPEN)


def outcomes(organisation_id: int) -> Outcomes:
    """How the newest ended transfers went: by rail and try, and why they failed or came back. One query."""
    reason = func.coalesce(
        func.nullif(Transfer.error_message, ""), func.nullif(Transfer.error_code, ""), "No reason given"
    )
    newest = (
        select(Transfer.rail, Transfer.n, Transfer.state, reason.label("reason"))
        .where(Transfer.organisation_id == organisation_id, Transfer.state.in_(_ENDED))
        .order_by(Transfer.id.desc())
        .limit(LOOKED_AT)
        .subquery()
    )
    is_good = newest.c.state == _T.SUCCEEDED.value
    why = case((is_good, ""), else_=newest.c.reason).label("why")
    rows = db.session.execute(
        select(newest.c.rail, newest.c.n, is_good.label("good"), why, func.count()).group_by(
            newest.c.rail, newest.c.n, "good", "why"
        )
    )
    sums: dict[tuple[str, int], list[int]] = {}
    reasons: dict[str, int] = {}
    for rail, n, good, words, count in rows:
        found = sums.setdefault((rail, min(n, LAST_TRY)), [0, 0])
        found[0] += count if good else 0
        found[1] += count
        if not good:
            reasons[words] = reasons.get(words, 0) + count
    looked_at = sum(found[1] for found in sums.values())
    ranked = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    rest = sum(n for _, n in ranked[REASONS:])
    return Outcomes(
        [Outcome(rail, n, good, all_) for (rail, n), (good, all_) in sorted(sums.items())],
        ranked[:REASONS] + ([("All others", rest)] if rest else []),
        looked_at == LOOKED_AT,
    )


def times(organisation_id: int, today: date, week_start: int) -> Times | None:
    """How long the newest paid payouts took from made to paid, by week of payment; None where there is none."""
    this_week = today - timedelta(days=(today.weekday() - week_start) % 7)
    first = this_week - timedelta(weeks=WEEKS - 1)
    newest = (
        select(Payout.paid_on, Payout.created_at, Payout.paid_at)
        .where(Payout.organisation_id == organisation_id, Payout.state == _S.PAID.value)
        .order_by(Payout.id.desc())
        .limit(LOOKED_AT)
    )
    rows = db.session.execute(newest).all()
    by_week: dict[date, list[int]] = {}
    for paid_on, made, paid in rows:
        if paid is None or paid_on is None or not first <= paid_on <= today:
            continue
        start = paid_on - timedelta(days=(paid_on.weekday() - week_start) % 7)
        by_week.setdefault(start, []).append(max(0, int((paid - made).total_seconds()) // 60))
    if not by_week:
        return None
    every = [minutes for week in by_week.values() for minutes in week]
    weeks = [Week(start, len(found), median_low(found)) for start, found in sorted(by_week.items())]
    return Times(weeks, len(every), median_low(every), len(rows) == LOOKED_AT)
