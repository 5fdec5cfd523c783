"""Commission rules of partners as the API shows and takes them."""

from __future__ import annotations

from pydantic import Field

from webapp.api.schemas.common import (
    Amount,
    AmountIn,
    CurrencyCode,
    Day,
    DecimalText,
    ExactOut,
    In,
    Note,
    Out,
    Text,
)
from webapp.api.schemas.partners import Name, PartnerTypeWord, TierWord
from webapp.api.schemas.rule_versions import (
    RuleDetailOf,
    RuleFirst,
    RuleNext,
    RuleOf,
    RuleWord,
    Versioned,
)


class _Says(Out):
    """What a version says, before from when and by whom."""

    version: int = Field(examples=[1])
    state: RuleWord = Field(examples=["in_force"])
    name: str = Field(examples=["Resellers, gold"])
    program: str | None = Field(description="Reference; null: every program.", examples=["PP-0001"])
    partner_type: str = Field(description="Empty: every type.", examples=["reseller"])
    tier: str = Field(description="Empty: every tier.", examples=["gold"])
    product: str = Field(description="Empty: every product.", examples=[""])
    currency: str = Field(description="Empty: every currency.", examples=["USD"])
    least_deal: Amount | None = Field(description="Deals of at least this.")
    months: int | None = Field(description="Only so many months after a partner's first deal.", examples=[12])
    percent: ExactOut = Field(examples=["7.5"])
    floor: Amount | None = Field(description="At least, of each deal.")
    cap: Amount | None = Field(description="At most, of each deal.")
    retainer: Amount | None = Field(description="For each period, whatever is sold.")
    priority: int = Field(description="The lowest counts first.", examples=[100])


class PartnerRuleVersionOut(Versioned, _Says):
    """What a rule says from a day on. A version is never edited."""

    created_by: str = Field(examples=["admin@partnerbase.example"])
    decided_by: str = Field(examples=["approver@partnerbase.example"])


class PartnerRuleOut(RuleOf[PartnerRuleVersionOut]):
    """A rule: the version that counts (or will), and the one that waits for a second admin."""


class PartnerRuleDetail(RuleDetailOf[PartnerRuleVersionOut]):
    """A rule with every version, the newest first."""


class PartnerRulePage(Out):
    """One page of rules, the newest first."""

    items: list[PartnerRuleOut]
    next_cursor: str | None = Field(examples=[None])


class PartnerRuleValues(In):
    """What a version says. Conditions that are left out match everything."""

    name: Text = Field(min_length=1, max_length=200, examples=["Resellers, gold"])
    percent: DecimalText = Field(description="0 to 100, at most two decimals.", examples=["7.5"])
    program: Name | None = Field(None, description="Reference.", examples=[None])
    partner_type: PartnerTypeWord | None = Field(None, examples=["reseller"])
    tier: TierWord | None = Field(None, examples=["gold"])
    product: Text = Field("", max_length=200, examples=[""])
    currency: CurrencyCode | None = Field(None, description="Of deals and of the amounts here.")
    least_deal: AmountIn | None = Field(None, description="Deals of at least this.", examples=[None])
    months: int | None = Field(
        None, ge=1, le=1200, description="Only so many months after a partner's first deal.", examples=[12]
    )
    floor: AmountIn | None = Field(None, description="At least, of each deal.", examples=[None])
    cap: AmountIn | None = Field(None, description="At most, of each deal.", examples=[None])
    retainer: AmountIn | None = Field(None, description="For each period.", examples=[None])
    priority: int = Field(100, ge=0, le=1_000_000, description="The lowest counts first.", examples=[100])
    valid_from: Day | None = Field(
        None, description="Its first day; always when left out.", examples=["2026-12-01"]
    )
    note: Note = Field("", examples=[""])


class PartnerRuleCreate(RuleFirst, PartnerRuleValues):
    """A new rule."""


class PartnerRuleRevision(RuleNext, PartnerRuleValues):
    """The next version."""
