"""Repairs, their plans and instalments as the API shows and takes them."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from webapp.api.schemas.common import (
    Amount,
    AmountIn,
    Day,
    DecimalText,
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
    _plain,
)

RepairWord = Literal["draft", "open", "hold", "closed", "cancelled"]
InstalmentWord = Literal["scheduled", "posted", "paid", "skipped", "cancelled"]
WorkshopWord = Literal["in_house", "external"]
StartWord = Literal["CURRENT", "NEXT"]
PaidWithWord = Literal["cash", "card", "check", "transfer"]
ReplanWord = Literal["proposed", "accepted", "refused"]
PostedWord = Literal["keep", "reverse", "write_off"]
InstalmentFilterWord = Literal["scheduled", "posted", "paid", "skipped", "cancelled", "unposted", "due"]
RepairSortWord = Literal[
    "date", "-date", "created", "-created", "amount", "-amount", "outstanding", "-outstanding", "driver", "-driver",
    "vehicle", "-vehicle", "state", "-state",
]  # fmt: skip
InstalmentSortWord = Literal[
    "week", "-week", "amount", "-amount", "driver", "-driver", "created", "-created"
]  # fmt: skip
PostCodeWord = Literal["posted", "not-found", "conflict"]

#: Instalments of one call; what is more is posted by another one.
MOST_AT_ONCE = 1000

Name = Annotated[str, AfterValidator(_plain), Field(min_length=1, max_length=120)]
driver_filter = Field(None, max_length=120, description="Reference of a driver.", examples=["PY-0001"])
lease_filter = Field(None, max_length=120, description="Reference of a lease.", examples=["LS-0001"])
vehicle_filter = Field(None, max_length=120, description="Plate of a vehicle.", examples=["T612345C"])
seen = Field(None, description="Of the record as you saw it; another one answers 409.")
_start: Any = Field(
    "NEXT",
    description="Charged from the week on that begins on the day of the invoice or comes next, or from the one after.",
    examples=["NEXT"],
)


class PlannedOut(Out):
    """One instalment of a plan that is not stored."""

    number: int = Field(examples=[1])
    week_start: date = Field(examples=["2025-10-12"])
    due_on: date = Field(description="The last day of its week.", examples=["2025-10-18"])
    amount: Amount = Field(description="Principal and interest.")
    interest: Amount = Field(description="Of loans; zero for repairs.")
    balance_after: Amount = Field(description="What of the principal is left.")


class InstalmentQuote(Query):
    """Which invoice would become instalments."""

    amount: DecimalText = Field(
        description="Of the invoice, in the organisation's currency.", examples=["500.50"]
    )
    invoice_date: Day | None = Field(None, description="Today when left out.", examples=["2025-10-01"])
    start: StartWord = _start


class RepairPlan(Out):
    """The instalments that an invoice would become by the payment matrix; nothing is stored."""

    amount: Amount
    invoice_date: date = Field(examples=["2025-10-01"])
    start: StartWord = Field(examples=["NEXT"])
    instalments: list[PlannedOut]


class InstalmentOut(Out):
    """One week's part of a repair or a loan."""

    reference: str = Field(examples=["RPR-2026-001-01"])
    repair: str | None = Field(description="Reference; null for a loan's.", examples=["RPR-2026-001"])
    loan: str | None = Field(description="Reference; null for a repair's.", examples=[None])
    driver: PayeeRef
    number: int = Field(examples=[1])
    week_start: date = Field(examples=["2026-11-22"])
    due_on: date = Field(description="The last day of its week.", examples=["2026-11-28"])
    amount: Amount = Field(description="Principal and interest.")
    interest: Amount
    balance_after: Amount = Field(description="What of the principal is left.")
    state: InstalmentWord = Field(examples=["scheduled"])
    is_due: bool = Field(description="Its week has begun, and it is not posted.", examples=[True])
    posted_for: date | None = Field(
        description="The first day of the week that it was charged in: its own, or a later one that caught up.",
        examples=[None],
    )
    posted_at: Instant | None = Field(examples=[None])


class ReplanOut(Out):
    """Another weekly amount for what is left; it counts once a second person accepts it."""

    id: int = Field(examples=[7])
    repair: str = Field(description="Reference.", examples=["RPR-2026-001"])
    state: ReplanWord = Field(examples=["proposed"])
    weekly: Amount
    reason: str = Field(examples=["The driver works less this month."])
    proposed_by: str | None = Field(description="Staff only.", examples=["admin@metrocab.example"])
    proposed_at: Instant = Field(examples=["2026-11-21T09:00:00.000Z"])
    decided_by: str | None = Field(description="Staff only.", examples=[None])
    decided_at: Instant | None = Field(examples=[None])
    decision_note: str = Field(examples=[""])


class RepairOut(Out):
    """A workshop's invoice that a driver pays back by the week."""

    reference: str = Field(examples=["RPR-2026-001"])
    state: RepairWord = Field(examples=["open"])
    reason: str = Field(description="Why it is on hold or cancelled.", examples=[""])
    driver: PayeeRef
    lease: str = Field(description="Reference.", examples=["LS-0001"])
    vehicle: str = Field(description="Plate.", examples=["T612345C"])
    medallion: str | None = Field(examples=["5Y21"])
    invoice_number: str = Field(examples=["W-1042"])
    invoice_date: date = Field(examples=["2026-11-18"])
    workshop: WorkshopWord = Field(examples=["external"])
    description: str = Field(examples=["Brakes, front and rear"])
    start: StartWord = Field(examples=["NEXT"])
    amount: Amount
    weekly: Amount = Field(description="What an instalment is; the last one is the remainder.")
    paid: Amount = Field(description="Covered by earnings and payments.")
    credited: Amount = Field(description="Cancelled, taken back or written off.")
    outstanding: Amount
    created_at: Instant = Field(examples=["2026-11-18T09:00:00.000Z"])
    confirmed_at: Instant | None = Field(examples=["2026-11-18T10:00:00.000Z"])


class RepairPage(Out):
    """One page of repairs, in the order that was asked for."""

    items: list[RepairOut]
    next_cursor: str | None = Field(examples=[None])


class RepairQuery(PageQuery):
    """Which repairs, in which order, and which page of them."""

    search: Text | None = Field(
        None,
        max_length=120,
        description="A part of a reference, invoice number, description, driver, plate or VIN.",
        examples=["brakes"],
    )
    driver: Text | None = driver_filter
    lease: Text | None = lease_filter
    vehicle: Text | None = vehicle_filter
    medallion: Text | None = Field(
        None, max_length=120, description="A part of its number.", examples=["5Y21"]
    )
    state: RepairWord | None = Field(None, examples=["open"])
    workshop: WorkshopWord | None = Field(None, examples=["external"])
    invoice_from: Day | None = Field(None, examples=["2026-11-01"])
    invoice_to: Day | None = Field(None, examples=["2026-11-30"])
    amount_from: DecimalText | None = Field(
        None, description="In the organisation's currency.", examples=["200"]
    )
    amount_to: DecimalText | None = Field(None, examples=["1000"])
    sort: RepairSortWord = Field(
        "-date", description="`date` is the invoice's; a minus puts the largest first.", examples=["-date"]
    )


class InstalmentPage(Out):
    """One page of instalments, in the order that was asked for."""

    items: list[InstalmentOut]
    next_cursor: str | None = Field(examples=[None])


class InstalmentChoice(PageQuery):
    """What instalments are narrowed to, in which order, and which page of them."""

    search: Text | None = Field(
        None,
        max_length=120,
        description="A part of a reference or of a driver's name.",
        examples=["RPR-2026"],
    )
    driver: Text | None = driver_filter
    lease: Text | None = lease_filter
    vehicle: Text | None = vehicle_filter
    repair: Text | None = Field(None, max_length=120, description="Reference.", examples=["RPR-2026-001"])
    due_from: Day | None = Field(
        None, description="Instalments are due on the last day of their week.", examples=["2026-11-01"]
    )
    due_to: Day | None = Field(None, examples=["2026-11-30"])
    amount_from: DecimalText | None = Field(
        None, description="In the organisation's currency.", examples=["100"]
    )
    amount_to: DecimalText | None = Field(None, examples=["250"])
    sort: InstalmentSortWord = Field(
        "week", description="A minus puts the latest or largest first.", examples=["week"]
    )


class UnpostedQuery(InstalmentChoice):
    """Which of what is not charged yet, and which page of it."""

    is_due: Literal["true", "false"] = Field(
        "false", description="true: only what can be charged today, as its week has begun.", examples=["true"]
    )


class InstalmentQuery(InstalmentChoice):
    """Which instalments, and which page of them."""

    state: InstalmentFilterWord | None = Field(
        None,
        description="unposted: not charged, and of an open repair or a loan; due: of these what has begun.",
        examples=["posted"],
    )


class RepairDetail(RepairOut):
    """A repair with its plan."""

    version: int = Field(examples=[2])
    created_by: str | None = Field(description="Staff only.", examples=["admin@metrocab.example"])
    instalments: list[InstalmentOut]
    replans: list[ReplanOut]


class RepairCreate(In):
    """A workshop's invoice. It is a draft until it is confirmed; nothing is charged before."""

    lease: Name = Field(description="Reference; its driver is charged.", examples=["LS-0001"])
    vehicle: Name | None = Field(
        None, description="Plate; the one on the lease on that day when left out.", examples=[None]
    )
    invoice_number: Name = Field(description="The workshop's.", examples=["W-1042"])
    invoice_date: Day = Field(description="Not beyond the present week.", examples=["2025-10-01"])
    amount: AmountIn
    workshop: WorkshopWord = Field("external", examples=["external"])
    description: Note = Field("", examples=["Brakes, front and rear"])
    start: StartWord = _start


class RepairChange(RepairCreate):
    """The draft as it shall be; its plan is made anew."""

    version: Version | None = seen


class RepairSeen(In):
    """What was looked at."""

    version: Version | None = seen


class RepairReason(RepairSeen):
    """Why, for the trail."""

    reason: Reason = Field(examples=["The invoice is disputed."])


class RepairCancel(RepairReason):
    """Why, and what becomes of the instalments that were charged."""

    posted: PostedWord = Field(
        "keep",
        description="keep: they stay owed; reverse: they are taken back, also what was paid; write_off: what is not "
        "paid of them is written off.",
        examples=["keep"],
    )


class SettlementOut(Out):
    """What settles a repair today."""

    repair: str = Field(description="Reference.", examples=["RPR-2026-001"])
    amount: Amount = Field(description="All that is not paid of it, charged or not.")
    version: int = Field(description="Of the repair; send it with the settlement.", examples=[2])


class RepairSettle(RepairSeen):
    """The driver pays all that is left at once."""

    amount: AmountIn = Field(description="Exactly what is left; 422 names it.")
    method: PaidWithWord = Field(examples=["cash"])
    received_on: Day | None = Field(None, description="Today when left out.", examples=[None])
    note: Note = Field("", max_length=300, examples=["Paid at the desk"])


class ReplanPropose(In):
    """Another weekly amount for what is not charged yet."""

    weekly: AmountIn
    reason: Reason = Field(examples=["The driver works less this month."])


class ReplanDecide(In):
    """What a second person thinks of it."""

    is_accepted: bool = Field(examples=[True])
    note: Note = Field("", examples=[""])


class SkipReason(In):
    """Why an instalment moves to the end."""

    reason: Reason = Field(examples=["The driver was ill this week."])


class PostOne(Out):
    """What became of one instalment."""

    reference: str = Field(examples=["RPR-2026-001-01"])
    code: PostCodeWord = Field(
        description="not-found: as a 404; conflict: as a 409, the message says why.", examples=["posted"]
    )
    message: str = Field(examples=["RPR-2026-001-01 is charged."])


class PostMany(In):
    """Instalments to be charged: chosen ones, or all that are due."""

    instalments: list[Name] = Field(
        [], max_length=MOST_AT_ONCE, description="References.", examples=[["RPR-2026-001-01"]]
    )
    all_due: bool = Field(
        False,
        description="Instead of references: what is due, driver by driver, as the weekly run does it: of a plan whose "
        "weeks were missed one instalment a week, unless the settings say all at once.",
        examples=[False],
    )
    driver: Name | None = Field(None, description="With `all_due`: of this driver alone.", examples=[None])
    cursor: str | None = Field(
        None,
        max_length=100,
        description="With `all_due`: `next_cursor` of the answer before.",
        examples=[None],
    )


class PostedMany(Out):
    """What became of each; those that could be charged are, whatever became of the others."""

    posted: int = Field(examples=[1])
    refused: int = Field(examples=[0])
    results: list[PostOne]
    next_cursor: str | None = Field(
        description="With `all_due`: there are more drivers; call again with it.", examples=[None]
    )


class InstalmentPosted(Out):
    """An instalment that was charged."""

    message: str = Field(examples=["RPR-2026-001-01 is charged."])
    instalment: InstalmentOut
