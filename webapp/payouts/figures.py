"""Sums for the home pages: what waits, what was paid, what a payee earned. One query each, per currency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, case, exists, extract, func, select
from sqlalchemy.orm import joinedload

from webapp.database import db
from webapp.kernel.clock import add_months
from webapp.kernel.money import Money
from webapp.payouts.list_paths import OPEN, read_by
from webapp.payouts.lists import is_open
from webapp.payouts.models import Payout
from webapp.payouts.policy import WALLET
from webapp.payouts.states import OPEN_STATES, PayoutState
from webapp.people.changes.models import MethodChange
from webapp.people.changes.rules import ChangeState
from webapp.people.models import Payee, PayoutMethod

_S = PayoutState
#: Ages of waiting payouts, in days: (label, at least, less than).
AGES: tuple[tuple[str, int, int | None], ...] = (
    ("Up to 1 day", 0, 2),
    ("2–3 days", 2, 4),
    ("4–7 days", 4, 8),
    ("More than 7 days", 8, None),
)


@dataclass(frozen=True)
class Waiting:
    """Payouts of one state and currency."""

    count: int
    total: Money
    oldest: datetime | None


@dataclass(frozen=True)
class MonthSum:
    """What was paid in one month, by program (or kind of work)."""

    month: date
    program: str
    amount: Money


def waiting_by_state(organisation_id: int) -> dict[str, list[Waiting]]:
    """Open payouts by state, one entry per currency."""
    query: Any = (
        select(
            Payout.state,
            Payout.currency,
            func.count(),
            func.sum(Payout.amount_minor),
            func.min(Payout.created_at),
        )
        .where(Payout.organisation_id == organisation_id, is_open())
        .group_by(Payout.state, Payout.currency)
        .order_by(Payout.currency)
    )
    query = read_by(query, OPEN)
    found: dict[str, list[Waiting]] = {}
    for state, currency, count, amount, oldest in db.session.execute(query):
        found.setdefault(state, []).append(Waiting(count, Money(int(amount), currency), oldest))
    return found


def stopped_counts(organisation_id: int) -> tuple[int, int, int]:
    """(approved payouts whose payee has no payout method, payouts on hold, changed details to verify)."""
    changes = (
        select(func.count())
        .where(
            MethodChange.organisation_id == organisation_id, MethodChange.state == ChangeState.PENDING.value
        )
        .scalar_subquery()
    )
    may_lack = Payout.state.in_([_S.PENDING_APPROVAL.value, _S.APPROVED.value])
    # By payee first: whether one has a method is then looked up once, however many payouts of theirs are open.
    by_payee: Any = (
        select(
            Payout.payee_id,
            func.sum(case((may_lack, 1), else_=0)).label("waiting"),
            func.sum(case((Payout.is_held, 1), else_=0)).label("held"),
        )
        .where(Payout.organisation_id == organisation_id, is_open())
        .group_by(Payout.payee_id)
    )
    found = read_by(by_payee, OPEN).subquery()
    is_current = and_(PayoutMethod.payee_id == found.c.payee_id, PayoutMethod.is_current.is_(True))
    lacking = case((PayoutMethod.id.is_(None), found.c.waiting), else_=0)
    query = (
        select(func.coalesce(func.sum(lacking), 0), func.coalesce(func.sum(found.c.held), 0), changes)
        .select_from(found)
        .outerjoin(PayoutMethod, is_current)
    )
    row = db.session.execute(query).one()
    return int(row[0]), int(row[1]), int(row[2])


def approval_ages(organisation_id: int, now: datetime) -> list[tuple[str, int]]:
    """How long payouts have waited for approval: (label, count) per age."""
    columns = []
    for _, least, below in AGES:
        bounds = [Payout.created_at <= now - timedelta(days=least)] if least else []
        if below is not None:
            bounds.append(Payout.created_at > now - timedelta(days=below))
        columns.append(func.coalesce(func.sum(case((and_(*bounds), 1), else_=0)), 0))
    query = select(*columns).where(
        Payout.organisation_id == organisation_id, is_open(), Payout.state == _S.PENDING_APPROVAL.value
    )
    counts = db.session.execute(read_by(query, OPEN)).one()
    return [(label, int(count)) for (label, _, _), count in zip(AGES, counts, strict=True)]


def _has_left() -> ColumnElement[bool]:
    """Not what went into a wallet: it is paid once more when it is taken to the bank, and counts then."""
    return Payout.rail != WALLET


def _month_sums(group: Any, *conditions: Any) -> list[MonthSum]:
    year, month = extract("year", Payout.paid_on), extract("month", Payout.paid_on)
    query = (
        select(year, month, group, Payout.currency, func.sum(Payout.amount_minor))
        .where(Payout.state == _S.PAID.value, _has_left(), *conditions)
        .group_by(year, month, group, Payout.currency)
        .order_by(year, month, group)
    )
    return [
        MonthSum(date(int(y), int(m), 1), str(name), Money(int(amount), currency))
        for y, m, name, currency, amount in db.session.execute(query)
    ]


def paid_by_month(*, organisation_id: int, currency: str, today: date, months: int = 6) -> list[MonthSum]:
    """Paid payouts of the last `months` months, by program, in one currency."""
    return _month_sums(
        Payout.program,
        Payout.organisation_id == organisation_id,
        Payout.currency == currency,
        Payout.paid_on >= add_months(today, 1 - months),
    )


def earned_by_month(*, organisation_id: int, payee_id: int, today: date, months: int = 12) -> list[MonthSum]:
    """What a payee was paid in the last `months` months, by program and currency."""
    return _month_sums(
        Payout.program,
        Payout.organisation_id == organisation_id,
        Payout.payee_id == payee_id,
        Payout.paid_on >= add_months(today, 1 - months),
    )


def year_to_date(*, organisation_id: int, payee_id: int, today: date) -> list[Money]:
    """What a payee was paid since 1 January, per currency."""
    query = (
        select(Payout.currency, func.sum(Payout.amount_minor))
        .where(
            Payout.organisation_id == organisation_id,
            Payout.payee_id == payee_id,
            Payout.state == _S.PAID.value,
            _has_left(),
            Payout.paid_on >= date(today.year, 1, 1),
        )
        .group_by(Payout.currency)
        .order_by(Payout.currency)
    )
    return [Money(int(amount), currency) for currency, amount in db.session.execute(query)]


def own_payouts(*, organisation_id: int, payee_id: int, limit: int) -> Sequence[Payout]:
    """A payee's newest payouts, with what a status needs."""
    return _own(organisation_id, payee_id, [], limit)


def next_payouts(*, organisation_id: int, payee_id: int, limit: int = 3) -> Sequence[Payout]:
    """A payee's payouts that are not over yet, oldest first."""
    return _own(organisation_id, payee_id, [s.value for s in OPEN_STATES], limit)


def _own(organisation_id: int, payee_id: int, states: list[str], limit: int) -> Sequence[Payout]:
    query = select(Payout).where(Payout.organisation_id == organisation_id, Payout.payee_id == payee_id)
    if states:
        query = query.where(Payout.state.in_(states)).order_by(Payout.id)
    else:
        query = query.order_by(Payout.id.desc())
    loaded = query.limit(limit).options(
        joinedload(Payout.payee, innerjoin=True).joinedload(Payee.current_method),
        joinedload(Payout.payee, innerjoin=True).joinedload(Payee.pending_change),
        joinedload(Payout.method),
    )
    return db.session.scalars(loaded).unique().all()


def has_any(organisation_id: int) -> tuple[bool, bool, bool]:
    """Whether an organisation has payees, payout methods, payouts: what its set-up list ticks off."""
    row = db.session.execute(
        select(
            exists().where(Payee.organisation_id == organisation_id),
            exists().where(PayoutMethod.organisation_id == organisation_id),
            exists().where(Payout.organisation_id == organisation_id),
        )
    ).one()
    return bool(row[0]), bool(row[1]), bool(row[2])


def method_of(payee_id: int) -> PayoutMethod | None:
    """Where a payee's money goes now."""
    return db.session.scalar(
        select(PayoutMethod).where(PayoutMethod.payee_id == payee_id, PayoutMethod.is_current.is_(True))
    )
