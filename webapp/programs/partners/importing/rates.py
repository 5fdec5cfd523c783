"""Exchange rates from a file: one for each currency and day. Another rate for a day is a correction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import select

from webapp.database import db, insert_many
from webapp.imports.cells import Cells, Neutral, same
from webapp.imports.columns import Mapped, Row
from webapp.imports.rows import RowImport
from webapp.imports.values import parse_day
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Invalid
from webapp.kernel.ids import digest
from webapp.people.models import Organisation
from webapp.programs.partners import exchange, exchange_rates, trail
from webapp.programs.partners.exchange_rates import RateDraft
from webapp.programs.partners.models_rates import ExchangeRate

_NEVER = date(1900, 1, 1)
CORRECTED = "Corrected by a list that was brought in."
Key = tuple[str, date]


class RateImport(RowImport):
    """The same rate again changes nothing; what waits for a rate is booked once the list is in."""

    def __init__(self, organisation: Organisation, mapped: Mapped, actor: Actor, now: datetime) -> None:
        super().__init__(organisation, mapped, actor, now)
        self.base = organisation.currency
        self.today = trail.today(organisation.id, now)
        self.stored: dict[Key, ExchangeRate] = {}
        self.used: set[Key] = set()
        self.new: list[RateDraft] = []
        self.is_changed = False
        other = "EUR" if self.base != "EUR" else "USD"
        self.neutral: Neutral[RateDraft] = {
            "currency": same(currency=other),
            "rate": same(rate=Decimal(1)),
            "valid_from": same(valid_from=self.today),
            "note": same(note=""),
        }

    def prepare(self, rows: Sequence[Row]) -> None:
        """The rates of these rows' days."""
        self.new, self.is_changed = [], False
        days = {self._day(row, Cells(row)) for row in rows if not row.problems}
        query = select(ExchangeRate).where(
            ExchangeRate.organisation_id == self.organisation.id, ExchangeRate.base == self.base,
            ExchangeRate.valid_from.in_(days),
        )  # fmt: skip
        found = list(db.session.scalars(query))
        self.stored = {(row.currency, row.valid_from): row for row in found if row.is_current}
        # Also days whose rate was withdrawn: the next one is a version of them.
        self.used = {(row.currency, row.valid_from) for row in found}

    def remember(self, row: Row) -> None:
        """Stored by an earlier turn."""
        self.seen[self._key(row, Cells(row))] = row

    def apply(self, row: Row) -> str:
        """Store one row; answers created, updated or unchanged. Raises PaydeskError."""
        cells = Cells(row)
        draft = self.look(row, cells)
        cells.finish()
        key = (draft.currency, draft.valid_from)
        outcome = self._store(draft, key)
        self.seen[key] = row
        return outcome

    def _store(self, draft: RateDraft, key: Key) -> str:
        stored = self.stored.get(key)
        if stored is not None and stored.rate == draft.rate:
            return "unchanged"
        if stored is None and key not in self.used:
            self.new.append(draft)
            return "created"
        _, outcome = exchange_rates.enter(
            organisation_id=self.organisation.id, draft=draft, reason=draft.note or CORRECTED, actor=self.actor,
            now=self.now,
        )  # fmt: skip
        self.is_changed = True
        return outcome

    def look(self, row: Row, cells: Cells) -> RateDraft:
        """The rate that a row describes."""
        currency, valid_from = self._key(row, cells)
        draft = RateDraft(
            currency=currency,
            rate=cells.read(Decimal(1), _rate, row["rate"]),
            valid_from=valid_from,
            note=row["note"],
        )
        base = row["base"].upper()
        if base and base != self.base:
            reason = f"Rates lead to {self.base}, the organisation's currency."
            cells.add(Invalid("base", reason, self.base))
        if valid_from == _NEVER:
            cells.add(Invalid("valid_from", "There is no day.", self.today.isoformat()))
        cells.examine(draft, lambda each: each.check(self.base, self.today), self.neutral)
        if (key := (currency, valid_from)) in self.seen:
            reason = f"Line {self.seen[key].line} has the same currency and day."
            cells.add(Invalid("valid_from", reason, "one rate for each day"))
        return draft

    def _key(self, row: Row, cells: Cells) -> Key:
        return row["currency"].upper(), self._day(row, cells)

    def _day(self, row: Row, cells: Cells) -> date:
        return cells.read(None, parse_day, "valid_from", row["valid_from"]) or _NEVER

    def finish(self) -> None:
        """Store the new rates of the chunk together, and have looked at what waited for them."""
        here = self.organisation.id
        if self.new:
            insert_many(db.session(), ExchangeRate, [self._values(draft) for draft in self.new])
            told = digest([[d.currency, d.valid_from.isoformat(), str(d.rate)] for d in self.new])
            changes = {"rates": [None, len(self.new)], "digest": [None, told]}
            label = f"{self.new[0].currency} to {self.base} and others"
            trail.record_many("exchange_rate", "imported", here, label, self.actor, self.now, changes)
        if self.new or self.is_changed:
            exchange.ask_all(here, self.now)
        self.new = []

    def _values(self, draft: RateDraft) -> dict[str, object]:
        return {
            "organisation_id": self.organisation.id,
            "currency": draft.currency,
            "base": self.base,
            "rate": draft.rate,
            "valid_from": draft.valid_from,
            "version": 1,
            "is_current": True,
            "note": draft.note,
            "created_by_id": self.actor.user_id,
            "created_by_label": self.actor.label,
            "created_at": self.now,
            "ended_at": None,
        }


def _rate(text: str) -> Decimal:
    if not text:
        raise Invalid("rate", "There is no rate.", exchange_rates.EXAMPLE)
    return exchange_rates.parse_rate(text)
