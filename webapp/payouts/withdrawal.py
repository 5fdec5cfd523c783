"""Taking back a payout that is being sent, while it is certain that nothing of it is in anybody's hands."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from webapp.database import db, savepoint
from webapp.kernel.actor import Actor
from webapp.kernel.checks import need_reason
from webapp.kernel.errors import Conflict
from webapp.payouts import approval, entries, records, settlement
from webapp.payouts.models import Payout, Transfer, TransferEvent
from webapp.payouts.records import Result
from webapp.payouts.states import PayoutAction, PayoutState, TransferState, next_state
from webapp.providers import registry

WITHDRAWN = "WITHDRAWN"


_T = TransferState


def is_certain(payout: Payout, transfer: Transfer) -> bool:
    """Whether nothing of a locked payout has left: its transfer waits, and whatever took it gave it back unsent.

    A transfer that leaves in a file may stand in one already, so that is never certain here.
    """
    return (
        payout.state == PayoutState.PROCESSING
        and not payout.is_held
        and transfer.state == _T.QUEUED
        and not registry.leaves_in_files(transfer.rail)
        and _came_back_each_time(transfer)
    )


def _came_back_each_time(transfer: Transfer) -> bool:
    """Whether its history is nothing but being taken and coming back into the queue, as often as it was taken.

    From a worker's hands it comes back only when surely nothing was sent or the bank would not take it. One that the
    bank was asked about, however often it did not know it, may still be on its way there.
    """
    turns = db.session.execute(
        select(TransferEvent.from_state, TransferEvent.to_state).where(
            TransferEvent.transfer_id == transfer.id
        )
    ).all()
    came_back = sum(1 for turn in turns if (turn.from_state, turn.to_state) == (_T.SUBMITTING, _T.QUEUED))
    return came_back == transfer.sends and all(turn.to_state in (_T.QUEUED, _T.SUBMITTING) for turn in turns)


def withdraw(*, organisation_id: int, reference: str, reason: str, actor: Actor, now: datetime) -> Result:
    """End the waiting transfer and cancel its payout; the payee is told nothing of a failure, for there was none.

    All of it, or nothing. Raises NotFound, NotAllowed, Invalid without a reason, Conflict when it is not certain that
    nothing has left.
    """
    reason = need_reason(reason, "Paid twice by mistake.")
    payout = records.lock(organisation_id, reference)
    newest = db.session.scalar(
        select(Transfer.id).where(Transfer.payout_id == payout.id).order_by(Transfer.n.desc()).limit(1)
    )
    if newest is None:
        raise Conflict(f"{reference} is not being sent. Nothing was done.")
    payout, transfer = settlement.lock_transfer(newest)
    if not is_certain(payout, transfer):
        raise Conflict(f"{reference} may have left already. Nothing was done.")
    approval.refuse_under_review(payout)
    # Whoever listens may refuse the cancellation: then the transfer has not failed either.
    with savepoint():
        _end(payout, transfer, reason, actor, now)
        return approval.cancel(
            organisation_id=organisation_id, reference=reference, reason=reason, actor=actor, now=now
        )


def _end(payout: Payout, transfer: Transfer, reason: str, actor: Actor, now: datetime) -> None:
    before = transfer.state
    transfer.state, transfer.finished_at, transfer.next_check_at = _T.FAILED.value, now, None
    transfer.error_code, transfer.error_message = WITHDRAWN, f"Taken back before it was sent. {reason}"[:500]
    settlement.keep_event(transfer, "operator", before, now)
    payout.reason = transfer.error_message
    records.change(
        payout,
        PayoutAction.FAIL,
        next_state(payout.state, PayoutAction.FAIL),
        actor=actor,
        now=now,
        note=payout.reason,
        changes={"error": [None, WITHDRAWN]},
    )
    entries.post(
        [(payout.organisation_id, entries.failed(payout, transfer, records.today(payout, now)))], actor, now
    )
