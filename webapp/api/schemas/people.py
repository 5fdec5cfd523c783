"""Payees, their payment details and asked-for changes, statements, and the token itself."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from webapp.api.schemas.common import (
    Amount,
    CurrencyCode,
    In,
    Instant,
    Note,
    Out,
    PageQuery,
    PayeeKindWord,
    PayeeRef,
    PaymentDetails,
    Reason,
    Text,
    Version,
    _plain,
)  # fmt: skip

ChangeWord = Literal["pending", "verified", "refused", "withdrawn"]
StatementWord = Literal["remittance", "monthly", "receipt"]
FileWord = Literal["queued", "ready", "failed"]


class Me(Out):
    """Whose token this is and what it may do."""

    email: str = Field(examples=["admin@solaria.example"])
    organisation: str = Field(description="Short name.", examples=["solaria"])
    currency: str = Field(examples=["USD"])
    timezone: str = Field(examples=["America/New_York"])
    roles: list[str] = Field(examples=[["admin"]])
    scopes: list[str] = Field(
        description="What the token and the roles allow together.", examples=[["payouts:read"]]
    )
    payees: list[PayeeRef] = Field(description="The payees that the person is; empty for staff.")
    token_expires_at: Instant = Field(examples=["2027-02-19T09:00:00.000Z"])


class PayeeQuery(PageQuery):
    """Which payees, and which page of them."""

    kind: PayeeKindWord | None = Field(None, examples=["technician"])
    is_active: Literal["true", "false"] | None = Field(None, examples=["true"])
    search: Annotated[str, AfterValidator(_plain)] | None = Field(
        None,
        max_length=120,
        description="A part of the name, e-mail address or a reference.",
        examples=["Maya"],
    )


class PayeeOut(Out):
    """Somebody an organisation pays."""

    reference: str = Field(examples=["PY-0001"])
    kind: PayeeKindWord = Field(examples=["technician"])
    name: str = Field(examples=["Maya Fernandez"])
    email: str = Field(examples=["maya@example.com"])
    phone: str = Field(examples=["+1 203 555 0142"])
    address: str = Field(examples=["12 Quay Street"])
    country: str = Field(description="Two letters, or empty.", examples=["US"])
    external_ref: str | None = Field(description="Your own name for them.", examples=["EMP-12"])
    is_active: bool = Field(examples=[True])
    payment_details: PaymentDetails | None = Field(description="Masked; null until somebody has said them.")
    created_at: Instant = Field(examples=["2026-11-01T09:00:00.000Z"])
    version: int = Field(examples=[1])


class PayeePage(Out):
    """One page of payees, the newest first."""

    items: list[PayeeOut]
    next_cursor: str | None = Field(examples=[None])


class PayeeCreate(In):
    """A new payee, numbered PY-0001 and on."""

    kind: PayeeKindWord = Field(examples=["technician"])
    name: Text = Field(min_length=1, max_length=200, examples=["Maya Fernandez"])
    email: Text = Field(
        "", max_length=254, description="Remittance advice goes here.", examples=["maya@example.com"]
    )
    phone: Text = Field("", max_length=120, examples=["+1 203 555 0142"])
    address: Text = Field("", max_length=2000, examples=["12 Quay Street"])
    country: Text = Field("", max_length=2, examples=["US"])
    external_ref: Text | None = Field(None, min_length=1, max_length=120, examples=["EMP-12"])


class PayeeChange(In):
    """What is to change; what is left out stays."""

    version: Version | None = Field(None, description="Of the payee as you saw it; another one answers 409.")
    name: Text | None = Field(None, min_length=1, max_length=200, examples=["Maya Fernandez"])
    email: Text | None = Field(None, max_length=254, examples=["maya@example.com"])
    phone: Text | None = Field(None, max_length=120, examples=["+1 203 555 0142"])
    address: Text | None = Field(None, max_length=2000, examples=["12 Quay Street"])
    country: Text | None = Field(None, max_length=2, examples=["US"])
    external_ref: Text | None = Field(None, min_length=1, max_length=120, examples=["EMP-12"])
    is_active: bool | None = Field(None, examples=[True])


class DetailsIn(In):
    """Where the money is to go. They are written only: nothing answers them again but masked."""

    way: Literal["aba", "ifsc", "iban", "upi", "manual"] = Field(
        description="aba: account_number and routing_number; ifsc: account_number and ifsc; iban: iban; upi: vpa; "
        "manual: nothing else.",
        examples=["aba"],
    )
    name_at_bank: Text = Field(
        "", max_length=200, description="In Latin letters; not for manual.", examples=["Maya Fernandez"]
    )
    bank_name: Text = Field("", max_length=100, examples=["First Bank"])
    account_number: Text = Field("", max_length=60, examples=["000123456789"])
    routing_number: Text = Field("", max_length=40, examples=["021000021"])
    ifsc: Text = Field("", max_length=40, examples=["HDFC0001234"])
    iban: Text = Field("", max_length=60, examples=["DE89370400440532013000"])
    vpa: Text = Field("", max_length=320, examples=["maya@okbank"])
    version: Version | None = Field(
        None, description="Of the details as you saw them, 0 for none; another one answers 409."
    )


class DetailsAsked(Out):
    """What became of new payment details."""

    status: Literal["in_force", "waiting"] = Field(
        description="in_force: first details, or those on file already; waiting: a second person must verify them.",
        examples=["waiting"],
    )
    message: str = Field(examples=["BC-0001 waits: an admin who did not ask must verify it."])
    bank_change: str | None = Field(description="Reference of what waits.", examples=["BC-0001"])
    payment_details: PaymentDetails | None = Field(description="What is on file now.")


class ReleaseIn(In):
    """A word for paying to changed details before their cool-off is over."""

    version: Version = Field(description="Of the details as you saw them; another one answers 409.")
    reason: Reason = Field(examples=["Called Maya on the number on file."])


class Released(Out):
    """What a word led to; two admins are needed."""

    is_over: bool = Field(examples=[False])
    is_repeat: bool = Field(examples=[False])
    message: str = Field(examples=["Your word is kept. One more admin must agree."])


class ChangeQuery(PageQuery):
    """Which asked-for changes, and which page of them."""

    state: ChangeWord | None = Field(None, examples=["pending"])
    payee: str | None = Field(
        None, max_length=120, description="Reference of the payee.", examples=["PY-0001"]
    )


class Place(Out):
    """A place for money, masked."""

    kind: str = Field(examples=["bank_account"])
    scheme: str = Field(examples=["aba"])
    masked: str = Field(examples=["••4821"])
    name_at_bank: str = Field(examples=["Maya Fernandez"])
    bank_name: str = Field(examples=["First Bank"])


class BankChange(Out):
    """New payment details that somebody asked for."""

    reference: str = Field(examples=["BC-0001"])
    state: ChangeWord = Field(examples=["pending"])
    payee: PayeeRef
    old: Place | None = Field(description="What was on file when it was asked for.")
    new: Place
    source: str = Field(description="payee, admin, import or api.", examples=["payee"])
    findings: dict[str, Any] = Field(description="What the checks found. Staff only.", examples=[{}])
    requested_by: str = Field(examples=["maya@example.com"])
    requested_at: Instant = Field(examples=["2026-11-21T09:00:00.000Z"])
    decided_by: str = Field(examples=[""])
    decided_at: Instant | None = Field(examples=[None])
    note: str = Field(examples=[""])


class BankChangePage(Out):
    """One page of asked-for changes, the newest first."""

    items: list[BankChange]
    next_cursor: str | None = Field(examples=[None])


class VerifyIn(In):
    """The second person's yes."""

    note: Note = Field(
        min_length=1,
        examples=["Called Maya Fernandez on the number on file; she read out the last four digits."],
    )


class RefuseIn(In):
    """An admin's no."""

    reason: Reason = Field(examples=["The payee did not ask for it."])


class Decided(Out):
    """What a decision led to."""

    message: str = Field(examples=["BC-0001 is verified."])
    is_repeat: bool = Field(examples=[False])
    bank_change: BankChange


class StatementQuery(PageQuery):
    """Which statements, and which page of them."""

    kind: StatementWord | None = Field(None, examples=["monthly"])
    payee: str | None = Field(
        None, max_length=120, description="Reference of the payee.", examples=["PY-0001"]
    )
    payout: str | None = Field(
        None, max_length=120, description="Reference of the payout.", examples=["PO-2026-000123"]
    )


class StatementOut(Out):
    """A document: the remittance advice of a payout, the account of a month, the weekly receipt of a driver."""

    number: str = Field(examples=["RA-2026-000017"])
    kind: StatementWord = Field(examples=["remittance"])
    file: FileWord = Field(description="ready: the PDF can be downloaded.", examples=["ready"])
    problem: str = Field(description="Why it is not ready.", examples=[""])
    payee: PayeeRef
    payout: str | None = Field(examples=["PO-2026-000123"])
    period_start: date | None = Field(examples=[None])
    period_end: date | None = Field(examples=[None])
    opening: Amount | None = Field(description="Of a monthly statement or a weekly receipt.")
    closing: Amount | None = Field(description="Of a monthly statement; of a weekly receipt its net.")
    sha256: str = Field(
        description="Of the PDF.",
        examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
    )
    size_bytes: int = Field(examples=[48213])
    created_at: Instant = Field(examples=["2026-11-21T09:00:00.000Z"])
    ready_at: Instant | None = Field(examples=["2026-11-21T09:00:04.000Z"])


class StatementPage(Out):
    """One page of statements, the newest first."""

    items: list[StatementOut]
    next_cursor: str | None = Field(examples=[None])


class StatementAsk(In):
    """Either the statement of a payout as it stands now, or the account of a payee for a month that is over."""

    payout: Text | None = Field(
        None,
        min_length=1,
        max_length=120,
        description="Reference of the payout.",
        examples=["PO-2026-000123"],
    )
    payee: Text | None = Field(
        None,
        min_length=1,
        max_length=120,
        description="With month: reference of the payee.",
        examples=["PY-0001"],
    )
    month: Annotated[str, Field(pattern=r"^(19[7-9]\d|2\d{3})-(0[1-9]|1[0-2])$")] | None = Field(
        None, examples=["2026-10"]
    )
    currency: CurrencyCode | None = Field(
        None, description="With month; the organisation's own when left out.", examples=["USD"]
    )
