"""Payouts as the API shows and takes them."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from webapp.api.schemas.common import (
    Amount,
    CurrencyCode,
    Day,
    DecimalText,
    ExactOut,
    In,
    Instant,
    MethodKindWord,
    Note,
    Out,
    PageQuery,
    PayeeRef,
    PaymentDetails,
    Query,
    Reason,
    Text,
    Version,
    Whole,
    _plain,
)  # fmt: skip

StateWord = Literal["pending_approval", "approved", "processing", "paid", "failed", "retry_scheduled", "reversed",
                    "rejected", "cancelled"]  # fmt: skip
FlagWord = Literal["true", "false"]


class PayoutFilters(Query):
    """Which payouts."""

    state: StateWord | None = Field(None, description="Where it stands.", examples=["pending_approval"])
    held: FlagWord | None = Field(
        None, description="Only those on hold, or only the others.", examples=["true"]
    )
    payee: str | None = Field(
        None, max_length=120, description="Reference of the payee.", examples=["PY-0001"]
    )
    program: str | None = Field(None, max_length=120, examples=["installations"])
    method: MethodKindWord | None = Field(
        None, description="The payee's present way to be paid.", examples=["upi"]
    )
    period_from: Day | None = Field(
        None, description="The period ends on this day or later.", examples=["2026-11-01"]
    )
    period_to: Day | None = Field(
        None, description="The period begins on this day or earlier.", examples=["2026-11-30"]
    )
    created_from: Day | None = Field(
        None,
        description="Created on this day or later, in the organisation's time zone.",
        examples=["2026-11-01"],
    )
    created_to: Day | None = Field(
        None, description="Created on this day or earlier.", examples=["2026-11-30"]
    )
    currency: CurrencyCode | None = Field(
        None, description="Of the amounts; the organisation's own when left out.", examples=["USD"]
    )
    amount_from: DecimalText | None = Field(None, description="Net amount at least.", examples=["100.00"])
    amount_to: DecimalText | None = Field(None, description="Net amount at most.", examples=["500.00"])
    search: Annotated[str, AfterValidator(_plain)] | None = Field(
        None,
        max_length=120,
        description="A part of a reference, payee's name or payment reference.",
        examples=["PO-2026"],
    )


class PayoutQuery(PayoutFilters, PageQuery):
    """Which payouts, and which page of them."""


class PayoutNarrow(PageQuery):
    """A narrower filter, for lists whose states are fixed."""

    payee: str | None = Field(
        None, max_length=120, description="Reference of the payee.", examples=["PY-0001"]
    )
    program: str | None = Field(None, max_length=120, examples=["installations"])


class StatsQuery(Query):
    """Which payouts are counted."""

    payee: str | None = Field(
        None, max_length=120, description="Reference of the payee.", examples=["PY-0001"]
    )
    program: str | None = Field(None, max_length=120, examples=["installations"])
    created_from: Day | None = Field(None, examples=["2026-11-01"])
    created_to: Day | None = Field(None, examples=["2026-11-30"])


class Line(Out):
    """How a part of the amount was calculated."""

    position: int = Field(examples=[1])
    kind: str = Field(description="earning, bonus, deduction, tax or adjustment.", examples=["earning"])
    description: str = Field(examples=["ISR-000042 Solar up to 10 kW"])
    occurred_on: date | None = Field(examples=["2026-11-03"])
    quantity: ExactOut | None = Field(examples=["9.99"])
    unit: str = Field(examples=["kW"])
    rate: ExactOut | None = Field(examples=["50"])
    formula: str = Field(examples=["9.99 kW × 50.00 USD = 499.50 USD"])
    amount: Amount
    source: str = Field(description="The record that it pays for.", examples=["ISR-000042"])


class ApprovalOut(Out):
    """One person's yes or no."""

    decision: Literal["approved", "rejected"] = Field(examples=["approved"])
    by: str = Field(examples=["approver@solaria.example"])
    note: str = Field(examples=["Checked against the certificates."])
    at: Instant = Field(examples=["2026-11-21T09:00:00.000Z"])
    counts: bool = Field(description="False once what was approved has changed since.", examples=[True])


class TransferOut(Out):
    """One try at moving the money."""

    n: int = Field(examples=[1])
    transfer_id: str = Field(
        description="Our id; the bank sees the same.", examples=["PD7K2M9QX4T6V8W3Z5B2C4D6F8"]
    )
    rail: str = Field(examples=["sandbox"])
    state: str = Field(examples=["succeeded"])
    utr: str = Field(description="The bank's trace.", examples=["UTR0000000123"])
    error_code: str = Field(examples=[""])
    error_message: str = Field(examples=[""])
    created_at: Instant = Field(examples=["2026-11-21T09:00:00.000Z"])
    finished_at: Instant | None = Field(examples=["2026-11-21T09:00:07.000Z"])


class Payout(Out):
    """An amount that an organisation owes one payee."""

    reference: str = Field(examples=["PO-2026-000123"])
    state: StateWord = Field(examples=["pending_approval"])
    program: str = Field(examples=["installations"])
    payee: PayeeRef
    net: Amount
    gross: Amount
    period_start: date = Field(examples=["2026-11-01"])
    period_end: date = Field(examples=["2026-11-30"])
    is_automatic: bool = Field(description="A program made it by itself.", examples=[False])
    is_held: bool = Field(examples=[False])
    hold_reason: str | None = Field(description="Staff only.", examples=[None])
    reason: str = Field(description="Why it was rejected, cancelled, failed or returned.", examples=[""])
    note: str | None = Field(description="Staff only.", examples=["November"])
    approvals_needed: int = Field(examples=[1])
    approvals_given: int = Field(examples=[0])
    payment_details: PaymentDetails | None
    rail: str = Field(description="manual, or the bank's interface; empty until it is paid.", examples=[""])
    payment_reference: str | None = Field(examples=[None])
    paid_on: date | None = Field(examples=[None])
    retry_at: Instant | None = Field(examples=[None])
    created_at: Instant = Field(examples=["2026-11-21T09:00:00.000Z"])
    created_by: str | None = Field(description="Staff only.", examples=["admin@solaria.example"])
    approved_at: Instant | None = Field(examples=[None])
    submitted_at: Instant | None = Field(examples=[None])
    paid_at: Instant | None = Field(examples=[None])
    version: int = Field(description="Send it with an action to act on what you saw.", examples=[1])


class PayoutDetail(Payout):
    """A payout with its calculation, its approvals and tries, and what stops it."""

    lines: list[Line]
    approvals: list[ApprovalOut] = Field(description="Staff only; empty for payees.")
    transfers: list[TransferOut] = Field(description="Staff only; empty for payees.")
    details_to_confirm: PaymentDetails | None = Field(
        description="The payee's present payment details where they are not those that were approved: whoever pays "
        "looks at them and sends their version as `confirm_details_version`. Staff only."
    )
    why_not_paid: list[str] = Field(
        description="Every reason, as sentences.", examples=[["1 more person must approve it."]]
    )
    why_you_cannot_approve: list[str] = Field(
        description="Staff only.", examples=[["You created this payout; another person must approve it."]]
    )


class PayoutPage(Out):
    """One page of payouts, the newest first."""

    items: list[Payout]
    next_cursor: str | None = Field(examples=["azE6MTIz"])


class ActionDone(Out):
    """What an action led to."""

    message: str = Field(examples=["PO-2026-000123 is approved. It can be paid now."])
    is_repeat: bool = Field(description="It had been done before; nothing was changed now.", examples=[False])
    payout: Payout


class Event(Out):
    """One thing that happened to a payout."""

    at: Instant = Field(examples=["2026-11-21T09:00:00.000Z"])
    event: str = Field(description="What happened, as a word.", examples=["approved"])
    by: str | None = Field(description="Staff only.", examples=["approver@solaria.example"])
    note: str = Field(examples=[""])
    changes: dict[str, Any] = Field(
        description="Field -> [before, after]. Staff only.",
        examples=[{"state": ["pending_approval", "approved"]}],
    )


class EventPage(Out):
    """What happened to a payout, the newest first."""

    items: list[Event]
    next_cursor: str | None = Field(examples=[None])


class StateCount(Out):
    """How many payouts stand in a state, and what they come to."""

    state: StateWord = Field(examples=["paid"])
    count: int = Field(examples=[12])
    gross: Amount
    net: Amount


class Stats(Out):
    """Counts and sums by state and currency; currencies are never added together."""

    items: list[StateCount]
    next_cursor: None = Field(description="Always null: it is one page.", examples=[None])


class PayeeSums(Out):
    """What one payee has waiting, approved, on its way, and paid, in one currency each."""

    payee: PayeeRef
    items: list[StateCount]


class PayeeSumsPage(Out):
    """Sums by payee, in the order in which the payees were added."""

    items: list[PayeeSums]
    next_cursor: str | None = Field(examples=["azE6Nw"])


class PayoutCreate(In):
    """A payout for installations of one technician; their amounts come from the rates."""

    program: Literal["installations"] = Field("installations", examples=["installations"])
    payee: Text = Field(
        min_length=1, max_length=120, description="Reference of the technician.", examples=["PY-0001"]
    )
    installations: list[Annotated[str, AfterValidator(_plain), Field(min_length=1, max_length=120)]] = Field(
        min_length=1,
        max_length=500,
        description="References of the installations.",
        examples=[["ISR-000042"]],
    )
    note: Note = Field("", description="For staff; payees never see it.", examples=["November"])


class Act(In):
    """An action on a payout."""

    version: Version | None = Field(None, description="Of the payout as you saw it; another one answers 409.")


class ActWithNote(Act):
    """An action with words that are kept."""

    note: Note = Field("", examples=["Checked against the certificates."])


class Approve(In):
    """A yes to what was looked at: neither number can be left out."""

    version: Version = Field(description="Of the payout as you saw it; another one answers 409.")
    seen_details_version: Version = Field(
        description="`payment_details.version` of the payout as you saw it, 0 where it had none; other details now "
        "answer 409.",
        examples=[2],
    )
    note: Note = Field("", examples=["Checked against the certificates."])


class ActWithReason(Act):
    """An action that needs a reason."""

    reason: Reason = Field(examples=["The size of ISR-000042 is wrong."])


class Reissue(ActWithNote):
    """Making a returned payout payable again, to details that are named."""

    confirm_details_version: Version = Field(
        description="Your word that the payee's present payment details are right: their version, as "
        "`details_to_confirm` or the payee says it.",
        examples=[2],
    )


class Confirming(Act):
    """Paying, where payment details may have changed after the approval."""

    confirm_details_version: Version | None = Field(
        None,
        description="Your word that payment details changed after the approval are right: their version, as "
        "`details_to_confirm` of the payout says it. Other details now answer 409.",
    )


class Pay(Confirming):
    """Sending money."""

    rail: Annotated[str, Field(pattern=r"^[a-z_]{0,20}$")] = Field(
        "", description="Which way; the organisation's usual one when empty.", examples=["sandbox"]
    )


class MarkPaid(Confirming):
    """A payment that was made outside Paydesk."""

    payment_reference: Text = Field(
        min_length=1, max_length=120, description="The bank's own.", examples=["CHQ-000123"]
    )
    paid_on: Day = Field(
        description="Today or earlier, in the organisation's time zone.", examples=["2026-11-20"]
    )


class Returned(Act):
    """The bank sent a payment back that was made by hand."""

    reason: Reason = Field(examples=["The bank returned it: account closed."])
    on: Day = Field(examples=["2026-11-21"])


class HistoryQuery(PageQuery):
    """Which page of the events."""


__all__ = [
    "Act",
    "ActWithNote",
    "ActWithReason",
    "ActionDone",
    "ApprovalOut",
    "Approve",
    "Confirming",
    "Event",
    "EventPage",
    "HistoryQuery",
    "Line",
    "MarkPaid",
    "Pay",
    "PayeeSums",
    "PayeeSumsPage",
    "Payout",
    "PayoutCreate",
    "PayoutDetail",
    "PayoutFilters",
    "PayoutNarrow",
    "PayoutPage",
    "PayoutQuery",
    "Reissue",
    "Returned",
    "StateCount",
    "StateWord",
    "Stats",
    "StatsQuery",
    "TransferOut",
    "Whole",
]  # fmt: skip
