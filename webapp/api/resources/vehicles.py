"""Vehicles that drivers lease, and who has them."""

from __future__ import annotations

from webapp.api import paging, repairs_queries
from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.resources.repair_words import today_of
from webapp.api.schemas.fleet import VehicleCreate, VehicleOut, VehiclePage, VehicleQuery
from webapp.kernel.clock import utc_now
from webapp.people.access.tokens import Scope
from webapp.programs.repairs import fleet
from webapp.programs.repairs.models import Vehicle

resource = Resource(
    "vehicles", "/vehicles", title="Vehicles", about="Each by its plate, with the leases that it is on today."
)
_read, _write = {"scope": Scope.FLEET_READ}, {"scope": Scope.FLEET_WRITE}


def _out(row: Vehicle, leases: list[str]) -> VehicleOut:
    return VehicleOut(plate=row.plate, vin=row.vin, leases=leases, created_at=row.created_at)


@resource.get("", summary="List vehicles", query=VehicleQuery, answers=VehiclePage, **_read)
def index(who: Caller, query: VehicleQuery) -> VehiclePage:
    """The vehicles that match, the newest first."""
    found = repairs_queries.vehicles(who.organisation_id, (query.search or "").strip())
    rows, following = paging.page(found, Vehicle.id, limit=query.limit, cursor=query.cursor)
    leases = repairs_queries.leases_on([row.id for row in rows], today_of(who))
    return VehiclePage(items=[_out(row, leases.get(row.id, [])) for row in rows], next_cursor=following)


@resource.get("/<plate>", summary="Get a vehicle", answers=VehicleOut, **_read)
def show(who: Caller, plate: str) -> VehicleOut:
    """One vehicle."""
    row = repairs_queries.vehicle(who.organisation_id, plate)
    return _out(row, repairs_queries.leases_on([row.id], today_of(who)).get(row.id, []))


@resource.post("", summary="Add a vehicle", body=VehicleCreate, answers=VehicleOut, status=201,
               location="/vehicles/{plate}", **_write)  # fmt: skip
def create(who: Caller, body: VehicleCreate) -> VehicleOut:
    """A plate or VIN that is there already answers 422."""
    made = fleet.create_vehicle(
        organisation_id=who.organisation_id, plate=body.plate, vin=body.vin, actor=who.actor, now=utc_now()
    )
    return _out(made, [])
