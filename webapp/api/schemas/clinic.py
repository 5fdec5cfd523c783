"""Customers, appointments, invoices and transactions of a clinic as the API shows and takes them."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field

from webapp.api.schemas.common import (
    Amount,
    AmountIn,
    CurrencyCode,
    Day,
    DecimalText,
    ExactOut,
    In,
    Instant,
    InstantIn,
    Note,
    Out,
    PageQuery,
    PayeeRef,
    Text,
    Version,
)

InvoiceWord = Literal["pending", "partial", "paid", "paid_manual", "refunded", "written_off"]
InvoiceFilterWord = Literal["pending", "partial", "paid", "paid_manual", "refunded", "written_off", "open"]
InvoicePayoutWord = Literal["ready", "made", "blocked"]
AboutWord = Literal["appointment", "order", "other"]
OfferWord = Literal["open", "blocked", "dismissed"]
TransactionKindWord = Literal["payment", "payout", "refund", "withdrawal", "adjustment", "deduction"]
TransactionWord = Literal["pending", "completed", "failed", "cancelled"]
MethodWord = Literal["gateway", "pos", "cash", "manual", "internal", "bank"]
PaidByWord = Literal["gateway", "pos", "cash", "manual"]


_search = Field(None, max_length=120, description="A part of a reference or a name.", examples=["Morgan"])
_external = Field(None, min_length=1, max_length=120, description="Your own name for it.", examples=["C-118"])
_practitioner = Field(None, max_length=120, description="Reference of a practitioner.", examples=["PY-0001"])
_customer = Field(None, max_length=120, description="Reference of a customer.", examples=["CU-0001"])
_seen = Field(description="Of the record as you saw it; another one answers 409.")


class CustomerQuery(PageQuery):
    """Which customers, and which page of them."""

    search: Text | None = _search


class CustomerOut(Out):
    """Who gets invoices."""

    reference: str = Field(examples=["CU-0001"])
    external_ref: str | None = Field(examples=["C-118"])
    name: str = Field(examples=["Alex Morgan"])
    email: str = Field(examples=["alex@example.com"])
    phone: str = Field(examples=["+1 416 555 0142"])
    version: int = Field(examples=[1])
    created_at: Instant = Field(examples=["2026-11-03T09:00:00.000Z"])


class CustomerPage(Out):
    """One page of customers, the newest first."""

    items: list[CustomerOut]
    next_cursor: str | None = Field(examples=[None])


class CustomerValues(In):
    """What is said of a customer."""

    name: Text = Field(min_length=1, max_length=200, examples=["Alex Morgan"])
    email: Text = Field("", max_length=254, examples=["alex@example.com"])
    phone: Text = Field("", max_length=40, examples=["+1 416 555 0142"])


class CustomerCreate(CustomerValues):
    """A new customer."""

    external_ref: Text | None = _external


class CustomerChange(CustomerValues):
    """The customer as it shall be."""

    version: Version = _seen


class CustomerRef(Out):
    """A customer in a few words. Practitioners get the initials and nothing else."""

    reference: str | None = Field(description="Staff only.", examples=["CU-0001"])
    name: str | None = Field(description="Staff only.", examples=["Alex Morgan"])
    initials: str = Field(examples=["A. M."])


class AppointmentShare(Out):
    """A practitioner's part of an appointment. Weights 60 and 40 are 60 % and 40 %."""

    practitioner: PayeeRef
    weight: int = Field(examples=[1])
    is_primary: bool = Field(description="Paid where only one practitioner is paid.", examples=[True])


class AppointmentShareIn(In):
    """A practitioner's part of an appointment."""

    practitioner: Text = Field(min_length=1, max_length=120, description="Reference.", examples=["PY-0001"])
    weight: int = Field(1, ge=1, le=10**9, examples=[1])
    is_primary: bool = Field(False, examples=[True])


class AppointmentQuery(PageQuery):
    """Which appointments, and which page of them."""

    customer: Text | None = _customer
    practitioner: Text | None = _practitioner
    held_from: Day | None = Field(None, examples=["2026-11-01"])
    held_to: Day | None = Field(None, examples=["2026-11-30"])
    search: Text | None = _search


class AppointmentOut(Out):
    """A visit. Nothing clinical is kept; practitioners do not see its category either."""

    reference: str = Field(examples=["AP-0001"])
    external_ref: str | None = Field(description="Staff only.", examples=["V-118"])
    customer: CustomerRef
    category: str | None = Field(description="Of the service. Staff only.", examples=["Physiotherapy"])
    starts_at: Instant = Field(examples=["2026-11-21T09:00:00.000Z"])
    held_on: date = Field(description="The day in the organisation's time zone.", examples=["2026-11-21"])
    is_cancelled: bool = Field(examples=[False])
    practitioners: list[AppointmentShare] = Field(description="Practitioners see themselves.")
    version: int = Field(examples=[1])
    created_at: Instant = Field(examples=["2026-11-03T09:00:00.000Z"])


class AppointmentPage(Out):
    """One page of appointments, the newest first."""

    items: list[AppointmentOut]
    next_cursor: str | None = Field(examples=[None])


class AppointmentValues(In):
    """What is said of an appointment."""

    customer: Text = Field(min_length=1, max_length=120, description="Reference.", examples=["CU-0001"])
    starts_at: InstantIn = Field(examples=["2026-11-21T09:00:00Z"])
    category: Text = Field("", max_length=120, examples=["Physiotherapy"])
    practitioners: list[AppointmentShareIn] = Field(
        [], max_length=20, description="Who is alone is the primary one."
    )


class AppointmentCreate(AppointmentValues):
    """A new appointment."""

    external_ref: Text | None = _external


class AppointmentChange(AppointmentValues):
    """The appointment as it shall be; not once somebody is paid for it."""

    version: Version = _seen


class AppointmentCancel(In):
    """What was looked at."""

    version: Version | None = Field(None, description="Of the appointment as you saw it.")


class InvoiceQuery(PageQuery):
    """Which invoices, and which page of them."""

    state: InvoiceFilterWord | None = Field(
        None, description="open: not paid in full.", examples=["paid"]
    )  # fmt: skip
    payout: InvoicePayoutWord | None = Field(
        None, description="ready to pay out, made, or blocked until somebody decides.", examples=["ready"]
    )
    customer: Text | None = _customer
    practitioner: Text | None = _practitioner
    issued_from: Day | None = Field(None, examples=["2026-11-01"])
    issued_to: Day | None = Field(None, examples=["2026-11-30"])
    number: Text | None = Field(None, max_length=120, description="Exactly this one.", examples=["INV-001"])
    search: Text | None = Field(
        None, max_length=120, description="A part of a number, order or customer.", examples=["Morgan"]
    )


class InvoicePayoutOut(Out):
    """What one practitioner was paid for an invoice, by which rule; base = commission + amount."""

    payout: str = Field(description="Reference.", examples=["PO-2026-000123"])
    state: str = Field(description="Of the payout.", examples=["paid"])
    practitioner: PayeeRef
    part: int = Field(description="Where payouts are made pro rata, which one.", examples=[1])
    base: Amount
    commission: Amount
    amount: Amount
    percent: ExactOut = Field(examples=["10"])
    rule: str = Field(examples=["Physiotherapy (version 1)"])
    taken_back: Amount = Field(description="What refunds took back of the amount.")
    is_dropped: bool = Field(description="It was rejected or cancelled.", examples=[False])


class InvoiceOut(Out):
    """What a customer owes, what came in of it, and what went back."""

    number: str = Field(examples=["INV-001"])
    external_ref: str | None = Field(description="Staff only.", examples=["S-2026-118"])
    customer: CustomerRef
    about: AboutWord = Field(examples=["appointment"])
    appointment: str | None = Field(description="Reference.", examples=["AP-0001"])
    order_reference: str | None = Field(description="Staff only.", examples=[""])
    practitioners: list[AppointmentShare] = Field(description="Practitioners see themselves.")
    state: InvoiceWord = Field(examples=["paid"])
    offer: OfferWord = Field(
        description="blocked: its payout was rejected or cancelled; schedules leave it until a person decides.",
        examples=["open"],
    )
    issued_on: date = Field(examples=["2026-11-21"])
    due_on: date = Field(examples=["2026-12-05"])
    subtotal: Amount
    discount: Amount
    tax: Amount
    total: Amount
    received: Amount
    refunded: Amount
    written_off: Amount
    remaining: Amount = Field(description="Still to be paid.")
    payouts: list[InvoicePayoutOut] = Field(description="Practitioners see their own.")
    paid_at: Instant | None = Field(examples=["2026-11-21T09:30:00.000Z"])
    version: int = Field(examples=[2])
    created_at: Instant = Field(examples=["2026-11-21T09:00:00.000Z"])


class InvoiceLineOut(Out):
    """Quantity × unit price − discount + tax."""

    position: int = Field(examples=[1])
    description: str = Field(examples=["Initial assessment"])
    quantity: ExactOut = Field(examples=["1"])
    unit_price: Amount
    discount: Amount
    tax_percent: ExactOut = Field(examples=["13"])
    tax: Amount
    total: Amount


class TransactionOut(Out):
    """One movement of money as people see it."""

    reference: str = Field(examples=["TX-000001"])
    kind: TransactionKindWord = Field(examples=["payment"])
    method: MethodWord = Field(examples=["gateway"])
    state: TransactionWord = Field(examples=["completed"])
    amount: Amount
    fee: Amount | None = Field(description="What the gateway kept. Staff only.")
    invoice: str | None = Field(description="Number.", examples=["INV-001"])
    practitioner: PayeeRef | None
    payout: str | None = Field(description="Reference.", examples=[None])
    from_wallet: str = Field(description="Account of the wallet; empty: outside.", examples=[""])
    to_wallet: str = Field(description="Account of the wallet; empty: outside.", examples=["wallet:clinic"])
    provider_reference: str | None = Field(description="Staff only.", examples=["pi_3PX118"])
    proof: str | None = Field(description="Name of the file that proves it. Staff only.", examples=[None])
    note: str | None = Field(description="Staff only.", examples=[""])
    happened_on: date = Field(examples=["2026-11-21"])
    created_by: str | None = Field(description="Staff only.", examples=["admin@carepoint.example"])
    created_at: Instant = Field(examples=["2026-11-21T09:30:00.000Z"])
    completed_at: Instant | None = Field(examples=["2026-11-21T09:30:00.000Z"])


class TakenBackOut(Out):
    """What one payout gave back for a refund, at its own rate: base = commission + amount."""

    payout: str = Field(description="Reference.", examples=["PO-2026-000123"])
    practitioner: PayeeRef
    base: Amount
    commission: Amount
    amount: Amount = Field(description="The practitioner's part.")
    fee: Amount = Field(description="Of the gateway's fee, what the practitioner bears on top.")
    from_wallet: Amount = Field(description="Taken from the practitioner's wallet at once.")
    carried: Amount = Field(description="What the wallet did not hold; set off against the next payouts.")


class TransactionDetail(TransactionOut):
    """One movement; a refund with what it took back."""

    taken_back: list[TakenBackOut]


class TransactionQuery(PageQuery):
    """Which transactions, and which page of them."""

    kind: TransactionKindWord | None = Field(None, examples=["payment"])
    state: TransactionWord | None = Field(None, examples=["completed"])
    method: MethodWord | None = Field(None, examples=["gateway"])
    invoice: Text | None = Field(None, max_length=120, description="Number.", examples=["INV-001"])
    practitioner: Text | None = _practitioner
    happened_from: Day | None = Field(None, examples=["2026-11-01"])
    happened_to: Day | None = Field(None, examples=["2026-11-30"])
    provider_reference: Text | None = Field(
        None, max_length=120, description="Exactly this one. Staff only.", examples=["pi_3PX118"]
    )


class TransactionPage(Out):
    """One page of transactions, the newest first."""

    items: list[TransactionOut]
    next_cursor: str | None = Field(examples=[None])


class InvoiceDetail(InvoiceOut):
    """One invoice with its lines, what was paid and went back, and every payout, the dropped ones too."""

    lines: list[InvoiceLineOut] = Field(description="Staff only; empty for practitioners.")
    transactions: list[TransactionOut] = Field(
        description="Payments, refunds and payouts, the oldest first. Practitioners see their own."
    )
    note: str | None = Field(description="Staff only.", examples=[""])


class InvoicePage(Out):
    """One page of invoices, the newest first."""

    items: list[InvoiceOut]
    next_cursor: str | None = Field(examples=[None])


class InvoiceLineIn(In):
    """One line; what it comes to is worked out."""

    description: Text = Field(min_length=1, max_length=300, examples=["Initial assessment"])
    unit_price: AmountIn
    quantity: DecimalText | None = Field(None, description="1 when left out.", examples=["1"])
    discount: AmountIn | None = Field(None, description="Off the whole line; none when left out.")
    tax_percent: DecimalText | None = Field(None, description="None when left out.", examples=["13"])


class InvoiceCreate(In):
    """A new invoice; its number follows the one before without a gap."""

    customer: Text = Field(min_length=1, max_length=120, description="Reference.", examples=["CU-0001"])
    about: AboutWord = Field("appointment", examples=["appointment"])
    appointment: Text | None = Field(
        None,
        max_length=120,
        description="Reference; given where it is about an appointment, and only there.",
        examples=["AP-0001"],
    )
    order_reference: Text = Field("", max_length=120, examples=[""])
    currency: CurrencyCode | None = Field(None, description="The organisation's own when left out.")
    issued_on: Day | None = Field(None, description="Today when left out.", examples=["2026-11-21"])
    due_on: Day | None = Field(
        None, description="By the settings when left out.", examples=["2026-12-05"]
    )  # fmt: skip
    lines: list[InvoiceLineIn] = Field(min_length=1, max_length=200)
    note: Note = Field("", examples=[""])
    external_ref: Text | None = _external
