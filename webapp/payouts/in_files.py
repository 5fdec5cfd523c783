"""Transfers that leave in a file: which wait for one, why one cannot go yet, and what handing the file over does.

No worker sends them. The room that makes the files calls these functions inside its own transaction; everything
else about a transfer stays with `settlement`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Select, func, insert, select, update
from sqlalchemy.orm import joinedload

from webapp.database import db
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict
from webapp.payouts import policies, queries, settlement
from webapp.payouts.models import Payout, Transfer, TransferEvent
from webapp.payouts.policy import cool_off_wait, details_wait
from webapp.payouts.states import PayoutState, TransferState
from webapp.people.models import Payee
from webapp.providers.ports import Answer, Outcome

METHOD_CHANGED = "METHOD_CHANGED"
_CHANGED_SENTENCE = "The payment details changed before it was sent; nothing was sent."


def described(query: Select[Transfer]) -> Select[Transfer]:
    """A question for transfers, to be answered with all that decides about them, read afresh.

    Not the other tries of their payouts: transfers that are read afresh twice in one question undo one another.
    """
    payout = joinedload(Transfer.payout)
    return query.options(
        payout.joinedload(Payout.method),
        payout.joinedload(Payout.organisation),
        payout.joinedload(Payout.payee).selectinload(Payee.pending_change),
    ).execution_options(populate_existing=True)


def waiting(organisation_id: int, rail: str) -> Select[Transfer]:
    """The queued transfers of a rail, oldest first, with all that decides about them."""
    return (
        described(select(Transfer))
        .where(
            Transfer.organisation_id == organisation_id,
            Transfer.rail == rail,
            Transfer.state == TransferState.QUEUED.value,
        )
        .order_by(Transfer.id)
    )


def halts(organisation_id: int, rail: str) -> tuple[str, ...]:
    """Why nothing of a rail may leave now; empty when nothing stops it."""
    return policies.halt_reasons(organisation_id, rail)


def has_other_details(transfer: Transfer) -> bool:
    """Whether the payee's details are others than those that the transfer was made for."""
    method = transfer.payout.method
    return method is not None and not method.is_current


def why_it_waits(transfer: Transfer, now: datetime) -> str:
    """Why a queued transfer may not leave now, in a sentence; empty when it may. The last gate before a file."""
    payout = transfer.payout
    payee, zone = payout.payee, payout.organisation.timezone
    if reason := settlement.why_try_waits(payout):
        return reason
    if has_other_details(transfer):
        return "The payment details of this payee changed since it was sent for payment."
    if (pending := queries.details_pending(payee)) is not None:
        return details_wait(payee.name, pending, zone)
    until = payout.method.cool_off_until if payout.method is not None else None
    if until is not None and until > now:
        return cool_off_wait(payee.name, until, zone)
    if not payee.is_active:
        return f"{payee.name} is switched off as a payee. Switch them on first."
    if not _is_as_approved(transfer):
        return "What is to be sent is not what was approved. Take it back and look at the payout."
    return ""


def _is_as_approved(transfer: Transfer) -> bool:
    payout = transfer.payout
    present = queries.fingerprint_of(payout, payout.method)
    return (
        payout.state == PayoutState.PROCESSING
        and payout.fingerprint == transfer.fingerprint == present
        and (transfer.amount_minor, transfer.currency, transfer.method_id)
        == (payout.amount_minor, payout.currency, payout.method_id)
    )


def take_back(transfer_row_id: int, code: str, message: str, source: str, now: datetime) -> Payout:
    """End a transfer that was never in anybody's hands: the amount is owed again. Raises Conflict, NotFound.

    The caller has made sure that it is in no file.
    """
    payout, transfer = settlement.lock_transfer(transfer_row_id)
    if transfer.state != TransferState.QUEUED:
        state = TransferState(transfer.state).label.lower()
        raise Conflict(
            f"The transfer of {payout.reference} is {state}; it does not wait for a file any more."
        )
    settlement.apply(payout, transfer, Answer(Outcome.FAILED, code=code, message=message), now)
    settlement.keep_event(transfer, source, TransferState.QUEUED, now)
    return payout


def end_changed(transfer_row_id: int, now: datetime) -> Payout:
    """As `take_back`, for a transfer whose payee has other payment details by now."""
    return take_back(transfer_row_id, METHOD_CHANGED, _CHANGED_SENTENCE, "worker", now)


def hand_over(transfer_row_ids: Sequence[int], label: str, actor: Actor, now: datetime) -> None:
    """The bank has the file: its transfers are accepted, all of them or none. `label` names the file.

    Raises Conflict when one of them is not queued any more.
    """
    before = TransferState.QUEUED.value
    for start in range(0, len(transfer_row_ids), 500):
        ids = list(transfer_row_ids[start : start + 500])
        done = db.session.execute(
            update(Transfer)
            .where(Transfer.id.in_(ids), Transfer.state == before)
            .values(
                state=TransferState.ACCEPTED.value,
                sends=Transfer.sends + 1,
                provider_reference=label[:120],
                next_check_at=None,
            )
            .execution_options(synchronize_session=False)
        )
        if done.rowcount != len(ids):  # type: ignore[attr-defined]
            raise Conflict("A transfer of this file does not wait any more; nothing was changed.")
        last = (
            select(TransferEvent.transfer_id, func.max(TransferEvent.seq).label("seq"))
            .where(TransferEvent.transfer_id.in_(ids))
            .group_by(TransferEvent.transfer_id)
            .subquery()
        )
        seen = {row[0]: row[1] for row in db.session.execute(select(last.c.transfer_id, last.c.seq))}
        request = {"file": label, "by": actor.label}
        db.session.execute(
            insert(TransferEvent),
            [
                {
                    "transfer_id": one,
                    "seq": seen.get(one, 0) + 1,
                    "source": "operator",
                    "from_state": before,
                    "to_state": TransferState.ACCEPTED.value,
                    "request": request,
                    "answer": {},
                    "duration_ms": 0,
                    "at": now,
                }
                for one in ids
            ],
        )
    db.session.expire_all()
