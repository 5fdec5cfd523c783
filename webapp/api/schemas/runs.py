"""Runs as the API shows them: batches of work with an outcome for every row."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from webapp.api.schemas.common import Instant, Out, PageQuery, Text

RunWord = Literal["draft", "queued", "running", "stopped", "finished"]
RunFilterWord = Literal["queued", "running", "stopped", "finished"]
OutcomeWord = Literal["waiting", "done", "skipped", "failed"]


class RunQuery(PageQuery):
    """Which runs, and which page of them."""

    state: RunFilterWord | None = Field(None, examples=["finished"])
    kind: Text | None = Field(None, max_length=120, examples=["clinic.payouts"])


class RunOut(Out):
    """A batch of work, and how far it is."""

    reference: str = Field(examples=["BA-0001"])
    kind: str = Field(examples=["clinic.payouts"])
    title: str = Field(examples=["Payouts of 12 invoices"])
    state: RunWord = Field(examples=["finished"])
    total: int = Field(examples=[12])
    done: int = Field(examples=[10])
    skipped: int = Field(examples=[2])
    failed: int = Field(examples=[0])
    stop_reason: str = Field(examples=[""])
    created_by: str = Field(examples=["admin@carepoint.example"])
    created_at: Instant = Field(examples=["2026-11-21T09:00:00.000Z"])
    started_at: Instant | None = Field(examples=["2026-11-21T09:00:01.000Z"])
    finished_at: Instant | None = Field(examples=["2026-11-21T09:00:07.000Z"])


class RunPage(Out):
    """One page of runs, the newest first."""

    items: list[RunOut]
    next_cursor: str | None = Field(examples=[None])


class RunRowQuery(PageQuery):
    """Which rows, and which page of them."""

    outcome: OutcomeWord | None = Field(None, examples=["skipped"])


class RunRowOut(Out):
    """What became of one row."""

    position: int = Field(examples=[1])
    subject: str = Field(description="What it is about.", examples=["INV-001"])
    outcome: OutcomeWord = Field(examples=["done"])
    message: str = Field(examples=["PO-2026-000123: CA$90.00 is in the wallet of Dr Ana Souza."])
    finished_at: Instant | None = Field(examples=["2026-11-21T09:00:02.000Z"])


class RunRowPage(Out):
    """One page of rows, in their order."""

    items: list[RunRowOut]
    next_cursor: str | None = Field(examples=[None])
