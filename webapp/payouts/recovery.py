"""What a dead worker, a lost message or a restored database left behind: asked for, never sent again unasked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Select, and_, or_, select

from webapp import queue
from webapp.audit import service as audit
from webapp.database import db, transaction
from webapp.kernel.actor import WORKER
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import PaydeskError
from webapp.outbox import service as outbox
from webapp.outbox.models import OutboxMessage
from webapp.payouts import creation, records, settlement, turns
from webapp.payouts.models import Payout, Transfer
from webapp.payouts.states import OPEN_STATES, OPEN_TRANSFER_STATES, PayoutState, TransferState
from webapp.providers import registry

log = structlog.get_logger()


def reap_leases(*, clock: Callable[[], datetime] = utc_now) -> int:
    """Transfers whose worker is gone: nobody knows whether it sent, so the bank is asked. Returns how many."""
    now = clock()
    with transaction():
        lapsed = db.session.scalars(
            select(Transfer.id).where(
                Transfer.state == TransferState.SUBMITTING.value,
                or_(Transfer.lease_until.is_(None), Transfer.lease_until < now),
            )
        ).all()
    count = 0
    for transfer_row_id in lapsed:
        with transaction():
            _, transfer = settlement.lock_transfer(transfer_row_id)
            if transfer.state != TransferState.SUBMITTING or (transfer.lease_until or now) > now:
                continue
            transfer.state = TransferState.UNKNOWN.value
            transfer.error_message = "The worker that sent it stopped before the answer came."
            transfer.lease_until, transfer.leased_by, transfer.checks = None, "", 0
            settlement.schedule_check(transfer, now, at=now)
            settlement.keep_event(transfer, "worker", TransferState.SUBMITTING, now)
            count += 1
    return count


def sweep(*, clock: Callable[[], datetime] = utc_now, limit: int = 500) -> int:
    """Put back what should be in the outbox and is not: queued transfers, overdue questions, due retries.

    Also lets the policy approve what only waited for payment details. Returns how many were put back.
    """
    now = clock()
    late = now - timedelta(minutes=2)
    with transaction():
        sends = select(Transfer.id).where(
            Transfer.state == TransferState.QUEUED.value,
            Transfer.created_at < late,
            Transfer.rail.not_in(registry.file_rails()),
            Transfer.id.not_in(_in_the_outbox("transfer.send")),
        )
        checks = select(Transfer.id).where(
            Transfer.next_check_at < late, Transfer.id.not_in(_in_the_outbox("transfer.check"))
        )
        retries = select(Payout.id).where(
            Payout.state == PayoutState.RETRY_SCHEDULED.value,
            Payout.retry_at < late,
            Payout.id.not_in(_in_the_outbox("payout.retry")),
        )
        put_back = 0
        for kind, query in (("transfer.send", sends), ("transfer.check", checks), ("payout.retry", retries)):
            for reference_id in db.session.scalars(query.limit(limit)).all():
                put_back += _put_back(kind, reference_id, now)
    return put_back + _approve_waiting(now, limit)


def _in_the_outbox(kind: str) -> Select[Any]:
    """Rows that a message of a kind still waits for."""
    return select(OutboxMessage.reference_id).where(OutboxMessage.kind == kind, outbox.is_open())


def _put_back(kind: str, reference_id: int, now: datetime) -> int:
    return outbox.add(
        kind=kind,
        reference_id=reference_id,
        dedupe_key=f"{kind}:{reference_id}:sweep:{now:%Y%m%d%H%M}",
        to_queue=queue.MONEY,
        now=now,
    )


def _approve_waiting(now: datetime, limit: int) -> int:
    with transaction():
        waiting = db.session.scalars(
            select(Payout.id)
            .where(
                Payout.state == PayoutState.PENDING_APPROVAL.value,
                Payout.is_automatic.is_(True),
                Payout.approvals_needed == 0,
            )
            .limit(limit)
        ).all()
    approved = 0
    for payout_id in waiting:
        try:
            with transaction():
                payout = records.lock_by_id(payout_id)
                if payout.state == PayoutState.PENDING_APPROVAL:
                    approved += creation.approve_by_policy(payout, now)
        except PaydeskError as error:
            log.warning("payout.policy_could_not_approve", payout_id=payout_id, reason=error.message)
    return approved


def ask_after_restore(now: datetime) -> int:
    """Have the bank asked about everything that a restored, older database may be wrong about. Returns how many.

    Inside the caller's transaction. What is queued there may have been sent since: it is asked for like any other, and
    sent only after the bank has said three times over a quarter of an hour that it does not know it, and somebody
    has released its payout. What ended lately may have ended differently since.
    """
    ended = (TransferState.SUCCEEDED.value, TransferState.FAILED.value)
    wanted = select(Transfer.id).where(
        Transfer.rail.not_in(registry.file_rails()),
        or_(
            Transfer.state.in_(OPEN_TRANSFER_STATES),
            and_(
                Transfer.state.in_(ended), Transfer.finished_at > now - settlement.WATCH_DAYS * settlement.DAY
            ),
        ),
    )
    count = 0
    for transfer_row_id in db.session.scalars(wanted.order_by(Transfer.id)).all():
        _, transfer = settlement.lock_transfer(transfer_row_id)
        before = transfer.state
        if before in (TransferState.QUEUED, TransferState.SUBMITTING):
            transfer.state = TransferState.UNKNOWN.value
            transfer.error_code, transfer.error_message = (
                "",
                "Restored from a back-up: it may have been sent since.",
            )
            transfer.lease_until, transfer.leased_by, transfer.checks = None, "", 0
        # What was counted before the back-up says nothing about now.
        transfer.not_found_count, transfer.not_found_since = 0, None
        settlement.schedule_check(transfer, now, at=now)
        settlement.keep_event(transfer, "worker", before, now)
        count += 1
    return count


def hold_after_restore(now: datetime, reason: str) -> int:
    """Hold what could be sent anew: the restored database does not know whether it was, since. Returns how many.

    Inside the caller's transaction. A try whose id is not known here cannot be asked for: people look at the bank's
    list for the payout's reference, then release it. What is under way is held too: its try may have failed since
    and another one may have paid it. The bank's word that it is paid ends the hold.
    """
    found = select(Payout).where(
        Payout.state.in_([state.value for state in OPEN_STATES]), Payout.is_held.is_(False)
    )
    count = 0
    for payout in db.session.scalars(found.order_by(Payout.id).with_for_update()):
        if payout.state == PayoutState.RETRY_SCHEDULED:
            # It would be tried again by itself; a person must look first, and can release only what has failed.
            payout.state, payout.retry_at = PayoutState.FAILED.value, None
        payout.is_held, payout.hold_reason = True, reason
        payout.version += 1
        turns.add("held", payout.organisation_id, payout.id, now)
        audit.record(
            tag="payouts:payout:held", actor=WORKER, now=now, organisation_id=payout.organisation_id,
            subject_type=records.SUBJECT, subject_id=payout.id, subject_label=payout.reference, note=reason,
        )  # fmt: skip
        count += 1
    db.session.flush()
    return count
