"""Customers from a file."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from webapp.database import db
from webapp.imports.cells import Cells, Neutral, same
from webapp.imports.columns import Row
from webapp.imports.rows import ReferenceImport
from webapp.programs.clinic import customers
from webapp.programs.clinic.drafts import CustomerDraft
from webapp.programs.clinic.models import Customer

_NEUTRAL: Neutral[CustomerDraft] = {"name": same(name="-"), "email": same(email=""), "phone": same(phone="")}


class CustomerImport(ReferenceImport):
    """Columns that the file lacks keep what is stored."""

    stored: dict[str, Customer]

    def prepare(self, rows: Sequence[Row]) -> None:
        """The stored customers that these rows are about."""
        query = select(Customer).where(
            Customer.organisation_id == self.organisation.id, Customer.external_ref.in_(self.wanted(rows))
        )
        self.stored = {row.external_ref or "": row for row in db.session.scalars(query)}

    def store(self, row: Row, cells: Cells) -> str:
        """Store one row. Raises PaydeskError."""
        draft = self.look(row, cells)
        cells.finish()
        existing = self.stored.get(row["external_ref"])
        if existing is None:
            customers.create_customer(
                organisation_id=self.organisation.id, draft=draft, actor=self.actor, now=self.now
            )
            return "created"
        before = existing.version
        customers.change_customer(
            organisation_id=self.organisation.id, reference=existing.reference, draft=draft, actor=self.actor,
            now=self.now,
        )  # fmt: skip
        return "unchanged" if existing.version == before else "updated"

    def look(self, row: Row, cells: Cells) -> CustomerDraft:
        """The customer that a row describes."""
        reference = self.reference(row, cells, "C-1")
        existing = self.stored.get(reference)

        def text(name: str) -> str:
            is_kept = existing is not None and not self.mapped.has(name)
            return str(getattr(existing, name)) if is_kept else row[name]

        draft = CustomerDraft(text("name"), text("email"), text("phone"), reference)
        cells.examine(draft, CustomerDraft.check, _NEUTRAL)
        return draft
