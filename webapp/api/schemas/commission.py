"""Commission rules of a clinic as the API shows and takes them."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from webapp.api.schemas.common import (
    Amount,
    AmountIn,
    CurrencyCode,
    Day,
    DecimalText,
    ExactOut,
    In,
    Instant,
    Note,
    Out,
    PageQuery,
    PayeeRef,
    Query,
    Reason,
    Text,
    Version,
)

RuleWord = Literal["proposed", "in_force", "refused", "withdrawn"]
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


class RuleVersionOut(Out):
    """What a rule says from a day on. A version is never edited."""

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
    valid_from: date | None = Field(examples=["2026-12-01"])
    is_active: bool = Field(description="False: the rule ends with its first day.", examples=[True])
    note: str = Field(examples=[""])
    created_by: str = Field(examples=["admin@carepoint.example"])
    created_at: Instant = Field(examples=["2026-11-21T09:00:00.000Z"])
    decided_by: str = Field(examples=["approver@carepoint.example"])
    decided_at: Instant | None = Field(examples=[None])
    decision_note: str = Field(examples=[""])


class RuleOut(Out):
    """A rule: the version that counts (or will), and the one that waits for a second admin."""

    id: int = Field(examples=[7])
    external_ref: str | None = Field(examples=["R-7"])
    newest_version: int = Field(description="Whatever its state.", examples=[1])
    counts: RuleVersionOut | None
    waits: RuleVersionOut | None


class RuleDetail(RuleOut):
    """A rule with every version, the newest first."""

    versions: list[RuleVersionOut]


class RulePage(Out):
    """One page of rules, the newest first."""

    items: list[RuleOut]
    next_cursor: str | None = Field(examples=[None])


class RuleQuery(PageQuery):
    """Which page of the rules."""


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


class RuleCreate(RuleValues):
    """A new rule."""

    external_ref: Text | None = Field(None, min_length=1, max_length=120, examples=["R-7"])


class RuleRevision(RuleValues):
    """The next version."""

    version: Version = Field(description="`newest_version` as you saw it; another one answers 409.")


class RuleEffectAsk(RuleValues):
    """A version that is not stored."""

    rule: int | None = Field(
        None, ge=0, le=2**63 - 1, description="The rule whose next version it would be; a new one when left out.",
        examples=[None],
    )  # fmt: skip
    month: Month | None = _month


class RuleEnd(In):
    """When a rule ends."""

    last_day: Day = Field(description="Its last day.", examples=["2026-12-31"])


class RuleAccept(In):
    """A second admin's yes to what was looked at."""

    version: Version = Field(description="The version that waits, as you saw it; another one answers 409.")
    note: Note = Field("", examples=["Agreed with the practitioners."])


class RuleRefuse(In):
    """A second admin's no."""

    version: Version = Field(description="The version that waits, as you saw it; another one answers 409.")
    reason: Reason = Field(examples=["We agreed on 12 %."])


class RuleWithdraw(In):
    """Taken back by who asked for it."""

    version: Version = Field(description="The version that waits, as you saw it; another one answers 409.")


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
