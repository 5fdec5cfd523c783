"""Money of a clinic as the API shows and takes it: payments, refunds, payouts into wallets, wallets, withdrawals."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from webapp.api.schemas.clinic import (
    InvoiceOut,
    PaidByWord,
    TakenBackOut,
    TransactionDetail,
    TransactionOut,
)
from webapp.api.schemas.common import (
    Amount,
    AmountIn,
    CurrencyCode,
    Day,
    DecimalText,
    ExactOut,
    In,
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
from webapp.api.schemas.payouts import Payout, StateWord
from webapp.api.schemas.runs import RunWord

GuardWord = Literal[
    "not-paid", "not-an-appointment", "no-practitioner", "nothing-left", "wallet-too-low", "conflict"
]
_seen = Field(None, description="Of the invoice as you saw it; another one answers 409.")
_reference = Annotated[str, AfterValidator(_plain), Field(min_length=1, max_length=120)]


class PaymentRecord(In):
    """Money of the customer that is there; part payments are welcome, more than the rest is not."""

    amount: AmountIn
    method: PaidByWord = Field(examples=["gateway"])
    happened_on: Day | None = Field(None, description="Today when left out.", examples=["2026-11-21"])
    provider_reference: Text = Field(
        "", max_length=120, description="Of the gateway or terminal; belongs to one payment.", examples=["pi_3PX118"]
    )  # fmt: skip
    fee: AmountIn | None = Field(None, description="What the gateway keeps of it; none when left out.")
    note: Note = Field("", examples=[""])
    version: Version | None = _seen


class PaymentDone(Out):
    """What was recorded, and the invoice as it is now."""

    message: str = Field(examples=["CA$40.00 of INV-001 is recorded. CA$60.00 is left to pay."])
    transaction: TransactionOut
    invoice: InvoiceOut


class RefundQuery(Query):
    """How much of it would go back."""

    amount: DecimalText | None = Field(
        None, description="In the invoice's currency; all that stayed when left out.", examples=["50.00"]
    )


class Refusal(Out):
    """Why it cannot be done now, as the call that does it would answer."""

    code: GuardWord = Field(description="As in the problem that would be answered.", examples=["not-paid"])
    detail: str = Field(
        examples=["INV-001 is not paid; CA$100.00 is still to be paid by the customer."]
    )  # fmt: skip


class RefundQuote(Out):
    """What a refund would do now; nothing is changed."""

    invoice: str = Field(description="Number.", examples=["INV-001"])
    refusal: Refusal | None
    amount: Amount | None
    to_customer: Amount | None = Field(description="Less the gateway's fee where the customer bears it.")
    fee_kept: Amount | None
    from_clinic: Amount | None = Field(description="What was not paid out.")
    commission: Amount | None = Field(description="What the clinic gives back of its commission.")
    from_practitioners: Amount | None
    parts: list[TakenBackOut]
    cancels: list[str] = Field(
        description="Payouts that wait for approval; they would be cancelled.", examples=[["PO-2026-000123"]]
    )


class RefundCreate(In):
    """Money that goes back to the customer, at most what was paid and did not go back yet."""

    amount: AmountIn
    reason: Reason = Field(examples=["The appointment was cancelled."])
    happened_on: Day | None = Field(None, description="Today when left out.", examples=["2026-11-21"])
    method: PaidByWord | None = Field(
        None, description="As the last payment came, when left out.", examples=["gateway"]
    )
    provider_reference: Text = Field("", max_length=120, examples=["re_3PX118"])
    version: Version | None = _seen


class RefundDone(Out):
    """What went back, what was taken back for it, and the invoice as it is now."""

    message: str = Field(
        examples=[
            "CA$50.00 of INV-001 goes back to the customer. CA$45.00 is taken back from Ana. CA$50.00 stays."
        ]
    )
    transaction: TransactionDetail
    invoice: InvoiceOut


class WriteOff(In):
    """Why the rest is not asked for any more."""

    reason: Reason = Field(examples=["The customer moved away."])
    version: Version | None = _seen


class OfferDecision(In):
    """What becomes of an invoice whose payout was rejected or cancelled."""

    is_offered: bool = Field(
        description="true: schedules may pay it out again; false: nothing is paid.", examples=[True]
    )
    reason: Reason = Field(examples=["The shares are right now."])


class PayoutPart(Out):
    """What one practitioner would get; base = commission + amount."""

    practitioner: PayeeRef
    weight: int = Field(examples=[1])
    base: Amount
    commission: Amount
    amount: Amount
    percent: ExactOut = Field(examples=["10"])
    rule: str = Field(examples=["Default"])


class PayoutQuote(Out):
    """What *create payout* would do now; nothing is changed."""

    invoice: str = Field(description="Number.", examples=["INV-001"])
    refusal: Refusal | None
    existing: list[Payout] = Field(description="The payouts that there are; then none would be made.")
    sentence: str = Field(examples=["Pay 90.00 to Dr Ana Souza and keep 10.00 (10 %)?"])
    base: Amount | None = Field(description="What would leave the clinic's wallet.")
    parts: list[PayoutPart]


class PayoutsMade(Out):
    """The payouts of an invoice: made now, or those that were there."""

    message: str = Field(examples=["PO-2026-000123: CA$90.00 is in the wallet of Dr Ana Souza."])
    is_repeat: bool = Field(description="They were there; nothing was made now.", examples=[False])
    invoice: str = Field(description="Number.", examples=["INV-001"])
    payouts: list[Payout]


class PayoutRunCreate(In):
    """Invoices that shall be paid out together."""

    invoices: list[_reference] = Field([], max_length=1000, description="Numbers.", examples=[["INV-001"]])
    all_ready: bool = Field(
        False, description="Instead of numbers: every invoice that is ready.", examples=[False]
    )  # fmt: skip
    is_draft: bool = Field(
        False, description="Only say what it would do; `confirm` starts it.", examples=[False]
    )  # fmt: skip
    title: Text = Field("", max_length=200, examples=["November"])


class RunSkip(Out):
    """An invoice that is left out, and why."""

    invoice: str = Field(examples=["INV-002"])
    reason: str = Field(examples=["INV-002 is not about an appointment; no practitioner is paid for it."])


class RunReady(PayoutPart):
    """What one practitioner would get for one invoice."""

    invoice: str = Field(examples=["INV-001"])


class RunSums(Out):
    """All that would be paid, in one currency."""

    base: Amount
    commission: Amount
    amount: Amount


class PayoutRunOut(Out):
    """A run of payouts. As a draft it says what it would do; then `/runs/{reference}` says what became of it."""

    reference: str = Field(examples=["BA-0001"])
    state: RunWord = Field(examples=["queued"])
    invoices: int = Field(description="How many were chosen.", examples=[12])
    ready: list[RunReady] = Field(description="While it is a draft.")
    skipped: list[RunSkip] = Field(description="While it is a draft.")
    sums: list[RunSums] = Field(description="While it is a draft.")


class WalletListQuery(PageQuery):
    """Which page of the wallets."""

    currency: CurrencyCode | None = Field(None, description="All when left out.")


class WalletQuery(Query):
    """Of which currency."""

    currency: CurrencyCode | None = Field(None, description="The organisation's own when left out.")


class WalletOut(Out):
    """A wallet in one currency."""

    wallet: str = Field(description="clinic, or the practitioner's reference.", examples=["PY-0001"])
    practitioner: PayeeRef | None = Field(description="Null for the clinic's own.")
    currency: str = Field(examples=["CAD"])
    balance: Amount
    held: Amount = Field(description="Asked for, and not at the bank yet.")
    owed: Amount = Field(description="Owed to the clinic; set off against the next payouts.")


class DebtOut(Out):
    """What a practitioner still owes the clinic."""

    description: str = Field(examples=["refund TX-000007 of INV-001"])
    amount: Amount
    left: Amount


class WalletDetail(WalletOut):
    """A wallet with what is owed, one by one."""

    debts: list[DebtOut]


class WalletPage(Out):
    """One page of wallets that have ever held something, the clinic's own first."""

    items: list[WalletOut]
    next_cursor: str | None = Field(examples=[None])


class MovementQuery(PageQuery):
    """Of which currency, and which page of the movements."""

    currency: CurrencyCode | None = Field(None, description="The organisation's own when left out.")


class MovementOut(Out):
    """One movement of a wallet."""

    id: int = Field(examples=[42])
    on: date = Field(examples=["2026-11-21"])
    kind: str = Field(
        description="Of the ledger entry: payout.paid_into_wallet, clinic.withdrawal, clinic.refunded…",
        examples=["payout.paid_into_wallet"],
    )
    description: str | None = Field(
        description="Staff only.", examples=["PO-2026-000123 paid into the wallet"]
    )
    amount: Amount = Field(description="More than zero: in; less: out.")
    balance_after: Amount


class MovementPage(Out):
    """One page of movements with the running balance, the newest first."""

    items: list[MovementOut]
    next_cursor: str | None = Field(examples=[None])


class WithdrawalQuery(PageQuery):
    """Which withdrawals, and which page of them."""

    state: StateWord | None = Field(None, description="Of the payout.", examples=["paid"])
    practitioner: Text | None = Field(
        None, max_length=120, description="Reference of a practitioner.", examples=["PY-0001"]
    )


class WithdrawalCreate(In):
    """Wallet money that shall go to the bank. It leaves the wallet at once and is approved like any payout."""

    practitioner: Text | None = Field(
        None,
        min_length=1,
        max_length=120,
        description="Reference. Admins say whose wallet; a practitioner's own token leaves it out.",
        examples=["PY-0001"],
    )
    amount: AmountIn
