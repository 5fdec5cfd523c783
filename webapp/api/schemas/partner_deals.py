"""Deals, what partners did for them and who has which share, as the API shows and takes them; events of a CRM."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from webapp.api.schemas.common import (
    Amount,
    AmountIn,
    CurrencyCode,
    Day,
    DecimalText,
    ExactOut,
    In,
    Instant,
    InstantIn,
    Out,
    PageQuery,
    PayeeRef,
    Reason,
    Text,
    Version,
    _plain,
)
from webapp.api.schemas.partner_money import CommissionOut
from webapp.api.schemas.partners import (
    ModelWord,
    Name,
    TouchWord,
    deal_filter,
    partner_filter,
    program_filter,
    seen,
)

DealWord = Literal["open", "won", "lost"]
DealSortWord = Literal[
    "created", "-created", "name", "-name", "closed", "-closed", "amount", "-amount"
]  # fmt: skip
TouchSortWord = Literal["date", "-date", "partner", "-partner", "created", "-created"]
EventWord = Literal[
    "deal.created", "deal.updated", "deal.won", "deal.lost", "deal.reopened", "touchpoint.created"
]
OutcomeWord = Literal["applied", "superseded"]
EventId = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:~-]{1,120}$")]


class DealOut(Out):
    """A sale that partners took part in."""

    reference: str = Field(examples=["DL-000001"])
    external_ref: str | None = Field(description="The name that a CRM has for it.", examples=["1C1I7A6R"])
    program: str = Field(description="Reference.", examples=["PP-0001"])
    name: str = Field(examples=["Acme: 20 seats"])
    customer: str = Field(examples=["Acme Corporation"])
    product: str = Field(examples=["GTX Pro"])
    amount: Amount
    state: DealWord = Field(examples=["won"])
    opened_at: Instant = Field(examples=["2026-09-01T09:00:00.000Z"])
    closed_at: Instant | None = Field(examples=["2026-11-21T09:00:00.000Z"])
    registered_by: PayeeRef | None = Field(description="A partner sees themselves alone.")
    reason: str | None = Field(
        description="Why it was lost, or changed after it was won. Staff only.", examples=[""]
    )
    created_by: str | None = Field(description="Staff only.", examples=["admin@partnerbase.example"])
    created_at: Instant = Field(examples=["2026-09-01T09:00:00.000Z"])
    version: int = Field(examples=[2])


class DealPage(Out):
    """One page of deals."""

    items: list[DealOut]
    next_cursor: str | None = Field(examples=[None])


class DealQuery(PageQuery):
    """Which deals, and which page of them."""

    search: Text | None = Field(
        None, max_length=120, description="A part of reference, name, customer or the CRM's name.", examples=["Acme"]
    )  # fmt: skip
    state: DealWord | None = Field(None, examples=["won"])
    program: Text | None = program_filter
    partner: Text | None = partner_filter
    product: Text | None = Field(None, max_length=120, description="A part of it.", examples=["GTX"])
    external_ref: Text | None = Field(
        None, max_length=120, description="The whole name that a CRM has for it.", examples=["1C1I7A6R"]
    )
    closed_from: Day | None = Field(
        None, description="Closed on this day or later, in the organisation's time zone.", examples=["2026-10-01"]
    )  # fmt: skip
    closed_to: Day | None = Field(None, examples=["2026-12-31"])
    currency: CurrencyCode | None = Field(None, description="Of the deal and of the amounts asked for.")
    amount_from: DecimalText | None = Field(None, examples=["100.00"])
    amount_to: DecimalText | None = Field(None, examples=["5000.00"])
    sort: DealSortWord = Field("-created", examples=["-closed"])


class PartOut(Out):
    """What one touch (or the registration) earned of a deal, and why; zero says why not."""

    touchpoint: int | None = Field(description="Null: the registration.", examples=[7])
    kind: str = Field(examples=["Referral"])
    happened_at: Instant = Field(examples=["2026-09-02T09:00:00.000Z"])
    millionths: int = Field(description="Of the deal, of a million.", examples=[333333])
    amount: Amount
    why: str = Field(examples=["One of 3 partners, each with the same part."])


class DealShareOut(Out):
    """A partner's share of a deal and the touches that made it. Shares add up to a million, amounts to the deal's."""

    partner: PayeeRef | None = Field(
        description="Null: others than the partner whose token this is, together."
    )
    millionths: int = Field(examples=[333333])
    percent: ExactOut = Field(examples=["33.3333"])
    amount: Amount
    is_frozen: bool = Field(
        description="A payout pays for it: it does not change any more.", examples=[False]
    )
    parts: list[PartOut]


class DealDetail(DealOut):
    """A deal with who has which share of it and why, and what was earned of it."""

    model: ModelWord = Field(examples=["equal"])
    model_words: str = Field(examples=["The same to every partner who took part."])
    attribution: list[DealShareOut] = Field(description="In the order in which partners first took part.")
    commissions: list[CommissionOut] = Field(description="Partners see theirs.")


class DealValues(In):
    """What a deal is."""

    name: Text = Field(min_length=1, max_length=200, examples=["Acme: 20 seats"])
    amount: AmountIn
    customer: Text = Field("", max_length=200, examples=["Acme Corporation"])
    product: Text = Field("", max_length=200, examples=["GTX Pro"])
    program: Name | None = Field(
        None,
        description="Reference; needed where there are several programs in use.",
        examples=["PP-0001"],
    )
    registered_by: Name | None = Field(
        None, description="Reference of the partner who registered it.", examples=[None]
    )


class DealCreate(DealValues):
    """A new deal; it is open."""

    opened_at: InstantIn | None = Field(
        None, description="Now when left out.", examples=["2026-09-01T09:00:00Z"]
    )
    external_ref: Name | None = Field(
        None, description="The name that a CRM has for it.", examples=["1C1I7A6R"]
    )


class DealChange(DealValues):
    """The deal as it shall be. Of one that is won it needs a reason; its program and currency stay."""

    opened_at: InstantIn | None = Field(
        None, description="As it is when left out.", examples=["2026-09-01T09:00:00Z"]
    )
    reason: Text = Field("", max_length=2000, examples=["The customer gave two seats back."])
    version: Version | None = seen


class DealWin(In):
    """The deal is won: its commissions are earned."""

    closed_at: InstantIn | None = Field(
        None, description="Now when left out.", examples=["2026-11-20T09:00:00Z"]
    )
    version: Version | None = seen


class DealLose(In):
    """The deal is lost, or refunded: what it earned is cancelled, what was paid is taken back."""

    reason: Reason = Field(examples=["The customer chose another offer."])
    closed_at: InstantIn | None = Field(
        None, description="Now when left out; a won deal keeps its day.", examples=["2026-11-20T09:00:00Z"]
    )
    version: Version | None = seen


class DealSeen(In):
    """What was looked at."""

    version: Version | None = seen


class TouchOut(Out):
    """What a partner did for a deal, and when."""

    id: int = Field(examples=[7])
    external_ref: str | None = Field(examples=["act-118"])
    deal: str = Field(description="Reference.", examples=["DL-000001"])
    partner: PayeeRef
    type: TouchWord = Field(examples=["referral"])
    weight: int = Field(description="Counts in the model of own weights alone.", examples=[1])
    happened_at: Instant = Field(examples=["2026-09-02T09:00:00.000Z"])
    created_by: str | None = Field(description="Staff only.", examples=["admin@partnerbase.example"])


class TouchPage(Out):
    """One page of touches."""

    items: list[TouchOut]
    next_cursor: str | None = Field(examples=[None])


class TouchQuery(PageQuery):
    """Which touches, and which page of them."""

    partner: Text | None = partner_filter
    deal: Text | None = deal_filter
    program: Text | None = program_filter
    type: TouchWord | None = Field(None, examples=["referral"])
    happened_from: Day | None = Field(
        None, description="On this day or later, in the organisation's time zone.", examples=["2026-09-01"]
    )
    happened_to: Day | None = Field(None, examples=["2026-09-30"])
    sort: TouchSortWord = Field("-date", examples=["date"])


class TouchCreate(In):
    """What a partner did for the deal."""

    partner: Name = Field(description="Reference.", examples=["PY-0001"])
    type: TouchWord = Field(examples=["referral"])
    happened_at: InstantIn | None = Field(
        None, description="Now when left out.", examples=["2026-09-02T09:00:00Z"]
    )
    weight: int = Field(
        1, ge=0, le=1_000_000, description="Counts in the model of own weights alone.", examples=[1]
    )
    external_ref: Name | None = Field(
        None, description="Your own name for it: the same again counts once.", examples=["act-118"]
    )


class EventData(In):
    """What the event says; what it does not say stays as it is. Partners and programs go by reference or outside name.

    Of a touch: deal, partner, type, weight, happened_at, touchpoint. All else is of deals.
    """

    deal: Name = Field(description="The CRM's own name of the deal.", examples=["1C1I7A6R"])
    name: Text | None = Field(None, min_length=1, max_length=200, examples=["Acme: 20 seats"])
    amount: AmountIn | None = Field(
        None, description="Needed for a deal that is not there yet, as `name` is."
    )
    customer: Text | None = Field(None, max_length=200, examples=["Acme Corporation"])
    product: Text | None = Field(None, max_length=200, examples=["GTX Pro"])
    program: Name | None = Field(
        None, description="Needed where there are several programs in use.", examples=["PP-0001"]
    )
    registered_by: Name | None = Field(None, description="A partner.", examples=[None])
    opened_at: InstantIn | None = Field(None, examples=[None])
    closed_at: InstantIn | None = Field(
        None, description="Of deal.won and deal.lost; `occurred_at` when left out.", examples=[None]
    )
    reason: Text | None = Field(
        None, max_length=2000, description="Why it was lost, or changed after it was won.", examples=[None]
    )
    partner: Name | None = Field(None, description="Who did it.", examples=[None])
    type: TouchWord | None = Field(None, description="What they did; other when left out.", examples=[None])
    weight: int | None = Field(None, ge=0, le=1_000_000, examples=[None])
    happened_at: InstantIn | None = Field(
        None, description="When they did it; `occurred_at` when left out.", examples=[None]
    )
    touchpoint: Name | None = Field(
        None, description="The CRM's own name of the touch; the event's id when left out.", examples=[None]
    )


class EventIn(In):
    """Something that happened in a CRM."""

    id: EventId = Field(
        description="Unique for the event: sent again, it is answered as the first time.",
        examples=["evt_01J9ZK4Q"],
    )
    type: EventWord = Field(examples=["deal.won"])
    occurred_at: InstantIn = Field(
        description="When it happened: of two events the later one is right, in whatever order they arrive.",
        examples=["2026-11-20T09:00:00Z"],
    )
    data: EventData


class EventOut(Out):
    """What became of an event; a repeat of it is answered with the same."""

    id: str = Field(examples=["evt_01J9ZK4Q"])
    type: EventWord = Field(examples=["deal.won"])
    occurred_at: Instant = Field(examples=["2026-11-20T09:00:00.000Z"])
    outcome: OutcomeWord = Field(
        description="superseded: it changes nothing, the note says why.", examples=["applied"]
    )
    note: Annotated[str, AfterValidator(_plain)] = Field(examples=[""])
    deal: str | None = Field(description="Reference.", examples=["DL-000001"])
    touchpoint: int | None = Field(examples=[None])
    received_at: Instant = Field(examples=["2026-11-20T09:00:02.000Z"])


class EventReceived(EventOut):
    """The answer to an event."""

    is_repeat: bool = Field(description="It was there already; nothing was done now.", examples=[False])


class DealEventPage(Out):
    """One page of events, the newest first."""

    items: list[EventOut]
    next_cursor: str | None = Field(examples=[None])


class EventQuery(PageQuery):
    """Which events, and which page of them."""

    deal: Text | None = deal_filter
    type: EventWord | None = Field(None, examples=["deal.won"])
    outcome: OutcomeWord | None = Field(None, examples=["superseded"])
