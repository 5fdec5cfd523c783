"""Rate configurations from a file; a changed row becomes the next version."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import cast

from sqlalchemy import select

from webapp.database import db
from webapp.imports.cells import Cells, Neutral, same
from webapp.imports.columns import Mapped, Row
from webapp.imports.values import parse_currency, parse_day, parse_yes
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Invalid
from webapp.people.models import Organisation
from webapp.programs.installations import queries, rate_service
from webapp.programs.installations.drafts import RateDraft, parse_decimal
from webapp.programs.installations.importing.values import parse_minor
from webapp.programs.installations.models import RateConfiguration
from webapp.programs.installations.terms import PER_UNIT

# A field that was refused, so that the others can be looked at.
_NEUTRAL: Neutral[RateDraft] = {
    "name": same(name="-"),
    "installation_type": same(installation_type=None),
    "rate_type": lambda draft: {"rate_type": PER_UNIT, "capacity_unit": draft.capacity_unit or "kW"},
    "rate": same(rate=Decimal(1)),
    "priority": same(priority=1),
    "bonus": same(has_bonus=False, bonus_minor=0),
    "capacity_unit": same(capacity_unit="kW"),
    "min_size": same(min_size=None),
    "max_size": same(max_size=None),
    "effective_to": same(effective_to=None),
}


class RateImport:
    """Applies rows one by one; a rate without a reference is known by its name."""

    def __init__(self, organisation: Organisation, mapped: Mapped, actor: Actor, now: datetime) -> None:
        self.organisation, self.mapped, self.actor, self.now = organisation, mapped, actor, now
        self.seen: dict[str, Row] = {}
        self.remarks: list[tuple[str, int]] = []
        self.types = set(dict(queries.types_of(organisation.id)))
        self.types_in_use = set(queries.types_in_use(organisation.id))
        self.by_reference: dict[str, int] = {}
        for version in rate_service.list_rates(organisation.id):
            self.by_reference[version.name.casefold()] = version.configuration_id
        known = db.session.execute(
            select(RateConfiguration.external_ref, RateConfiguration.id).where(
                RateConfiguration.organisation_id == organisation.id,
                RateConfiguration.external_ref.is_not(None),
            )
        )
        self.by_reference.update({cast(str, reference): ident for reference, ident in known})

    def is_repeat(self, row: Row) -> bool:
        """Every row is one of its own."""
        return False

    def prepare(self, rows: Sequence[Row]) -> None:
        """Which rates there are is known from the beginning; they are few."""

    def remember(self, row: Row) -> None:
        """Stored by an earlier turn."""
        self.seen[self._key(row)] = row

    def apply(self, row: Row) -> str:
        """Store one row; answers created, updated or unchanged. Raises BadCells, Invalid."""
        cells = Cells(row)
        draft = self._draft(row, cells)
        cells.finish()
        reference, key = row["external_ref"], self._key(row)
        configuration_id = self.by_reference.get(key)
        if configuration_id is None:
            rate_service.create_rate(
                organisation_id=self.organisation.id,
                draft=draft,
                actor=self.actor,
                now=self.now,
                external_ref=reference or None,
            )
            outcome = "created"
        else:
            outcome = self._revise(configuration_id, draft)
        self.seen[key] = row
        return outcome

    def check(self, row: Row) -> tuple[Invalid, ...]:
        """What is wrong with the cells of a row, one error for each."""
        cells = Cells(row)
        self._draft(row, cells)
        return cells.errors

    def _key(self, row: Row) -> str:
        return row["external_ref"] or row["name"].casefold()

    def _revise(self, configuration_id: int, draft: RateDraft) -> str:
        configuration = rate_service.get_configuration(self.organisation.id, configuration_id)
        before = configuration.current_version
        after = rate_service.revise_rate(
            organisation_id=self.organisation.id,
            configuration_id=configuration_id,
            draft=draft,
            expected_version=None,
            actor=self.actor,
            now=self.now,
        )
        return "unchanged" if after.version == before else "updated"

    def _draft(self, row: Row, cells: Cells) -> RateDraft:
        """The rate that a row describes, and in `cells` all that is wrong with it."""
        key = self._key(row)
        if key in self.seen:
            reason = f"Line {self.seen[key].line} has the same reference or name."
            cells.add(Invalid("external_ref", reason, "solar-b"))
        home = self.organisation.currency
        currency = cells.read(home, parse_currency, row["currency"], home)
        bonus = cells.read(None, parse_minor, "bonus", row["bonus"], currency) or 0
        draft = RateDraft(
            name=row["name"],
            installation_type=row["installation_type"].casefold().replace(" ", "_") or None,
            capacity_unit=row["capacity_unit"],
            min_size=cells.read(None, _size, "min_size", row),
            max_size=cells.read(None, _size, "max_size", row),
            rate_type=row["rate_type"].casefold().replace(" ", "_"),
            rate=cells.read(Decimal(1), parse_decimal, "rate", row["rate"], "50.00"),
            currency=currency,
            has_bonus=bonus > 0,
            bonus_minor=bonus,
            is_active=cells.read(True, parse_yes, "active", row["active"], True),
            priority=cells.read(1, _priority, row["priority"] or "1"),
            effective_from=cells.read(None, parse_day, "effective_from", row["effective_from"]),
            effective_to=cells.read(None, parse_day, "effective_to", row["effective_to"]),
        )
        types = self.types_in_use if key in self.by_reference else self.types
        cells.examine(draft, lambda each: each.check(types=types), _NEUTRAL)
        return draft


def _size(name: str, row: Row) -> Decimal | None:
    return parse_decimal(name, row[name]) if row[name] else None


def _priority(text: str) -> int:
    if not text.isdecimal() or not text.isascii() or len(text) > 9:
        raise Invalid("priority", "A priority is a whole number from 0 to 1000; the highest wins.", "1")
    return int(text)
