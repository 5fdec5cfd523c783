"""Commission rules of a clinic as the API shows and takes them."""

from __future__ import annotations

from datetime import date
from typing import Annotated

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
    PayeeRef,
    Query,
    Text,
)
from webapp.api.schemas.rule_versions import (
    RuleDetailOf,
    RuleFirst,
    RuleNext,
    RuleOf,
    RuleWord,
    Versioned,
)

Month = Annotated[str, Field(pattern=r"^(19[7-9]\d|2\d{3})-(0[1-9]|1[0-2])$")]
_month = Field(None, description="Last month when left out.", examples=["2026-10"])


class TierOut(Out):
    """Per cent while the month's volume so far is below an amount; without one: from there on."""

    below: Amount | None
    percent: ExactOut = Field(examples=["10"])


class TierIn(In):
    """A tier of the month's volume."""

    below: AmountIn | None = Field(None, description="From there on when left out.")
    percent: DecimalText = Field(examples=["10"])


class _Says(Out):
    """What a version says, before from when and by whom."""

    version: int = Field(examples=[1])
    state: RuleWord = Field(examples=["in_force"])
    name: str = Field(examples=["Physiotherapy"])
    practitioner: PayeeRef | None = Field(description="Null: for everybody.")
    category: str = Field(description="Of the service; empty: for every one.", examples=["Physiotherapy"])
    percent: ExactOut = Field(examples=["10"])
    flat: Amount
    floor: Amount | None
    cap: Amount | None
    tiers: list[TierOut]
    priority: int = Field(description="The highest counts first.", examples=[10])


class RuleVersionOut(Versioned, _Says):
    """What a rule says from a day on. A version is never edited."""

    created_by: str = Field(examples=["admin@carepoint.example"])
    decided_by: str = Field(examples=["approver@carepoint.example"])


class RuleOut(RuleOf[RuleVersionOut]):
    """A rule: the version that counts (or will), and the one that waits for a second admin."""


class RuleDetail(RuleDetailOf[RuleVersionOut]):
    """A rule with every version, the newest first."""


class RulePage(Out):
    """One page of rules, the newest first."""

    items: list[RuleOut]
    next_cursor: str | None = Field(examples=[None])


class RuleValues(In):
    """What a version says. Without practitioner and category it is for everybody and everything."""

    name: Text = Field(min_length=1, max_length=200, examples=["Physiotherapy"])
    percent: DecimalText = Field(examples=["10"])
    practitioner: Text | None = Field(None, max_length=120, description="Reference.", examples=[None])
    category: Text = Field("", max_length=120, examples=["Physiotherapy"])
    flat: AmountIn | None = Field(None, description="Added; none when left out.", examples=[None])
    floor: AmountIn | None = Field(None, description="At least.", examples=[None])
    cap: AmountIn | None = Field(None, description="At most.", examples=[None])
    tiers: list[TierIn] = Field(
        [], max_length=10, description="Instead of `percent`, by the month's volume.", examples=[[]]
    )  # fmt: skip
    priority: int = Field(0, ge=-1_000_000, le=1_000_000, examples=[10])
    valid_from: Day | None = Field(
        None, description="Its first day; always when left out.", examples=["2026-12-01"]
    )
    note: Note = Field("", examples=[""])


class RuleCreate(RuleFirst, RuleValues):
    """A new rule."""


class RuleRevision(RuleNext, RuleValues):
    """The next version."""


class RuleEffectAsk(RuleValues):
    """A version that is not stored."""

    rule: int | None = Field(
        None, ge=0, le=2**63 - 1, description="The rule whose next version it would be; a new one when left out.",
        examples=[None],
    )  # fmt: skip
    month: Month | None = _month


class EffectQuery(Query):
    """Of which month."""

    month: Month | None = _month


class EffectOut(Out):
    """What a version would have changed in a month: its payouts, cut again."""

    first_day: date = Field(examples=["2026-10-01"])
    last_day: date = Field(examples=["2026-10-31"])
    payouts: int = Field(description="Looked at.", examples=[120])
    changed: int = Field(examples=[14])
    commission_before: Amount
    commission_after: Amount


class QuoteQuery(Query):
    """What would be kept of an amount."""

    amount: DecimalText = Field(description="What was received, less tax.", examples=["99.99"])
    currency: CurrencyCode | None = Field(None, description="The organisation's own when left out.")
    practitioner: Text | None = Field(
        None, max_length=120, description="Reference; the rules for everybody count when left out.",
        examples=["PY-0001"],
    )  # fmt: skip
    category: Text | None = Field(None, max_length=120, examples=["Physiotherapy"])
    on: Day | None = Field(
        None, description="Of the appointment; today when left out.", examples=["2026-11-21"]
    )


class QuoteOut(Out):
    """Base = commission + payout, always."""

    on: date = Field(examples=["2026-11-21"])
    base: Amount
    commission: Amount
    payout: Amount
    percent: ExactOut = Field(examples=["10"])
    rule: str = Field(examples=["Default"])
