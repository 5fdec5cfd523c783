"""Deals from a file, each with the touch of the partner who brought it.

New ones are stored together, a chunk at a time, with their shares and commissions; what changed of one that is there is
done as a person would do it, one act after the other, so that what was paid already is corrected.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import select

from webapp.database import db, insert_many
from webapp.imports import naming, values
from webapp.imports.cells import Cells, Neutral, same
from webapp.imports.columns import Mapped, Row
from webapp.imports.rows import ReferenceImport
from webapp.kernel.actor import Actor
from webapp.kernel.clock import end_of_day, local_date, start_of_day
from webapp.kernel.errors import Invalid
from webapp.kernel.ids import digest
from webapp.people.models import Organisation
from webapp.people.numbers import next_numbers
from webapp.programs.partners import attributing, deals, earning, locking, trail
from webapp.programs.partners.drafts import DealDraft, TouchDraft
from webapp.programs.partners.importing import found
from webapp.programs.partners.models import Deal, Touchpoint
from webapp.programs.partners.states import DealState, TouchType

_NEUTRAL: Neutral[DealDraft] = {
    "name": same(name="-"),
    "customer": same(customer=""),
    "product": same(product=""),
    "currency": same(currency="USD"),
    "amount": same(amount_minor=0),
    "external_ref": same(external_ref=None),
}
_WORDS = {
    DealState.OPEN: ("", "open", "engaging", "prospecting", "new", "qualified", "proposal", "negotiation"),
    DealState.WON: ("won", "closed won", "closedwon"),
    DealState.LOST: ("lost", "closed lost", "closedlost"),
}
#: The most that a reference takes of that of its touch.
_LONGEST = 110
REASON = "The list that was brought in has it so."
NO_TOUCH = "There is no first day, so the partner has no touch and no share of the deal; line"
NOT_CLOSED = "The day of the close of a deal that is open is not kept; line"
FROZEN = "A payout pays for the deal already, so no touch was added; line"


@dataclass(frozen=True)
class Said:
    """A deal as a row describes it. Without a day on which it began it began now, or on the day of its close."""

    draft: DealDraft
    state: DealState
    payee_id: int | None
    touch: str
    opened_on: date | None
    closed_on: date | None
    closed_at: datetime | None


def touch_ref(reference: str) -> str:
    """The reference of the touch that a row of deals makes."""
    return f"deal:{reference}"


class DealImport(ReferenceImport):
    """A list says how deals stand; columns that it lacks keep what is stored."""

    def __init__(self, organisation: Organisation, mapped: Mapped, actor: Actor, now: datetime) -> None:
        super().__init__(organisation, mapped, actor, now)
        self.here, self.timezone = organisation.id, organisation.timezone
        self.partners = found.partners(organisation.id)
        self.programs = found.programs(organisation.id)
        self.stored: dict[str, Deal] = {}
        self.touches: dict[str, Touchpoint] = {}
        self.new: list[Said] = []

    def prepare(self, rows: Sequence[Row]) -> None:
        """The stored deals that these rows are about, with the touches that rows of deals made."""
        self.new = []
        wanted = self.wanted(rows)
        query = select(Deal).where(Deal.organisation_id == self.here, Deal.external_ref.in_(wanted))
        locking.alone(self.here)
        self.stored = {row.external_ref or "": row for row in db.session.scalars(query)}
        refs = [touch_ref(reference) for reference in self.stored]
        touches = select(Touchpoint).where(
            Touchpoint.organisation_id == self.here, Touchpoint.external_ref.in_(refs)
        )
        self.touches = {row.external_ref or "": row for row in db.session.scalars(touches)}

    def store(self, row: Row, cells: Cells) -> str:
        """Store one row; answers created, updated or unchanged. Raises PaydeskError."""
        said = self.look(row, cells)
        cells.finish()
        self._remark(row, said)
        existing = self.stored.get(row["external_ref"])
        if existing is None:
            self.new.append(said)
            return "created"
        return "updated" if _Change(self, existing, said, row).make() else "unchanged"

    def _remark(self, row: Row, said: Said) -> None:
        if said.payee_id is not None and said.opened_on is None:
            self.remarks.append((NO_TOUCH, row.line))
        if said.state is DealState.OPEN and row["closed_on"]:
            self.remarks.append((NOT_CLOSED, row.line))

    def look(self, row: Row, cells: Cells) -> Said:
        """The deal that a row describes."""
        reference = self.reference(row, cells, "D-100")
        if len(reference) > _LONGEST:
            cells.add(Invalid("external_ref", f"Write at most {_LONGEST} characters.", "D-100"))
        existing = self.stored.get(reference)
        state = cells.read(DealState.OPEN, self._state, row, existing)
        opened_on = cells.read(None, found.day, "opened_on", row["opened_on"], self.now, self.timezone)
        closed_on = None
        if state is not DealState.OPEN:
            closed_on = cells.read(None, found.day, "closed_on", row["closed_on"], self.now, self.timezone)
            is_known = existing is not None and existing.state == state
            self._check_close(opened_on, closed_on, cells, is_known=is_known)
        said = Said(
            draft=self._draft(row, existing, state, opened_on or closed_on, cells),
            state=state,
            payee_id=cells.read(None, self._partner, row["partner"]),
            touch=cells.read("", found.word, "touch", row["touch"], TouchType, TouchType.REFERRAL),
            opened_on=opened_on,
            closed_on=closed_on,
            closed_at=end_of_day(closed_on, self.timezone, self.now) if closed_on else None,
        )
        cells.examine(said.draft, DealDraft.check, _NEUTRAL)
        if existing is not None:
            self._compare(existing, said, cells)
        return said

    def _check_close(
        self, opened_on: date | None, closed_on: date | None, cells: Cells, *, is_known: bool
    ) -> None:
        if closed_on is None and is_known:
            return
        if closed_on is None:
            cells.add(
                Invalid("closed_on", "A deal that is won or lost has the day of its close.", "2026-02-10")
            )
        elif opened_on is not None and closed_on < opened_on:
            cells.add(Invalid("closed_on", "The deal closes before it began.", opened_on.isoformat()))

    def _draft(
        self, row: Row, existing: Deal | None, state: DealState, began: date | None, cells: Cells
    ) -> DealDraft:
        home = existing.currency if existing else self.organisation.currency
        currency = cells.read(home, values.parse_currency, row["currency"], home)
        customer = self._text("customer", row, existing)
        product = self._text("product", row, existing)
        name = row["name"] or (existing.name if existing else f"{customer} {product}".strip()[:200])
        amount_minor = cells.read(0, self._amount, row, existing, state, currency)
        program_id = existing.program_id if existing else 0
        if existing is None or row["program"]:
            program_id = cells.read(program_id, found.program, self.programs, row["program"])
        opened_at = existing.opened_at if existing else self.now
        if began is not None and (existing is None or not self._is_day(existing.opened_at, began)):
            opened_at = start_of_day(began, self.timezone)
        return DealDraft(
            program_id=program_id,
            name=name or row["external_ref"] or "-",
            currency=currency,
            amount_minor=amount_minor,
            opened_at=opened_at,
            customer=customer,
            product=product,
            registered_by_id=existing.registered_by_id if existing else None,
            external_ref=row["external_ref"],
        )

    def _is_day(self, at: datetime | None, day: date | None) -> bool:
        return at is not None and local_date(at, self.timezone) == day

    def _text(self, name: str, row: Row, existing: Deal | None) -> str:
        if existing is None or self.mapped.has(name):
            return row[name]
        return str(getattr(existing, name))

    def _state(self, row: Row, existing: Deal | None) -> DealState:
        if existing is not None and not self.mapped.has("state"):
            return DealState(existing.state)
        said = " ".join(row["state"].casefold().replace("_", " ").replace("-", " ").split())
        for state, words in _WORDS.items():
            if said in words:
                return state
        known = "open, won, lost"
        raise Invalid("state", f"{row['state'][:40]!r} is no state of a deal ({known}).", "won")

    def _amount(self, row: Row, existing: Deal | None, state: DealState, currency: str) -> int:
        if row["amount"]:
            minor = naming.amount("amount", row["amount"], currency, "5,000.00")
            # Lists write nothing as the value of a deal that was lost; what it was about is kept.
            is_unsaid = state is DealState.LOST and not minor
            return existing.amount_minor if existing is not None and is_unsaid else minor
        if existing is not None:
            return existing.amount_minor
        if state is DealState.WON:
            raise Invalid("amount", "A deal that is won has an amount.", "5,000.00")
        return 0

    def _partner(self, said: str) -> int | None:
        return found.partner(self.partners, said) if said else None

    def _compare(self, existing: Deal, said: Said, cells: Cells) -> None:
        """What a list cannot change of a deal that is there."""
        is_won = existing.state == DealState.WON
        if is_won and said.state is DealState.OPEN:
            cells.add(Invalid("state", f"{existing.reference} is won; a list does not open it again.", "won"))
        day = existing.closed_at and local_date(existing.closed_at, self.timezone)
        if existing.state == said.state and said.closed_on is not None and said.closed_on != day:
            reason = f"{existing.reference} closed on {day}; a list does not change it."
            cells.add(Invalid("closed_on", reason, str(day)))
        touch = self.touches.get(touch_ref(existing.external_ref or ""))
        if touch is not None and said.payee_id not in (None, touch.payee_id):
            reason = f"{existing.reference} has another partner's touch; a list does not change it."
            cells.add(Invalid("partner", reason))

    def finish(self) -> None:
        """Store the new deals of the chunk: with their touches, shares and commissions."""
        if not self.new:
            return
        ids = self._insert()
        touches = [
            self._touch(ids[said.draft.external_ref or ""], said)
            for said in self.new
            if said.payee_id is not None and said.opened_on is not None
        ]
        insert_many(db.session(), Touchpoint, touches)
        deal_ids = sorted(ids.values())
        attributing.recompute(self.here, deal_ids, self.now)
        won = [ids[said.draft.external_ref or ""] for said in self.new if said.state is DealState.WON]
        told = digest([[s.draft.external_ref, s.state.value, s.draft.amount_minor] for s in self.new])
        changes = {"deals": [None, len(ids)], "touches": [None, len(touches)], "digest": [None, told]}
        label = f"{self.new[0].draft.external_ref} to {self.new[-1].draft.external_ref}"
        trail.record_many("deal", "imported", self.here, label, self.actor, self.now, changes)
        earning.settle(
            organisation_id=self.here, deal_ids=sorted(won), reason="The deal was won.", actor=self.actor, now=self.now
        )  # fmt: skip
        self.new = []

    def _insert(self) -> dict[str, int]:
        """The new deals; answers their ids by reference."""
        numbers = next_numbers(self.here, "DL", 6, len(self.new))
        rows = [
            {
                **deals.values_of(said.draft),
                "organisation_id": self.here,
                "reference": number,
                "external_ref": said.draft.external_ref,
                "state": said.state.value,
                "closed_at": said.closed_at,
                "reason": REASON if said.state is DealState.LOST else "",
                "created_by_id": self.actor.user_id,
                "created_by_label": self.actor.label,
                "created_at": self.now,
                "version": 1,
            }
            for number, said in zip(numbers, self.new, strict=True)
        ]
        made = insert_many(db.session(), Deal, rows, returning=["id", "external_ref"])
        return {row.external_ref: row.id for row in made}

    def _touch(self, deal_id: int, said: Said) -> dict[str, Any]:
        return {
            "organisation_id": self.here,
            "external_ref": touch_ref(said.draft.external_ref or ""),
            "deal_id": deal_id,
            "payee_id": said.payee_id,
            "type": said.touch,
            "weight": 1,
            "happened_at": self.opened_at(said),
            "created_by_label": self.actor.label,
            "created_at": self.now,
        }

    def opened_at(self, said: Said) -> datetime:
        """The instant of the partner's touch: the beginning of the day on which the deal began."""
        return start_of_day(said.opened_on, self.timezone) if said.opened_on else self.now


class _Change:
    """What a row changes of a deal that is there, act by act."""

    def __init__(self, importer: DealImport, deal: Deal, said: Said, row: Row) -> None:
        self.importer, self.deal, self.said, self.row = importer, deal, said, row
        self.common: dict[str, Any] = {
            "organisation_id": importer.here,
            "reference": deal.reference,
            "actor": importer.actor,
            "now": importer.now,
        }

    def make(self) -> bool:
        """Do it all; whether anything was done. Raises PaydeskError."""
        before = self.deal.version
        said, state = self.said, DealState(self.deal.state)
        if state is DealState.LOST and said.state is not DealState.LOST:
            deals.reopen_deal(**self.common)
        if said.state is not DealState.LOST or state is not DealState.LOST:
            reason = REASON if state is DealState.WON else ""
            deals.change_deal(**self.common, draft=said.draft, reason=reason)
        is_touched = self._add_touch()
        if said.state is DealState.WON and state is not DealState.WON and said.closed_at is not None:
            deals.win_deal(**self.common, closed_at=said.closed_at)
        if said.state is DealState.LOST and state is not DealState.LOST:
            deals.lose_deal(**self.common, reason=REASON, closed_at=said.closed_at)
        return is_touched or self.deal.version != before

    def _add_touch(self) -> bool:
        """The touch of the partner, where the list knows the day and it is not there yet."""
        said, key = self.said, touch_ref(self.deal.external_ref or "")
        if said.payee_id is None or said.opened_on is None or key in self.importer.touches:
            return False
        if deals.is_frozen(self.deal.id):
            self.importer.remarks.append((FROZEN, self.row.line))
            return False
        draft = TouchDraft(said.payee_id, said.touch, self.importer.opened_at(said), external_ref=key)
        deals.add_touch(**self.common, draft=draft)
        return True
