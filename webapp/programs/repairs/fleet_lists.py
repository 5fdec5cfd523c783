"""Reading vehicles, medallions and leases for admins' lists; rows of plain columns, never writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, cast

from sqlalchemy import Select, exists, or_, select
from sqlalchemy.orm import joinedload

from webapp.database import among, db, like
from webapp.kernel.errors import Invalid, NotFound
from webapp.people.models import Payee, Role
from webapp.people.queries import get_payee
from webapp.programs.repairs.models import DriverLease, LeaseVehicle, Medallion, Vehicle

#: How many names a field offers while it is typed; the others are typed in full.
OFFERED = 500


@dataclass(frozen=True)
class Held:
    """Who has a vehicle or a medallion: a lease and its driver."""

    lease: str
    payee: str
    name: str
    shift: str


def _runs(day: date) -> Any:
    return (DriverLease.starts_on <= day, or_(DriverLease.ends_on.is_(None), DriverLease.ends_on >= day))


def list_vehicles(
    organisation_id: int, text: str = "", use: str = "", day: date | None = None
) -> Select[Any]:
    """(id, plate, vin) of vehicles; `use` is "leased" or "free" on a day."""
    query = cast(
        Select[Any],
        select(Vehicle.id, Vehicle.plate, Vehicle.vin).where(Vehicle.organisation_id == organisation_id),
    )
    if text := text.strip():
        query = query.where(or_(like(Vehicle.plate, text), like(Vehicle.vin, text)))
    if use and day is not None:
        leased = exists().where(LeaseVehicle.vehicle_id == Vehicle.id, *_on_vehicle(day))
        query = query.where(leased if use == "leased" else ~leased)
    return query


def _on_vehicle(day: date) -> Any:
    return (
        LeaseVehicle.from_on <= day,
        or_(LeaseVehicle.until_on.is_(None), LeaseVehicle.until_on >= day),
    )


def list_medallions(organisation_id: int, text: str = "") -> Select[Any]:
    """(id, number) of medallions."""
    query = cast(
        Select[Any],
        select(Medallion.id, Medallion.number).where(Medallion.organisation_id == organisation_id),
    )
    return query.where(like(Medallion.number, text)) if (text := text.strip()) else query


def _held(query: Select[Any], ids: Sequence[int]) -> dict[int, list[Held]]:
    found: dict[int, list[Held]] = {}
    if ids:
        for key, lease, payee, name, shift in db.session.execute(query.order_by(DriverLease.id)):
            found.setdefault(key, []).append(Held(lease, payee, name, shift))
    return found


def holders_of_vehicles(ids: Sequence[int], day: date) -> dict[int, list[Held]]:
    """Vehicle id → the leases that it is on, on a day: two where it is driven by day and by night."""
    query = cast(
        Select[Any],
        (
            select(
                LeaseVehicle.vehicle_id, DriverLease.reference, Payee.reference, Payee.name, DriverLease.shift
            )
            .join(DriverLease, DriverLease.id == LeaseVehicle.lease_id)
            .join(Payee, Payee.id == DriverLease.payee_id)
            .where(among(LeaseVehicle.vehicle_id, list(ids)), *_on_vehicle(day), *_runs(day))
        ),
    )
    return _held(query, ids)


def holders_of_medallions(ids: Sequence[int], day: date) -> dict[int, list[Held]]:
    """Medallion id → the leases that it is on, on a day."""
    query = cast(
        Select[Any],
        (
            select(
                DriverLease.medallion_id,
                DriverLease.reference,
                Payee.reference,
                Payee.name,
                DriverLease.shift,
            )
            .join(Payee, Payee.id == DriverLease.payee_id)
            .where(among(DriverLease.medallion_id, list(ids)), *_runs(day))
        ),
    )
    return _held(query, ids)


def list_leases(
    organisation_id: int, text: str = "", state: str = "", day: date | None = None
) -> Select[Any]:
    """Leases with driver and medallion as columns; `state` is "running", "coming" or "ended" on a day."""
    query = cast(
        Select[Any],
        (
            select(
                DriverLease.id,
                DriverLease.reference,
                DriverLease.shift,
                DriverLease.currency,
                DriverLease.weekly_minor,
                DriverLease.takes_repairs,
                DriverLease.starts_on,
                DriverLease.ends_on,
                Payee.reference.label("payee"),
                Payee.name,
                Medallion.number.label("medallion"),
            )
            .join(Payee, Payee.id == DriverLease.payee_id)
            .outerjoin(Medallion, Medallion.id == DriverLease.medallion_id)
            .where(DriverLease.organisation_id == organisation_id)
        ),
    )
    if text := text.strip():
        on_plate = (
            select(LeaseVehicle.lease_id)
            .join(Vehicle, Vehicle.id == LeaseVehicle.vehicle_id)
            .where(Vehicle.organisation_id == organisation_id, like(Vehicle.plate, text))
        )
        query = query.where(
            or_(
                like(DriverLease.reference, text),
                like(Payee.name, text),
                like(Payee.reference, text),
                like(Medallion.number, text),
                DriverLease.id.in_(on_plate),
            )
        )
    if day is not None and state == "running":
        query = query.where(*_runs(day))
    elif day is not None and state == "coming":
        query = query.where(DriverLease.starts_on > day)
    elif day is not None and state == "ended":
        query = query.where(DriverLease.ends_on < day)
    return query


def plates_of(lease_ids: Sequence[int]) -> dict[int, str]:
    """Lease id → the plate that is on it, or was last."""
    if not lease_ids:
        return {}
    rows = db.session.execute(
        select(LeaseVehicle.lease_id, Vehicle.plate)
        .join(Vehicle, Vehicle.id == LeaseVehicle.vehicle_id)
        .where(among(LeaseVehicle.lease_id, list(lease_ids)))
        .order_by(LeaseVehicle.lease_id, LeaseVehicle.from_on)
    )
    return {row.lease_id: row.plate for row in rows}


def get_lease(organisation_id: int, reference: str) -> DriverLease:
    """A lease by its number, with driver, medallion and vehicles. Raises NotFound."""
    found = db.session.scalars(
        select(DriverLease)
        .where(DriverLease.organisation_id == organisation_id, DriverLease.reference == reference)
        .options(
            joinedload(DriverLease.payee, innerjoin=True),
            joinedload(DriverLease.medallion),
            joinedload(DriverLease.vehicles).joinedload(LeaseVehicle.vehicle, innerjoin=True),
        )
    ).unique()
    row = found.one_or_none()
    if row is None:
        raise NotFound("There is no such lease.")
    return row


def leases_of(organisation_id: int, payee_id: int) -> Sequence[DriverLease]:
    """A driver's leases with their vehicles, the newest first."""
    return (
        db.session.scalars(
            select(DriverLease)
            .where(DriverLease.organisation_id == organisation_id, DriverLease.payee_id == payee_id)
            .options(
                joinedload(DriverLease.medallion),
                joinedload(DriverLease.vehicles).joinedload(LeaseVehicle.vehicle, innerjoin=True),
            )
            .order_by(DriverLease.starts_on.desc(), DriverLease.id.desc())
        )
        .unique()
        .all()
    )


def get_driver(organisation_id: int, reference: str) -> Payee:
    """A driver by their number. Raises NotFound."""
    return get_payee(organisation_id, reference, Role.DRIVER)


def typed_driver(organisation_id: int, typed: str) -> int:
    """The id of the driver whose number was typed. Raises Invalid of the field `driver`."""
    try:
        return get_driver(organisation_id, typed.strip().upper()).id
    except NotFound:
        raise Invalid("driver", "There is no driver with this number.", "PY-0003") from None


def typed_vehicle(organisation_id: int, typed: str) -> int:
    """The id of the vehicle whose plate was typed. Raises Invalid of the field `vehicle`."""
    found = db.session.scalar(
        select(Vehicle.id).where(
            Vehicle.organisation_id == organisation_id, Vehicle.plate == " ".join(typed.split()).upper()
        )
    )
    if found is None:
        raise Invalid("vehicle", "There is no vehicle with this plate; add it first.", "T612345C")
    return found


def typed_medallion(organisation_id: int, typed: str) -> int | None:
    """The same of a medallion; None where nothing was typed. Raises Invalid of the field `medallion`."""
    if not typed.strip():
        return None
    found = db.session.scalar(
        select(Medallion.id).where(
            Medallion.organisation_id == organisation_id, Medallion.number == " ".join(typed.split()).upper()
        )
    )
    if found is None:
        raise Invalid("medallion", "There is no medallion with this number; add it first.", "5Y21")
    return found


def offered_drivers(organisation_id: int) -> list[tuple[str, str]]:
    """(number, name) of drivers, for a field that offers them while it is typed."""
    rows = db.session.execute(
        select(Payee.reference, Payee.name)
        .where(
            Payee.organisation_id == organisation_id,
            Payee.kind == Role.DRIVER.value,
            Payee.is_active.is_(True),
        )
        .order_by(Payee.name, Payee.id)
        .limit(OFFERED)
    )
    return [(reference, name) for reference, name in rows]


def offered_plates(organisation_id: int) -> list[tuple[str, str]]:
    """(plate, VIN) of vehicles, for the same."""
    rows = db.session.execute(
        select(Vehicle.plate, Vehicle.vin)
        .where(Vehicle.organisation_id == organisation_id)
        .order_by(Vehicle.plate)
        .limit(OFFERED)
    )
    return [(plate, vin or "") for plate, vin in rows]


def offered_medallions(organisation_id: int) -> list[tuple[str, str]]:
    """(number, nothing) of medallions, for the same."""
    rows = db.session.scalars(
        select(Medallion.number)
        .where(Medallion.organisation_id == organisation_id)
        .order_by(Medallion.number)
        .limit(OFFERED)
    )
    return [(number, "") for number in rows]
