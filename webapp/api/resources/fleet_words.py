"""Vehicles and leases as the API says them."""

from __future__ import annotations

from webapp.api.schemas.common import Amount, PayeeRef
from webapp.api.schemas.fleet import DriverLeaseOut, LeaseVehicleOut
from webapp.programs.repairs.models import DriverLease

_LEASE = ("reference", "external_ref", "shift", "takes_repairs", "starts_on", "ends_on", "end_reason", "version",
          "created_at")  # fmt: skip


def lease_of(row: DriverLease) -> DriverLeaseOut:
    """A driver's lease with its vehicles."""
    return DriverLeaseOut(
        **{name: getattr(row, name) for name in _LEASE},
        driver=PayeeRef.of(row.payee),
        vehicles=[
            LeaseVehicleOut(plate=each.vehicle.plate, from_on=each.from_on, until_on=each.until_on)
            for each in row.vehicles
        ],
        medallion=row.medallion.number if row.medallion else None,
        weekly=Amount.of(row.weekly_minor, row.currency),
    )
