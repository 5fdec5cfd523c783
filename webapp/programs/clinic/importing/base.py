"""What the importers of this program share: rows are known by their reference, and each is stored once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from webapp.imports.cells import Cells
from webapp.imports.columns import Mapped, Row
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Invalid
from webapp.people.models import Organisation


class ReferenceImport:
    """Applies rows one by one; those that the file repeats are refused, those that are stored are compared."""

    def __init__(self, organisation: Organisation, mapped: Mapped, actor: Actor, now: datetime) -> None:
        self.organisation, self.mapped, self.actor, self.now = organisation, mapped, actor, now
        self.seen: dict[str, Row] = {}
        self.remarks: list[tuple[str, int]] = []

    def is_repeat(self, row: Row) -> bool:
        """Every row is one of its own."""
        return False

    def remember(self, row: Row) -> None:
        """Stored by an earlier turn."""
        self.seen[row["external_ref"]] = row

    def check(self, row: Row) -> tuple[Invalid, ...]:
        """What is wrong with the cells of a row, one error for each."""
        cells = Cells(row)
        self.look(row, cells)
        return cells.errors

    def apply(self, row: Row) -> str:
        """Store one row; answers created, updated or unchanged. Raises PaydeskError."""
        outcome = self.store(row, Cells(row))
        self.seen[row["external_ref"]] = row
        return outcome

    def wanted(self, rows: Sequence[Row]) -> set[str]:
        """The references that rows name."""
        return {row["external_ref"] for row in rows} - {""}

    def look(self, row: Row, cells: Cells) -> object:
        """Read a row to the end; errors stay with the cells."""
        raise NotImplementedError

    def store(self, row: Row, cells: Cells) -> str:
        """Read a row and store it. Raises PaydeskError."""
        raise NotImplementedError
