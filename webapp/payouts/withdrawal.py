"""Taking back a payout that is being sent, while it is certain that nothing of it is in anybody's hands."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from webapp.database import db
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict
from webapp.payouts import approval, entries, records, settlement
from webapp.payouts.models import Payout, Transfer
from webapp.payouts.records import Result
from webapp.payouts.states import PayoutAction, PayoutState, TransferState, next_state
from webapp.providers import registry

WITHDRAWN = "WITHDRAWN"


def is_certain(payout: Payout, transfer: Transfer) -> bool:
    """Whether nothing of a locked payout has left: its transfer waits, and no worker has ever begun to send it.

    A transfer that leaves in a file may stand in one already, so that is never certain here.
    """
    return (
        payout.state == PayoutState.PROCESSING
        and not payout.is_held
        and transfer.state == TransferState.QUEUED
        and transfer.sends == 0
        and not registry.leaves_in_files(transfer.rail)
    )


def withdraw(*, organisation_id: int, reference: str, reason: str, actor: Actor, now: datetime) -> Result:
    """End the waiting transfer and cancel its payout; the payee is told nothing of a failure, for there was none.

    Raises NotFound, NotAllowed, Conflict when it is not certain that nothing has left.
    """
    payout = records.lock(organisation_id, reference)
    newest = db.session.scalar(
        select(Transfer.id).where(Transfer.payout_id == payout.id).order_by(Transfer.n.desc()).limit(1)
    )
    if newest is None:
        raise Conflict(f"{reference} is not being sent. Nothing was done.")
    payout, transfer = settlement.lock_transfer(newest)
    if not is_certain(payout, transfer):
        raise Conflict(f"{reference} may have left already. Nothing was done.")
    before = transfer.state
    transfer.state, transfer.finished_at, transfer.next_check_at = TransferState.FAILED.value, now, None
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
    entries.failed(payout, transfer, records.today(payout, now), actor, now)
    return approval.cancel(
        organisation_id=organisation_id, reference=reference, reason=reason, actor=actor, now=now
    )
