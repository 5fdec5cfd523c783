"""Loans of drivers as the API shows and takes them."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from webapp.api.schemas.common import (
    Amount,
    AmountIn,
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
    Text,
)
from webapp.api.schemas.repairs import InstalmentOut, Name, PlannedOut, StartWord, driver_filter


class LoanQuote(Query):
    """Which loan would become which instalments."""

    amount: DecimalText = Field(
        description="What is lent, in the organisation's currency.", examples=["1200.00"]
    )
    percent: DecimalText = Field(description="Interest of a year.", examples=["10"])
    lent_on: Day | None = Field(None, description="Today when left out.", examples=["2025-10-06"])
    start: StartWord = Field("NEXT", examples=["CURRENT"])


class LoanPlan(Out):
    """The instalments of a loan: principal by the matrix, simple interest on what is left; nothing is stored."""

    principal: Amount
    percent: ExactOut = Field(examples=["10"])
    interest: Amount = Field(description="Of all instalments.")
    lent_on: date = Field(examples=["2025-10-06"])
    start: StartWord = Field(examples=["CURRENT"])
    instalments: list[PlannedOut]


class LoanCreate(In):
    """Money lent to a driver, paid out by hand."""

    driver: Name = Field(description="Reference.", examples=["PY-0001"])
    amount: AmountIn
    percent: DecimalText = Field(description="Interest of a year, 0 to 100.", examples=["10"])
    lent_on: Day = Field(description="Not beyond the present week.", examples=["2025-10-06"])
    start: StartWord = Field("NEXT", examples=["CURRENT"])
    note: Note = Field("", examples=["New phone"])


class LoanOut(Out):
    """Money lent to a driver and paid back by the week."""

    reference: str = Field(examples=["LN-2026-001"])
    driver: PayeeRef
    principal: Amount
    percent: ExactOut = Field(examples=["10"])
    lent_on: date = Field(examples=["2026-10-05"])
    note: str = Field(examples=["New phone"])
    created_at: Instant = Field(examples=["2026-10-05T09:00:00.000Z"])


class LoanDetail(LoanOut):
    """A loan with its instalments."""

    instalments: list[InstalmentOut]


class LoanPage(Out):
    """One page of loans, the newest first."""

    items: list[LoanOut]
    next_cursor: str | None = Field(examples=[None])


class LoanQuery(PageQuery):
    """Which loans, and which page of them."""

    driver: Text | None = driver_filter
