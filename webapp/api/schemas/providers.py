"""Connections to providers, their messages, and bank files as the API shows and takes them."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field

from webapp.api.schemas.common import Amount, In, Instant, Out, PageQuery, Query, Text, Version

ProviderWord = Literal["cashfree", "phonepe"]
# Whom an organisation can have an account at; not all of them send messages.
ConnectionWord = Literal["cashfree", "phonepe", "zoho"]
FormatWord = Literal["pain001", "nacha", "columns"]
FileStateWord = Literal[
    "made", "approved", "downloaded", "sent", "acknowledged", "partly_refused", "closed", "cancelled"
]  # fmt: skip
MessageWord = Literal["new", "applied", "ignored", "unmatched", "failed"]
MessageFilterWord = Literal["findings", "new", "applied", "ignored", "unmatched", "failed"]


class Connection(Out):
    """The organisation's account at a provider. No key is ever answered."""

    provider: ConnectionWord = Field(examples=["cashfree"])
    label: str = Field(examples=["Cashfree Payouts"])
    purpose: str = Field(examples=["Pays owners and other payees in India."])
    is_connected: bool = Field(description="Whether there are keys.", examples=[True])
    is_enabled: bool = Field(description="Whether it is on.", examples=[True])
    environment: Literal["", "sandbox", "production"] = Field(examples=["sandbox"])
    client_id: str = Field(description="Its last four signs.", examples=["••4f2a"])
    tested_at: Instant | None = Field(examples=["2026-11-03T09:00:00.000Z"])
    test_problem: str = Field(description="Empty: the last test went well.", examples=[""])
    changed_at: Instant | None = Field(examples=["2026-11-01T09:00:00.000Z"])
    version: int = Field(description="0 where there are no keys.", examples=[3])


class Connections(Out):
    """Every provider that Paydesk knows."""

    items: list[Connection]


class Tested(Out):
    """How a test of a connection went."""

    works: bool = Field(examples=[True])
    problem: str = Field(description="Why it does not work, and who must act.", examples=[""])
    said: str = Field(description="What the provider told.", examples=["₹1,00,000.00 can be spent."])
    connection: Connection


class NothingIn(In):
    """An empty object: there is nothing to say."""


class MessageQuery(PageQuery):
    """Which messages, and which page of them."""

    state: MessageFilterWord | None = Field(
        None, description="findings: those that a person must look at.", examples=["findings"]
    )
    provider: ProviderWord | None = Field(None, examples=["cashfree"])
    search: Text | None = Field(
        None,
        max_length=120,
        description="The beginning of an event's name or of our id.",
        examples=["TRANSFER"],
    )


class Message(Out):
    """A message that a provider sent. What it says is never believed: the provider is asked."""

    id: int = Field(examples=[7])
    provider: ProviderWord = Field(examples=["cashfree"])
    event: str = Field(examples=["TRANSFER_SUCCESS"])
    subject: str = Field(description="Our own id that it speaks of.", examples=["PD2M4Q7X"])
    state: MessageWord = Field(examples=["applied"])
    note: str = Field(
        description="What became of it.", examples=["The transfer of PO-2026-000123 is succeeded."]
    )
    times_received: int = Field(examples=[1])
    received_at: Instant = Field(examples=["2026-11-03T09:00:00.000Z"])
    last_received_at: Instant = Field(examples=["2026-11-03T09:00:00.000Z"])
    processed_at: Instant | None = Field(examples=["2026-11-03T09:00:01.000Z"])


class MessageDetail(Message):
    """A message with what it says."""

    body: str = Field(description="Laid out; accounts and addresses of people are masked.", examples=["{}"])


class MessagePage(Out):
    """One page of messages, the newest first."""

    items: list[Message]
    next_cursor: str | None = Field(examples=[None])


class ReplayIn(In):
    """Why a message is looked at again."""

    note: Text = Field(min_length=1, max_length=500, examples=["The keys were wrong and are right now."])


class BankFileQuery(PageQuery):
    """Which page of the files."""


class DraftQuery(Query):
    """In which format the next file would be."""

    format: FormatWord = Field(examples=["nacha"])


class BankFile(Out):
    """A file of payments for the bank: what it holds, who made and who approved it. Its bytes are not answered."""

    reference: str = Field(examples=["BF-2026-0001"])
    format: FormatWord = Field(examples=["nacha"])
    variant: str = Field(examples=["NACHA PPD"])
    state: FileStateWord = Field(examples=["made"])
    payments: int = Field(examples=[12])
    total: Amount
    controls: dict[str, str] = Field(
        description="What the bank's own page shows beside count and sum.",
        examples=[{"Entry hash": "0012345678"}],
    )
    sha256: str = Field(description="Of the file's bytes.", examples=["9f86d081884c7d659a2feaa0c55ad015"])
    file_name: str = Field(examples=["BF-2026-0001.ach"])
    pays_on: date = Field(description="The day on which the bank is asked to pay.", examples=["2026-11-04"])
    made_by: str = Field(examples=["maker@example.com"])
    made_at: Instant = Field(examples=["2026-11-03T09:00:00.000Z"])
    approved_by: str = Field(examples=["approver@example.com"])
    approved_at: Instant | None = Field(examples=[None])
    sent_by: str = Field(description="Who marked it as uploaded.", examples=[""])
    sent_at: Instant | None = Field(examples=[None])
    bank_reference: str = Field(examples=[""])
    version: int = Field(examples=[1])


class BankFileDetail(BankFile):
    """A file, and why the caller cannot approve it now."""

    why_not_approve: list[str] = Field(examples=[["You made this file; a different person must approve it."]])


class BankFilePage(Out):
    """One page of files, the newest first."""

    items: list[BankFile]
    next_cursor: str | None = Field(examples=[None])


class LeftOut(Out):
    """A payout that does not go into the file, and why."""

    payout: str = Field(examples=["PO-2026-000124"])
    payee: str = Field(examples=["Maya Fernandez"])
    amount: Amount
    reason: str = Field(examples=["The bank's file takes accounts in the United States only."])


class BankFileDraft(Out):
    """What the next file of a format would be. `seen` stands for exactly this; it is good for an hour."""

    format: FormatWord = Field(examples=["nacha"])
    payments: int = Field(examples=[12])
    total: Amount
    controls: dict[str, str] = Field(examples=[{"Entry hash": "0012345678"}])
    sha256: str = Field(examples=["9f86d081884c7d659a2feaa0c55ad015"])
    payouts: list[str] = Field(description="References of what goes into it.", examples=[["PO-2026-000123"]])
    left_out: list[LeftOut]
    waits_for_next: int = Field(description="Payments beyond what one file takes.", examples=[0])
    seen: str = Field(description="Empty where nothing can go into a file.", examples=["v1:k1:…"])


class BankFileCreate(In):
    """The draft that was seen."""

    format: FormatWord = Field(examples=["nacha"])
    seen: str = Field(min_length=1, max_length=4000, examples=["v1:k1:…"])


class BankFileApprove(In):
    """Exactly the bytes that were looked at."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", examples=["0123456789abcdef" * 4])
    version: Version
