"""Rent that is due and not paid: its ages, and the leases that are in arrears. Every query names the organisation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Select, and_, case, func, select
from sqlalchemy.orm import joinedload, selectinload

from webapp.database import db
from webapp.kernel.money import Money
from webapp.programs.rentals.lists import BATCH, OPEN_CHARGES, of_home
from webapp.programs.rentals.models import Lease, LeaseTenant, RentCharge, Unit

#: Ages of unpaid rent, in days after the due day: (code, label, at least, at most).
AGES: tuple[tuple[str, str, int, int | None], ...] = (
    ("1-30", "1 to 30 days", 1, 30),
    ("31-60", "31 to 60 days", 31, 60),
    ("61-90", "61 to 90 days", 61, 90),
    ("91", "More than 90 days", 91, None),
)


@dataclass(frozen=True)
class Age:
    """Unpaid rent of one age and currency."""

    label: str
    count: int
    owed: Money


@dataclass(frozen=True)
class InArrears:
    """A lease with rent that is due and not paid."""

    lease: Lease
    months: int
    oldest_due: date
    days: int
    owed: Money

    @property
    def id(self) -> int:
        """Key of the list."""
        return self.lease.id


_OWED = RentCharge.amount_minor - RentCharge.paid_minor


def _is_late(organisation_id: int, today: date) -> Any:
    return and_(
        RentCharge.organisation_id == organisation_id,
        RentCharge.state.in_(OPEN_CHARGES),
        RentCharge.due_on < today,
    )


def _age_bounds(today: date, least: int, most: int | None) -> Any:
    bounds = [RentCharge.due_on <= today - timedelta(days=least)]
    if most is not None:
        bounds.append(RentCharge.due_on >= today - timedelta(days=most))
    return and_(*bounds)


def arrears_by_age(organisation_id: int, today: date) -> dict[str, list[Age]]:
    """Currency → unpaid rent by its age, every age there, in one query."""
    columns = []
    for _, _, least, most in AGES:
        bounds = _age_bounds(today, least, most)
        columns.append(func.coalesce(func.sum(case((bounds, 1), else_=0)), 0))
        columns.append(func.coalesce(func.sum(case((bounds, _OWED), else_=0)), 0))
    query: Any = select(RentCharge.currency, *columns).where(_is_late(organisation_id, today))
    found = {}
    for currency, *sums in db.session.execute(query.group_by(RentCharge.currency)):
        found[currency] = [
            Age(label, int(sums[2 * n]), Money(int(sums[2 * n + 1]), currency))
            for n, (_, label, _, _) in enumerate(AGES)
        ]
    return found


def list_arrears(organisation_id: int, today: date, text: str = "", age: str = "") -> Select[Any]:
    """One row per lease in arrears: id, months, oldest due day, what is owed. `age` is that of the oldest month."""
    query: Any = (
        select(
            RentCharge.lease_id,
            func.count().label("months"),
            func.min(RentCharge.due_on).label("oldest"),
            func.sum(_OWED).label("owed"),
        )
        .where(_is_late(organisation_id, today))
        .group_by(RentCharge.lease_id)
    )
    if text := text.strip():
        query = query.where(RentCharge.lease.has(of_home(text)))
    if chosen := next((each for each in AGES if each[0] == age), None):
        oldest = func.min(RentCharge.due_on)
        query = query.having(oldest <= today - timedelta(days=chosen[2]))
        if chosen[3] is not None:
            query = query.having(oldest >= today - timedelta(days=chosen[3]))
    return query  # type: ignore[no-any-return]


def in_arrears(organisation_id: int, rows: Iterable[Any], today: date) -> list[InArrears]:
    """The rows of `list_arrears` with their leases, in the same order."""
    found = list(rows)
    leases = {
        lease.id: lease
        for lease in db.session.scalars(
            select(Lease)
            .where(Lease.organisation_id == organisation_id, Lease.id.in_([row.lease_id for row in found]))
            .options(
                joinedload(Lease.unit, innerjoin=True).joinedload(Unit.property, innerjoin=True),
                selectinload(Lease.tenants).joinedload(LeaseTenant.tenant),
            )
        )
    }
    return [
        InArrears(
            leases[row.lease_id],
            row.months,
            row.oldest,
            (today - row.oldest).days,
            Money(int(row.owed), leases[row.lease_id].currency),
        )
        for row in found
    ]


def every_late(organisation_id: int, query: Select[Any], today: date) -> Iterator[InArrears]:
    """All rows of `list_arrears`, the newest lease first, a few hundred at a time: for files."""
    last: int | None = None
    while True:
        step = query if last is None else query.where(RentCharge.lease_id < last)
        rows = db.session.execute(step.order_by(RentCharge.lease_id.desc()).limit(BATCH)).all()
        yield from in_arrears(organisation_id, rows, today)
        if len(rows) < BATCH:
            return
        last = rows[-1].lease_id
