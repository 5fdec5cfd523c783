"""Drivers' leases: who drives what, for how much a week; begun, ended, with another vehicle."""

from __future__ import annotations

from webapp.api import paging, repairs_queries
from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.resources.acts import act_of
from webapp.api.resources.amounts import minor_in
from webapp.api.resources.fleet_words import lease_of
from webapp.api.resources.repair_words import today_of
from webapp.api.schemas.fleet import (
    ChargeableOut,
    ChargeableQuery,
    DriverLeaseCreate,
    DriverLeaseEnd,
    DriverLeaseOut,
    DriverLeasePage,
    DriverLeaseQuery,
    VehicleSwap,
)
from webapp.kernel.clock import utc_now
from webapp.people.access.tokens import Scope
from webapp.programs.repairs import drafting, fleet
from webapp.programs.repairs.drafts import LeaseDraft
from webapp.programs.repairs.models import DriverLease

resource = Resource(
    "driver_leases",
    "/driver-leases",
    title="Leases of drivers",
    about="A driver has one at a time; drivers who share a vehicle by day and night have one each. A driver's token "
    "sees its own.",
)
_read = {"scope": Scope.REPAIRS_READ}
_write = {"scope": Scope.FLEET_WRITE, "answers": DriverLeaseOut}


@resource.get("", summary="List leases of drivers", query=DriverLeaseQuery, answers=DriverLeasePage, **_read)
def index(who: Caller, query: DriverLeaseQuery) -> DriverLeasePage:
    """The leases that match, the newest first."""
    found = repairs_queries.of_driver(
        repairs_queries.leases(who.viewer), DriverLease, who.viewer, query.driver
    )
    found = repairs_queries.narrowed_leases(
        found, who.viewer, plate=query.vehicle, state=query.state, today=today_of(who)
    )
    rows, following = paging.page(found, DriverLease.id, limit=query.limit, cursor=query.cursor)
    return DriverLeasePage(items=[lease_of(row) for row in rows], next_cursor=following)


@resource.get("/<reference>", summary="Get a lease of a driver", answers=DriverLeaseOut, **_read)
def show(who: Caller, reference: str) -> DriverLeaseOut:
    """One lease with every vehicle that was on it."""
    return lease_of(repairs_queries.lease(who.viewer, reference))


@resource.get("/<reference>/chargeable", summary="May a repair be charged under a lease?", query=ChargeableQuery,
              answers=ChargeableOut, scope=Scope.FLEET_READ)  # fmt: skip
def chargeable(who: Caller, reference: str, query: ChargeableQuery) -> ChargeableOut:
    """Whether an invoice for a vehicle, of a day, may be charged to the driver; and if not, why."""
    lease = repairs_queries.lease(who.viewer, reference)
    vehicle = repairs_queries.vehicle(who.organisation_id, query.vehicle) if query.vehicle else lease.vehicle
    day = query.invoice_date or today_of(who)
    why = drafting.may_be_charged(
        organisation_id=who.organisation_id, lease_id=lease.id, vehicle_id=vehicle.id, invoice_date=day
    )
    return ChargeableOut(
        lease=reference, vehicle=vehicle.plate, invoice_date=day, is_chargeable=not why, reason=why
    )


@resource.post("", summary="Lease a vehicle to a driver", body=DriverLeaseCreate, status=201,
               location="/driver-leases/{reference}", **_write)  # fmt: skip
def create(who: Caller, body: DriverLeaseCreate) -> DriverLeaseOut:
    """409 names the lease that the driver or the vehicle has then."""
    medallion = body.medallion and repairs_queries.medallion(who.organisation_id, body.medallion).id
    draft = LeaseDraft(
        payee_id=repairs_queries.driver(who.viewer, body.driver).id,
        vehicle_id=repairs_queries.vehicle(who.organisation_id, body.vehicle).id,
        weekly_minor=minor_in(body.weekly, who.currency, "weekly"),
        starts_on=body.starts_on,
        ends_on=body.ends_on,
        medallion_id=medallion or None,
        shift=body.shift,
        takes_repairs=body.takes_repairs,
        external_ref=body.external_ref,
    )
    made = fleet.create_lease(
        organisation_id=who.organisation_id, draft=draft, actor=who.actor, now=utc_now()
    )
    return lease_of(repairs_queries.lease(who.viewer, made.reference))


@resource.post("/<reference>/end", summary="End a lease of a driver", body=DriverLeaseEnd, **_write)
def end(who: Caller, reference: str, body: DriverLeaseEnd) -> DriverLeaseOut:
    """Its last day. What is left of repairs stays by the week; `/drivers/{reference}/leave` charges it at once."""
    fleet.end_lease(
        lease_id=repairs_queries.lease(who.viewer, reference).id,
        last_day=body.last_day,
        reason=body.reason,
        **act_of(who, body.version),
    )
    return lease_of(repairs_queries.lease(who.viewer, reference))


@resource.post(
    "/<reference>/swap-vehicle", summary="Put another vehicle on a lease", body=VehicleSwap, **_write
)
def swap(who: Caller, reference: str, body: VehicleSwap) -> DriverLeaseOut:
    """From a day on; what the driver owes for the vehicle before stays theirs."""
    fleet.swap_vehicle(
        lease_id=repairs_queries.lease(who.viewer, reference).id,
        vehicle_id=repairs_queries.vehicle(who.organisation_id, body.vehicle).id,
        from_on=body.from_on,
        **act_of(who, body.version),
    )
    return lease_of(repairs_queries.lease(who.viewer, reference))
