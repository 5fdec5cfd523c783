"""Money of drivers as the API shows and takes it: charges, earnings, payments, credits, loans, balances, postings."""

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
    Note,
    Out,
    PageQuery,
    PayeeRef,
    Reason,
    Text,
)
from webapp.api.schemas.repairs import (
    Name,
    PaidWithWord,
    driver_filter,
)

CategoryWord = Literal[
    "taxes", "tolls", "lease", "tickets", "agency_fees", "repairs", "loans", "advances", "miscellaneous", "deposit"
]  # fmt: skip
#: Repairs and loans are charged by their instalments, a lease's weeks by the receipts.
ChargedWord = Literal[
    "taxes", "tolls", "lease", "tickets", "agency_fees", "advances", "miscellaneous", "deposit"
]
AdjustmentWord = Literal[
    "payment", "credit", "reversed", "written_off", "deposit", "payout_back", "correction"
]
LedgerKindWord = Literal["charge", "earning", "adjustment", "payout"]
AccountWord = Literal["receivable", "earnings", "held", "deposit", "loan", "payable"]

#: Records of one call.
MOST_RECORDS = 500

_driver = Field(description="Reference.", examples=["PY-0001"])


class ChargeOut(Out):
    """One debt of a driver."""

    id: int = Field(examples=[42])
    driver: PayeeRef
    category: CategoryWord = Field(examples=["tolls"])
    description: str = Field(examples=["Bridge toll, 3 Oct"])
    amount: Amount
    paid: Amount = Field(description="Covered by earnings and payments.")
    credited: Amount = Field(description="Taken back or written off.")
    open: Amount
    charged_on: date = Field(examples=["2026-11-20"])
    week_start: date = Field(
        description="First day of the week whose receipt counts it.", examples=["2026-11-15"]
    )
    instalment: str | None = Field(description="Reference, of a repair's or loan's charge.", examples=[None])
    receipt: str | None = Field(
        description="Number of the weekly receipt that counted it.", examples=["DTR-2026-000017"]
    )


class ChargePage(Out):
    """One page of charges, the newest first."""

    items: list[ChargeOut]
    next_cursor: str | None = Field(examples=[None])


class ChargeQuery(PageQuery):
    """Which charges, and which page of them."""

    driver: Text | None = driver_filter
    category: CategoryWord | None = Field(None, examples=["tolls"])
    is_open: Literal["true", "false"] | None = Field(
        None, description="true: something of it is not covered yet.", examples=["true"]
    )
    charged_from: Day | None = Field(None, examples=["2026-11-01"])
    charged_to: Day | None = Field(None, examples=["2026-11-30"])


class ChargeIn(In):
    """Something that a driver is charged for."""

    driver: Name = _driver
    category: ChargedWord = Field(examples=["tolls"])
    description: Text = Field(min_length=1, max_length=300, examples=["Bridge toll, 3 Oct"])
    amount: AmountIn
    charged_on: Day = Field(description="Not beyond the present week.", examples=["2025-10-03"])
    external_ref: Text = Field(
        "", max_length=120, description="Your own name for it; the same one counts once.", examples=["toll-88131"]
    )  # fmt: skip


class ChargesCreate(In):
    """Charges of one call: all of them or none."""

    charges: list[ChargeIn] = Field(min_length=1, max_length=MOST_RECORDS)


class ChargesMade(Out):
    """What is new."""

    items: list[ChargeOut]
    known: int = Field(description="Were there already, by their `external_ref`.", examples=[0])


class EarningIn(In):
    """What a driver earned."""

    driver: Name = _driver
    source: Name = Field(description="Where it comes from.", examples=["Card fares"])
    external_ref: Name = Field(description="Its name there; it counts once.", examples=["trip-118"])
    amount: AmountIn
    earned_on: Day = Field(description="Not beyond the present week.", examples=["2025-10-03"])
    description: Text = Field("", max_length=300, examples=["Midtown to JFK"])


class EarningsCreate(In):
    """Earnings of one call: all of them or none."""

    earnings: list[EarningIn] = Field(min_length=1, max_length=MOST_RECORDS)


class EarningOut(Out):
    """What a driver earned."""

    id: int = Field(examples=[42])
    driver: PayeeRef
    source: str = Field(examples=["Card fares"])
    external_ref: str = Field(examples=["trip-118"])
    description: str = Field(examples=["Midtown to JFK"])
    amount: Amount
    earned_on: date = Field(examples=["2026-11-20"])
    week_start: date = Field(
        description="First day of the week whose receipt counts it.", examples=["2026-11-15"]
    )
    receipt: str | None = Field(
        description="Number of the weekly receipt that counted it.", examples=["DTR-2026-000017"]
    )


class EarningsMade(Out):
    """What is new."""

    items: list[EarningOut]
    known: int = Field(description="Were there already, by source and `external_ref`.", examples=[0])


class EarningPage(Out):
    """One page of earnings, the newest first."""

    items: list[EarningOut]
    next_cursor: str | None = Field(examples=[None])


class EarningQuery(PageQuery):
    """Which earnings, and which page of them."""

    driver: Text | None = driver_filter
    source: Text | None = Field(None, max_length=120, examples=["Card fares"])
    earned_from: Day | None = Field(None, examples=["2026-11-01"])
    earned_to: Day | None = Field(None, examples=["2026-11-30"])


class PartIn(In):
    """How much of a payment is for a charge."""

    charge: int = Field(ge=0, le=2**62, description="Id.", examples=[42])
    amount: AmountIn


class DriverPaymentCreate(In):
    """A driver pays between the weekly receipts."""

    driver: Name = _driver
    amount: AmountIn
    method: PaidWithWord = Field(examples=["cash"])
    received_on: Day | None = Field(
        None, description="Today when left out; not in the future.", examples=[None]
    )
    charges: list[PartIn] = Field(
        [],
        max_length=100,
        description="The debts chosen, never taxes. What is more goes to open lease charges, the oldest first, or is "
        "kept as a credit, as the settings say.",
        examples=[[]],
    )
    note: Note = Field("", max_length=300, examples=["Paid at the desk"])


class DriverCreditCreate(In):
    """A credit on the driver's next weekly receipt, at the organisation's expense."""

    driver: Name = _driver
    amount: AmountIn
    reason: Text = Field(min_length=1, max_length=300, examples=["Waited for the workshop"])


class DepositReturn(In):
    """What of a deposit is given back; debts come off it first."""

    amount: AmountIn


class AppliedOut(Out):
    """What of it covered a charge."""

    charge: int = Field(description="Id.", examples=[42])
    category: CategoryWord = Field(examples=["lease"])
    amount: Amount


class AdjustmentOut(Out):
    """What made a driver's balance grow beside earnings."""

    reference: str = Field(examples=["AD-000017"])
    driver: PayeeRef
    kind: AdjustmentWord = Field(examples=["payment"])
    method: PaidWithWord | None = Field(description="Of a payment.", examples=["cash"])
    description: str = Field(examples=["Paid by cash"])
    amount: Amount
    applied: Amount = Field(description="What of it went to certain charges; the rest is for the week's.")
    parts: list[AppliedOut]
    happened_on: date = Field(examples=["2026-11-20"])
    receipt: str | None = Field(description="Number of the weekly receipt that counted it.", examples=[None])
    created_at: Instant = Field(examples=["2026-11-20T09:00:00.000Z"])


class AdjustmentPage(Out):
    """One page of payments, credits and what else came back, the newest first."""

    items: list[AdjustmentOut]
    next_cursor: str | None = Field(examples=[None])


class AdjustmentQuery(PageQuery):
    """Which of them, and which page."""

    driver: Text | None = driver_filter
    kind: AdjustmentWord | None = Field(None, examples=["payment"])
    happened_from: Day | None = Field(None, examples=["2026-11-01"])
    happened_to: Day | None = Field(None, examples=["2026-11-30"])


class CategoryBalance(Out):
    """What a driver was charged for in one category."""

    category: CategoryWord = Field(examples=["lease"])
    charged: Amount
    covered: Amount = Field(description="Paid, taken back or written off.")
    owed: Amount


class BalancesOut(Out):
    """A driver's side of the ledger."""

    driver: PayeeRef
    currency: str = Field(examples=["USD"])
    categories: list[CategoryBalance] = Field(description="In which something was ever charged.")
    owed: Amount
    kept: Amount = Field(description="Earned and neither paid out nor taken for debts.")
    net: Amount = Field(description="kept - owed; below zero the driver owes.")
    deposit: Amount = Field(description="Left as a security.")


class LedgerLineOut(Out):
    """One line of a driver's ledger: a charge, an earning, an adjustment, a payout."""

    id: int = Field(examples=[168])
    day: date = Field(examples=["2026-11-22"])
    kind: LedgerKindWord = Field(examples=["charge"])
    category: str = Field(
        description="Of a charge its category, of an earning its source, of an adjustment its kind.",
        examples=["repairs"],
    )
    description: str = Field(examples=["Repair RPR-2026-001-01"])
    amount: Amount = Field(description="What it adds to the driver's balance.")
    covered: Amount | None = Field(description="Of a charge: paid, taken back or written off.")
    balance_after: Amount = Field(description="Of the driver; below zero the driver owes.")
    receipt: str | None = Field(
        description="Number of the weekly receipt that counts it.", examples=["DTR-2026-000017"]
    )


class LedgerPage(Out):
    """One page of a driver's ledger."""

    items: list[LedgerLineOut]
    next_cursor: str | None = Field(examples=[None])


class LedgerQuery(PageQuery):
    """Which lines, and which page of them."""

    search: Text | None = Field(
        None, max_length=120, description="A part of a description or receipt.", examples=["toll"]
    )
    kind: LedgerKindWord | None = Field(None, examples=["charge"])
    category: CategoryWord | None = Field(None, description="Charges of this category.", examples=["tolls"])
    day_from: Day | None = Field(None, examples=["2026-11-01"])
    day_to: Day | None = Field(None, examples=["2026-11-30"])
    sort: Literal["date", "-date"] = Field("-date", examples=["-date"])


class PostingOut(Out):
    """One movement of one of a driver's accounts."""

    id: int = Field(examples=[42])
    entry: int = Field(description="Of the journal; the movements of an entry add up to zero.", examples=[17])
    account: str = Field(examples=["receivable:PY-0001"])
    on: date = Field(examples=["2026-11-22"])
    kind: str = Field(description="Of the entry.", examples=["repairs.instalment"])
    description: str = Field(examples=["Ann Lee: RPR-2026-001-01"])
    amount: Amount = Field(description="Debit: more than zero; credit: less.")
    balance_after: Amount = Field(description="Of the account, on its normal side.")


class PostingPage(Out):
    """One page of movements with the running balance, the newest first."""

    items: list[PostingOut]
    next_cursor: str | None = Field(examples=[None])


class PostingQuery(PageQuery):
    """Which movements, and which page of them."""

    account: AccountWord | None = Field(
        None,
        description="receivable: owed by the driver; earnings: earned and kept; held: paid out by a receipt, not "
        "approved yet; payable: approved; deposit; loan: principal that is not charged yet.",
        examples=["receivable"],
    )
    on_from: Day | None = Field(None, examples=["2026-11-01"])
    on_to: Day | None = Field(None, examples=["2026-11-30"])


class DriverLeaves(In):
    """A driver's last day."""

    last_day: Day = Field(examples=["2026-11-22"])
    reason: Reason = Field(examples=["The driver moved away."])
