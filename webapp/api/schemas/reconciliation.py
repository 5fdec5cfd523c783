"""Findings of the reconciliation as the API shows and takes them."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field

from webapp.api.schemas.common import Amount, Instant, Out, PageQuery, Text

KindWord = Literal["matched", "ours_only", "theirs_only", "amount_differs", "state_differs"]
SourceWord = Literal["bank", "provider", "status", "webhook"]
StateWord = Literal["open", "asked", "proposed", "resolved"]
StateFilterWord = Literal["unsettled", "open", "asked", "proposed", "resolved"]


class FindingQuery(PageQuery):
    """Which findings, and which page of them."""

    state: StateFilterWord | None = Field(
        None, description="unsettled when left out: open, asked or proposed.", examples=["unsettled"]
    )
    kind: KindWord | None = Field(None, examples=["theirs_only"])
    source: SourceWord | None = Field(None, examples=["bank"])
    search: Text | None = Field(
        None, max_length=120, description="A part of a reference or a name.", examples=["PO-2026-000123"]
    )


class FindingOut(Out):
    """Something in which our books and another's differ."""

    id: int = Field(examples=[7])
    kind: KindWord = Field(examples=["theirs_only"])
    source: SourceWord = Field(examples=["bank"])
    state: StateWord = Field(examples=["open"])
    label: str = Field(description="What it is about.", examples=["UTR 412345678901"])
    ours: Amount | None = Field(description="What we booked.")
    theirs: Amount | None = Field(description="What the other side shows.")
    ours_state: str = Field(examples=["succeeded"])
    theirs_state: str = Field(examples=["reversed"])
    happened_on: date = Field(description="Its age is counted from here.", examples=["2026-11-03"])
    payout: str | None = Field(description="Reference.", examples=["PO-2026-000123"])
    transfer_id: str | None = Field(examples=["PD2M4Q7X"])
    owner: str = Field(description="Who looks after it.", examples=["admin@example.com"])
    resolution: str = Field(description="How it was settled.", examples=[""])
    note: str = Field(examples=[""])
    found_at: Instant = Field(examples=["2026-11-03T09:00:00.000Z"])
    resolved_by: str = Field(examples=[""])
    resolved_at: Instant | None = Field(examples=[None])
    version: int = Field(examples=[1])


class FindingPage(Out):
    """One page of findings, the newest first."""

    items: list[FindingOut]
    next_cursor: str | None = Field(examples=[None])
