"""What is held back of installations, as the API shows and takes it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Literal

from pydantic import Field

from webapp.api.schemas.common import (
    Amount,
    AmountIn,
    Day,
    DecimalText,
    ExactOut,
    In,
    Instant,
    Out,
    PageQuery,
    PayeeRef,
    Reason,
    Text,
    Version,
)
from webapp.programs.installations.retention_rules import MOST_BP, MOST_DAYS

RetentionWord = Literal["held", "released", "charged", "cancelled"]
RetentionSortWord = Literal[
    "created", "-created", "day", "-day", "technician", "-technician", "amount", "-amount"
]  # fmt: skip


class RetentionQuery(PageQuery):
    """Which parts, and which page of them."""

    search: Text | None = Field(
        None,
        max_length=120,
        description="A part of the installation's or the payout's reference, or of the reason.",
        examples=["ISR-0000"],
    )
    technician: Text | None = Field(
        None, max_length=120, description="Reference, or a part of the name.", examples=["PY-0001"]
    )
    state: RetentionWord | None = Field(None, examples=["held"])
    day_from: Day | None = Field(None, description="Released on this day or later.", examples=["2026-11-01"])
    day_to: Day | None = Field(None, examples=["2026-11-30"])
    sort: RetentionSortWord = Field("-created", examples=["day"])


class RetentionOut(Out):
    """What was held back of one installation in one payout."""

    id: int = Field(examples=[7])
    installation: str = Field(examples=["ISR-000042"])
    technician: PayeeRef
    payout: str = Field(description="What it was held back of.", examples=["PO-2026-000123"])
    state: RetentionWord = Field(examples=["held"])
    percent: ExactOut = Field(description="Of the technician's part.", examples=["10"])
    amount: Amount
    charged: Amount = Field(description="What of it was charged back.")
    left: Amount = Field(description="What of it is still to be paid out; zero once it is not held any more.")
    release_on: date = Field(
        description="After this day it is paid out by itself, once `payout` is paid.", examples=["2027-01-30"]
    )
    release_payout: str | None = Field(description="What it was paid out with.", examples=[None])
    is_chargeable: bool = Field(description="Held, and its payout is paid.", examples=[True])
    reason: str = Field(description="Why it was charged back; the technician reads it.", examples=[""])
    waits_because: str | None = Field(
        description="Its release was rejected or cancelled: it waits until somebody sets another day. Null for a "
        "technician's token, too.",
        examples=[None],
    )
    created_at: Instant = Field(examples=["2026-11-20T01:00:00.000Z"])
    settled_at: Instant | None = Field(
        description="Released, or all of it charged back.", examples=["2027-01-31T01:00:00.000Z"]
    )
    version: int = Field(examples=[1])


class RetentionPage(Out):
    """One page of parts, by default the newest first."""

    items: list[RetentionOut]
    next_cursor: str | None = Field(examples=[None])


class RetentionCharge(In):
    """How much of it is kept, and why."""

    amount: AmountIn = Field(description="At most what is left.")
    reason: Reason = Field(description="The technician reads it.", examples=["The inverter was wired again."])
    version: Version | None = Field(None, description="The version that you saw; another one answers 409.")


class RetentionDay(In):
    """When it is released, and why then."""

    release_on: Day = Field(description="Today or later.", examples=["2027-02-28"])
    reason: Reason = Field(examples=["The customer signed the final report."])
    version: Version | None = Field(None, description="The version that you saw; another one answers 409.")


class ReleaseOut(Out):
    """A release that a worker does within seconds; or that there is nothing to release."""

    run: str | None = Field(
        description="Reference; `/runs/{run}` says how far it is, `/runs/{run}/rows` what became of each technician. "
        "Null: nothing is to be released today.",
        examples=["BA-0001"],
    )
    technicians: int = Field(description="To whom something is released.", examples=[12])
    message: str = Field(examples=["What was held back is being released for 12 technicians."])


class RetentionTermsOut(Out):
    """How much of each installation is held back, and for how many days after commissioning; zero: nothing."""

    percent: ExactOut = Field(examples=["10"])
    days: int = Field(examples=[90])


class RetentionTermsIn(In):
    """The same, from the next payout on."""

    percent: DecimalText = Field(
        le=Decimal(MOST_BP) / 100, description="0 to 50, with at most two decimals.", examples=["10"]
    )
    days: int = Field(ge=0, le=MOST_DAYS, description="Needed where anything is held back.", examples=[90])
