"""Changes to commission rules: each makes the next version, and a second admin accepts it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from webapp.database import db
from webapp.kernel.errors import Invalid
from webapp.people.rule_book import RuleBook, current, proposed
from webapp.programs.partners import trail
from webapp.programs.partners.drafts import RuleDraft
from webapp.programs.partners.models import PartnerProgram, PartnerRule, PartnerRuleVersion
from webapp.programs.partners.rules import Rate, Rule

__all__ = ["accept", "current", "proposed", "refuse", "withdraw"]

_FIELDS = (
    "name", "program_id", "partner_type", "tier", "product", "currency", "least_deal_minor", "months", "rate_bp",
    "floor_minor", "cap_minor", "retainer_minor", "priority", "valid_from", "is_active",
)  # fmt: skip


def list_rules(organisation_id: int) -> list[PartnerRule]:
    """Every rule with its versions, the oldest rule first."""
    query = select(PartnerRule).where(PartnerRule.organisation_id == organisation_id)
    return list(
        db.session.scalars(query.options(selectinload(PartnerRule.versions)).order_by(PartnerRule.id))
    )


def load_rules(organisation_id: int) -> list[Rule]:
    """Every version that counts or counted, as the pure rules take them."""
    return [rule_of(row) for row in _book.in_force(organisation_id)]


def rule_of(row: PartnerRuleVersion) -> Rule:
    """A stored version as the pure rules take it."""
    return Rule(
        rule_id=row.rule_id,
        version=row.version,
        label=f"{row.name} (version {row.version})",
        rate=Rate(row.rate_bp, row.floor_minor, row.cap_minor),
        priority=row.priority,
        program_id=row.program_id,
        partner_type=row.partner_type,
        tier=row.tier,
        product=row.product,
        currency=row.currency,
        least_deal_minor=row.least_deal_minor,
        months=row.months,
        valid_from=row.valid_from,
        is_active=row.is_active,
        version_id=row.id,
        edited_by_id=row.created_by_id,
    )


def draft_of(row: PartnerRuleVersion) -> RuleDraft:
    """A stored version as a draft, to begin a change with."""
    return RuleDraft(**{name: getattr(row, name) for name in _FIELDS}, note=row.note)


def _check(organisation_id: int, draft: RuleDraft) -> None:
    draft.check()
    if draft.program_id is None:
        return
    found = db.session.get(PartnerProgram, draft.program_id)
    if found is None or found.organisation_id != organisation_id:
        raise Invalid("program", "There is no such program.", "PP-0001")


def _stored(draft: RuleDraft) -> dict[str, Any]:
    values = {name: getattr(draft, name) for name in _FIELDS}
    return values | {name: " ".join(values[name].split()) for name in ("name", "product")}


_book = RuleBook(
    PartnerRule, PartnerRuleVersion, check=_check, stored=_stored, draft_of=draft_of, rate="rate_bp", subject="rule",
    record=trail.record,
)  # fmt: skip
create_rule, revise_rule, end_rule = _book.create, _book.revise, _book.end
accept, refuse, withdraw, get_rule = _book.accept, _book.refuse, _book.withdraw, _book.get
