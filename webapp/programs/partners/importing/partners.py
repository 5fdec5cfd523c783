"""Partners from a file: payees with their type, tier and own rate; a list of deals will do, by its names."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from sqlalchemy import select

from webapp.database import db
from webapp.imports import naming
from webapp.imports.cells import BadCells, Cells
from webapp.imports.columns import Mapped, Row
from webapp.imports.payees import Key, PayeeImport
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Invalid
from webapp.people.models import Organisation, Role
from webapp.programs.partners import partners
from webapp.programs.partners.drafts import ProfileDraft, check_rate
from webapp.programs.partners.importing import found
from webapp.programs.partners.models import PartnerProfile
from webapp.programs.partners.states import PartnerType, Tier

_PROFILE = ("partner_type", "tier", "rate")


class PartnerImport(PayeeImport):
    """What a file does not say of a partner stays as it is."""

    def __init__(self, organisation: Organisation, mapped: Mapped, actor: Actor, now: datetime) -> None:
        super().__init__(organisation, mapped, actor, now, payee_kind=Role.PARTNER.value)
        # Held so that asking for one of them costs nothing.
        self.profiles: list[PartnerProfile] = []

    def prepare(self, rows: Sequence[Row]) -> None:
        """The stored partners that these rows are about, with their profiles."""
        super().prepare(rows)
        query = select(PartnerProfile).where(PartnerProfile.payee_id.in_(list(self.stored)))
        self.profiles = list(db.session.scalars(query))

    def check(self, row: Row) -> tuple[Invalid, ...]:
        """What is wrong with the cells of a row, one error for each."""
        cells = Cells(row)
        _draft(row, ProfileDraft(), cells)
        return (*super().check(row), *cells.errors)

    def apply(self, row: Row) -> str:
        """Store one row; answers created, updated or unchanged. Raises BadCells, Invalid."""
        errors = self.check(row)
        if errors:
            raise BadCells(errors)
        return super().apply(row)

    def _store(self, row: Row, key: Key) -> str:
        outcome = super()._store(row, key)
        if self.payee is None or not any(row[name] for name in _PROFILE):
            return outcome
        stored = partners.profile_of(self.payee)
        before = stored.version
        cells = Cells(row)
        draft = _draft(row, ProfileDraft(stored.type, stored.tier, stored.rate_bp), cells)
        cells.finish()
        after = partners.change_profile(
            organisation_id=self.organisation_id, payee_id=self.payee.id, draft=draft, actor=self.actor, now=self.now
        )  # fmt: skip
        return "updated" if outcome == "unchanged" and after.version != before else outcome


def _draft(row: Row, stored: ProfileDraft, cells: Cells) -> ProfileDraft:
    kind, tier = PartnerType(stored.type), Tier(stored.tier)
    return ProfileDraft(
        type=cells.read(kind.value, found.word, "partner_type", row["partner_type"], PartnerType, kind),
        tier=cells.read(tier.value, found.word, "tier", row["tier"], Tier, tier),
        rate_bp=cells.read(stored.rate_bp, _rate, row["rate"]) if row["rate"] else stored.rate_bp,
    )


def _rate(text: str) -> int:
    """Per cent as basis points. Raises Invalid."""
    scaled = naming.number("rate", text.removesuffix("%").strip(), "5") * 100
    if not Decimal(0) <= scaled <= Decimal(10_000) or scaled != int(scaled):
        scaled = Decimal(-1)
    check_rate("rate", int(scaled))
    return int(scaled)
