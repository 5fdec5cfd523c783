"""Statistics of repairs as the API shows them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from webapp.api.schemas.common import Amount, Day, ExactOut, Out, Query, Text
from webapp.api.schemas.repairs import RepairWord, driver_filter, lease_filter

StandingWord = Literal["due", "scheduled", "posted", "paid", "skipped", "cancelled"]


class RepairStatisticsQuery(Query):
    """What is counted; all of it when nothing is given."""

    driver: Text | None = driver_filter
    lease: Text | None = lease_filter
    date_from: Day | None = Field(
        None,
        description="Of repairs the day of the invoice, of instalments the day on which they are due, of receipts the "
        "first day of their week.",
        examples=["2026-11-01"],
    )
    date_to: Day | None = Field(None, examples=["2026-11-30"])


class RepairStanding(Out):
    """Repairs in one state."""

    state: RepairWord = Field(examples=["open"])
    count: int = Field(examples=[12])
    amount: Amount
    paid: Amount
    outstanding: Amount


class InstalmentStanding(Out):
    """Instalments in one state; what is due is not among the scheduled."""

    state: StandingWord = Field(examples=["due"])
    count: int = Field(examples=[48])
    amount: Amount


class PostingFigures(Out):
    """How charging goes, of instalments whose week has begun and that could be charged."""

    charged: int = Field(examples=[480])
    backlog: int = Field(description="Could be charged, and are not yet.", examples=[2])
    backlog_amount: Amount
    failures: int = Field(description="Drivers whom weekly runs could not charge.", examples=[0])
    success_percent: ExactOut | None = Field(
        description="Charged of all that could be; null where nothing could.", examples=["99.5"]
    )


class ReceiptFigures(Out):
    """What weekly receipts came to, without what a correction replaced."""

    count: int = Field(examples=[30])
    earnings: Amount
    charges: Amount
    adjustments: Amount
    paid: Amount


class RepairStatistics(Out):
    """All figures in the organisation's currency."""

    currency: str = Field(examples=["USD"])
    repairs: list[RepairStanding]
    instalments: list[InstalmentStanding]
    posting: PostingFigures
    receipts: ReceiptFigures
