"""Drivers from a file: a list of their own, or a list of trips, in which a licence stands once for each trip."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from webapp.imports.columns import Mapped, Row
from webapp.imports.payees import Key, PayeeImport
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Invalid
from webapp.people.models import Organisation, Role

#: Licences in published lists are keys of 32 letters and digits; a name shows the first of them.
_SHOWN = 8


class DriverImport(PayeeImport):
    """Where the file has no names, a driver is called by the licence until somebody enters the name."""

    def __init__(self, organisation: Organisation, mapped: Mapped, actor: Actor, now: datetime) -> None:
        self.says_names = mapped.has("name")
        if not self.says_names and mapped.has("external_ref"):
            mapped.columns["name"] = mapped.columns["external_ref"]
        super().__init__(organisation, mapped, actor, now, payee_kind=Role.DRIVER.value)

    def is_repeat(self, row: Row) -> bool:
        """In a list of trips a licence comes again with every trip."""
        return (not self.says_names and self._key(row) in self.seen) or super().is_repeat(row)

    def apply(self, row: Row) -> str:
        """Store one row; answers created, updated or unchanged. Raises BadCells, Invalid."""
        return super().apply(self._named(row))

    def check(self, row: Row) -> tuple[Invalid, ...]:
        """What is wrong with the cells of a row, one error for each."""
        return super().check(self._named(row))

    def _named(self, row: Row) -> Row:
        licence = row["external_ref"]
        if self.says_names or not licence:
            return row
        return replace(row, cells={**row.cells, "name": f"Driver {licence[:_SHOWN]}"})

    def _store(self, row: Row, key: Key) -> str:
        if not self.says_names and self._find(key) is not None:
            # The name was entered by a person since.
            return "unchanged"
        return super()._store(row, key)
