"""Tenants from a file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select

from webapp.database import db
from webapp.imports.cells import Cells, Neutral, same
from webapp.imports.columns import Mapped, Row
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Invalid
from webapp.people.models import Organisation
from webapp.programs.rentals import letting
from webapp.programs.rentals.drafts import TenantDraft
from webapp.programs.rentals.models import Tenant

_NEUTRAL: Neutral[TenantDraft] = {"name": same(name="-"), "email": same(email=""), "phone": same(phone="")}


class TenantImport:
    """Applies rows one by one; columns that the file lacks keep what is stored."""

    def __init__(self, organisation: Organisation, mapped: Mapped, actor: Actor, now: datetime) -> None:
        self.organisation, self.mapped, self.actor, self.now = organisation, mapped, actor, now
        self.seen: dict[str, Row] = {}
        self.remarks: list[tuple[str, int]] = []
        self.stored: dict[str, Tenant] = {}

    def prepare(self, rows: Sequence[Row]) -> None:
        """The stored tenants that these rows are about."""
        wanted = {row["external_ref"] for row in rows} - {""}
        query = select(Tenant).where(
            Tenant.organisation_id == self.organisation.id, Tenant.external_ref.in_(wanted)
        )
        self.stored = {row.external_ref or "": row for row in db.session.scalars(query)}

    def is_repeat(self, row: Row) -> bool:
        """Every row is one of its own."""
        return False

    def remember(self, row: Row) -> None:
        """Stored by an earlier turn."""
        self.seen[row["external_ref"]] = row

    def check(self, row: Row) -> tuple[Invalid, ...]:
        """What is wrong with the cells of a row, one error for each."""
        cells = Cells(row)
        self._read(row, cells)
        return cells.errors

    def apply(self, row: Row) -> str:
        """Store one row; answers created, updated or unchanged. Raises PaydeskError."""
        cells = Cells(row)
        draft = self._read(row, cells)
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
        self.seen[row["external_ref"]] = row
        return outcome

    def _read(self, row: Row, cells: Cells) -> TenantDraft:
        reference = row["external_ref"]
        if not reference:
            reason = "There is no reference; without one a second import cannot find it."
            cells.add(Invalid("external_ref", reason, "T-1"))
        elif len(reference) > 120:
            cells.add(Invalid("external_ref", "Write at most 120 characters.", "T-1"))
        elif reference in self.seen:
            reason = f"Line {self.seen[reference].line} has the same reference."
            cells.add(Invalid("external_ref", reason, "T-2"))
        existing = self.stored.get(reference)

        def text(name: str) -> str:
            is_kept = existing is not None and not self.mapped.has(name)
            return str(getattr(existing, name)) if is_kept else row[name]

        draft = TenantDraft(text("name"), text("email"), text("phone"), reference)
        cells.examine(draft, TenantDraft.check, _NEUTRAL)
        return draft
