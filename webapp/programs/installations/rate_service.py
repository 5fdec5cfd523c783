"""Changes to rate configurations. A version is never edited: a change makes the next one."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import selectinload

from webapp.audit import service as audit
from webapp.database import db, lock_row
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict, Invalid, NotFound, StaleVersion
from webapp.programs.installations import queries
from webapp.programs.installations.bands import Finding, analyse
from webapp.programs.installations.drafts import RateDraft
from webapp.programs.installations.models import RateConfiguration, RateVersion
from webapp.programs.installations.pricing import Terms, load_terms
from webapp.programs.installations.rules import governing
from webapp.programs.installations.service import plain
from webapp.programs.installations.terms import Rule

FIELDS = tuple(RateDraft.__dataclass_fields__)
# Stands for the configuration that a draft would become.
NEW_CONFIGURATION = 2**62


def list_rates(organisation_id: int) -> list[RateVersion]:
    """The newest version of every configuration, active ones first, then by type, unit and lower bound."""
    rows = db.session.scalars(
        select(RateVersion)
        .join(RateConfiguration, RateConfiguration.id == RateVersion.configuration_id)
        .where(
            RateVersion.organisation_id == organisation_id,
            RateVersion.version == RateConfiguration.current_version,
        )
    ).all()
    return sorted(
        rows,
        key=lambda v: (
            not v.is_active, v.installation_type or "", v.capacity_unit, v.min_size or Decimal(0), v.id,
        ),
    )  # fmt: skip


def get_configuration(organisation_id: int, configuration_id: int) -> RateConfiguration:
    """A configuration with all its versions, newest first. Raises NotFound."""
    row = db.session.scalar(
        select(RateConfiguration)
        .where(
            RateConfiguration.organisation_id == organisation_id,
            RateConfiguration.id == configuration_id,
        )
        .options(selectinload(RateConfiguration.versions))
    )
    if row is None:
        raise NotFound
    return row


def current(configuration: RateConfiguration) -> RateVersion:
    """The newest version."""
    return next(v for v in configuration.versions if v.version == configuration.current_version)


def draft_of(version: RateVersion) -> RateDraft:
    """A stored version as a draft, to begin a change with."""
    return RateDraft(**{name: getattr(version, name) for name in FIELDS})


def draft_rule(draft: RateDraft, configuration_id: int = NEW_CONFIGURATION, version: int = 1) -> Rule:
    """A draft as the pure rules take it, before it is stored."""
    values = {name: getattr(draft, name) for name in FIELDS if name not in ("has_bonus", "bonus_minor")}
    bonus = draft.bonus_minor if draft.has_bonus else 0
    return Rule(configuration_id=configuration_id, version=version, bonus_minor=bonus, **values)


def terms_with(organisation_id: int, draft: RateDraft, configuration_id: int = NEW_CONFIGURATION) -> Terms:
    """The organisation's terms as they would be with the draft saved now."""
    terms = load_terms(organisation_id)
    versions = [r.version for r in terms.rules if r.configuration_id == configuration_id]
    rule = draft_rule(draft, configuration_id, max(versions, default=0) + 1)
    return Terms((*terms.rules, rule), terms.range_mode, terms.is_progressive)


def warnings(
    organisation_id: int, draft: RateDraft, *, today: date, configuration_id: int = NEW_CONFIGURATION
) -> list[Finding]:
    """Overlaps, gaps and rates that can never win, once the draft is saved and has begun."""
    terms = terms_with(organisation_id, draft, configuration_id)
    begun = max(today, draft.effective_from or today)
    counting = [r for r in governing(terms.rules, begun) if r.effective_to is None or r.effective_to >= begun]
    counting = [r for r in counting if r.effective_from is None or r.effective_from <= begun]
    found = analyse(counting, types=queries.types_in_use(organisation_id), range_mode=terms.range_mode)
    return [finding for finding in found if _concerns(finding, draft)]


def _concerns(finding: Finding, draft: RateDraft) -> bool:
    """Whether a finding is about the type and unit of the draft, not about some other corner of the rates."""
    same_unit = finding.unit == draft.capacity_unit or not finding.unit or not draft.capacity_unit
    kinds = finding.types
    return same_unit and (draft.installation_type is None or not kinds or draft.installation_type in kinds)


def create_rate(
    *,
    organisation_id: int,
    draft: RateDraft,
    actor: Actor,
    now: datetime,
    external_ref: str | None = None,
) -> RateConfiguration:
    """A new configuration with its first version. Raises Invalid."""
    draft.check(types=set(dict(queries.types_of(organisation_id))))
    configuration = RateConfiguration(
        organisation_id=organisation_id, external_ref=external_ref or None, current_version=1, created_at=now
    )
    try:
        with db.session.begin_nested():
            db.session.add(configuration)
    except IntegrityError as error:
        raise Invalid("external_ref", f"There is a rate {external_ref!r} already.") from error
    version = _version(configuration, 1, draft, actor, now)
    _record("created", configuration, version, actor, now, {"rate": [None, plain(draft.rate)]})
    return configuration


def _version(
    configuration: RateConfiguration, number: int, draft: RateDraft, actor: Actor, now: datetime
) -> RateVersion:
    version = RateVersion(
        organisation_id=configuration.organisation_id,
        configuration_id=configuration.id,
        version=number,
        created_by_id=actor.user_id,
        created_by_label=actor.label,
        created_at=now,
        **asdict(draft),
    )
    db.session.add(version)
    db.session.flush()
    db.session.expire(configuration, ["versions"])
    return version


def _record(
    action: str,
    configuration: RateConfiguration,
    version: RateVersion,
    actor: Actor,
    now: datetime,
    changes: dict[str, Any],
) -> None:
    audit.record(
        tag=f"installations:rate:{action}",
        actor=actor,
        now=now,
        organisation_id=configuration.organisation_id,
        subject_type="rate_configuration",
        subject_id=configuration.id,
        subject_label=f"{version.name} (version {version.version})",
        changes=changes,
    )


def _locked(organisation_id: int, configuration_id: int) -> RateConfiguration:
    own = RateConfiguration.organisation_id == organisation_id
    return lock_row(RateConfiguration, own, RateConfiguration.id == configuration_id)


def revise_rate(
    *,
    organisation_id: int,
    configuration_id: int,
    draft: RateDraft,
    expected_version: int | None,
    actor: Actor,
    now: datetime,
    action: str = "revised",
) -> RateVersion:
    """Save the next version; a draft that changes nothing makes none. From its first day on it replaces the
    versions before it (without a first day: altogether); payouts keep the version they used.

    Raises NotFound, Invalid, StaleVersion.
    """
    draft.check(types=set(queries.types_in_use(organisation_id)))
    configuration = _locked(organisation_id, configuration_id)
    if expected_version is not None and configuration.current_version != expected_version:
        raise StaleVersion(
            "Somebody saved another version of this rate meanwhile. Look at it, then try again."
        )
    before = current(configuration)
    changes = {
        name: [plain(getattr(before, name)), plain(getattr(draft, name))]
        for name in FIELDS
        if getattr(before, name) != getattr(draft, name)
    }
    if not changes:
        return before
    configuration.current_version = before.version + 1
    version = _version(configuration, before.version + 1, draft, actor, now)
    _record(action, configuration, version, actor, now, changes)
    return version


def end_rate(
    *, organisation_id: int, configuration_id: int, last_day: date, actor: Actor, now: datetime
) -> RateVersion:
    """Let a rate end with a day, by a next version that says so. Raises NotFound, Invalid, Conflict."""
    configuration = get_configuration(organisation_id, configuration_id)
    version = current(configuration)
    if version.effective_to == last_day:
        return version
    if version.effective_to is not None and version.effective_to < last_day:
        raise Conflict(f"{version.name} ends on {version.effective_to} already.")
    values = {**asdict(draft_of(version)), "effective_to": last_day}
    return revise_rate(
        organisation_id=organisation_id,
        configuration_id=configuration_id,
        draft=RateDraft(**values),
        expected_version=version.version,
        actor=actor,
        now=now,
        action="ended",
    )
