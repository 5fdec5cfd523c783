"""Messages of PhonePe: which order or refund they speak of; what became of it is asked for, never read from them."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, select

from webapp.connections import service as connections
from webapp.database import db, transaction
from webapp.inbox import handling
from webapp.inbox.handling import Outcome
from webapp.inbox.models import MessageState
from webapp.kernel.clock import utc_now
from webapp.outbox.service import Later
from webapp.programs.rentals import collecting, payments, returns
from webapp.programs.rentals.models import PaymentSource, PaymentState, RentPayment, RentReturn, ReturnKind
from webapp.providers.ports import CollectionState

_AGAIN = timedelta(minutes=2)
_UNCLEAR = (CollectionState.UNKNOWN, CollectionState.NOT_SENT, CollectionState.PENDING)
_RECEIVED = (PaymentState.COMPLETED, PaymentState.REFUNDED, PaymentState.GOING_BACK)


def handle(organisation_id: int, subject: str, event: str) -> Outcome | Later:
    """Ask PhonePe about the order or refund that a message names, and let the answer take effect."""
    if event.startswith("settlement."):
        return Outcome(
            MessageState.IGNORED, "Settlements are compared when the statement of the bank is read."
        )
    if not subject:
        return Outcome(MessageState.IGNORED, "It names no order and no refund.")
    with transaction():
        payment_id = db.session.scalar(
            select(RentPayment.id).where(
                RentPayment.organisation_id == organisation_id, RentPayment.merchant_order_id == subject
            )
        )
        return_id = db.session.scalar(
            select(RentReturn.id).where(
                RentReturn.organisation_id == organisation_id,
                RentReturn.return_ref == subject,
                RentReturn.kind == ReturnKind.REFUND.value,
            )
        )
    if payment_id is not None:
        return _payment(payment_id, event)
    if return_id is not None:
        return _refund(return_id, event)
    return Outcome(
        MessageState.UNMATCHED,
        "No order and no refund of this organisation has this id. Find out who made it at PhonePe.",
    )


def _payment(payment_id: int, event: str) -> Outcome | Later:
    collecting.check(payment_id=payment_id)
    with transaction():
        payment = db.session.get_one(RentPayment, payment_id)
        reference, state = payment.reference, PaymentState(payment.state)
        differs = payment.error_code == payments.AMOUNT_DIFFERS
        problem = payment.error_message
    if differs:
        return Outcome(MessageState.FAILED, f"{reference}: {problem}")
    if event.endswith(".completed") and state not in _RECEIVED:
        # It says paid, and PhonePe itself does not yet: asked again until it does.
        return Later(utc_now() + _AGAIN, f"PhonePe does not confirm {reference} yet.")
    return Outcome(MessageState.APPLIED, f"{reference} is {state.label.lower()}.")


def _refund(return_id: int, event: str) -> Outcome | Later:
    said = returns.work(return_id=return_id)
    with transaction():
        row = db.session.get_one(RentReturn, return_id)
        reference = db.session.scalar(select(RentPayment.reference).where(RentPayment.id == row.payment_id))
        state, problem, is_asked = row.state, row.error_message, row.next_check_at is not None
    if (state == "completed" and not problem) or not event.endswith(".completed"):
        return Outcome(MessageState.APPLIED, f"The refund of {reference} is {state}.")
    # It says given back, and Paydesk has it otherwise: asked again while PhonePe gives no clear answer.
    if is_asked or (state == "failed" and said in _UNCLEAR):
        return Later(utc_now() + _AGAIN, f"PhonePe does not confirm the refund of {reference} yet.")
    return Outcome(
        MessageState.FAILED, f"The refund of {reference} is {state}: {problem or 'no reason given'}"
    )


def still_asked_about(organisation_id: int) -> str:
    """Why the account at PhonePe cannot be exchanged now; empty when no order and no refund is open."""
    orders = db.session.scalar(
        select(func.count())
        .select_from(RentPayment)
        .where(
            RentPayment.organisation_id == organisation_id,
            RentPayment.source == PaymentSource.PHONEPE.value,
            RentPayment.state == PaymentState.PENDING.value,
        )
    )
    refunds = db.session.scalar(
        select(func.count())
        .select_from(RentReturn)
        .where(
            RentReturn.organisation_id == organisation_id,
            RentReturn.kind == ReturnKind.REFUND.value,
            RentReturn.state == "pending",
        )
    )
    n = (orders or 0) + (refunds or 0)
    if not n:
        return ""
    many = "1 payment or refund" if n == 1 else f"{n:,} payments or refunds"
    return (
        f"{many} at this account {'is' if n == 1 else 'are'} still open. Another account would not know of "
        f"{'it' if n == 1 else 'them'}. Change it when nothing is open."
    )


handling.register(collecting.GATEWAY, handle)
connections.register_guard(collecting.GATEWAY, still_asked_about)
