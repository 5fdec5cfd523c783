"""Reading drivers with what they owe and what is kept for them, their loans and open debts. Never writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, cast

from sqlalchemy import Select, and_, case, func, literal, or_, select
from sqlalchemy.orm import aliased

from webapp.database import among, ask, like
from webapp.kernel.money import Money
from webapp.ledger.models import Account
from webapp.people.models import Payee, Role
from webapp.programs.repairs.books import Charge
from webapp.programs.repairs.models import DriverLease, Instalment, LeaseVehicle, Loan, Vehicle
from webapp.programs.repairs.states import Category, InstalmentState
from webapp.web.listing import Listing, Sort

_owing, _keeping = aliased(Account, name="owing"), aliased(Account, name="keeping")
_OWED = func.coalesce(_owing.balance_minor, 0)
_KEPT = func.coalesce(_keeping.balance_minor, 0)


@dataclass(frozen=True)
class DriverFilter:
    """What the list of drivers is narrowed to. `balance`: "owes" or "kept"; `lease`: "with" or "without" one today."""

    text: str = ""
    balance: str = ""
    lease: str = ""


def _running(day: date) -> Any:
    return (
        select(DriverLease.payee_id)
        .where(
            DriverLease.payee_id == Payee.id,
            DriverLease.starts_on <= day,
            or_(DriverLease.ends_on.is_(None), DriverLease.ends_on >= day),
        )
        .exists()
    )


def drivers(organisation_id: int, currency: str, chosen: DriverFilter, day: date) -> Listing:
    """Drivers, by default by their name, with their balances in one currency as the ledger has them.

    Columns: id, reference, name, is_active, owed_minor, kept_minor, net_minor (below zero: the driver owes).
    Orders: name, net, created. Sums: owed, kept.
    """
    everything = cast(Select[Any], (
        select(
            Payee.id, Payee.reference, Payee.name, Payee.is_active, _OWED.label("owed_minor"),
            _KEPT.label("kept_minor"), (_KEPT - _OWED).label("net_minor"),
        )
        .outerjoin(_owing, _account(_owing, "receivable:", currency))
        .outerjoin(_keeping, _account(_keeping, "earnings:", currency))
        .where(Payee.organisation_id == organisation_id, Payee.kind == Role.DRIVER.value)
    ))  # fmt: skip
    query = everything
    if text := chosen.text.strip():
        on_plate = (
            select(DriverLease.payee_id)
            .join(LeaseVehicle, LeaseVehicle.lease_id == DriverLease.id)
            .join(Vehicle, Vehicle.id == LeaseVehicle.vehicle_id)
            .where(Vehicle.organisation_id == organisation_id, like(Vehicle.plate, text))
        )
        query = query.where(or_(like(Payee.name, text), like(Payee.reference, text), Payee.id.in_(on_plate)))
    if chosen.balance == "owes":
        query = query.where(_KEPT < _OWED)
    elif chosen.balance == "kept":
        query = query.where(_KEPT > _OWED)
    if chosen.lease:
        query = query.where(_running(day) if chosen.lease == "with" else ~_running(day))
    return Listing(
        query,
        everything,
        Payee.id,
        {"name": (Payee.name,), "net": (_KEPT - _OWED,), "created": ()},
        Sort("name"),
        # One currency: that of the balances.
        func.coalesce(_owing.currency, _keeping.currency, literal(currency, literal_execute=True)),
        {"owed": _OWED, "kept": _KEPT},
    )


def _account(account: Any, word: str, currency: str) -> Any:
    return (
        (account.organisation_id == Payee.organisation_id)
        & (account.code == literal(word).concat(Payee.reference))
        & (account.currency == currency)
    )


def leases_on(payee_ids: Sequence[int], day: date) -> dict[int, tuple[str, str]]:
    """Driver → (number, plate) of the lease that runs on a day."""
    if not payee_ids:
        return {}
    rows = ask(
        select(DriverLease.payee_id, DriverLease.reference, Vehicle.plate)
        .join(
            LeaseVehicle,
            and_(
                LeaseVehicle.lease_id == DriverLease.id,
                LeaseVehicle.from_on <= day,
                or_(LeaseVehicle.until_on.is_(None), LeaseVehicle.until_on >= day),
            ),
        )
        .join(Vehicle, Vehicle.id == LeaseVehicle.vehicle_id)
        .where(
            among(DriverLease.payee_id, list(payee_ids)),
            DriverLease.starts_on <= day,
            or_(DriverLease.ends_on.is_(None), DriverLease.ends_on >= day),
        )
    )
    return {row.payee_id: (row.reference, row.plate) for row in rows}


@dataclass(frozen=True)
class OpenCharge:
    """A debt that nothing covers wholly yet. Taxes are covered by earnings alone; so is what is disputed."""

    id: int
    category: Category
    description: str
    charged_on: date
    amount: Money
    open: Money
    is_disputed: bool

    @property
    def can_be_paid(self) -> bool:
        """Whether a payment by the driver may be for it."""
        return self.category is not Category.TAXES


def open_charges(organisation_id: int, payee_id: int, limit: int) -> list[OpenCharge]:
    """What a driver owes, the oldest first."""
    rows = ask(
        select(
            Charge.id, Charge.category, Charge.description, Charge.charged_on, Charge.currency, Charge.amount_minor,
            (Charge.amount_minor - Charge.paid_minor - Charge.credited_minor).label("open_minor"), Charge.is_disputed,
        )
        .where(
            Charge.organisation_id == organisation_id,
            Charge.payee_id == payee_id,
            Charge.paid_minor + Charge.credited_minor < Charge.amount_minor,
        )
        .order_by(Charge.charged_on, Charge.id)
        .limit(limit)
    )  # fmt: skip
    return [
        OpenCharge(
            row.id, Category(row.category), row.description, row.charged_on, Money(row.amount_minor, row.currency),
            Money(row.open_minor, row.currency), bool(row.is_disputed),
        )
        for row in rows
    ]  # fmt: skip


@dataclass(frozen=True)
class LoanRow:
    """A loan, what of it is not charged yet, and when the next instalment is."""

    reference: str
    principal: Money
    percent: Any
    lent_on: date
    instalments: int
    to_come: int
    left: Money
    next_week: date | None


def loans_of(organisation_id: int, payee_id: int) -> list[LoanRow]:
    """A driver's loans, the newest first; one question."""
    is_to_come = Instalment.state == InstalmentState.SCHEDULED.value
    counts = (InstalmentState.SKIPPED.value, InstalmentState.CANCELLED.value)
    rows = ask(
        select(
            Loan.id, Loan.reference, Loan.principal_minor, Loan.currency, Loan.percent, Loan.lent_on,
            func.count(case((Instalment.state.not_in(counts), 1))).label("instalments"),
            func.count(case((is_to_come, 1))).label("to_come"),
            func.coalesce(func.sum(case((is_to_come, Instalment.amount_minor - Instalment.interest_minor))), 0).label(
                "left_minor"
            ),
            func.min(case((is_to_come, Instalment.week_start))).label("next_week"),
        )
        .join(Instalment, Instalment.loan_id == Loan.id)
        .where(Loan.organisation_id == organisation_id, Loan.payee_id == payee_id)
        .group_by(Loan.id)
        .order_by(Loan.id.desc())
    )  # fmt: skip
    return [
        LoanRow(
            row.reference, Money(row.principal_minor, row.currency), row.percent, row.lent_on, int(row.instalments),
            int(row.to_come), Money(int(row.left_minor), row.currency), row.next_week,
        )
        for row in rows
    ]  # fmt: skip
