"""What a file of a fleet names, found among what is stored."""

from __future__ import annotations

from sqlalchemy import select

from webapp.imports import naming
from webapp.imports.cells import Cells
from webapp.imports.naming import Names, by_name
from webapp.kernel.errors import Invalid
from webapp.people.models import Role
from webapp.programs.repairs.models import Medallion, Vehicle


def drivers(organisation_id: int) -> Names:
    """The drivers of an organisation by licence (their reference in other systems) and all else they are called."""
    return naming.payees(organisation_id, Role.DRIVER)


def vehicles(organisation_id: int) -> Names:
    """The vehicles, by plate and VIN."""
    query = select(Vehicle.id, Vehicle.plate, Vehicle.vin)
    return by_name(query.where(Vehicle.organisation_id == organisation_id))


def medallions(organisation_id: int) -> Names:
    """The medallions, by number."""
    return by_name(select(Medallion.id, Medallion.number).where(Medallion.organisation_id == organisation_id))


def driver(names: Names, said: str) -> int:
    """The driver who is meant. Raises Invalid when there is none, or several."""
    return naming.one(names, "driver", said, "driver", "D-100")


def refuse_changes(label: str, differs: dict[str, tuple[object, object, str]], cells: Cells) -> None:
    """What a row says otherwise of a record that stays as it is, told at each cell: (stored, said, stored in words)."""
    for name, (stored, said, words) in differs.items():
        if stored != said:
            kept = f"with {words}" if words else "without one"
            reason = f"{label} is stored {kept}; a file does not change it."
            cells.add(Invalid(name, reason, words or None))
