"""Where an invoice and a transaction stand, as data."""

from __future__ import annotations

from webapp.kernel.errors import IllegalTransition
from webapp.kernel.labels import Label


class InvoiceState(Label):
    """How much of an invoice is there; sentence = what happens next."""

    PENDING = "pending", "Not paid", "todo", "todo", "The customer has not paid."
    PARTIAL = "partial", "Part paid", "waiting", "waiting", "The customer has paid a part."
    PAID = "paid", "Paid", "done", "done", "Everything is paid through the gateway or a card terminal."
    PAID_MANUAL = (
        "paid_manual",
        "Paid by hand",
        "done",
        "done",
        "Everything is paid; some of it was entered by hand.",
    )
    REFUNDED = "refunded", "Refunded", "returned", "returned", "All that was paid went back to the customer."
    WRITTEN_OFF = "written_off", "Written off", "cancelled", "cancelled", "It is not asked for any more."


class InvoiceAction(Label):
    """What can happen to an invoice."""

    PAY = "pay", "Record payment"
    REFUND = "refund", "Refund"
    WRITE_OFF = "write_off", "Write off"


class About(Label):
    """What an invoice is for."""

    APPOINTMENT = "appointment", "Appointment"
    ORDER = "order", "Order"
    OTHER = "other", "Something else"


class TransactionKind(Label):
    """Which way money went."""

    PAYMENT = "payment", "Invoice payment"
    PAYOUT = "payout", "Payout"
    REFUND = "refund", "Refund"
    WITHDRAWAL = "withdrawal", "Withdrawal"
    ADJUSTMENT = "adjustment", "Adjustment"
    DEDUCTION = "deduction", "Deduction"


class TransactionState(Label):
    """Whether the money has moved."""

    PENDING = "pending", "Pending", "waiting", "waiting", "The money has not moved yet."
    COMPLETED = "completed", "Completed", "done", "done", "The money has moved."
    FAILED = "failed", "Failed", "failed", "failed", "The bank refused it; somebody must act."
    CANCELLED = "cancelled", "Cancelled", "cancelled", "cancelled", "The money stays where it was."


class Method(Label):
    """How the money went."""

    GATEWAY = "gateway", "Gateway"
    POS = "pos", "Card terminal"
    CASH = "cash", "Cash"
    MANUAL = "manual", "By hand"
    INTERNAL = "internal", "Between wallets"
    BANK = "bank", "To the bank"


#: Methods of a customer's payment, and those of them that a person vouches for.
PAYMENT_METHODS = (Method.GATEWAY, Method.POS, Method.CASH, Method.MANUAL)
BY_HAND = frozenset({Method.CASH, Method.MANUAL})
#: Where everything that was asked for has come.
PAID_STATES = frozenset({InvoiceState.PAID, InvoiceState.PAID_MANUAL})

_S, _A = InvoiceState, InvoiceAction

INVOICE_TRANSITIONS: dict[tuple[InvoiceState, InvoiceAction], frozenset[InvoiceState]] = {
    (_S.PENDING, _A.PAY): frozenset({_S.PARTIAL, _S.PAID, _S.PAID_MANUAL}),
    (_S.PARTIAL, _A.PAY): frozenset({_S.PARTIAL, _S.PAID, _S.PAID_MANUAL}),
    (_S.PARTIAL, _A.REFUND): frozenset({_S.PARTIAL, _S.REFUNDED}),
    (_S.PAID, _A.REFUND): frozenset({_S.PAID, _S.REFUNDED}),
    (_S.PAID_MANUAL, _A.REFUND): frozenset({_S.PAID_MANUAL, _S.REFUNDED}),
    (_S.PENDING, _A.WRITE_OFF): frozenset({_S.WRITTEN_OFF}),
    (_S.PARTIAL, _A.WRITE_OFF): frozenset({_S.PAID, _S.PAID_MANUAL}),
}


def allows(state: str, action: InvoiceAction) -> bool:
    """Whether the table lets an invoice in a state take an action."""
    return (InvoiceState(state), action) in INVOICE_TRANSITIONS


def check_action(state: str, action: InvoiceAction, number: str) -> None:
    """Raises IllegalTransition that names the invoice, its state and the action."""
    if not allows(state, action):
        words = {_A.PAY: "record a payment of", _A.REFUND: "refund", _A.WRITE_OFF: "write off"}[action]
        raise IllegalTransition(InvoiceState(state).label.lower(), words, f"invoice ({number})")


def state_of(
    *, total_minor: int, received_minor: int, refunded_minor: int, written_off_minor: int, is_by_hand: bool
) -> InvoiceState:
    """The state that an invoice's figures amount to."""
    if received_minor and refunded_minor == received_minor:
        return _S.REFUNDED
    if received_minor + written_off_minor < total_minor:
        return _S.PARTIAL if received_minor else _S.PENDING
    if not received_minor:
        return _S.WRITTEN_OFF
    return _S.PAID_MANUAL if is_by_hand else _S.PAID
