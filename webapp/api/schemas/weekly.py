"""Weekly receipts of drivers (DTRs) and the runs that make them, as the API shows and takes them."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field

from webapp.api.schemas.common import (
    Amount,
    AmountIn,
    Day,
    In,
    Instant,
    Out,
    PageQuery,
    PayeeRef,
    Reason,
    Text,
)
from webapp.api.schemas.drivers import CategoryWord
from webapp.api.schemas.people import FileWord
from webapp.api.schemas.repairs import driver_filter, lease_filter

ReceiptLineWord = Literal["earning", "charge", "adjustment", "carried"]
StepWord = Literal["charge", "trips", "receipt"]
NetWord = Literal["positive", "negative", "zero"]
ReceiptSortWord = Literal[
    "week", "-week", "net", "-net", "paid", "-paid", "driver", "-driver", "created", "-created"
]  # fmt: skip


class ReceiptOut(Out):
    """The receipt of a lease and week: opening + earnings - charges + adjustments = net; net - paid = closing."""

    number: str = Field(examples=["DTR-2026-000017"])
    driver: PayeeRef
    lease: str = Field(description="Reference.", examples=["LS-0001"])
    week_start: date = Field(examples=["2026-11-15"])
    week_end: date = Field(examples=["2026-11-21"])
    revision: int = Field(description="1: as it was issued first; more: a correction.", examples=[1])
    is_final: bool = Field(description="The lease ended in this week or before it.", examples=[False])
    opening: Amount = Field(description="Below zero: owed by the driver.")
    earnings: Amount
    charges: Amount
    adjustments: Amount
    net: Amount
    paid: Amount = Field(description="What becomes a payout.")
    closing: Amount = Field(description="What the next week begins with, of either sign.")
    difference: Amount = Field(
        description="Of a correction: by how much the net changed; settled in the week that ran then."
    )
    payout: str | None = Field(description="Reference.", examples=["PO-2026-000123"])
    issued_at: Instant = Field(examples=["2026-11-22T10:00:00.000Z"])


class ReceiptLineOut(Out):
    """One line; `carried` lines explain the opening balance and are not added up."""

    kind: ReceiptLineWord = Field(examples=["charge"])
    category: str = Field(
        description="Of a charge its category, of an earning its source, of an adjustment its kind.",
        examples=["lease"],
    )
    description: str = Field(examples=["Lease LS-0001"])
    day: date = Field(examples=["2026-11-21"])
    amount: Amount = Field(description="What it adds to the driver's balance.")


class CategorySum(Out):
    """What was charged of one category."""

    category: CategoryWord = Field(examples=["lease"])
    amount: Amount


class ReceiptDetail(ReceiptOut):
    """A receipt with every line."""

    replaces: str | None = Field(description="Number of the receipt that it corrects.", examples=[None])
    reason: str = Field(description="Of a correction.", examples=[""])
    lines: list[ReceiptLineOut]
    by_category: list[CategorySum] = Field(description="The charges by category.")
    file: FileWord | None = Field(
        description="ready: its PDF can be downloaded; null while no worker has begun with it.",
        examples=["ready"],
    )
    corrected_by: str | None = Field(description="Number of the correction.", examples=[None])


class ReceiptQuery(PageQuery):
    """Which receipts, in which order, and which page of them."""

    search: Text | None = Field(
        None,
        max_length=120,
        description="A part of a number, a payout, a driver's name.",
        examples=["DTR-2026"],
    )
    driver: Text | None = driver_filter
    lease: Text | None = lease_filter
    week_from: Day | None = Field(None, description="First day of the week.", examples=["2026-11-01"])
    week_to: Day | None = Field(None, examples=["2026-11-30"])
    net: NetWord | None = Field(
        None, description="positive: the driver is paid; negative: the driver owes.", examples=["positive"]
    )
    payout: Literal["with", "without"] | None = Field(None, examples=["with"])
    is_newest: Literal["true", "false"] = Field(
        "false", description="true: without receipts that a correction replaced.", examples=["true"]
    )
    sort: ReceiptSortWord = Field("-week", description="A minus puts the largest first.", examples=["-week"])


class ReceiptPage(Out):
    """One page of receipts."""

    items: list[ReceiptOut]
    next_cursor: str | None = Field(examples=[None])


class CorrectionIn(In):
    """What was wrong on a receipt."""

    category: CategoryWord = Field(examples=["tolls"])
    description: Text = Field(
        min_length=1, max_length=300, examples=["Toll of 8 Oct was another driver's"]
    )  # fmt: skip
    amount: AmountIn = Field(description="More than zero.")
    is_for_driver: bool = Field(
        description="true: so much more for the driver; false: so much less.", examples=[True]
    )


class ReceiptReissue(In):
    """A receipt is never changed: it is issued again under its own number, with the difference."""

    lines: list[CorrectionIn] = Field(min_length=1, max_length=50)
    reason: Reason = Field(examples=["A toll was another driver's."])


class WeeklyRunOut(Out):
    """The work of the week that begins: its instalments are charged, the week before gets its receipts."""

    week_start: date = Field(examples=["2026-11-22"])
    receipts_of: date = Field(description="First day of the week of the receipts.", examples=["2026-11-15"])
    posted: int = Field(description="Instalments charged.", examples=[48])
    receipts: int = Field(examples=[30])
    payouts: int = Field(examples=[24])
    problems: int = Field(
        description="What could not be done; tried again when it is run again.", examples=[0]
    )
    started_at: Instant = Field(examples=["2026-11-22T10:00:00.000Z"])
    finished_at: Instant | None = Field(
        description="When all of it was done first.", examples=["2026-11-22T10:00:07.000Z"]
    )


class WeeklyRunDetail(WeeklyRunOut):
    """How far a run is, counted from the records at this moment."""

    is_working: bool = Field(description="A worker has it, or is about to.", examples=[False])
    is_finished: bool = Field(examples=[True])
    expected: int = Field(description="Receipts that there will be.", examples=[30])


class WeeklyRunAsked(WeeklyRunDetail):
    """A run that is handed to a worker."""

    is_repeat: bool = Field(
        description="A worker has it already; nothing was asked for now.", examples=[False]
    )


class WeeklyRunPage(Out):
    """One page of runs, the newest first."""

    items: list[WeeklyRunOut]
    next_cursor: str | None = Field(examples=[None])


class WeeklyProblemOut(Out):
    """What could not be done for a driver; tried again when the run is repeated."""

    driver: PayeeRef
    step: StepWord = Field(examples=["receipt"])
    message: str = Field(examples=["The payout is below the minimum."])
    happened_at: Instant = Field(examples=["2026-11-22T10:00:00.000Z"])


class WeeklyProblemPage(Out):
    """One page of problems, the oldest first."""

    items: list[WeeklyProblemOut]
    next_cursor: str | None = Field(examples=[None])


class WeeklyRunStart(In):
    """Which week's work is to be done."""

    week: Day = Field(
        description="Its first day; it has begun. What is done already is not done again.",
        examples=["2026-11-22"],
    )
