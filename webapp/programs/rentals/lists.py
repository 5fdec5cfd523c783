"""Reading rents for admins: charges, arrears by age, payments, what went back, shares that wait. Never writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Select, and_, case, exists, func, or_, select
from sqlalchemy.orm import contains_eager, joinedload, selectinload

from webapp.database import db
from webapp.kernel.errors import NotFound
from webapp.kernel.money import Money
from webapp.people.models import Payee
from webapp.programs.rentals.left import is_left
from webapp.programs.rentals.models import (
    ChargeState,
    DecisionState,
    Distribution,
    DistributionShare,
    Lease,
    LeaseTenant,
    OwnerDebt,
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
#: Ages of unpaid rent, in days after the due day: (code, label, at least, at most).
AGES: tuple[tuple[str, str, int, int | None], ...] = (
    ("1-30", "1 to 30 days", 1, 30),
    ("31-60", "31 to 60 days", 31, 60),
    ("61-90", "61 to 90 days", 61, 90),
    ("91", "More than 90 days", 91, None),
)


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


@dataclass(frozen=True)
class Total:
    """Count and sum of one state and currency."""

    state: str
    count: int
    amount: Money


def _like(column: Any, text: str) -> Any:
    return column.icontains(text, autoescape=True)


def _of_home(text: str) -> Any:
    """A lease whose unit, property or tenant has the text in its name."""
    return or_(
        _like(Lease.reference, text),
        Lease.unit.has(or_(_like(Unit.name, text), Unit.property.has(_like(Property.name, text)))),
        Lease.tenants.any(LeaseTenant.tenant.has(_like(Tenant.name, text))),
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
        query = query.where(or_(_like(RentCharge.reference, text), RentCharge.lease.has(_of_home(text))))
    if chosen.state == "late":
        query = query.where(RentCharge.state.in_(OPEN_CHARGES), RentCharge.due_on < today)
    elif chosen.state:
        query = query.where(RentCharge.state == chosen.state)
    if chosen.due_from:
        query = query.where(RentCharge.due_on >= chosen.due_from)
    if chosen.due_to:
        query = query.where(RentCharge.due_on <= chosen.due_to)
    return query


def get_charge(organisation_id: int, reference: str) -> RentCharge:
    """One month of rent. Raises NotFound."""
    query = list_charges(organisation_id, date.max).where(RentCharge.reference == reference)
    row: RentCharge | None = db.session.scalar(query)
    if row is None:
        raise NotFound
    return row


def charges_of(lease: Lease, limit: int = 24) -> Sequence[RentCharge]:
    """The newest months of a lease."""
    return db.session.scalars(
        select(RentCharge)
        .where(RentCharge.lease_id == lease.id)
        .order_by(RentCharge.period_start.desc())
        .limit(limit)
    ).all()


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
        query = query.where(RentCharge.lease.has(_of_home(text)))
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
        wanted = (_like(column, text) for column in columns)
        query = query.where(or_(*wanted, RentCharge.lease.has(_of_home(text))))
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
    row: RentPayment | None = db.session.scalar(query)
    if row is None:
        raise NotFound
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


def returns_of(payment: RentPayment) -> Sequence[RentReturn]:
    """What of a payment went back, or is about to, oldest first."""
    return db.session.scalars(
        select(RentReturn).where(RentReturn.payment_id == payment.id).order_by(RentReturn.id)
    ).all()


def list_returns(
    organisation_id: int, kind: str = "", is_owed: bool = False, left_at: datetime | None = None
) -> Select[Any]:
    """Refunds and chargebacks with their payment; `is_owed`: only those of which owners still owe a part.

    `left_at`: only those that are left to people at that instant.
    """
    query: Any = (
        select(RentReturn, RentPayment)
        .join(RentPayment, RentPayment.id == RentReturn.payment_id)
        .where(RentReturn.organisation_id == organisation_id)
    )
    if kind:
        query = query.where(RentReturn.kind == kind)
    if is_owed:
        open_debt = exists().where(
            OwnerDebt.return_id == RentReturn.id, OwnerDebt.netted_minor < OwnerDebt.amount_minor
        )
        query = query.where(open_debt)
    if left_at is not None:
        query = query.where(is_left(left_at))
    return query  # type: ignore[no-any-return]


def debts_of(return_ids: Iterable[int]) -> dict[int, list[tuple[OwnerDebt, Payee]]]:
    """Return id → what each owner owes because of it."""
    rows = db.session.execute(
        select(OwnerDebt, Payee)
        .join(Payee, Payee.id == OwnerDebt.payee_id)
        .where(OwnerDebt.return_id.in_(list(return_ids)))
        .order_by(OwnerDebt.id)
    )
    found: dict[int, list[tuple[OwnerDebt, Payee]]] = {}
    for debt, payee in rows:
        found.setdefault(debt.return_id, []).append((debt, payee))
    return found


def owed_by_owners(organisation_id: int) -> list[tuple[Payee, Money, Money]]:
    """(owner, what they owed because rent went back, what is still open) per currency, the most open first."""
    left = func.sum(OwnerDebt.amount_minor - OwnerDebt.netted_minor)
    rows = db.session.execute(
        select(Payee, OwnerDebt.currency, func.sum(OwnerDebt.amount_minor), left)
        .join(Payee, Payee.id == OwnerDebt.payee_id)
        .where(OwnerDebt.organisation_id == organisation_id)
        .group_by(Payee.id, OwnerDebt.currency)
        .having(left > 0)
        .order_by(left.desc())
        .limit(100)
    )
    return [(payee, Money(int(all_), code), Money(int(open_), code)) for payee, code, all_, open_ in rows]


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
    row: DistributionShare | None = db.session.scalar(
        list_waiting(organisation_id).where(DistributionShare.id == share_id)
    )
    if row is None:
        raise NotFound
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
