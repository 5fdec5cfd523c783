"""Rate configurations from a file; a changed row becomes the next version."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import cast

from sqlalchemy import select

from webapp.database import db
from webapp.imports.columns import Mapped, Row
from webapp.imports.values import parse_currency, parse_day, parse_yes
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Invalid
from webapp.people.models import Organisation
from webapp.programs.installations import rate_service
from webapp.programs.installations.drafts import RateDraft, parse_decimal
from webapp.programs.installations.importing.values import parse_minor
from webapp.programs.installations.models import RateConfiguration


class RateImport:
    """Applies rows one by one; a rate without a reference is known by its name."""

    def __init__(self, organisation: Organisation, mapped: Mapped, actor: Actor, now: datetime) -> None:
        self.organisation, self.mapped, self.actor, self.now = organisation, mapped, actor, now
        self.seen: dict[str, Row] = {}
        self.remarks: list[tuple[str, int]] = []
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
        self.seen[row["external_ref"] or row["name"].casefold()] = row

    def apply(self, row: Row) -> str:
        """Store one row; answers created, updated or unchanged. Raises Invalid."""
        draft = self._draft(row)
        reference = row["external_ref"]
        key = reference or draft.name.casefold()
        if key in self.seen:
            raise Invalid(
                "external_ref", f"Line {self.seen[key].line} has the same reference or name.", "solar-b"
            )
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

    def _draft(self, row: Row) -> RateDraft:
        currency = parse_currency(row["currency"], self.organisation.currency)
        bonus = parse_minor("bonus", row["bonus"], currency) or 0
        sizes = {n: parse_decimal(n, row[n]) if row[n] else None for n in ("min_size", "max_size")}
        priority = row["priority"] or "1"
        if not priority.isdigit():
            raise Invalid("priority", "A priority is a whole number; the highest wins.", "1")
        draft = RateDraft(
            name=row["name"],
            installation_type=row["installation_type"].casefold().replace(" ", "_") or None,
            capacity_unit=row["capacity_unit"],
            min_size=sizes["min_size"],
            max_size=sizes["max_size"],
            rate_type=row["rate_type"].casefold().replace(" ", "_"),
            rate=parse_decimal("rate", row["rate"], "50.00"),
            currency=currency,
            has_bonus=bonus > 0,
            bonus_minor=bonus,
            is_active=parse_yes("active", row["active"], True),
            priority=int(priority),
            effective_from=parse_day("effective_from", row["effective_from"]),
            effective_to=parse_day("effective_to", row["effective_to"]),
        )
        return draft
