"""Commission rules as they are stored, for those who count with them."""

from __future__ import annotations

from sqlalchemy import select

from webapp.database import db
from webapp.programs.partners.models import PartnerRuleVersion
from webapp.programs.partners.rules import Rate, Rule
from webapp.programs.partners.states import RuleState


def load_rules(organisation_id: int) -> list[Rule]:
    """Every version that counts or counted."""
    rows = db.session.scalars(
        select(PartnerRuleVersion).where(
            PartnerRuleVersion.organisation_id == organisation_id,
            PartnerRuleVersion.state == RuleState.IN_FORCE.value,
        )
    )
    return [rule_of(row) for row in rows]


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
