"""Commissions, objections to them, payouts of partners by period, calculations and exchange rates in the API."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from webapp.api.schemas.common import (
    Amount,
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
)
from webapp.api.schemas.partners import (
    Name,
    StandingWord,
    StateSum,
    deal_filter,
    partner_filter,
    program_filter,
)
from webapp.api.schemas.payouts import StateCount, StateWord

CommissionKindWord = Literal["sale", "retainer", "clawback", "correction"]
CommissionFilterWord = Literal[
    "open", "holding", "due", "disputed", "rejected", "dismissed", "claimed", "paid", "cancelled"
]
CommissionSortWord = Literal[
    "date", "-date", "due", "-due", "amount", "-amount", "partner", "-partner", "created", "-created"
]
DisputeWord = Literal["open", "accepted", "refused"]
# A month or a quarter; what is none of them is refused by the calendar's own words.
PeriodText = Annotated[Text, Field(min_length=1, max_length=20, examples=["2026-11"])]
_period = Field(
    None, max_length=20, description="A month or a quarter: 2026-11, 2026-Q4.", examples=["2026-Q4"]
)


class CommissionOut(Out):
    """What a partner earns of a deal or by the period, or gives back: below zero it is taken off the next payout."""

    reference: str = Field(examples=["CM-000001"])
    partner: PayeeRef
    program: str = Field(description="Reference.", examples=["PP-0001"])
    deal: str | None = Field(description="Reference; null for a retainer.", examples=["DL-000001"])
    period: str | None = Field(description="Of a retainer.", examples=[None])
    kind: CommissionKindWord = Field(examples=["sale"])
    state: StandingWord = Field(examples=["due"])
    waits_because: str = Field(
        description="Why the next calculation does not take it.",
        examples=["CM-000001 is in its holding period until 2026-12-21."],
    )
    base: Amount = Field(description="What of the deal is the partner's.")
    percent: ExactOut = Field(examples=["5"])
    amount: Amount
    rule: str | None = Field(
        description="The rule that counted; empty: the partner's own rate. Staff only.",
        examples=["Resellers (version 2)"],
    )
    reason: str = Field(description="Of a correction, or why it was taken back.", examples=[""])
    earned_on: date = Field(examples=["2026-11-21"])
    due_on: date = Field(examples=["2026-12-21"])
    payout: str | None = Field(
        description="Reference of the payout that it is in.", examples=["PO-2026-000123"]
    )
    paid_at: Instant | None = Field(examples=[None])


class CommissionPage(Out):
    """One page of commissions."""

    items: list[CommissionOut]
    next_cursor: str | None = Field(examples=[None])


class CommissionNarrow(Query):
    """Which commissions."""

    search: Text | None = Field(
        None, max_length=120, description="A part of reference, partner or deal.", examples=["CM-0000"]
    )
    partner: Text | None = partner_filter
    deal: Text | None = deal_filter
    program: Text | None = program_filter
    payout: Text | None = Field(None, max_length=120, description="Reference.", examples=["PO-2026-000123"])
    state: CommissionFilterWord | None = Field(
        None, description="`open`: in no payout, whatever it waits for.", examples=["due"]
    )
    kind: CommissionKindWord | None = Field(None, examples=["clawback"])
    period: Text | None = _period
    earned_from: Day | None = Field(None, examples=["2026-10-01"])
    earned_to: Day | None = Field(None, examples=["2026-12-31"])
    currency: CurrencyCode | None = Field(
        None, description="Of the amounts asked for; the organisation's own when left out."
    )
    amount_from: DecimalText | None = Field(None, examples=["100.00"])
    amount_to: DecimalText | None = Field(None, examples=["500.00"])


class CommissionQuery(CommissionNarrow, PageQuery):
    """Which commissions, and which page of them."""

    sort: CommissionSortWord = Field("-date", examples=["due"])


class BaseLine(Out):
    """A total of one currency in the organisation's own, at a rate and its day."""

    amount: Amount
    base: Amount | None = Field(description="Null: there is no rate.")
    rate: ExactOut | None = Field(
        description="What one unit is worth; null in the own currency.", examples=["1.0832"]
    )
    rate_from: date | None = Field(description="Since when the rate counts.", examples=["2026-11-01"])


class BaseOut(Out):
    """Totals in the organisation's own currency; what has no rate is named, never left out in silence."""

    currency: str = Field(examples=["USD"])
    on: date = Field(examples=["2026-11-21"])
    lines: list[BaseLine]
    together: Amount = Field(description="Of those that have a rate.")
    missing: list[str] = Field(description="Currencies without a rate.", examples=[["INR"]])


class CommissionStats(Out):
    """Counts and sums by state and currency; currencies are only added by rates, in `in_base`."""

    items: list[StateSum]
    in_base: BaseOut | None = Field(description="All that counts (not cancelled, not dismissed). Staff only.")
    next_cursor: None = Field(description="Always null: it is one page.", examples=[None])


class CommissionOffer(In):
    """What becomes of a commission whose payout was rejected or cancelled."""

    reason: Reason = Field(examples=["The order is signed now."])


class DisputeRaise(In):
    """Why a commission is wrong."""

    reason: Reason = Field(examples=["The deal was over 12,000.00."])


class DisputeOut(Out):
    """A partner's objection to one commission, which alone waits for the answer."""

    id: int = Field(examples=[7])
    commission: str = Field(description="Reference.", examples=["CM-000001"])
    partner: PayeeRef
    state: DisputeWord = Field(examples=["open"])
    reason: str = Field(examples=["The deal was over 12,000.00."])
    answer: str = Field(examples=[""])
    raised_by: str | None = Field(description="Staff only.", examples=["anna@partnerbase.example"])
    raised_at: Instant = Field(examples=["2026-11-21T09:00:00.000Z"])
    decided_by: str | None = Field(description="Staff only.", examples=[None])
    decided_at: Instant | None = Field(examples=[None])


class DisputePage(Out):
    """One page of objections, the newest first."""

    items: list[DisputeOut]
    next_cursor: str | None = Field(examples=[None])


class DisputeQuery(PageQuery):
    """Which objections, and which page of them."""

    state: DisputeWord | None = Field(None, examples=["open"])
    partner: Text | None = partner_filter
    commission: Text | None = Field(None, max_length=120, description="Reference.", examples=["CM-000001"])


class DisputeAnswer(In):
    """The answer to an objection; the partner reads it."""

    answer: Reason = Field(examples=["The deal was over 10,000.00, as the order says."])


class PartnerPayoutNarrow(Query):
    """Which payouts of partners."""

    partner: Text | None = partner_filter
    period: Text | None = Field(
        None, max_length=20, description="Those whose period lies in a month or a quarter: 2026-11, 2026-Q4.",
        examples=["2026-Q4"],
    )  # fmt: skip
    state: StateWord | None = Field(None, examples=["pending_approval"])
    search: Text | None = Field(
        None,
        max_length=120,
        description="A part of a reference, partner's name or payment reference.",
        examples=["PO-2026"],
    )


class PartnerPayoutQuery(PartnerPayoutNarrow, PageQuery):
    """Which payouts of partners, and which page of them."""


class PeriodSum(StateCount):
    """How many payouts of a period stand in a state, and what they come to."""

    period_start: date | None = Field(examples=["2026-10-01"])
    period_end: date | None = Field(examples=["2026-12-31"])


class PartnerPeriods(Out):
    """A partner's payouts by period, state and currency, the oldest period first."""

    partner: PayeeRef
    items: list[PeriodSum]


class PartnerPeriodsPage(Out):
    """Sums by partner and period, in the order in which the partners were added."""

    items: list[PartnerPeriods]
    next_cursor: str | None = Field(examples=[None])


class PartnerPayoutCreate(In):
    """A payout of chosen commissions of one partner; what is to be taken back in their currency comes off it."""

    partner: Name = Field(description="Reference.", examples=["PY-0001"])
    commissions: list[Name] = Field(
        min_length=1,
        max_length=1_000,
        description="References; all of one currency.",
        examples=[["CM-000001"]],
    )
    note: Note = Field("", description="For staff; partners never see it.", examples=["November"])


class DueQuery(Query):
    """Up to the end of which period."""

    period: Text | None = Field(
        None, max_length=20, description="A month or a quarter; the present month when left out.", examples=["2026-11"]
    )  # fmt: skip


class DueOut(Out):
    """What is due to a partner in one currency."""

    partner: PayeeRef
    commissions: int = Field(examples=[4])
    amount: Amount
    waits_because: str = Field(description="Empty: a calculation pays it.", examples=[""])


class DuePage(Out):
    """What a calculation would pay, and what would wait; one page, by name."""

    period: str = Field(examples=["2026-11"])
    items: list[DueOut]
    retainers: int = Field(
        description="Retainers of the period that the calculation makes first; they are among the amounts.",
        examples=[0],
    )
    notes: list[str] = Field(description="Rules whose retainer counts for nobody, and why.", examples=[[]])
    next_cursor: None = Field(description="Always null: it is one page.", examples=[None])


class Calculate(In):
    """Make payouts of all that is due up to the end of a period."""

    period: PeriodText = Field(description="A month or a quarter: 2026-11, 2026-Q4.", examples=["2026-11"])


class Calculation(Out):
    """A calculation that a worker does within seconds; or that there is nothing new."""

    period: str = Field(examples=["2026-11"])
    is_new: bool = Field(description="False: nothing is due that is in no payout yet.", examples=[True])
    run: str | None = Field(
        description="Reference; `/runs/{run}` says how far it is, `/runs/{run}/rows` what became of each partner.",
        examples=["BA-0001"],
    )
    partners: int = Field(description="With something due.", examples=[12])
    message: str = Field(examples=["12 partners are being calculated."])


class ExchangeRateOut(Out):
    """What one unit of a currency is worth in the organisation's own, from a day on until a later rate."""

    id: int = Field(examples=[7])
    currency: str = Field(examples=["EUR"])
    base: str = Field(examples=["USD"])
    rate: ExactOut = Field(examples=["1.0832"])
    valid_from: date = Field(examples=["2026-11-01"])
    version: int = Field(description="Of the rate of that day.", examples=[1])
    is_current: bool = Field(description="False: it was corrected or withdrawn.", examples=[True])
    note: str = Field(examples=["European Central Bank"])
    created_by: str = Field(examples=["admin@partnerbase.example"])
    created_at: Instant = Field(examples=["2026-11-01T09:00:00.000Z"])


class ExchangeRatePage(Out):
    """One page of rates, the newest first."""

    items: list[ExchangeRateOut]
    next_cursor: str | None = Field(examples=[None])


class ExchangeRateQuery(PageQuery):
    """Which rates, and which page of them."""

    currency: CurrencyCode | None = Field(None, examples=["EUR"])
    on: Day | None = Field(
        None, description="Only those that count on a day, one for each currency.", examples=["2026-11-21"]
    )
    is_current: Literal["true", "false"] | None = Field(None, examples=["true"])
