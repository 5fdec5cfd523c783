"""Touches from a file: what partners did for deals. A touch that is there stays as it is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import select

from webapp.database import among, db, insert_many
from webapp.imports import naming
from webapp.imports.cells import Cells, Neutral, same
from webapp.imports.columns import Mapped, Row
from webapp.imports.rows import ReferenceImport
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Invalid
from webapp.kernel.ids import digest
from webapp.people.models import Organisation
from webapp.programs.partners import attributing, earning, editors, locking, trail
from webapp.programs.partners.drafts import TouchDraft
from webapp.programs.partners.importing import found
from webapp.programs.partners.models import Attribution, Deal, Touchpoint
from webapp.programs.partners.states import TouchType

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
_NEUTRAL: Neutral[TouchDraft] = {"weight": same(weight=1), "external_ref": same(external_ref=None)}


class TouchImport(ReferenceImport):
    """New touches are stored together, a chunk at a time; then who has which share of their deals is worked out."""

    def __init__(self, organisation: Organisation, mapped: Mapped, actor: Actor, now: datetime) -> None:
        super().__init__(organisation, mapped, actor, now)
        self.here, self.timezone = organisation.id, organisation.timezone
        self.partners = found.partners(organisation.id)
        self.deals: dict[str, Deal] = {}
        self.frozen: set[int] = set()
        self.stored: dict[str, Touchpoint] = {}
        self.new: list[tuple[int, TouchDraft]] = []

    def prepare(self, rows: Sequence[Row]) -> None:
        """The deals and stored touches that these rows are about."""
        self.new = []
        # Nobody wins, loses or pays for deals until the touches are stored: what they earn is worked out by how they
        # stand now.
        locking.alone(self.here)
        self.deals = found.deals(self.here, [row["deal"] for row in rows])
        ids = sorted({deal.id for deal in self.deals.values()})
        afresh = select(Deal).where(Deal.organisation_id == self.here, among(Deal.id, ids))
        db.session.scalars(afresh.execution_options(populate_existing=True)).all()
        self.frozen = _frozen(ids)
        query = select(Touchpoint).where(
            Touchpoint.organisation_id == self.here, Touchpoint.external_ref.in_(self.wanted(rows))
        )
        self.stored = {row.external_ref or "": row for row in db.session.scalars(query)}

    def store(self, row: Row, cells: Cells) -> str:
        """Store one row; answers created or unchanged. Raises PaydeskError."""
        deal_id, draft = self.look(row, cells)
        cells.finish()
        if row["external_ref"] in self.stored:
            return "unchanged"
        self.new.append((deal_id, draft))
        return "created"

    def look(self, row: Row, cells: Cells) -> tuple[int, TouchDraft]:
        """The deal and the touch that a row describes."""
        reference = self.reference(row, cells, "T-100")
        deal_id = cells.read(0, self._deal, row["deal"])
        draft = TouchDraft(
            payee_id=cells.read(0, found.partner, self.partners, row["partner"]),
            type=cells.read(
                TouchType.OTHER.value,
                found.word,
                "touch_type",
                row["touch_type"],
                TouchType,
                TouchType.REFERRAL,
            ),
            happened_at=cells.read(
                _NEVER, found.moment, "happened_at", row["happened_at"], self.now, self.timezone
            ),
            weight=cells.read(1, _weight, row["weight"]),
            external_ref=reference,
        )
        cells.examine(draft, TouchDraft.check, _NEUTRAL)
        stored = self.stored.get(reference)
        if stored is not None:
            self._compare(stored, deal_id, draft, cells)
        elif deal_id in self.frozen:
            reason = (
                "A payout pays for this deal already: who has which share of it does not change any more."
            )
            cells.add(Invalid("deal", reason))
        return deal_id, draft

    def _deal(self, said: str) -> int:
        if not said:
            raise Invalid("deal", "There is no deal.", "D-100")
        deal = self.deals.get(said)
        if deal is None:
            raise Invalid("deal", f"There is no deal {said[:80]!r}. Bring the deals in first.", "D-100")
        return deal.id

    def _compare(self, stored: Touchpoint, deal_id: int, draft: TouchDraft, cells: Cells) -> None:
        said = {"deal": deal_id, "partner": draft.payee_id, "touch_type": draft.type}
        kept = {"deal": stored.deal_id, "partner": stored.payee_id, "touch_type": stored.type}
        for name, value in said.items():
            if value != kept[name]:
                words = f"The touch {stored.external_ref!r} is there already, as another one."
                cells.add(Invalid(name, f"{words} A list does not change it."))

    def finish(self) -> None:
        """Store the new touches of the chunk, and what their deals' partners have by them."""
        if not self.new:
            return
        deal_ids = sorted({deal_id for deal_id, _ in self.new})
        rows = [
            {
                "organisation_id": self.here,
                "external_ref": draft.external_ref,
                "deal_id": deal_id,
                "payee_id": draft.payee_id,
                "type": draft.type,
                "weight": draft.weight,
                "happened_at": draft.happened_at,
                "created_by_label": self.actor.label,
                "created_at": self.now,
            }
            for deal_id, draft in self.new
        ]
        insert_many(db.session(), Touchpoint, rows)
        editors.remember(deal_ids, self.actor)
        attributing.recompute(self.here, deal_ids, self.now)
        told = digest([[draft.external_ref, deal_id, draft.payee_id] for deal_id, draft in self.new])
        label = f"{rows[0]['external_ref']} to {rows[-1]['external_ref']}"
        changes = {"touches": [None, len(rows)], "deals": [None, len(deal_ids)], "digest": [None, told]}
        trail.record_many("touch", "imported", self.here, label, self.actor, self.now, changes)
        earning.settle(
            organisation_id=self.here, deal_ids=deal_ids, reason="Touches were added.", actor=self.actor, now=self.now
        )  # fmt: skip
        self.new = []


def _frozen(deal_ids: Sequence[int]) -> set[int]:
    """Deals whose shares a payout has frozen."""
    frozen = select(Attribution.deal_id).where(among(Attribution.deal_id, deal_ids), Attribution.is_frozen)
    return set(db.session.scalars(frozen))


def _weight(text: str) -> int:
    if not text:
        return 1
    value = naming.number("weight", text, "1")
    if value != value.to_integral_value() or abs(value) > 10_000_000:
        raise Invalid("weight", "A weight is a whole number from 0 to 1,000,000.", "1")
    return int(value)
