"""Sums behind the plots of rentals: how transfers went, how long owners waited, what is about to leave. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Select, func, or_, select

from webapp.database import db
from webapp.kernel.clock import local_date
from webapp.kernel.money import Money
from webapp.ledger.models import Account
from webapp.payouts.lists import is_open
from webapp.payouts.models import Payout, Transfer
from webapp.payouts.states import PayoutState, TransferState
from webapp.people.models import PayoutMethod
from webapp.programs.rentals.drafts import PROGRAM
from webapp.programs.rentals.lists import OPEN_CHARGES
from webapp.programs.rentals.models import (
    Distribution,
    DistributionShare,
    RentCharge,
    RentPayment,
)

WINDOW = timedelta(days=90)
FORECAST_DAYS = 14
#: Reasons shown by themselves; the rest stand together.
REASONS = 8
#: Payouts of which the time is measured, the newest ones.
MEASURED = 20_000
#: Time from rent to paid, in minutes: (label, less than).
SPANS: tuple[tuple[str, int | None], ...] = (
    ("Up to 10 minutes", 10),
    ("10 minutes to 1 hour", 60),
    ("1 hour to 1 day", 24 * 60),
    ("1 to 3 days", 3 * 24 * 60),
    ("Longer than 3 days", None),
)
_GONE_WELL = (TransferState.SUCCEEDED.value,)
_ENDED = (*_GONE_WELL, TransferState.FAILED.value, TransferState.REVERSED.value)


@dataclass(frozen=True)
class Success:
    """How the transfers of one rail and try went."""

    rail: str
    n: int
    good: int
    all: int

    @property
    def hundredths(self) -> int:
        """Success in hundredths of a per cent, rounded down."""
        return self.good * 10_000 // self.all


@dataclass(frozen=True)
class Times:
    """How long owners waited for their share: payouts per span, and the middle in minutes."""

    spans: list[tuple[str, int]]
    median_minutes: int
    count: int


@dataclass(frozen=True)
class Day:
    """What is about to leave on one day, in minor units."""

    day: date
    made: int
    expected: int


@dataclass(frozen=True)
class Forecast:
    """Fourteen days ahead, in one currency; `there` is what the books say is at the bank and with the gateway."""

    currency: str
    days: list[Day]
    there: Money
    waits: Money

    @property
    def made(self) -> Money:
        """Payouts that exist."""
        return Money(sum(day.made for day in self.days), self.currency)

    @property
    def expected(self) -> Money:
        """Owners' part of rents that fall due."""
        return Money(sum(day.expected for day in self.days), self.currency)


def success_by_try(organisation_id: int, now: datetime) -> list[Success]:
    """Ended transfers of ninety days, by rail and try; the fourth and later tries stand together."""
    rows = db.session.execute(
        select(Transfer.rail, Transfer.n, Transfer.state, func.count())
        .join(Payout, Payout.id == Transfer.payout_id)
        .where(
            Payout.organisation_id == organisation_id,
            Payout.program == PROGRAM,
            Transfer.created_at >= now - WINDOW,
            Transfer.state.in_(_ENDED),
        )
        .group_by(Transfer.rail, Transfer.n, Transfer.state)
    )
    sums: dict[tuple[str, int], list[int]] = {}
    for rail, n, state, count in rows:
        found = sums.setdefault((rail, min(n, 4)), [0, 0])
        found[0] += count if state in _GONE_WELL else 0
        found[1] += count
    return [Success(rail, n, good, all_) for (rail, n), (good, all_) in sorted(sums.items())]


def failure_reasons(organisation_id: int, now: datetime) -> list[tuple[str, int]]:
    """Why transfers of ninety days failed or came back, the most frequent first."""
    reason = func.coalesce(
        func.nullif(Transfer.error_message, ""), func.nullif(Transfer.error_code, ""), "No reason given"
    )
    rows = db.session.execute(
        select(reason, func.count().label("n"))
        .join(Payout, Payout.id == Transfer.payout_id)
        .where(
            Payout.organisation_id == organisation_id,
            Payout.program == PROGRAM,
            Transfer.created_at >= now - WINDOW,
            Transfer.state.in_((TransferState.FAILED.value, TransferState.REVERSED.value)),
        )
        .group_by(reason)
        .order_by(func.count().desc(), reason)
    ).all()
    found = [(str(words), int(n)) for words, n in rows[:REASONS]]
    rest = sum(n for _, n in rows[REASONS:])
    return [*found, ("All others", rest)] if rest else found


def rent_to_paid(organisation_id: int, now: datetime) -> Times | None:
    """How long it took from a received rent to the owner's paid payout; None where nothing was paid in ninety days."""
    rows = db.session.execute(
        select(RentPayment.completed_at, Payout.paid_at)
        .join(Distribution, Distribution.payment_id == RentPayment.id)
        .join(DistributionShare, DistributionShare.distribution_id == Distribution.id)
        .join(Payout, Payout.id == DistributionShare.payout_id)
        .where(
            Payout.organisation_id == organisation_id,
            Payout.program == PROGRAM,
            Payout.state == PayoutState.PAID.value,
            Payout.paid_at >= now - WINDOW,
            RentPayment.completed_at.is_not(None),
        )
        .order_by(Payout.id.desc())
        .limit(MEASURED)
    )
    minutes = sorted(
        max(0, int((paid - completed).total_seconds()) // 60)
        for completed, paid in rows
        if paid is not None and completed is not None
    )
    if not minutes:
        return None
    spans, least = [], 0
    for label, below in SPANS:
        spans.append((label, sum(1 for m in minutes if m >= least and (below is None or m < below))))
        least = below or least
    return Times(spans, minutes[len(minutes) // 2], len(minutes))


def forecast(organisation_id: int, currency: str, timezone: str, now: datetime) -> Forecast:
    """What is about to leave in the next fourteen days, against what is there.

    Made: payouts that are on their way or approved, on the day they can leave; those without payment details have no
    day and stand apart in `waits`. Expected: rents that fall due, by the part of received rents that owners got so far.
    """
    today = local_date(now, timezone)
    made = dict.fromkeys((today + timedelta(days=n) for n in range(FORECAST_DAYS)), 0)
    expected = dict(made)
    waits = 0
    for state, retry_at, until, has_details, minor in db.session.execute(_open(organisation_id, currency)):
        at = retry_at if state == PayoutState.RETRY_SCHEDULED else until
        day = local_date(at, timezone) if at is not None and at > now else today
        if not has_details:
            waits += minor
        elif day in made:
            made[day] += minor
    part = _owners_part(organisation_id, currency, now)
    for due_on, minor in db.session.execute(_due(organisation_id, currency, today)):
        expected[max(due_on, today)] += int(minor) * part // 10_000
    there = db.session.scalar(
        select(func.coalesce(func.sum(Account.balance_minor), 0)).where(
            Account.organisation_id == organisation_id,
            Account.currency == currency,
            or_(Account.code == "collections", Account.code == "bank"),
        )
    )
    days = [Day(day, made[day], expected[day]) for day in made]
    return Forecast(currency, days, Money(int(there or 0), currency), Money(waits, currency))


def _open(organisation_id: int, currency: str) -> Select[Any]:
    states = (
        PayoutState.PENDING_APPROVAL, PayoutState.APPROVED, PayoutState.PROCESSING, PayoutState.FAILED,
        PayoutState.RETRY_SCHEDULED,
    )  # fmt: skip
    found: Any = (
        select(
            Payout.state,
            Payout.retry_at,
            PayoutMethod.cool_off_until,
            PayoutMethod.id.is_not(None),
            Payout.amount_minor,
        )
        .outerjoin(
            PayoutMethod, (PayoutMethod.payee_id == Payout.payee_id) & PayoutMethod.is_current.is_(True)
        )
        .where(
            Payout.organisation_id == organisation_id,
            is_open(),
            Payout.program == PROGRAM,
            Payout.currency == currency,
            Payout.state.in_([state.value for state in states]),
            Payout.is_held.is_(False),
        )
    )
    return found  # type: ignore[no-any-return]


def _due(organisation_id: int, currency: str, today: date) -> Select[Any]:
    found: Any = (
        select(RentCharge.due_on, func.sum(RentCharge.amount_minor - RentCharge.paid_minor))
        .where(
            RentCharge.organisation_id == organisation_id,
            RentCharge.currency == currency,
            RentCharge.state.in_(OPEN_CHARGES),
            RentCharge.due_on >= today,
            RentCharge.due_on < today + timedelta(days=FORECAST_DAYS),
        )
        .group_by(RentCharge.due_on)
    )
    return found  # type: ignore[no-any-return]


def _owners_part(organisation_id: int, currency: str, now: datetime) -> int:
    """The owners' part of the rents shared out in ninety days, in hundredths of a per cent; all where there is none."""
    rent, owners = db.session.execute(
        select(func.sum(Distribution.rent_minor), func.sum(Distribution.distributable_minor)).where(
            Distribution.organisation_id == organisation_id,
            Distribution.currency == currency,
            Distribution.created_at >= now - WINDOW,
        )
    ).one()
    return int(owners) * 10_000 // int(rent) if rent else 10_000
