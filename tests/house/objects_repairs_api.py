"""Example records of a taxi fleet for the addresses of the API: the driver's."""

from __future__ import annotations

from datetime import date

from tests.factories import FACTORY, actor_of, repairs
from tests.factories.repairs import at, sunday
from tests.house.objects_drivers import lease_of, receipt_of
from tests.house.town import Arguments, House, example
from webapp.database import db
from webapp.programs.repairs import changing, fleet
from webapp.programs.repairs.books import WeeklyRun
from webapp.programs.repairs.models import DriverLease, Repair

#: After the weeks that are charged here.
LATER = date(2025, 12, 1)


def _lease(house: House) -> DriverLease:
    return lease_of(house.payees["driver"])


def _repair(house: House) -> Repair:
    return repairs.repair(_lease(house))


@example("api.repairs")
def a_draft(house: House, kind: str) -> list[Arguments]:
    """A repair of the driver that is a draft."""
    return [{"reference": repairs.draft(_lease(house)).reference}]


@example("api.repair_actions")
def an_open_repair(house: House, kind: str) -> list[Arguments]:
    """A repair of the driver that is open."""
    return [{"reference": _repair(house).reference}]


@example("api.repair_actions.decide_replan")
def a_new_plan(house: House, kind: str) -> list[Arguments]:
    """Another weekly amount that the accountant proposed."""
    row = _repair(house)
    made = changing.propose_replan(
        organisation_id=house.organisation.id, reference=row.reference, weekly_minor=50_00, reason="Ill",
        actor=actor_of(house.users["accountant"]), now=at(LATER),
    )  # fmt: skip
    return [{"reference": row.reference, "replan_id": made.id}]


@example("api.instalments")
def an_instalment(house: House, kind: str) -> list[Arguments]:
    """The first of a repair of the driver."""
    return [{"reference": _repair(house).instalments[0].reference}]


@example("api.weekly_receipts")
def a_weekly_receipt(house: House, kind: str) -> list[Arguments]:
    """The driver's, of a week of their lease."""
    return [{"number": receipt_of(house).number}]


@example("api.weekly_runs")
def a_weekly_run(house: House, kind: str) -> list[Arguments]:
    """One that has begun."""
    row = WeeklyRun(organisation_id=house.organisation.id, week_start=sunday(1), started_at=at(sunday(1)))
    db.session.add(row)
    return [{"week": row.week_start.isoformat()}]


@example("api.drivers")
def a_driver(house: House, kind: str) -> list[Arguments]:
    """The driver, who has a lease."""
    _lease(house)
    return [{"reference": house.payees["driver"].reference}]


@example("api.driver_adjustments")
def a_driver_s_payment(house: House, kind: str) -> list[Arguments]:
    """Money that the driver paid."""
    return [{"reference": repairs.pay(house.payees["driver"], 10_00, sunday(0)).reference}]


@example("api.driver_loans")
def a_driver_s_loan(house: House, kind: str) -> list[Arguments]:
    """Money that the driver was lent."""
    return [{"reference": repairs.loan(house.payees["driver"]).reference}]


@example("api.driver_leases")
def a_driver_s_lease(house: House, kind: str) -> list[Arguments]:
    """The driver's."""
    return [{"reference": _lease(house).reference}]


@example("api.vehicles")
def a_vehicle_by_its_plate(house: House, kind: str) -> list[Arguments]:
    """A vehicle."""
    return [{"plate": repairs.vehicle(house.organisation).plate}]


@example("api.medallions")
def a_medallion_by_its_number(house: House, kind: str) -> list[Arguments]:
    """A medallion."""
    made = fleet.create_medallion(
        organisation_id=house.organisation.id, number="9Z99", actor=FACTORY, now=at(sunday(0))
    )
    return [{"number": made.number}]
