"""Example records of drivers: leases, charges, weekly receipts and runs."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from tests.factories import FACTORY, repairs
from tests.house.town import Arguments, House, example
from webapp.database import db
from webapp.people.models import Payee
from webapp.programs.repairs import receipts, weekly
from webapp.programs.repairs.books import Receipt
from webapp.programs.repairs.models import DriverLease
from webapp.programs.repairs.rules import week_of


def lease_of(payee: Payee) -> DriverLease:
    """The driver's lease; made where there is none."""
    found = db.session.scalar(select(DriverLease).where(DriverLease.payee_id == payee.id))
    return found or repairs.lease(payee, 500_00)


@example("admin.repairs.lease", "admin.repairs.end_lease", "admin.repairs.swap_vehicle")
def a_lease(house: House, kind: str) -> list[Arguments]:
    """The driver's lease."""
    return [{"reference": lease_of(house.payees["driver"]).reference}]


@example("admin.repairs.driver", "admin.repairs.ledger", "admin.repairs.add_charge", "admin.repairs.record_payment",
         "admin.repairs.give_credit", "admin.repairs.lend", "admin.repairs.loan_plan", "admin.repairs.return_deposit",
         "admin.repairs.driver_leaves")  # fmt: skip
def a_driver(house: House, kind: str) -> list[Arguments]:
    """The driver, with a lease and an open debt."""
    payee = house.payees["driver"]
    lease_of(payee)
    repairs.charge(payee, "tickets", 25_00, repairs.DAY)
    return [{"reference": payee.reference}]


def receipt_of(house: House) -> Receipt:
    """The driver's receipt of the first week of October; made where there is none."""
    payee = house.payees["driver"]
    lease_of(payee)
    week = week_of(repairs.DAY, house.organisation.week_start)
    receipts.make_receipts(
        organisation_id=house.organisation.id, payee_ids=[payee.id], week=week, actor=FACTORY,
        now=repairs.at(week.end + timedelta(days=1)),
    )  # fmt: skip
    whose = select(Receipt).where(Receipt.payee_id == payee.id, Receipt.week_start == week.start)
    return db.session.scalars(whose.order_by(Receipt.revision.desc()).limit(1)).one()


@example("admin.repairs.receipt", "admin.repairs.reissue_receipt")
def a_receipt(house: House, kind: str) -> list[Arguments]:
    """The driver's receipt."""
    return [{"number": receipt_of(house).number}]


@example("admin.repairs.weekly_run", "admin.repairs.weekly_progress")
def a_weekly_run(house: House, kind: str) -> list[Arguments]:
    """The run of the first week of October."""
    week = week_of(repairs.DAY, house.organisation.week_start)
    weekly.begin(house.organisation.id, week, repairs.at(week.start))
    return [{"day": week.start.isoformat()}]
