"""Changes to commission rules. A version is never edited: a change makes the next one."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from webapp.database import db
from webapp.kernel.errors import Invalid, NotFound
from webapp.people.models import Payee, Role
from webapp.people.rule_book import RuleBook, current, proposed
from webapp.programs.clinic import trail
from webapp.programs.clinic.drafts import RuleDraft
from webapp.programs.clinic.models import CommissionRule, CommissionRuleVersion
from webapp.programs.clinic.rules import Commission, Rule, Tier

__all__ = ["accept", "current", "proposed", "refuse", "withdraw"]

_FIELDS = (
    "name", "payee_id", "category", "percent", "flat_minor", "floor_minor", "cap_minor", "tiers", "priority",
    "valid_from", "is_active",
)  # fmt: skip


def load_rules(organisation_id: int) -> list[Rule]:
    """Every version that counts or counted, as the pure rules take them."""
    return [rule_of(row) for row in _book.in_force(organisation_id)]


def rule_of(row: CommissionRuleVersion) -> Rule:
    """A stored version as the pure rules take it."""
    return Rule(
        rule_id=row.rule_id,
        version=row.version,
        label=f"{row.name} (version {row.version})",
        commission=Commission(
            row.percent, row.flat_minor, row.floor_minor, row.cap_minor, _tiers_of(row.tiers)
        ),
        priority=row.priority,
        payee_id=row.payee_id,
        category=row.category,
        valid_from=row.valid_from,
        is_active=row.is_active,
        version_id=row.id,
        edited_by_id=row.created_by_id,
    )


def draft_rule(draft: RuleDraft, rule_id: int, version: int) -> Rule:
    """A draft as the pure rules take it, before it is stored."""
    tiers = tuple(Tier(below, percent) for below, percent in draft.tiers)
    return Rule(
        rule_id=rule_id,
        version=version,
        label=draft.name,
        commission=Commission(draft.percent, draft.flat_minor, draft.floor_minor, draft.cap_minor, tiers),
        priority=draft.priority,
        payee_id=draft.payee_id,
        category=draft.category,
        valid_from=draft.valid_from,
        is_active=draft.is_active,
    )


def draft_of(row: CommissionRuleVersion) -> RuleDraft:
    """A stored version as a draft, to begin a change with."""
    values = {name: getattr(row, name) for name in _FIELDS if name != "tiers"}
    tiers = tuple((tier.below_minor, tier.percent) for tier in _tiers_of(row.tiers))
    return RuleDraft(**values, tiers=tiers, note=row.note)


def _tiers_of(stored: list[Any]) -> tuple[Tier, ...]:
    return tuple(Tier(below, Decimal(percent)) for below, percent in stored)


def get_rule(organisation_id: int, rule_id: int) -> CommissionRule:
    """A rule with all its versions, newest first. Raises NotFound."""
    row = db.session.scalar(
        select(CommissionRule)
        .where(CommissionRule.organisation_id == organisation_id, CommissionRule.id == rule_id)
        .options(selectinload(CommissionRule.versions).selectinload(CommissionRuleVersion.payee))
    )
    if row is None:
        raise NotFound
    return row


def list_rules(organisation_id: int) -> list[CommissionRule]:
    """Every rule with its versions; the highest priority of the newest version first."""
    rows = db.session.scalars(
        select(CommissionRule)
        .where(CommissionRule.organisation_id == organisation_id)
        .options(selectinload(CommissionRule.versions).selectinload(CommissionRuleVersion.payee))
    ).all()
    return sorted(rows, key=lambda r: (not r.versions[0].is_active, -r.versions[0].priority, r.id))


def _check(organisation_id: int, draft: RuleDraft) -> None:
    draft.check()
    if draft.payee_id is None:
        return
    known = select(Payee.id).where(
        Payee.organisation_id == organisation_id,
        Payee.kind == Role.PRACTITIONER.value,
        Payee.id == draft.payee_id,
    )
    if db.session.scalar(known) is None:
        raise Invalid("practitioner", "The practitioner is not one of this organisation.")


def _stored(draft: RuleDraft) -> dict[str, Any]:
    values = {name: getattr(draft, name) for name in _FIELDS}
    values["name"] = " ".join(draft.name.split())
    values["category"] = " ".join(draft.category.split())
    values["tiers"] = [[below, f"{percent.normalize():f}"] for below, percent in draft.tiers]
    return values


_book = RuleBook(
    CommissionRule, CommissionRuleVersion, check=_check, stored=_stored, draft_of=draft_of, rate="percent",
    subject="commission_rule", record=trail.record,
)  # fmt: skip
create_rule, revise_rule, end_rule = _book.create, _book.revise, _book.end
accept, refuse, withdraw = _book.accept, _book.refuse, _book.withdraw
