"""What a version of a commission rule says, in words: what it gives, and what it is for."""

from __future__ import annotations

from collections.abc import Mapping

from webapp.kernel.money import Money
from webapp.programs.partners.models import PartnerRuleVersion
from webapp.programs.partners.states import PartnerType, Tier
from webapp.programs.partners.views.links import percent
from webapp.web import filters


def gives(version: PartnerRuleVersion) -> str:
    """ "12.5 %, at least $10.00, at most $500.00, and $250.00 for each period"."""

    def say(minor: int) -> str:
        return filters.money(Money(minor, version.currency))

    if not version.is_active:
        return "It ends."
    text = percent(version.rate_bp)
    text += f", at least {say(version.floor_minor)}" if version.floor_minor is not None else ""
    text += f", at most {say(version.cap_minor)}" if version.cap_minor is not None else ""
    return text + (f", and {say(version.retainer_minor)} for each period" if version.retainer_minor else "")


def is_for(version: PartnerRuleVersion, programs: Mapping[int, str]) -> list[str]:
    """Its conditions, each in words; none: it is for everything. `programs`: id → name."""
    found = []
    if version.program_id is not None:
        found.append(f"Program {programs.get(version.program_id, '')}")
    if version.partner_type:
        found.append(f"{PartnerType(version.partner_type).label}s")
    if version.tier:
        found.append(f"{Tier(version.tier).label} tier")
    if version.product:
        found.append(f"Product {version.product}")
    if version.currency:
        found.append(f"Deals in {version.currency}")
    if version.least_deal_minor:
        found.append(f"Deals of at least {filters.money(Money(version.least_deal_minor, version.currency))}")
    if version.months is not None:
        found.append(
            "The partner's first month"
            if version.months == 1
            else f"The partner's first {version.months} months"
        )
    return found
