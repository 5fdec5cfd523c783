"""Leases and vehicles: who may have which, and where the debts stay."""

from __future__ import annotations

from datetime import date

import pytest

from tests.factories import repairs
from tests.factories.people import FACTORY
from tests.factories.repairs import DAY, at, sunday
from webapp.database import transaction
from webapp.kernel.errors import Conflict, Invalid
from webapp.people.models import Organisation, Payee
from webapp.programs.repairs import drafting, fleet, queries
from webapp.programs.repairs.models import DriverLease


def test_a_lease_may_not_take_repairs(fleet_of: Organisation) -> None:
    kept = repairs.lease(repairs.driver(fleet_of), takes_repairs=False)
    with pytest.raises(Invalid, match="not charged to the driver"):
        repairs.draft(kept)
    with transaction():
        why = drafting.may_be_charged(
            organisation_id=fleet_of.id, lease_id=kept.id, vehicle_id=kept.vehicle.id, invoice_date=DAY
        )
    assert "not charged" in why


def test_vehicles_and_drivers_have_one_lease_at_a_time(
    fleet_of: Organisation, ann: Payee, lease: DriverLease
) -> None:
    ben = repairs.driver(fleet_of)
    with pytest.raises(Conflict, match=lease.reference):
        repairs.lease(ann)
    with pytest.raises(Conflict, match=lease.reference):
        repairs.lease(ben, vehicle_id=lease.vehicle.id)
    shared = repairs.vehicle(fleet_of).id
    repairs.lease(ben, vehicle_id=shared, shift="day")
    assert repairs.lease(repairs.driver(fleet_of), vehicle_id=shared, shift="night").id
    with pytest.raises(Conflict):
        repairs.lease(repairs.driver(fleet_of), vehicle_id=shared, shift="day")


def test_the_debt_stays_when_the_vehicle_changes(
    fleet_of: Organisation, ann: Payee, lease: DriverLease
) -> None:
    row = repairs.repair(lease)
    other = repairs.vehicle(fleet_of)
    with transaction():
        fleet.swap_vehicle(
            organisation_id=fleet_of.id, lease_id=lease.id, vehicle_id=other.id, from_on=date(2025, 10, 3),
            actor=FACTORY, now=at(DAY),
        )  # fmt: skip
    assert repairs.run(fleet_of, sunday(0)).posted == 1
    assert queries.open_charges(fleet_of.id, ann.id)[0].amount_minor == 200_00
    with pytest.raises(Invalid, match="was not on this lease"):
        repairs.draft(lease, vehicle_id=row.vehicle_id, invoice_date=date(2025, 10, 3))
    assert repairs.draft(lease, invoice_date=date(2025, 10, 3)).vehicle_id == other.id
