"""Tenants from a file."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from webapp.database import db
from webapp.imports.cells import Cells, Neutral, same
from webapp.imports.columns import Row
from webapp.imports.rows import ReferenceImport
from webapp.programs.rentals import letting
from webapp.programs.rentals.drafts import TenantDraft
from webapp.programs.rentals.models import Tenant

_NEUTRAL: Neutral[TenantDraft] = {"name": same(name="-"), "email": same(email=""), "phone": same(phone="")}


class TenantImport(ReferenceImport):
    """Applies rows one by one; columns that the file lacks keep what is stored."""

    stored: dict[str, Tenant]

    def prepare(self, rows: Sequence[Row]) -> None:
        """The stored tenants that these rows are about."""
        query = select(Tenant).where(
            Tenant.organisation_id == self.organisation.id, Tenant.external_ref.in_(self.wanted(rows))
        )
        self.stored = {row.external_ref or "": row for row in db.session.scalars(query)}

    def store(self, row: Row, cells: Cells) -> str:
        """Store one row. Raises PaydeskError."""
        draft = self.look(row, cells)
        cells.finish()
        existing = self.stored.get(row["external_ref"])
        outcome = "created"
        if existing is None:
            letting.create_tenant(
                organisation_id=self.organisation.id, draft=draft, actor=self.actor, now=self.now
            )
        else:
            before = existing.version
            letting.change_tenant(
                organisation_id=self.organisation.id, reference=existing.reference, draft=draft,
                actor=self.actor, now=self.now,
            )  # fmt: skip
            outcome = "unchanged" if existing.version == before else "updated"
        return outcome

    def look(self, row: Row, cells: Cells) -> TenantDraft:
        """The tenant that a row describes."""
        reference = self.reference(row, cells, "T-1")
        existing = self.stored.get(reference)

        def text(name: str) -> str:
            is_kept = existing is not None and not self.mapped.has(name)
            return str(getattr(existing, name)) if is_kept else row[name]

        draft = TenantDraft(text("name"), text("email"), text("phone"), reference)
        cells.examine(draft, TenantDraft.check, _NEUTRAL)
        return draft
