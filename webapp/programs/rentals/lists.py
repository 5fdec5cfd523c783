"""Reading rents for admins: charges, payments, shares that wait. Never writes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Select, and_, exists, func, or_, select
from sqlalchemy.orm import contains_eager, joinedload, selectinload

from webapp.database import db, get_row, like, within
from webapp.kernel.money import Money
from webapp.programs.rentals.left import is_left
from webapp.programs.rentals.models import (
    ChargeState,
    DecisionState,
    Distribution,
    DistributionShare,
    Lease,
    LeaseTenant,
    PaymentState,
    Property,
    RentCharge,
    RentDecision,
    RentPayment,
    RentReturn,
    Tenant,
    Unit,
)
from webapp.programs.rentals.payments import AMOUNT_DIFFERS

BATCH = 500
OPEN_CHARGES = (ChargeState.OPEN.value, ChargeState.PART.value)


@dataclass(frozen=True)
class ChargeFilter:
    """What the list of rents is narrowed to; `state` is a ChargeState, or "late" for what is due and not paid."""

    text: str = ""
    state: str = ""
    due_from: date | None = None
    due_to: date | None = None


@dataclass(frozen=True)
class PaymentFilter:
    """What the list of payments is narrowed to; empty fields narrow nothing."""

    text: str = ""
    state: str = ""
    source: str = ""
    begun_from: datetime | None = None
    begun_before: datetime | None = None
    # "differs": another amount came; "proposed": a proposal waits for a second person.
    look: str = ""


@dataclass(frozen=True)
class Total:
    """Count and sum of one state and currency."""

    state: str
    count: int
    amount: Money


def of_home(text: str) -> Any:
    """A lease whose unit, property or tenant has the text in its name."""
    return or_(
        like(Lease.reference, text),
        Lease.unit.has(or_(like(Unit.name, text), Unit.property.has(like(Property.name, text)))),
        Lease.tenants.any(LeaseTenant.tenant.has(like(Tenant.name, text))),
    )


def _home_of(lease: Any) -> tuple[Any, ...]:
    """Load unit, property and tenants with a lease."""
    return (
        lease.joinedload(Lease.unit, innerjoin=True).joinedload(Unit.property, innerjoin=True),
        lease.selectinload(Lease.tenants).joinedload(LeaseTenant.tenant),
    )


def list_charges(organisation_id: int, today: date, chosen: ChargeFilter | None = None) -> Select[Any]:
    """Months of rent that are asked for, with lease, unit, property and tenants."""
    chosen = chosen or ChargeFilter()
    query = (
        select(RentCharge)
        .where(RentCharge.organisation_id == organisation_id)
        .options(*_home_of(joinedload(RentCharge.lease, innerjoin=True)))
    )
    if text := chosen.text.strip():
        query = query.where(or_(like(RentCharge.reference, text), RentCharge.lease.has(of_home(text))))
    if chosen.state == "late":
        query = query.where(RentCharge.state.in_(OPEN_CHARGES), RentCharge.due_on < today)
    elif chosen.state:
        query = query.where(RentCharge.state == chosen.state)
    return query.where(*within(RentCharge.due_on, chosen.due_from, chosen.due_to))


def get_charge(organisation_id: int, reference: str) -> RentCharge:
    """One month of rent. Raises NotFound."""
    query = list_charges(organisation_id, date.max).where(RentCharge.reference == reference)
    row: RentCharge = get_row(query)
    return row


def charges_of(lease: Lease, limit: int = 24) -> Sequence[RentCharge]:
    """The newest months of a lease."""
    return db.session.scalars(
        select(RentCharge)
        .where(RentCharge.lease_id == lease.id)
        .order_by(RentCharge.period_start.desc())
        .limit(limit)
    ).all()


def list_payments(organisation_id: int, chosen: PaymentFilter | None = None) -> Select[Any]:
    """Payments of rent with charge, lease, unit, property and tenants.

    A text finds references, the gateway's and the bank's ids, the proof, and names.
    """
    chosen = chosen or PaymentFilter()
    query = (
        select(RentPayment)
        .join(RentCharge, RentCharge.id == RentPayment.charge_id)
        .where(RentPayment.organisation_id == organisation_id)
        .options(*_home_of(contains_eager(RentPayment.charge).joinedload(RentCharge.lease, innerjoin=True)))
    )
    if text := chosen.text.strip():
        columns = (
            RentPayment.reference, RentPayment.merchant_order_id, RentPayment.gateway_reference, RentPayment.utr,
            RentPayment.proof_reference, RentCharge.reference,
        )  # fmt: skip
        wanted = (like(column, text) for column in columns)
        query = query.where(or_(*wanted, RentCharge.lease.has(of_home(text))))
    if chosen.state:
        query = query.where(RentPayment.state == chosen.state)
    if chosen.source:
        query = query.where(RentPayment.source == chosen.source)
    if chosen.look == "differs":
        query = query.where(differs())
    elif chosen.look == "proposed":
        query = query.where(is_proposed())
    if chosen.begun_from:
        query = query.where(RentPayment.created_at >= chosen.begun_from)
    if chosen.begun_before:
        query = query.where(RentPayment.created_at < chosen.begun_before)
    return query


def get_payment(organisation_id: int, reference: str) -> RentPayment:
    """One payment. Raises NotFound."""
    query = list_payments(organisation_id).where(RentPayment.reference == reference)
    row: RentPayment = get_row(query)
    return row


def payments_of(charge: RentCharge) -> Sequence[RentPayment]:
    """The payments of a month's rent, the newest first."""
    return db.session.scalars(
        select(RentPayment).where(RentPayment.charge_id == charge.id).order_by(RentPayment.id.desc())
    ).all()


def payment_totals(organisation_id: int) -> list[Total]:
    """Count and sum of payments per state and currency."""
    rows = db.session.execute(
        select(RentPayment.state, RentPayment.currency, func.count(), func.sum(RentPayment.amount_minor))
        .where(RentPayment.organisation_id == organisation_id)
        .group_by(RentPayment.state, RentPayment.currency)
        .order_by(RentPayment.currency)
    )
    return [Total(state, count, Money(int(amount), currency)) for state, currency, count, amount in rows]


def shares_of(payment: RentPayment) -> tuple[Distribution | None, Sequence[DistributionShare]]:
    """How a payment was shared out, with the owners; None and nothing where it was not."""
    distribution = db.session.scalar(
        select(Distribution)
        .where(Distribution.payment_id == payment.id)
        .options(selectinload(Distribution.shares).joinedload(DistributionShare.payee))
    )
    return distribution, distribution.shares if distribution else []


def _waits() -> Any:
    """A share that has no payout although something of it is to be paid."""
    return and_(
        DistributionShare.payout_id.is_(None),
        or_(
            DistributionShare.offer == "blocked",
            and_(
                DistributionShare.offer == "open",
                DistributionShare.amount_minor > DistributionShare.netted_minor,
            ),
        ),
    )


def list_waiting(organisation_id: int) -> Select[Any]:
    """Shares of received rents without a payout: those that wait, and those whose payout was dropped."""
    return (
        select(DistributionShare)
        .join(Distribution, Distribution.id == DistributionShare.distribution_id)
        .where(Distribution.organisation_id == organisation_id, _waits())
        .options(
            joinedload(DistributionShare.payee, innerjoin=True),
            contains_eager(DistributionShare.distribution).joinedload(Distribution.payment, innerjoin=True),
        )
    )


def get_waiting(organisation_id: int, share_id: int) -> DistributionShare:
    """One share of the organisation that waits. Raises NotFound."""
    row: DistributionShare = get_row(list_waiting(organisation_id).where(DistributionShare.id == share_id))
    return row


@dataclass(frozen=True)
class Needs:
    """What waits for a person: counts, in the order of `needs_columns`."""

    to_verify: int
    differing: int
    unshared: int
    blocked: int
    waiting: int
    left: int
    proposed: int


def needs_columns(organisation_id: int, now: datetime) -> tuple[Any, ...]:
    """The counts of `Needs` as columns, so that a page that asks much asks for them with something else."""

    def payments(*conditions: Any) -> Any:
        query = select(func.count()).where(RentPayment.organisation_id == organisation_id, *conditions)
        return query.scalar_subquery()

    def shares(offer: str) -> Any:
        query = (
            select(func.count())
            .select_from(DistributionShare)
            .join(Distribution, Distribution.id == DistributionShare.distribution_id)
            .where(
                Distribution.organisation_id == organisation_id, DistributionShare.offer == offer, _waits()
            )
        )
        return query.scalar_subquery()

    is_shared = exists().where(Distribution.payment_id == RentPayment.id)
    return (
        payments(RentPayment.state == PaymentState.TO_VERIFY.value),
        payments(differs(), ~is_proposed()),
        payments(
            RentPayment.state == PaymentState.COMPLETED.value,
            RentPayment.returned_minor < RentPayment.amount_minor,
            ~is_shared,
        ),
        shares("blocked"),
        shares("open"),
        select(func.count())
        .where(RentReturn.organisation_id == organisation_id, is_left(now))
        .scalar_subquery(),
        select(func.count())
        .where(
            RentDecision.organisation_id == organisation_id,
            RentDecision.state == DecisionState.PROPOSED.value,
        )
        .scalar_subquery(),
    )


def differs() -> Any:
    """The condition on `RentPayment` that another amount came, and nobody has settled it."""
    return RentPayment.error_code == AMOUNT_DIFFERS


def is_proposed() -> Any:
    """The condition on `RentPayment` that something about it, or a refund of it, waits for a second person."""
    return exists().where(
        RentDecision.payment_id == RentPayment.id, RentDecision.state == DecisionState.PROPOSED.value
    )


def every(query: Select[Any], key: Any) -> Iterator[Any]:
    """All rows of a list of records, newest first, a few hundred at a time: for files."""
    last: int | None = None
    while True:
        step = query if last is None else query.where(key < last)
        rows = db.session.scalars(step.order_by(None).order_by(key.desc()).limit(BATCH)).unique().all()
        yield from rows
        if len(rows) < BATCH:
            return
        last = rows[-1].id
        for row in rows:
            db.session.expunge(row)
