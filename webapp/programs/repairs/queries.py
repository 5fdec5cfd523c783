"""Reads of this program: `find_` may be None, `get_` raises NotFound, also for another organisation's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select

from webapp.database import db, get_row
from webapp.kernel.money import Money
from webapp.ledger.models import Account
from webapp.people.models import Payee
from webapp.programs.repairs.books import Charge, Receipt, WeeklyProblem, WeeklyRun
from webapp.programs.repairs.models import Instalment, Loan, Repair, Vehicle


def get_repair(organisation_id: int, reference: str, payee_id: int | None = None) -> Repair:
    """A repair by its number; of one driver, where `payee_id` says so."""
    query = select(Repair).where(Repair.organisation_id == organisation_id, Repair.reference == reference)
    return get_row(query if payee_id is None else query.where(Repair.payee_id == payee_id), "repair")


def get_instalment(organisation_id: int, reference: str) -> Instalment:
    """An instalment by its number."""
    query = select(Instalment).where(
        Instalment.organisation_id == organisation_id, Instalment.reference == reference
    )
    return get_row(query, "instalment")


def get_loan(organisation_id: int, reference: str) -> Loan:
    """A loan by its number."""
    return get_row(
        select(Loan).where(Loan.organisation_id == organisation_id, Loan.reference == reference), "loan"
    )


def get_receipt(organisation_id: int, number: str, payee_id: int | None = None) -> Receipt:
    """A weekly receipt by its number; of one driver, where `payee_id` says so."""
    query = select(Receipt).where(Receipt.organisation_id == organisation_id, Receipt.number == number)
    return get_row(query if payee_id is None else query.where(Receipt.payee_id == payee_id), "receipt")


def get_vehicle(organisation_id: int, vehicle_id: int) -> Vehicle:
    """A vehicle."""
    query = select(Vehicle).where(Vehicle.organisation_id == organisation_id, Vehicle.id == vehicle_id)
    return get_row(query, "vehicle")


def find_run(organisation_id: int, week_start: object) -> WeeklyRun | None:
    """The run of the week that begins on a day."""
    return db.session.scalar(
        select(WeeklyRun).where(
            WeeklyRun.organisation_id == organisation_id, WeeklyRun.week_start == week_start
        )
    )


def problems_of(run_id: int) -> Sequence[WeeklyProblem]:
    """What a run could not do, driver by driver."""
    return db.session.scalars(
        select(WeeklyProblem).where(WeeklyProblem.run_id == run_id).order_by(WeeklyProblem.id)
    ).all()


def open_charges(organisation_id: int, payee_id: int) -> Sequence[Charge]:
    """What a driver owes, the oldest first."""
    return db.session.scalars(
        select(Charge)
        .where(
            Charge.organisation_id == organisation_id,
            Charge.payee_id == payee_id,
            Charge.paid_minor + Charge.credited_minor < Charge.amount_minor,
        )
        .order_by(Charge.charged_on, Charge.id)
    ).all()


@dataclass(frozen=True)
class DriverBalance:
    """A driver's side of the ledger: owed by category, kept for them, and what it comes to."""

    by_category: dict[str, Money]
    owed: Money
    kept: Money

    @property
    def net(self) -> Money:
        """Below zero: the driver owes."""
        return self.kept - self.owed


def balance_of(organisation_id: int, payee: Payee, currency: str) -> DriverBalance:
    """What a driver owes by category, and what is kept for them, as the records say it."""
    open_minor = Charge.amount_minor - Charge.paid_minor - Charge.credited_minor
    rows = db.session.execute(
        select(Charge.category, func.sum(open_minor))
        .where(
            Charge.organisation_id == organisation_id,
            Charge.payee_id == payee.id,
            Charge.currency == currency,
            Charge.paid_minor + Charge.credited_minor < Charge.amount_minor,
        )
        .group_by(Charge.category)
        .order_by(Charge.category)
    ).all()
    by_category = {category: Money(int(amount), currency) for category, amount in rows}
    kept = db.session.scalar(
        select(Account.balance_minor).where(
            Account.organisation_id == organisation_id,
            Account.code == f"earnings:{payee.reference}",
            Account.currency == currency,
        )
    )
    owed = Money(sum(each.amount for each in by_category.values()), currency)
    return DriverBalance(by_category, owed, Money(kept or 0, currency))
