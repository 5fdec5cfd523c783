"""Sums behind the pages of repairs and their plots. Reads only; every question is bounded by weeks or by a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import median_low

from sqlalchemy import and_, case, exists, func, or_, select
from sqlalchemy.orm import aliased

from webapp.database import among, db
from webapp.ledger.models import Account
from webapp.people.models import Payee, Role
from webapp.programs.repairs.books import Dispute, Receipt, WeeklyRun
from webapp.programs.repairs.models import DriverLease, Instalment, Repair, Replan
from webapp.programs.repairs.rules import current_week
from webapp.programs.repairs.states import DisputeState, InstalmentState, RepairState, ReplanState

#: Receipts that say what a driver's usual week is.
USUAL_WEEKS = 8
#: Weeks of the plots: behind and ahead.
BEHIND, AHEAD = 12, 16
_WEEK = timedelta(days=7)
_S = InstalmentState
#: What counts as a part of a plan: what was moved or cancelled does not.
_COUNTED = (_S.SCHEDULED.value, _S.POSTED.value, _S.PAID.value)
_ALIVE = (RepairState.OPEN.value, RepairState.HOLD.value)


def usual_week(payee_id: int, currency: str) -> int | None:
    """What the middle one of a driver's last weeks left after its charges; None without receipts. In minor units."""
    rows = db.session.execute(
        select(Receipt.earnings_minor - Receipt.charges_minor)
        .where(Receipt.payee_id == payee_id, Receipt.currency == currency, Receipt.revision == 1)
        .order_by(Receipt.week_start.desc(), Receipt.id.desc())
        .limit(USUAL_WEEKS)
    ).all()
    return median_low([int(row[0]) for row in rows]) if rows else None


def paid_of(repair_ids: Sequence[int]) -> dict[int, tuple[int, int]]:
    """Repair id → how many of its instalments are paid, and how many there are. One query."""
    if not repair_ids:
        return {}
    rows = db.session.execute(
        select(
            Instalment.repair_id,
            func.count(case((Instalment.state == _S.PAID.value, 1))),
            func.count(),
        )
        .where(among(Instalment.repair_id, list(repair_ids)), Instalment.state.in_(_COUNTED))
        .group_by(Instalment.repair_id)
    )
    return {repair_id: (paid, count) for repair_id, paid, count in rows if repair_id is not None}


@dataclass(frozen=True)
class Needs:
    """How many repairs, drafts and held ones among them, there are; new plans and disputes that wait; what is due."""

    drafts: int
    held: int
    repairs: int
    replans: int
    disputes: int
    due: int


def needs(organisation_id: int, today: date) -> Needs:
    """What waits for somebody. One query."""
    states = (
        select(
            func.count(case((Repair.state == RepairState.DRAFT.value, 1))).label("drafts"),
            func.count(case((Repair.state == RepairState.HOLD.value, 1))).label("held"),
            func.count().label("repairs"),
        )
        .where(Repair.organisation_id == organisation_id)
        .subquery()
    )
    replans = (
        select(func.count())
        .where(Replan.organisation_id == organisation_id, Replan.state == ReplanState.PROPOSED.value)
        .scalar_subquery()
    )
    disputes = (
        select(func.count())
        .where(Dispute.organisation_id == organisation_id, Dispute.state == DisputeState.OPEN.value)
        .scalar_subquery()
    )
    is_open = exists().where(Repair.id == Instalment.repair_id, Repair.state == RepairState.OPEN.value)
    due = (
        select(func.count())
        .where(
            Instalment.organisation_id == organisation_id,
            Instalment.state == _S.SCHEDULED.value,
            Instalment.week_start <= today,
            Instalment.loan_id.is_not(None) | is_open,
        )
        .scalar_subquery()
    )
    row = db.session.execute(
        select(states.c.drafts, states.c.held, states.c.repairs, replans, disputes, due)
    ).one()
    return Needs(*(int(n) for n in row))


def last_run(organisation_id: int) -> tuple[date, int] | None:
    """The week of the newest weekly run, and how many drivers it could not serve; None before the first."""
    row = db.session.execute(
        select(WeeklyRun.week_start, WeeklyRun.problems)
        .where(WeeklyRun.organisation_id == organisation_id)
        .order_by(WeeklyRun.week_start.desc())
        .limit(1)
    ).first()
    return None if row is None else (row.week_start, row.problems)


@dataclass(frozen=True)
class RunOff:
    """What repairs still owe now, and what will be left after the instalments of each week; in minor units."""

    outstanding: int
    held: int
    # (first day of the week, what is left when its instalments are paid)
    weeks: list[tuple[date, int]]


def run_off(organisation_id: int, currency: str, week_start: date) -> RunOff:
    """How the debts of open repairs run off from a week on, when every instalment is paid in its week. Two queries.

    What is late counts for the first week; what is on hold stays until it is released.
    """
    open_minor = Repair.amount_minor - Repair.paid_minor - Repair.credited_minor
    rows = dict(
        db.session.execute(
            select(Repair.state, func.sum(open_minor))
            .where(
                Repair.organisation_id == organisation_id,
                Repair.currency == currency,
                Repair.state.in_(_ALIVE),
            )
            .group_by(Repair.state)
        ).all()
    )
    total, held = int(sum(rows.values())), int(rows.get(RepairState.HOLD.value, 0))
    week = case((Instalment.week_start < week_start, week_start), else_=Instalment.week_start)
    planned = db.session.execute(
        select(week, func.sum(Instalment.amount_minor))
        .join(Repair, and_(Repair.id == Instalment.repair_id, Repair.state == RepairState.OPEN.value))
        .where(
            Instalment.organisation_id == organisation_id,
            Instalment.state == _S.SCHEDULED.value,
            Instalment.currency == currency,
        )
        .group_by(week)
    )
    by_week = {_day(day): int(amount) for day, amount in planned}
    # What is charged already and not paid is taken with the first week's receipt.
    charged = total - held - sum(by_week.values())
    weeks, left = [], total
    for n in range(AHEAD):
        day = week_start + n * _WEEK
        left -= by_week.get(day, 0) + (charged if n == 0 else 0)
        weeks.append((day, left))
        if left <= held:
            break
    return RunOff(total, held, weeks)


def _day(value: object) -> date:
    # A day out of a CASE comes from SQLite as its text.
    return value if isinstance(value, date) else date.fromisoformat(str(value))


@dataclass(frozen=True)
class WeekNet:
    """What drivers earned in a week: what was left to them, what was deducted; and charges that it did not cover."""

    week_start: date
    receipts: int
    left: int
    deducted: int
    uncovered: int


def weekly_nets(organisation_id: int, currency: str, since: date) -> list[WeekNet]:
    """Week by week from a day on, over all receipts; what a correction replaced is left out."""
    later = aliased(Receipt)
    gap = Receipt.earnings_minor - Receipt.charges_minor
    rows = db.session.execute(
        select(
            Receipt.week_start,
            func.count(),
            func.sum(case((gap > 0, gap), else_=0)),
            func.sum(case((gap > 0, Receipt.charges_minor), else_=Receipt.earnings_minor)),
            func.sum(case((gap < 0, -gap), else_=0)),
        )
        .where(
            Receipt.organisation_id == organisation_id,
            Receipt.currency == currency,
            Receipt.week_start >= since,
            ~exists().where(later.replaces_id == Receipt.id),
        )
        .group_by(Receipt.week_start)
        .order_by(Receipt.week_start)
    )
    return [WeekNet(day, int(n), int(left), int(taken), int(open_)) for day, n, left, taken, open_ in rows]


@dataclass(frozen=True)
class WeekPosted:
    """Instalments that a week's run charged, and those that were due then and are not charged yet."""

    week_start: date
    posted: int
    missed: int


def posting_weeks(organisation_id: int, since: date, until: date) -> list[WeekPosted]:
    """How charging went, week by week of the runs from a day to another. Two queries.

    What is still not charged counts against the week that it was planned for.
    """
    runs = db.session.execute(
        select(WeeklyRun.week_start, WeeklyRun.posted)
        .where(
            WeeklyRun.organisation_id == organisation_id,
            WeeklyRun.week_start >= since,
            WeeklyRun.week_start <= until,
        )
        .order_by(WeeklyRun.week_start)
    ).all()
    is_open = exists().where(Repair.id == Instalment.repair_id, Repair.state == RepairState.OPEN.value)
    missed = dict(
        db.session.execute(
            select(Instalment.week_start, func.count())
            .where(
                Instalment.organisation_id == organisation_id,
                Instalment.state == _S.SCHEDULED.value,
                Instalment.week_start >= since,
                Instalment.week_start <= until,
                Instalment.loan_id.is_not(None) | is_open,
            )
            .group_by(Instalment.week_start)
        ).all()
    )
    posted = {day: int(count) for day, count in runs}
    return [
        WeekPosted(day, posted.get(day, 0), int(missed.get(day, 0))) for day in sorted({*posted, *missed})
    ]


def next_payouts(organisation_id: int, currency: str, today: date, week_start: int) -> tuple[date, int]:
    """The day of the next weekly run, and what it would pay out: what drivers have to get, less what they owe.

    As the ledger has it now, less a week of each running lease, which the run charges before it pays.
    """
    day = current_week(today + timedelta(days=1), week_start).start
    sign = case((Account.code.startswith("earnings:"), Account.balance_minor), else_=-Account.balance_minor)
    has = (
        select(Account.payee_id, func.sum(sign).label("net"))
        .where(
            Account.organisation_id == organisation_id,
            Account.currency == currency,
            Account.payee_id.is_not(None),
            or_(Account.code.startswith("earnings:"), Account.code.startswith("receivable:")),
        )
        .group_by(Account.payee_id)
        .subquery()
    )
    weekly = (
        select(DriverLease.payee_id, func.sum(DriverLease.weekly_minor).label("weekly"))
        .where(
            DriverLease.organisation_id == organisation_id,
            DriverLease.currency == currency,
            DriverLease.starts_on <= today,
            or_(DriverLease.ends_on.is_(None), DriverLease.ends_on >= today),
        )
        .group_by(DriverLease.payee_id)
        .subquery()
    )
    left = has.c.net - func.coalesce(weekly.c.weekly, 0)
    total = db.session.scalar(
        select(func.sum(case((left > 0, left), else_=0)))
        .select_from(has)
        .join(Payee, and_(Payee.id == has.c.payee_id, Payee.kind == Role.DRIVER.value))
        .outerjoin(weekly, weekly.c.payee_id == has.c.payee_id)
    )
    return day, int(total or 0)
