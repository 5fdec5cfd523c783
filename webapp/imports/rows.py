"""What importers share that go row by row: rows are known by their reference, and each is stored once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from webapp.imports.cells import Cells
from webapp.imports.columns import Mapped, Row
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Invalid
from webapp.people.models import Organisation


class RowImport:
    """Applies rows one by one; `seen` has those that were stored, by what tells them apart."""

    def __init__(self, organisation: Organisation, mapped: Mapped, actor: Actor, now: datetime) -> None:
        self.organisation, self.mapped, self.actor, self.now = organisation, mapped, actor, now
        self.seen: dict[Any, Row] = {}
        self.remarks: list[tuple[str, int]] = []

    def is_repeat(self, row: Row) -> bool:
        """Every row is one of its own."""
        return False

    def check(self, row: Row) -> tuple[Invalid, ...]:
        """What is wrong with the cells of a row, one error for each."""
        cells = Cells(row)
        self.look(row, cells)
        return cells.errors

    def look(self, row: Row, cells: Cells) -> object:
        """Read a row to the end; errors stay with the cells."""
        raise NotImplementedError


class ReferenceImport(RowImport):
    """Those that the file repeats are refused, those that are stored are compared."""

    def remember(self, row: Row) -> None:
        """Stored by an earlier turn."""
        self.seen[row["external_ref"]] = row

    def apply(self, row: Row) -> str:
        """Store one row; answers created, updated or unchanged. Raises PaydeskError."""
        outcome = self.store(row, Cells(row))
        self.seen[row["external_ref"]] = row
        return outcome

    def store(self, row: Row, cells: Cells) -> str:
        """Read a row and store it. Raises PaydeskError."""
        raise NotImplementedError

    def wanted(self, rows: Sequence[Row]) -> set[str]:
        """The references that rows name."""
        return {row["external_ref"] for row in rows} - {""}

    def reference(self, row: Row, cells: Cells, example: str) -> str:
        """The row's own reference; what is wrong with it is kept with the cells."""
        reference = row["external_ref"]
        if not reference:
            reason = "There is no reference; without one a second import cannot find it."
            cells.add(Invalid("external_ref", reason, example))
        elif len(reference) > 120:
            cells.add(Invalid("external_ref", "Write at most 120 characters.", example))
        elif reference in self.seen:
            reason = f"Line {self.seen[reference].line} has the same reference."
            cells.add(Invalid("external_ref", reason, "another one for each row"))
        return reference
