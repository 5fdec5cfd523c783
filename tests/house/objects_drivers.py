"""Example records of drivers: leases, charges, weekly receipts and runs."""

from __future__ import annotations

from sqlalchemy import select

from tests.factories import repairs
from tests.house.town import Arguments, House, example
from webapp.database import db
from webapp.people.models import Payee
from webapp.programs.repairs.models import DriverLease


def lease_of(payee: Payee) -> DriverLease:
    """The driver's lease; made where there is none."""
    found = db.session.scalar(select(DriverLease).where(DriverLease.payee_id == payee.id))
    return found or repairs.lease(payee, 500_00)


@example("admin.repairs.lease", "admin.repairs.end_lease", "admin.repairs.swap_vehicle")
def a_lease(house: House, kind: str) -> list[Arguments]:
    """The driver's lease."""
    return [{"reference": lease_of(house.payees["driver"]).reference}]
