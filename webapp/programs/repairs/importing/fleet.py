"""Vehicles, medallions and leases from a file; a lease brings its vehicle and medallion in where they are new."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from webapp.database import db
from webapp.imports import naming, values
from webapp.imports.cells import Cells
from webapp.imports.columns import Mapped, Row
from webapp.imports.payees import key_of_name
from webapp.imports.rows import ReferenceImport, RowImport
from webapp.kernel.actor import Actor
from webapp.kernel.checks import need
from webapp.kernel.errors import Conflict, Invalid
from webapp.kernel.money import Money
from webapp.people.models import Organisation
from webapp.programs.repairs import fleet
from webapp.programs.repairs.drafts import LeaseDraft
from webapp.programs.repairs.importing import found
from webapp.programs.repairs.models import DriverLease, LeaseVehicle, Vehicle
from webapp.programs.repairs.states import Shift

_NO_DAY = date(1900, 1, 1)
_NUMBER = 40


class VehicleImport(RowImport):
    """A vehicle is known by its plate."""

    stored: dict[str, Vehicle]

    def prepare(self, rows: Sequence[Row]) -> None:
        """The vehicles that these rows name."""
        query = select(Vehicle).where(
            Vehicle.organisation_id == self.organisation.id, Vehicle.plate.in_({_plate(row) for row in rows})
        )
        self.stored = {row.plate: row for row in db.session.scalars(query)}

    def remember(self, row: Row) -> None:
        """Stored by an earlier turn."""
        self.seen[_plate(row)] = row

    def apply(self, row: Row) -> str:
        """Store one row; answers created or unchanged. Raises PaydeskError."""
        cells = Cells(row)
        plate = self.look(row, cells)
        cells.finish()
        self.seen[plate] = row
        if plate in self.stored:
            return "unchanged"
        fleet.create_vehicle(
            organisation_id=self.organisation.id, plate=plate, vin=row["vin"], actor=self.actor, now=self.now
        )
        return "created"

    def look(self, row: Row, cells: Cells) -> str:
        """The plate that a row is about."""
        plate = _plate(row)
        cells.read("", need, "plate", plate, _NUMBER, "the plate", "T612345C")
        if plate in self.seen:
            cells.add(Invalid("plate", f"Line {self.seen[plate].line} has the same plate.", "T612346C"))
        if len(row["vin"]) > _NUMBER:
            cells.add(Invalid("vin", f"Write at most {_NUMBER} characters.", "1FTBR1Y80PKA00001"))
        if (known := self.stored.get(plate)) is not None and row["vin"]:
            vin = known.vin or ""
            found.refuse_changes(plate, {"vin": (vin, row["vin"].upper(), vin)}, cells)
        return plate


def _plate(row: Row) -> str:
    return row["plate"].upper()


class MedallionImport(RowImport):
    """A medallion is its number."""

    def __init__(self, organisation: Organisation, mapped: Mapped, actor: Actor, now: datetime) -> None:
        super().__init__(organisation, mapped, actor, now)
        self.known: set[str] = set()

    def prepare(self, rows: Sequence[Row]) -> None:
        """The numbers that are there; a fleet has few."""
        self.known = set(found.medallions(self.organisation.id))

    def is_repeat(self, row: Row) -> bool:
        """A list of trips or leases names a medallion many times."""
        return bool(row["number"]) and key_of_name(row["number"]) in self.seen

    def remember(self, row: Row) -> None:
        """Stored by an earlier turn."""
        self.seen[key_of_name(row["number"])] = row

    def apply(self, row: Row) -> str:
        """Store one row; answers created or unchanged. Raises PaydeskError."""
        cells = Cells(row)
        number = self.look(row, cells)
        cells.finish()
        self.remember(row)
        if key_of_name(number) in self.known:
            return "unchanged"
        fleet.create_medallion(
            organisation_id=self.organisation.id, number=number, actor=self.actor, now=self.now
        )
        return "created"

    def look(self, row: Row, cells: Cells) -> str:
        """The number that a row is about."""
        return cells.read("", need, "number", row["number"], _NUMBER, "the medallion's number", "5Y21")


@dataclass(frozen=True)
class _Leased:
    """A lease as a row describes it, before its vehicle and medallion are found or made."""

    payee_id: int
    weekly_minor: int
    shift: str
    takes_repairs: bool
    starts_on: date
    ends_on: date | None


class LeaseImport(ReferenceImport):
    """A lease that is there stays as it is: it ends, and gets another vehicle, on its page."""

    stored: dict[str, DriverLease]

    def __init__(self, organisation: Organisation, mapped: Mapped, actor: Actor, now: datetime) -> None:
        super().__init__(organisation, mapped, actor, now)
        self.drivers = found.drivers(organisation.id)
        self.vehicles: dict[str, int] = {}
        self.medallions: dict[str, int] = {}

    def prepare(self, rows: Sequence[Row]) -> None:
        """The stored leases that these rows are about; and the fleet, to which rows add that may be taken back."""
        here = self.organisation.id
        self.vehicles = {name: next(iter(ids)) for name, ids in found.vehicles(here).items()}
        self.medallions = {name: next(iter(ids)) for name, ids in found.medallions(here).items()}
        query = (
            select(DriverLease)
            .where(
                DriverLease.organisation_id == self.organisation.id,
                DriverLease.external_ref.in_(self.wanted(rows)),
            )
            .options(selectinload(DriverLease.vehicles).joinedload(LeaseVehicle.vehicle))
        )
        self.stored = {row.external_ref or "": row for row in db.session.scalars(query)}

    def store(self, row: Row, cells: Cells) -> str:
        """Store one row; answers created or unchanged. Raises PaydeskError."""
        said = self.look(row, cells)
        cells.finish()
        if row["external_ref"] in self.stored:
            return "unchanged"
        vehicle_id, medallion_id = self._vehicle(row), self._medallion(row["medallion"])
        draft = LeaseDraft(
            payee_id=said.payee_id,
            vehicle_id=vehicle_id,
            weekly_minor=said.weekly_minor,
            starts_on=said.starts_on,
            ends_on=said.ends_on,
            medallion_id=medallion_id,
            shift=said.shift,
            takes_repairs=said.takes_repairs,
            external_ref=row["external_ref"],
        )
        fleet.create_lease(organisation_id=self.organisation.id, draft=draft, actor=self.actor, now=self.now)
        # Only now: a lease that is refused takes its vehicle and medallion with it.
        self.vehicles[key_of_name(row["plate"])] = vehicle_id
        if medallion_id is not None:
            self.medallions[key_of_name(row["medallion"])] = medallion_id
        return "created"

    def look(self, row: Row, cells: Cells) -> _Leased:
        """The lease that a row describes."""
        reference = self.reference(row, cells, "L-1")
        cells.read("", need, "plate", row["plate"], _NUMBER, "the plate", "T612345C")
        for name in ("vin", "medallion"):
            if len(row[name]) > _NUMBER:
                cells.add(Invalid(name, f"Write at most {_NUMBER} characters."))
        currency = self.organisation.currency
        said = _Leased(
            payee_id=cells.read(0, found.driver, self.drivers, row["driver"]),
            weekly_minor=cells.read(0, naming.amount, "weekly", row["weekly"], currency, "500.00"),
            shift=cells.read(Shift.FULL.value, _shift, row["shift"]),
            takes_repairs=cells.read(True, values.parse_yes, "takes_repairs", row["takes_repairs"], True),
            starts_on=cells.read(None, values.parse_day, "starts_on", row["starts_on"]) or _NO_DAY,
            ends_on=cells.read(None, values.parse_day, "ends_on", row["ends_on"]),
        )
        if said.starts_on == _NO_DAY:
            cells.add(Invalid("starts_on", "There is no day.", "2026-01-04"))
        elif said.ends_on is not None and said.ends_on < said.starts_on:
            cells.add(Invalid("ends_on", "It ends before it begins.", said.starts_on.isoformat()))
        if (stored := self.stored.get(reference)) is not None:
            self._compare(stored, said, row, cells)
        return said

    def _compare(self, stored: DriverLease, said: _Leased, row: Row, cells: Cells) -> None:
        weekly = Money(stored.weekly_minor, stored.currency).plain
        plates = {each.vehicle.plate for each in stored.vehicles}
        differs: dict[str, tuple[object, object, str]] = {
            "driver": (stored.payee_id, said.payee_id, "another driver"),
            "plate": (True, row["plate"].upper() in plates, ", ".join(sorted(plates))),
            "weekly": (stored.weekly_minor, said.weekly_minor, weekly),
            "starts_on": (stored.starts_on, said.starts_on, stored.starts_on.isoformat()),
        }
        if self.mapped.has("ends_on"):
            ends = stored.ends_on.isoformat() if stored.ends_on else ""
            differs["ends_on"] = (stored.ends_on, said.ends_on, ends)
        if self.mapped.has("shift"):
            differs["shift"] = (stored.shift, said.shift, Shift(stored.shift).label)
        if self.mapped.has("takes_repairs"):
            yes = "yes" if stored.takes_repairs else "no"
            differs["takes_repairs"] = (stored.takes_repairs, said.takes_repairs, yes)
        found.refuse_changes(stored.reference, differs, cells)

    def _vehicle(self, row: Row) -> int:
        """The vehicle of the plate; a new one where there is none. Raises Invalid, Conflict."""
        key = key_of_name(row["plate"])
        ident = self.vehicles.get(key)
        if ident is None:
            made = fleet.create_vehicle(
                organisation_id=self.organisation.id, plate=row["plate"], vin=row["vin"], actor=self.actor, now=self.now
            )  # fmt: skip
            return made.id
        if row["vin"] and self.vehicles.get(key_of_name(row["vin"]), ident) != ident:
            raise Conflict(f"{row['vin']} is the VIN of another vehicle than {row['plate']}.")
        return ident

    def _medallion(self, number: str) -> int | None:
        if not number:
            return None
        ident = self.medallions.get(key_of_name(number))
        if ident is not None:
            return ident
        return fleet.create_medallion(
            organisation_id=self.organisation.id, number=number, actor=self.actor, now=self.now
        ).id


def _shift(text: str) -> str:
    """The part of the day that a lease is for; day and night for an empty cell. Raises Invalid."""
    if not text:
        return Shift.FULL.value
    for each in Shift:
        if text.casefold() in (each.value, each.label.casefold()):
            return each.value
    known = ", ".join(each.value for each in Shift)
    raise Invalid("shift", f"{text[:40]!r} is no part of the day ({known}).", Shift.DAY.value)
