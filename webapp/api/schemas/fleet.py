"""Vehicles, medallions and drivers' leases as the API shows and takes them."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field

from webapp.api.schemas.common import (
    Amount,
    AmountIn,
    Day,
    In,
    Instant,
    Out,
    PageQuery,
    PayeeRef,
    Query,
    Reason,
    Text,
    Version,
)
from webapp.api.schemas.repairs import Name, driver_filter, seen, vehicle_filter

ShiftWord = Literal["full", "day", "night"]
LeaseRunsWord = Literal["running", "ended", "coming"]


class VehicleQuery(PageQuery):
    """Which vehicles, and which page of them."""

    search: Text | None = Field(
        None, max_length=120, description="A part of a plate or VIN.", examples=["T61"]
    )


class VehicleOut(Out):
    """A vehicle that drivers lease."""

    plate: str = Field(examples=["T612345C"])
    vin: str | None = Field(examples=["1FADP3F29JL212345"])
    leases: list[str] = Field(
        description="References of the leases that it is on today.", examples=[["LS-0001"]]
    )
    created_at: Instant = Field(examples=["2026-09-01T09:00:00.000Z"])


class VehiclePage(Out):
    """One page of vehicles, the newest first."""

    items: list[VehicleOut]
    next_cursor: str | None = Field(examples=[None])


class VehicleCreate(In):
    """A new vehicle."""

    plate: Text = Field(min_length=1, max_length=40, examples=["T612345C"])
    vin: Text = Field("", max_length=40, examples=["1FADP3F29JL212345"])


class MedallionOut(Out):
    """The licence that a vehicle drives under."""

    number: str = Field(examples=["5Y21"])
    created_at: Instant = Field(examples=["2026-09-01T09:00:00.000Z"])


class MedallionQuery(PageQuery):
    """Which medallions, and which page of them."""

    search: Text | None = Field(None, max_length=120, description="A part of a number.", examples=["5Y"])


class MedallionPage(Out):
    """One page of medallions, the newest first."""

    items: list[MedallionOut]
    next_cursor: str | None = Field(examples=[None])


class MedallionCreate(In):
    """A new medallion."""

    number: Text = Field(min_length=1, max_length=40, examples=["5Y21"])


class LeaseVehicleOut(Out):
    """From when to when a vehicle is on a lease."""

    plate: str = Field(examples=["T612345C"])
    from_on: date = Field(examples=["2026-09-06"])
    until_on: date | None = Field(examples=[None])


class DriverLeaseOut(Out):
    """A driver's contract: so much a week for a vehicle."""

    reference: str = Field(examples=["LS-0001"])
    external_ref: str | None = Field(examples=["MC-118"])
    driver: PayeeRef
    vehicles: list[LeaseVehicleOut] = Field(description="The oldest first.")
    medallion: str | None = Field(examples=["5Y21"])
    shift: ShiftWord = Field(examples=["full"])
    weekly: Amount
    takes_repairs: bool = Field(
        description="Repairs of its vehicle may be charged to the driver.", examples=[True]
    )
    starts_on: date = Field(examples=["2026-09-06"])
    ends_on: date | None = Field(description="Its last day.", examples=[None])
    end_reason: str = Field(examples=[""])
    version: int = Field(examples=[1])
    created_at: Instant = Field(examples=["2026-09-01T09:00:00.000Z"])


class DriverLeasePage(Out):
    """One page of leases, the newest first."""

    items: list[DriverLeaseOut]
    next_cursor: str | None = Field(examples=[None])


class DriverLeaseQuery(PageQuery):
    """Which leases, and which page of them."""

    driver: Text | None = driver_filter
    vehicle: Text | None = vehicle_filter
    state: LeaseRunsWord | None = Field(None, description="As of today.", examples=["running"])


class DriverLeaseCreate(In):
    """A driver's lease of a vehicle that is free."""

    driver: Name = Field(description="Reference.", examples=["PY-0001"])
    vehicle: Name = Field(description="Plate.", examples=["T612345C"])
    medallion: Name | None = Field(None, description="Number.", examples=[None])
    shift: ShiftWord = Field("full", examples=["full"])
    weekly: AmountIn
    takes_repairs: bool = Field(True, examples=[True])
    starts_on: Day = Field(examples=["2026-11-22"])
    ends_on: Day | None = Field(None, description="Its last day, where it is known.", examples=[None])
    external_ref: Name | None = Field(None, description="Your own name for it.", examples=["MC-118"])


class DriverLeaseEnd(In):
    """When a lease ends."""

    last_day: Day = Field(description="Its last week is charged by its days.", examples=["2999-12-31"])
    reason: Reason = Field(examples=["The driver moved away."])
    version: Version | None = seen


class VehicleSwap(In):
    """Another vehicle on a lease; what the driver owes for the one before stays theirs."""

    vehicle: Name = Field(description="Plate.", examples=["T698765C"])
    from_on: Day = Field(description="Its first day.", examples=["2999-12-31"])
    version: Version | None = seen


class ChargeableQuery(Query):
    """Which invoice is meant."""

    vehicle: Text | None = Field(
        None, max_length=120, description="Plate; the one on the lease when left out.", examples=["T612345C"]
    )
    invoice_date: Day | None = Field(None, description="Today when left out.", examples=["2026-11-21"])


class ChargeableOut(Out):
    """Whether a repair may be charged to the driver under a lease."""

    lease: str = Field(description="Reference.", examples=["LS-0001"])
    vehicle: str = Field(description="Plate.", examples=["T612345C"])
    invoice_date: date = Field(examples=["2026-11-21"])
    is_chargeable: bool = Field(examples=[False])
    reason: str = Field(
        description="Why not.", examples=["The vehicle was not on this lease on the day of the invoice."]
    )
