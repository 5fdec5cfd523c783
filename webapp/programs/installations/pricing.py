"""From stored installations and rates to prices: loads what the pure rules need."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from sqlalchemy import select

from webapp.database import db
from webapp.kernel.money import Money, total
from webapp.payouts.models import PayoutLine, SourceClaim
from webapp.programs.installations import carrying, rules
from webapp.programs.installations.models import (
    Installation,
    InstallationSettings,
    InstallationShare,
    QualityCheck,
    RateVersion,
)
from webapp.programs.installations.retention_rules import Earlier, HeldBack, RetentionTerms, bear, hold_back
from webapp.programs.installations.terms import Job, Line, Quote, Rule

SOURCE_TYPE = "installation"


@dataclass(frozen=True)
class Terms:
    """How an organisation prices: its rules and how ranges and slices are read."""

    rules: tuple[Rule, ...]
    range_mode: str
    is_progressive: bool

    def quote(self, job: Job) -> Quote:
        """Price a job on these terms."""
        return rules.quote(job, self.rules, range_mode=self.range_mode, is_progressive=self.is_progressive)

    def with_draft(self, draft: Rule) -> Terms:
        """The same terms as if the draft had always been the newest version of its configuration."""
        always = replace(draft, effective_from=None, effective_to=None)
        others = tuple(r for r in self.rules if r.configuration_id != draft.configuration_id)
        return replace(self, rules=(*others, always))


@dataclass(frozen=True)
class Part:
    """What one technician gets for one installation: the quote's lines, each with this technician's part."""

    installation: Installation
    share: InstallationShare
    quote: Quote
    lines: tuple[tuple[Line, Money], ...]
    weights_total: int

    @property
    def amount(self) -> Money:
        """The technician's amount, of all lines."""
        return total((part for _, part in self.lines), self.quote.currency)

    @property
    def is_whole(self) -> bool:
        """Whether this technician gets everything."""
        return self.share.weight == self.weights_total


def to_rule(version: RateVersion) -> Rule:
    """A stored rate version as the pure rules take it."""
    return Rule(
        configuration_id=version.configuration_id,
        version=version.version,
        name=version.name,
        installation_type=version.installation_type,
        capacity_unit=version.capacity_unit,
        min_size=version.min_size,
        max_size=version.max_size,
        rate_type=version.rate_type,
        rate=version.rate,
        currency=version.currency,
        priority=version.priority,
        is_active=version.is_active,
        bonus_minor=version.bonus_minor if version.has_bonus else 0,
        effective_from=version.effective_from,
        effective_to=version.effective_to,
        version_id=version.id,
        edited_by_id=version.created_by_id,
    )


def settings_of(organisation_id: int) -> InstallationSettings:
    """The organisation's choices for this program; the defaults (not stored) when it made none."""
    stored = db.session.get(InstallationSettings, organisation_id)
    return stored or InstallationSettings(
        organisation_id=organisation_id,
        range_mode=rules.HALF_OPEN,
        is_progressive=False,
        is_automatic=True,
        minimum_payout_minor=0,
        retention_bp=0,
        retention_days=0,
    )


def load_terms(
    organisation_id: int, *, range_mode: str | None = None, is_progressive: bool | None = None
) -> Terms:
    """All versions of all rates and the organisation's reading of them; the arguments override the latter."""
    stored = db.session.scalars(
        select(RateVersion)
        .where(RateVersion.organisation_id == organisation_id)
        .order_by(RateVersion.configuration_id, RateVersion.version)
    )
    chosen = settings_of(organisation_id)
    return Terms(
        tuple(to_rule(version) for version in stored),
        range_mode or chosen.range_mode,
        chosen.is_progressive if is_progressive is None else is_progressive,
    )


def job_of(installation: Installation, today: date) -> Job:
    """What the rules look at; before it is commissioned an installation is priced as of today."""
    value = installation.order_value_minor
    return Job(
        installation_type=installation.installation_type,
        capacity_unit=installation.capacity_unit,
        size=installation.size,
        on=installation.commissioned_on or today,
        currency=installation.currency,
        order_value=None if value is None else Money(value, installation.currency),
        quality_passed=installation.quality_check == QualityCheck.PASSED,
    )


class Pricer:
    """Prices many installations of one organisation; reads the rates once."""

    def __init__(self, organisation_id: int, today: date, terms: Terms | None = None) -> None:
        self.organisation_id = organisation_id
        self.today = today
        self.terms = terms or load_terms(organisation_id)
        self._agreed: dict[int, Terms] = {}
        self._earlier: dict[tuple[int, int], Earlier] = {}

    def remember_agreed(self, installation_ids: Sequence[int]) -> None:
        """Load what these installations are bound to: the terms on which other technicians are already in live
        payouts, and what was released or charged of payouts that were cancelled."""
        self._agreed = agreed_terms(self.organisation_id, installation_ids)
        self._earlier = carrying.earlier_of(self.organisation_id, installation_ids)

    def quote(self, installation: Installation) -> Quote:
        """The price of a whole installation.

        When a part of it is in a live payout, the terms of that payout hold for the other parts too:
        however the rates change, the parts never exceed one amount.
        """
        terms = self._agreed.get(installation.id, self.terms)
        return terms.quote(job_of(installation, self.today))

    def part(self, share: InstallationShare) -> Part:
        """One technician's part of an installation; it has no lines where there is no rate."""
        installation = share.installation
        quote = self.quote(installation)
        weights = [each.weight for each in installation.shares]
        lines: tuple[tuple[Line, Money], ...] = ()
        if not quote.problem:
            parts = rules.split(quote.lines, weights, quote.currency)
            mine = next(n for n, each in enumerate(installation.shares) if each.id == share.id)
            lines = tuple(zip(quote.lines, parts[mine], strict=True))
        return Part(installation, share, quote, lines, sum(weights))

    def held_back(self, parts: Sequence[Part]) -> tuple[HeldBack | None, ...]:
        """What is taken off each part: what waits for its day by the organisation's settings, or what was released or
        charged before."""
        chosen = settings_of(self.organisation_id)
        terms = RetentionTerms(chosen.retention_bp, chosen.retention_days)
        return tuple(
            bear(
                hold_back(part.amount, part.installation.commissioned_on, terms, self.today),
                self._earlier.get((part.installation.id, part.share.payee_id)),
            )
            for part in parts
        )


def details_of(line: Line, quote: Quote) -> dict[str, Any]:
    """What a payout line remembers of the terms that made it."""
    return {
        "configuration_id": line.rule.configuration_id,
        "rate_version_id": line.rule.version_id,
        "rate": line.rule.label,
        "range_mode": quote.range_mode,
        "is_progressive": quote.is_progressive,
        "whole_minor": line.amount.amount,
        "whole_formula": line.formula,
    }


def agreed_terms(organisation_id: int, installation_ids: Sequence[int]) -> dict[int, Terms]:
    """Terms by installation, read back from the lines of the live payouts that pay for a part of it."""
    versions: dict[int, set[int]] = defaultdict(set)
    modes: dict[int, tuple[str, bool]] = {}
    for installation_id, details in _agreed_lines(organisation_id, installation_ids):
        if details.get("rate_version_id") is not None:
            versions[installation_id].add(details["rate_version_id"])
            modes[installation_id] = (details["range_mode"], details["is_progressive"])
    wanted = {one for ids in versions.values() for one in ids}
    if not wanted:
        return {}
    stored = db.session.scalars(select(RateVersion).where(RateVersion.id.in_(wanted)))
    by_id = {version.id: to_rule(version) for version in stored}
    return {
        installation_id: Terms(tuple(by_id[one] for one in sorted(ids)), *modes[installation_id])
        for installation_id, ids in versions.items()
    }


def _agreed_lines(
    organisation_id: int, installation_ids: Sequence[int]
) -> Iterable[tuple[int, dict[str, Any]]]:
    for start in range(0, len(installation_ids), 500):
        query = (
            select(SourceClaim.source_id, PayoutLine.details)
            .join(
                PayoutLine,
                (PayoutLine.payout_id == SourceClaim.payout_id)
                & (PayoutLine.source_type == SourceClaim.source_type)
                & (PayoutLine.source_id == SourceClaim.source_id),
            )
            .where(
                SourceClaim.organisation_id == organisation_id,
                SourceClaim.source_type == SOURCE_TYPE,
                SourceClaim.released_at.is_(None),
                SourceClaim.source_id.in_(installation_ids[start : start + 500]),
            )
        )
        yield from db.session.execute(query)
