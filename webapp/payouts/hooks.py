"""Messages of Cashfree: which transfer they speak of; what became of it is asked for, never read from them."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, or_, select

from webapp.connections import service as connections
from webapp.database import db, transaction
from webapp.inbox import handling
from webapp.inbox.handling import Outcome
from webapp.inbox.models import MessageState
from webapp.kernel.clock import utc_now
from webapp.outbox.service import Later
from webapp.payouts import execution
from webapp.payouts.models import Payout, Transfer, TransferEvent
from webapp.payouts.states import TransferState
from webapp.providers import ports

RAIL = "cashfree"
_AGAIN = timedelta(minutes=2)
# Events that speak of no transfer of ours, and what happens instead.
_OTHERS = {
    "LOW_BALANCE_ALERT": "The balance is asked for before each payout leaves.",
    "CREDIT_CONFIRMATION": "Money came into the account at Cashfree; its statement says so too.",
    "BENEFICIARY_INCIDENT": "The payee's bank has trouble; transfers that fail for it are tried again.",
    "BULK_TRANSFER_REJECTED": "Paydesk sends no batches.",
}


def handle(organisation_id: int, subject: str, event: str) -> Outcome | Later:
    """Ask Cashfree about the transfer that a message names, and let the answer take effect."""
    if not subject:
        return Outcome(MessageState.IGNORED, _OTHERS.get(event, "It names no transfer."))
    with transaction():
        found = _find(organisation_id, subject)
    if found is None:
        return Outcome(
            MessageState.UNMATCHED,
            "No transfer of this organisation has this id. Find out who ordered it at Cashfree.",
        )
    row_id, reference, state, seq = found
    if state == TransferState.QUEUED:
        return Later(utc_now() + _AGAIN, f"The transfer of {reference} is about to be sent.")
    if (later := execution.check(transfer_row_id=row_id, source="webhook")) is not None:
        return later
    return _said(organisation_id, subject, reference, seq)


def _find(organisation_id: int, transfer_id: str) -> tuple[int, str, str, int] | None:
    """Row, payout, state and newest event of a transfer of the organisation over this rail."""
    newest = (
        select(func.coalesce(func.max(TransferEvent.seq), 0))
        .where(TransferEvent.transfer_id == Transfer.id)
        .scalar_subquery()
    )
    row = db.session.execute(
        select(Transfer.id, Payout.reference, Transfer.state, newest)
        .join(Payout, Payout.id == Transfer.payout_id)
        .where(
            Transfer.organisation_id == organisation_id,
            Transfer.transfer_id == transfer_id,
            Transfer.rail == RAIL,
        )
    ).one_or_none()
    return None if row is None else (row[0], row[1], row[2], row[3])


def _said(organisation_id: int, transfer_id: str, reference: str, seen: int) -> Outcome | Later:
    """What Cashfree answered when it was asked just now; without an answer it is asked again."""
    with transaction():
        event = db.session.execute(
            select(TransferEvent.answer, Transfer.state)
            .join(Transfer, Transfer.id == TransferEvent.transfer_id)
            .where(
                Transfer.organisation_id == organisation_id,
                Transfer.transfer_id == transfer_id,
                TransferEvent.seq > seen,
            )
            .order_by(TransferEvent.seq.desc())
            .limit(1)
        ).one_or_none()
        state = db.session.scalar(select(Transfer.state).where(Transfer.transfer_id == transfer_id))
    label = TransferState(state).label.lower() if state else "gone"
    if event is None:
        return Outcome(MessageState.IGNORED, f"The transfer of {reference} is {label} already.")
    if event.answer.get("outcome") == ports.Outcome.UNKNOWN:
        return Later(utc_now() + _AGAIN, f"Cashfree gave no clear answer about {reference}.")
    return Outcome(MessageState.APPLIED, f"The transfer of {reference} is {label}.")


def still_asked_about(organisation_id: int) -> str:
    """Why the account at Cashfree cannot be exchanged now; empty when nothing is on its way or watched."""
    under_way = (TransferState.SUBMITTING, TransferState.ACCEPTED, TransferState.UNKNOWN)
    n = db.session.scalar(
        select(func.count())
        .select_from(Transfer)
        .where(
            Transfer.organisation_id == organisation_id,
            Transfer.rail == RAIL,
            or_(
                Transfer.state.in_([state.value for state in under_way]),
                Transfer.next_check_at.is_not(None) & (Transfer.state == TransferState.SUCCEEDED.value),
            ),
        )
    )
    if not n:
        return ""
    many = "1 transfer" if n == 1 else f"{n:,} transfers"
    return (
        f"{many} that went through this account {'is' if n == 1 else 'are'} still on the way, or watched for a return. "
        "Another account would not know of them. Change it when they are settled, seven days after the last one."
    )


handling.register(RAIL, handle)
connections.register_guard(RAIL, still_asked_about)
