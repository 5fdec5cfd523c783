"""What a week is, how an amount becomes instalments, which debts earnings cover. Pure: amounts and rules in and out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from webapp.kernel.clock import start_of_day
from webapp.kernel.money import HALF_EVEN, Money, exponent, round_to_minor

CURRENT, NEXT = "CURRENT", "NEXT"
STARTS = (CURRENT, NEXT)
WEEK = timedelta(days=7)
#: No plan is longer: ten years of weeks. A matrix that would make more is no matrix for the amount.
MOST_INSTALMENTS = 520


@dataclass(frozen=True)
class Band:
    """Amounts above the lower bound are paid by so much a week; None: in full at once. In minor units."""

    over_minor: int
    weekly_minor: int | None


@dataclass(frozen=True)
class Matrix:
    """How much a week an amount is paid by. A remainder below the floor joins the instalment before it."""

    bands: tuple[Band, ...]
    fold_below_minor: int = 0

    def weekly(self, amount_minor: int) -> int:
        """What an amount is paid by each week. The band with the highest bound below the exact amount counts."""
        found = None
        for band in sorted(self.bands, key=lambda each: each.over_minor):
            if amount_minor > band.over_minor:
                found = band
        if found is None or found.weekly_minor is None:
            return amount_minor
        return found.weekly_minor


#: Major units: up to 200 in full, over 200 by 100 a week, and so on.
_DEFAULT = ((0, None), (200, 100), (500, 200), (1_000, 250), (3_000, 300))


def default_matrix(currency: str) -> Matrix:
    """The matrix of an organisation that has none of its own."""
    unit = 10 ** exponent(currency)
    return Matrix(tuple(Band(over * unit, weekly and weekly * unit) for over, weekly in _DEFAULT))


def instalments(amount_minor: int, weekly_minor: int, fold_below_minor: int = 0) -> list[int]:
    """An amount by so much a week; the last one takes the remainder. Raises ValueError for what is no plan."""
    if amount_minor <= 0 or weekly_minor <= 0:
        raise ValueError("an amount and its weekly part are more than zero")
    full, rest = divmod(amount_minor, weekly_minor)
    if full + bool(rest) > MOST_INSTALMENTS:
        raise ValueError(f"a plan has at most {MOST_INSTALMENTS} instalments")
    parts = [weekly_minor] * full
    if rest and parts and rest < fold_below_minor:
        parts[-1] += rest
    elif rest:
        parts.append(rest)
    return parts


def plan_amounts(amount_minor: int, matrix: Matrix) -> list[int]:
    """The instalments of an amount by a matrix, in minor units; they add up to it."""
    return instalments(amount_minor, matrix.weekly(amount_minor), matrix.fold_below_minor)


@dataclass(frozen=True)
class Week:
    """Seven days by the calendar of the organisation; a change of the clocks moves neither end."""

    start: date

    @property
    def end(self) -> date:
        """The last day; what belongs to the week is due on it."""
        return self.start + timedelta(days=6)

    def following(self, n: int = 1) -> Week:
        """The week `n` weeks later."""
        return Week(self.start + n * WEEK)

    def instants(self, timezone: str) -> tuple[datetime, datetime]:
        """When it begins, and when the next one does: 167 or 169 hours where the clocks change."""
        return start_of_day(self.start, timezone), start_of_day(self.start + WEEK, timezone)


def week_of(day: date, week_start: int) -> Week:
    """The week that a day lies in; `week_start` is 0 for Monday to 6 for Sunday."""
    return Week(day - timedelta(days=(day.weekday() - week_start) % 7))


def current_week(day: date, week_start: int) -> Week:
    """The week that begins on the day, or else the coming one."""
    return Week(day + timedelta(days=(week_start - day.weekday()) % 7))


def first_week(day: date, start: str, week_start: int) -> Week:
    """The week of the first instalment: `CURRENT`, or `NEXT` one week later. Raises ValueError."""
    if start not in STARTS:
        raise ValueError(f"{start!r} is neither {CURRENT} nor {NEXT}")
    return current_week(day, week_start).following(int(start == NEXT))


@dataclass(frozen=True)
class Planned:
    """One instalment of a plan, in minor units: `amount` is principal and interest, `balance_after` principal alone."""

    number: int
    week: Week
    amount: int
    balance_after: int
    interest: int = 0

    @property
    def due_on(self) -> date:
        """The last day of its week."""
        return self.week.end


def schedule(parts: Sequence[int], first: Week, number: int = 1) -> list[Planned]:
    """One instalment a week from the first week on, numbered from `number`."""
    left, planned = sum(parts), []
    for n, part in enumerate(parts):
        left -= part
        planned.append(Planned(number + n, first.following(n), part, left))
    return planned


def interest(principal_minor: int, percent: Decimal, days: int, currency: str) -> int:
    """Simple interest for so many days of 365, rounded once (half-even); in minor units."""
    exact = Money(principal_minor, currency).decimal * percent / 100 * days / 365
    return round_to_minor(exact, currency, HALF_EVEN).amount


def loan_schedule(
    parts: Sequence[int], first: Week, *, percent: Decimal, lent_on: date, currency: str
) -> list[Planned]:
    """The same with interest on what is left of the principal, counted to the start of each week."""
    left, since, planned = sum(parts), lent_on, []
    for n, part in enumerate(parts):
        week = first.following(n)
        cost = interest(left, percent, max(0, (week.start - since).days), currency)
        left, since = left - part, max(since, week.start)
        planned.append(Planned(n + 1, week, part + cost, left, cost))
    return planned


def weeks_late(first_open: Week, at_the_earliest: Week) -> int:
    """By how many weeks what is left of a plan moves so that nothing of it lies before a week."""
    return max(0, (at_the_earliest.start - first_open.start).days // 7)


def prorated(weekly_minor: int, days: int, currency: str) -> int:
    """A part of a week's amount, by its active days; rounded once (half-even)."""
    if not 0 <= days <= 7:
        raise ValueError("a week has seven days")
    return round_to_minor(Money(weekly_minor, currency).decimal * days / 7, currency, HALF_EVEN).amount


def active_days(week: Week, starts_on: date, ends_on: date | None) -> int:
    """How many days of a week a lease runs."""
    last = week.end if ends_on is None else min(week.end, ends_on)
    return max(0, (last - max(week.start, starts_on)).days + 1)


@dataclass(frozen=True)
class Debt:
    """What is open of a charge, in minor units."""

    id: int
    category: str
    since: date
    open_minor: int


def allocate(
    available_minor: int,
    debts: Iterable[Debt],
    *,
    order: Sequence[str],
    weekly_caps: Mapping[str, int] | None = None,
    protected_minor: int = 0,
) -> list[tuple[int, int]]:
    """Which debts are covered by what is available: (debt id, amount) by category, the oldest first, partly where

    there is no more. The driver keeps the protected amount; of a category with a cap no more than that is taken.
    """
    left = max(0, available_minor - protected_minor)
    room = dict(weekly_caps or {})
    place = {category: n for n, category in enumerate(order)}
    covered = []
    for debt in sorted(debts, key=lambda d: (place.get(d.category, len(place)), d.since, d.id)):
        amount = min(left, debt.open_minor, room.get(debt.category, left))
        if amount <= 0:
            continue
        left -= amount
        if debt.category in room:
            room[debt.category] -= amount
        covered.append((debt.id, amount))
    return covered


@dataclass(frozen=True)
class Receipt:
    """A week's arithmetic, in minor units: opening + earnings - charges + adjustments = net; net - paid = closing.

    Both ends have two sides, because a driver may keep money (protected, capped, too little to pay out) and owe some.
    """

    opening_credit: int
    opening_debt: int
    earnings: int
    charges: int
    adjustments: int
    # What of the adjustments went straight to debts, such as a payment for a certain charge.
    applied: int
    allocated: int
    paid: int

    @property
    def opening(self) -> int:
        """What the week begins with; below zero: owed by the driver."""
        return self.opening_credit - self.opening_debt

    @property
    def net(self) -> int:
        """What the week comes to."""
        return self.opening + self.earnings - self.charges + self.adjustments

    @property
    def closing(self) -> int:
        """What the next week begins with."""
        return self.net - self.paid

    @property
    def closing_credit(self) -> int:
        """What is kept for the driver: neither paid out nor taken for debts."""
        return self.pool - self.allocated - self.paid

    @property
    def closing_debt(self) -> int:
        """What the driver still owes."""
        return self.closing_credit - self.closing

    @property
    def pool(self) -> int:
        """What debts can be covered by, and what is left of it be paid out."""
        return pool_of(self.opening_credit, self.earnings, self.adjustments, self.applied)


def pool_of(opening_credit: int, earnings: int, adjustments: int, applied: int) -> int:
    """What a week has for debts and payout."""
    return opening_credit + earnings + adjustments - applied


def to_pay(left_minor: int, least_minor: int) -> int:
    """What of the rest is paid out: all of it, or nothing while it is less than the smallest payout."""
    return left_minor if left_minor >= max(1, least_minor) else 0


@dataclass(frozen=True)
class LeaseFacts:
    """What decides whether a repair may be charged under a lease."""

    takes_repairs: bool
    starts_on: date
    ends_on: date | None
    # The vehicle's days on the lease.
    vehicle_days: tuple[tuple[date, date | None], ...]


def why_not_charged(facts: LeaseFacts, invoice_date: date) -> str:
    """Why a repair may not be charged to the driver under a lease; empty when it may."""
    if not facts.takes_repairs:
        return "Under this lease repairs are not charged to the driver."
    if invoice_date < facts.starts_on or (facts.ends_on is not None and invoice_date > facts.ends_on):
        return "The lease does not run on the day of the invoice."
    if not any(
        first <= invoice_date and (last is None or invoice_date <= last) for first, last in facts.vehicle_days
    ):
        return "The vehicle was not on this lease on the day of the invoice."
    return ""
