"""What an owner sees of their own: properties, and their part of every rent. Never a co-owner's part.

Every query names the organisation and the payee; another owner's record is not found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Select, and_, func, or_, select
from sqlalchemy.orm import contains_eager, joinedload, selectinload

from webapp.database import db, get_row
from webapp.kernel.clock import month_bounds
from webapp.kernel.errors import NotFound
from webapp.kernel.money import Money
from webapp.payouts.models import Payout
from webapp.people.models import Payee
from webapp.programs.rentals.models import (
    Distribution,
    DistributionShare,
    Lease,
    LeaseState,
    OwnerDebt,
    Property,
    PropertyShare,
    RentCharge,
    RentPayment,
    RentReturn,
    Unit,
)

#: What is taken from an owner's gross part, in the order in which it is taken.
DEDUCTIONS = ("fee", "fee_tax", "withheld", "bills", "reserve")
BATCH = 500


@dataclass(frozen=True)
class RentFilter:
    """What a list of rents is narrowed to; empty values narrow nothing."""

    property_reference: str = ""
    received_from: date | None = None
    received_to: date | None = None


@dataclass(frozen=True)
class OwnRent:
    """One received rent with the owner's own part of it. Amounts of `part` are minor units."""

    share: DistributionShare
    payment: RentPayment
    charge: RentCharge
    unit: Unit
    place: Property
    payout: Payout | None

    @property
    def id(self) -> int:
        """Key of the list."""
        return self.share.id

    @property
    def part(self) -> dict[str, int]:
        """Gross, each deduction and net of this owner."""
        return self.share.part

    def money(self, name: str) -> Money:
        """One figure of the part ("gross", "fee", … "net"), or all that is taken ("taken", negative)."""
        if name == "taken":
            return Money(self.part["net"] - self.part["gross"], self.payment.currency)
        return Money(self.part[name], self.payment.currency)


@dataclass(frozen=True)
class LetUnit:
    """A unit, what it is let for, and this month's rent of it."""

    unit: Unit
    lease: Lease | None
    charge: RentCharge | None


@dataclass(frozen=True)
class OwnProperty:
    """A property as its list shows it. `net` is what of this year's rents is the owner's after deductions."""

    place: Property
    units: int
    let: int
    net: Money
    last: Payout | None


@dataclass(frozen=True)
class Standing:
    """Sums for the home page, per currency, in minor units."""

    currency: str
    # Own gross part of rents received this month.
    received_minor: int
    # Own net of rents whose payout is not over yet, or is not made yet.
    on_its_way_minor: int
    # Rent that went back and is still to be taken from payouts to come.
    owed_minor: int


def properties(organisation_id: int, payee_id: int) -> Select[Any]:
    """The properties that the payee owns a share of, with the shares' weights."""
    return (
        select(Property)
        .join(PropertyShare, PropertyShare.property_id == Property.id)
        .where(Property.organisation_id == organisation_id, PropertyShare.payee_id == payee_id)
        .options(selectinload(Property.shares))
    )


def get_property(organisation_id: int, payee_id: int, reference: str) -> Property:
    """A property of which the payee owns a share, or had a part of a rent. Raises NotFound."""
    had_a_part = (
        select(DistributionShare.id)
        .join(Distribution, Distribution.id == DistributionShare.distribution_id)
        .where(Distribution.property_id == Property.id, DistributionShare.payee_id == payee_id)
        .exists()
    )
    owns = (
        select(PropertyShare.id)
        .where(PropertyShare.property_id == Property.id, PropertyShare.payee_id == payee_id)
        .exists()
    )
    return get_row(
        select(Property)
        .where(
            Property.organisation_id == organisation_id,
            Property.reference == reference,
            or_(owns, had_a_part),
        )
        .options(selectinload(Property.shares))
    )


def weight_of(place: Property, payee_id: int) -> tuple[int, int]:
    """The payee's weight among the owners, and the sum of all; (0, sum) for a former owner."""
    mine = sum(share.weight for share in place.shares if share.payee_id == payee_id)
    return mine, sum(share.weight for share in place.shares)


def choices(organisation_id: int, payee_id: int) -> list[tuple[str, str]]:
    """(reference, name) of every property that brought the payee a part of a rent, for a filter."""
    rows = db.session.execute(
        select(Property.reference, Property.name)
        .join(Distribution, Distribution.property_id == Property.id)
        .join(DistributionShare, DistributionShare.distribution_id == Distribution.id)
        .where(Property.organisation_id == organisation_id, DistributionShare.payee_id == payee_id)
        .distinct()
        .order_by(Property.name, Property.reference)
    )
    return [(reference, name) for reference, name in rows]


def listed(places: Sequence[Property], payee_id: int, today: date) -> list[OwnProperty]:
    """The properties of a page with their figures: three queries for all of them."""
    ids = [place.id for place in places]
    if not ids:
        return []
    counts = _unit_counts(ids)
    nets, newest = _own_sums(ids, payee_id, today)
    payouts = {payout.id: payout for payout in _payouts(set(newest.values()))}
    return [
        OwnProperty(
            place,
            *counts.get(place.id, (0, 0)),
            Money(nets.get(place.id, 0), place.currency),
            payouts.get(newest.get(place.id, 0)),
        )
        for place in places
    ]


def _unit_counts(ids: Sequence[int]) -> dict[int, tuple[int, int]]:
    is_let = and_(Lease.unit_id == Unit.id, Lease.state == LeaseState.ACTIVE.value)
    rows = db.session.execute(
        select(Unit.property_id, func.count(Unit.id), func.count(Lease.id))
        .outerjoin(Lease, is_let)
        .where(Unit.property_id.in_(ids), Unit.is_active.is_(True))
        .group_by(Unit.property_id)
    )
    return {property_id: (units, let) for property_id, units, let in rows}


def _own_sums(ids: Sequence[int], payee_id: int, today: date) -> tuple[dict[int, int], dict[int, int]]:
    """(own net of this year's rents, newest own payout) of each property."""
    rows = db.session.execute(
        select(
            Distribution.property_id,
            func.sum(DistributionShare.amount_minor).filter(
                RentPayment.received_on >= date(today.year, 1, 1)
            ),
            func.max(DistributionShare.payout_id),
        )
        .join(DistributionShare, DistributionShare.distribution_id == Distribution.id)
        .join(RentPayment, RentPayment.id == Distribution.payment_id)
        .where(Distribution.property_id.in_(ids), DistributionShare.payee_id == payee_id)
        .group_by(Distribution.property_id)
    ).all()
    return {r[0]: int(r[1] or 0) for r in rows}, {r[0]: int(r[2]) for r in rows if r[2] is not None}


def _payouts(ids: set[int]) -> Sequence[Payout]:
    if not ids:
        return []
    query = select(Payout).where(Payout.id.in_(ids)).options(*_with_payee())
    return db.session.scalars(query).unique().all()


def _with_payee() -> tuple[Any, ...]:
    """What the words of a payout's status need; outer joins, because a part may have no payout."""
    payee = joinedload(Payout.payee, innerjoin=False)
    return payee.joinedload(Payee.current_method), payee.joinedload(Payee.pending_change)


def units_of(place: Property, today: date) -> list[LetUnit]:
    """The units of a property with their lease and this month's rent, in one query."""
    first, _ = month_bounds(today)
    rows = db.session.execute(
        select(Unit, Lease, RentCharge)
        .outerjoin(Lease, and_(Lease.unit_id == Unit.id, Lease.state == LeaseState.ACTIVE.value))
        .outerjoin(RentCharge, and_(RentCharge.lease_id == Lease.id, RentCharge.period_start == first))
        .where(Unit.property_id == place.id, Unit.is_active.is_(True))
        .order_by(Unit.name, Unit.id)
    )
    return [LetUnit(*row) for row in rows]


def rents(organisation_id: int, payee_id: int, chosen: RentFilter | None = None) -> Select[Any]:
    """The payee's parts of received rents; read each result with `rent_of`."""
    chosen = chosen or RentFilter()
    columns: Any = select(DistributionShare, RentPayment, RentCharge, Unit, Property, Payout)
    query: Select[Any] = (
        columns.join(Distribution, Distribution.id == DistributionShare.distribution_id)
        .join(RentPayment, RentPayment.id == Distribution.payment_id)
        .join(RentCharge, RentCharge.id == RentPayment.charge_id)
        .join(Lease, Lease.id == RentCharge.lease_id)
        .join(Unit, Unit.id == Lease.unit_id)
        .join(Property, Property.id == Distribution.property_id)
        .outerjoin(Payout, Payout.id == DistributionShare.payout_id)
        .where(Distribution.organisation_id == organisation_id, DistributionShare.payee_id == payee_id)
        .options(contains_eager(DistributionShare.distribution), *_with_payee())
    )
    if chosen.property_reference:
        query = query.where(Property.reference == chosen.property_reference)
    if chosen.received_from:
        query = query.where(RentPayment.received_on >= chosen.received_from)
    if chosen.received_to:
        query = query.where(RentPayment.received_on <= chosen.received_to)
    return query


def rent_of(row: Any) -> OwnRent:
    """A row of `rents` as an OwnRent."""
    return OwnRent(*row)


def get_rent(organisation_id: int, payee_id: int, reference: str) -> OwnRent:
    """The payee's part of one rent by the payment's reference. Raises NotFound."""
    row = db.session.execute(
        rents(organisation_id, payee_id).where(RentPayment.reference == reference)
    ).first()
    if row is None:
        raise NotFound
    return rent_of(row)


def every_rent(query: Select[Any]) -> Iterator[Sequence[OwnRent]]:
    """All rows of a list of rents, newest first, a few hundred at a time."""
    last: int | None = None
    while True:
        step = query if last is None else query.where(DistributionShare.id < last)
        found = db.session.execute(step.order_by(DistributionShare.id.desc()).limit(BATCH)).unique().all()
        if found:
            yield [rent_of(row) for row in found]
        if len(found) < BATCH:
            return
        last = found[-1][0].id


def share_of_payout(payout: Payout) -> OwnRent | None:
    """The part of a rent that a payout brings; None when it brings none any more."""
    row = db.session.execute(
        rents(payout.organisation_id, payout.payee_id).where(DistributionShare.payout_id == payout.id)
    ).first()
    return rent_of(row) if row else None


def went_back(payment_id: int, payee_id: int) -> list[tuple[RentReturn, int, int]]:
    """What of a rent went back to the tenant, each with the payee's part of it, and what of that had not been paid out.

    What left twice is not the owners' affair.
    """
    rows = db.session.execute(
        select(
            RentReturn,
            func.coalesce(func.sum(OwnerDebt.amount_minor), 0),
            func.coalesce(func.sum(OwnerDebt.unsent_minor), 0),
        )
        .outerjoin(OwnerDebt, and_(OwnerDebt.return_id == RentReturn.id, OwnerDebt.payee_id == payee_id))
        .where(
            RentReturn.payment_id == payment_id,
            RentReturn.state == "completed",
            RentReturn.excess_minor < RentReturn.amount_minor,
        )
        .group_by(RentReturn.id)
        .order_by(RentReturn.id)
    )
    return [(row, int(part), int(unsent)) for row, part, unsent in rows]


def standings(organisation_id: int, payee_id: int, today: date) -> list[Standing]:
    """What came in this month, what is on its way, what is still owed back; one entry per currency."""
    sums: dict[str, list[int]] = {}
    first, _ = month_bounds(today)
    for distribution in db.session.execute(
        select(Distribution.currency, Distribution.details)
        .join(DistributionShare, DistributionShare.distribution_id == Distribution.id)
        .join(RentPayment, RentPayment.id == Distribution.payment_id)
        .where(
            Distribution.organisation_id == organisation_id,
            DistributionShare.payee_id == payee_id,
            RentPayment.received_on >= first,
        )
    ):
        gross = int(distribution.details["parts"][str(payee_id)]["gross"])
        sums.setdefault(distribution.currency, [0, 0, 0])[0] += gross
    left = DistributionShare.amount_minor - DistributionShare.netted_minor
    for currency, minor in db.session.execute(
        select(Distribution.currency, func.sum(left))
        .join(DistributionShare, DistributionShare.distribution_id == Distribution.id)
        .outerjoin(Payout, Payout.id == DistributionShare.payout_id)
        .where(
            Distribution.organisation_id == organisation_id,
            DistributionShare.payee_id == payee_id,
            DistributionShare.offer != "dismissed",
            or_(Payout.id.is_(None), Payout.state != "paid"),
        )
        .group_by(Distribution.currency)
    ):
        sums.setdefault(currency, [0, 0, 0])[1] += int(minor or 0)
    for currency, minor in db.session.execute(
        select(OwnerDebt.currency, func.sum(OwnerDebt.amount_minor - OwnerDebt.netted_minor))
        .where(OwnerDebt.organisation_id == organisation_id, OwnerDebt.payee_id == payee_id)
        .group_by(OwnerDebt.currency)
    ):
        sums.setdefault(currency, [0, 0, 0])[2] += int(minor or 0)
    return [Standing(currency, *found) for currency, found in sorted(sums.items())]
