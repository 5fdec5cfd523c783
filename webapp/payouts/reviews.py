"""The door out of a review: two people who looked at the bank's own records say whether the money moved.

In single-operator mode there may be nobody else: the same person says the same again, once the mode's delay is over.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select

from webapp.audit import service as audit
from webapp.database import db
from webapp.kernel.actor import Actor
from webapp.kernel.checks import need_reason
from webapp.kernel.errors import Conflict, Forbidden, Invalid
from webapp.kernel.money import Money
from webapp.payouts import entries, payment, policies, records, settlement
from webapp.payouts.models import Payout, Transfer, TransferEvent
from webapp.payouts.policy import SingleOperator, instant_text
from webapp.payouts.records import Result
from webapp.payouts.states import (
    OPEN_TRANSFER_STATES,
    PayoutAction,
    PayoutState,
    TransferState,
    next_state,
)

MOVED, NOT_MOVED = "moved", "not_moved"
# The code of a try that really moved money although another way had paid the payout.
PAID_TWICE = "PAID_TWICE"
_WORDS = {MOVED: "the money has left", NOT_MOVED: "no money has left"}
_S, _A = PayoutState, PayoutAction
# How a payout whose amount is owed gets under way again, when money is found to have left for it.
_UNDER_WAY = {
    _S.FAILED: (_A.RETRY,),
    _S.RETRY_SCHEDULED: (_A.RETRY,),
    _S.APPROVED: (_A.SUBMIT,),
    _S.REVERSED: (_A.REISSUE, _A.SUBMIT),
}


def settle_review(
    *, organisation_id: int, reference: str, finding: str, note: str, actor: Actor, now: datetime
) -> Result:
    """One person's finding, "moved" or "not_moved"; the same finding of a second person is booked.

    In single-operator mode it is also booked when the same person finds the same after the mode's delay.

    The halt of the rail is lifted apart from this. Raises Conflict when nothing is under review, when another try is
    on its way, and when money left for a cancelled payout; Invalid for an unknown finding or a missing note;
    Forbidden for anybody but a person.
    """
    payout = records.lock(organisation_id, reference)
    transfer = _under_review(payout)
    if finding not in _WORDS:
        raise Invalid("finding", "Say whether the money has left.", MOVED)
    note = need_reason(note, "The bank's statement of 20 November shows the debit.")
    if actor.user_id is None:
        raise Forbidden("Only people settle a review.")
    _refuse_unsettleable(payout, finding)
    found = last_finding(transfer)
    solo = policies.current_policy(organisation_id)[0].single_operator
    request = {"finding": finding, "by": actor.user_id, "note": note}
    is_same = found is not None and found.request["finding"] == finding
    is_alone = is_same and may_confirm_alone(found, actor.user_id, solo, now)
    _record(payout, transfer, finding, f"{note} (single operator)" if is_alone else note, actor, now)
    if found is None or not (is_alone or (is_same and found.request["by"] != actor.user_id)):
        settlement.keep_event(transfer, "operator", transfer.state, now, request=request)
        payout.version += 1
        return Result(payout, False, _kept(payout, finding, solo, now))
    sentence = _book(payout, transfer, finding, actor, now)
    settlement.keep_event(transfer, "operator", TransferState.REVIEW, now, request=request)
    return Result(
        payout, False, f"The review of {reference} is settled: {_WORDS[finding]}. {sentence}".strip()
    )


def _refuse_unsettleable(payout: Payout, finding: str) -> None:
    """What nobody can book now: another try is still out, or the payout that the money left for is no more."""
    still_out = db.session.scalar(
        select(Transfer.n)
        .where(Transfer.payout_id == payout.id, Transfer.state.in_(OPEN_TRANSFER_STATES))
        .limit(1)
    )
    if still_out is not None:
        raise Conflict(f"Try {still_out} is still on its way; settle this when it has ended.")
    if finding == MOVED and payout.state == PayoutState.CANCELLED:
        raise Conflict(
            f"{payout.reference} was cancelled; nothing can be booked for it any more. Book what left the bank as a "
            "correction of the ledger, from the bank's line under Reconciliation."
        )


def alone_from(found: TransferEvent, solo: SingleOperator) -> datetime | None:
    """When the person of a finding may confirm it alone; None outside single-operator mode."""
    return found.at + timedelta(hours=solo.delay_hours) if solo.is_on else None


def may_confirm_alone(
    found: TransferEvent | None, user_id: int | None, solo: SingleOperator, now: datetime
) -> bool:
    """Whether the person gave this finding themselves so long ago that the mode's delay is over."""
    if found is None or found.request["by"] != user_id:
        return False
    begins = alone_from(found, solo)
    return begins is not None and now >= begins


def _kept(payout: Payout, finding: str, solo: SingleOperator, now: datetime) -> str:
    words = f"Your finding for {payout.reference} is kept: {_WORDS[finding]}."
    if not solo.is_on:
        return f"{words} A second person must confirm it."
    when = instant_text(now + timedelta(hours=solo.delay_hours), payout.organisation.timezone)
    return f"{words} A second person confirms it, or you yourself from {when}."


def _under_review(payout: Payout) -> Transfer:
    transfer = db.session.scalar(
        select(Transfer)
        .where(Transfer.payout_id == payout.id, Transfer.state == TransferState.REVIEW.value)
        # The newest first: what became of it decides what an older one can have paid.
        .order_by(Transfer.n.desc())
        .limit(1)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if transfer is None:
        raise Conflict(f"No transfer of {payout.reference} is under review; somebody may have settled it.")
    return transfer


def last_finding(transfer: Transfer) -> TransferEvent | None:
    """The newest finding about the review that is open now; words about an earlier one do not count."""
    events = db.session.scalars(
        select(TransferEvent)
        .where(TransferEvent.transfer_id == transfer.id)
        .order_by(TransferEvent.seq.desc())
    )
    for event in events:
        if event.source == "operator" and "finding" in event.request:
            # The second word settled a review: what came before it belongs to that one.
            return None if event.to_state != TransferState.REVIEW else event
        if event.to_state == TransferState.REVIEW and event.from_state != TransferState.REVIEW:
            return None
    return None


def _record(payout: Payout, transfer: Transfer, finding: str, note: str, actor: Actor, now: datetime) -> None:
    audit.record(
        tag="payouts:transfer:finding",
        actor=actor,
        now=now,
        organisation_id=payout.organisation_id,
        subject_type=records.SUBJECT,
        subject_id=payout.id,
        subject_label=payout.reference,
        note=note,
        changes={"transfer": [None, transfer.transfer_id], "finding": [None, _WORDS[finding]]},
    )


def before_review(payout: Payout, transfer: Transfer) -> str:
    """The state in which the review found the transfer: it says what is booked of it."""
    before = db.session.scalar(
        select(TransferEvent.from_state)
        .where(
            TransferEvent.transfer_id == transfer.id,
            TransferEvent.to_state == TransferState.REVIEW.value,
            TransferEvent.from_state != TransferState.REVIEW.value,
        )
        .order_by(TransferEvent.seq.desc())
        .limit(1)
    )
    if before is not None:
        return before
    if payout.state == PayoutState.PROCESSING:
        return TransferState.UNKNOWN.value
    return (TransferState.SUCCEEDED if payout.state == PayoutState.PAID else TransferState.FAILED).value


def _book(payout: Payout, transfer: Transfer, finding: str, actor: Actor, now: datetime) -> str:
    """Bring payout, transfer and ledger to what was found, by the turns of the table. Returns what else to say."""
    before = before_review(payout, transfer)
    transfer.finished_at = now
    transfer.not_found_count, transfer.not_found_since = 0, None
    if finding == MOVED:
        return _book_moved(payout, transfer, before, actor, now)
    transfer.state = TransferState.FAILED.value
    if before == TransferState.SUCCEEDED:
        transfer.state = TransferState.REVERSED.value
        db.session.flush()
        reason = "Two people found that the money had not left."
        payment.record_return(payout, reason, records.today(payout, now), actor, now)
    elif before != TransferState.FAILED:
        transfer.error_code = "NOT_MOVED"
        db.session.flush()
        payment.record_failure(payout, transfer, actor, now)
    else:
        # It was booked as failed before the review: what became of the payout since is another try's doing.
        db.session.flush()
        payout.version += 1
    return ""


def _book_moved(payout: Payout, transfer: Transfer, before: str, actor: Actor, now: datetime) -> str:
    if before == TransferState.FAILED and payout.state == PayoutState.PAID:
        return _end_paid_twice(payout, transfer, actor, now)
    transfer.state = TransferState.SUCCEEDED.value
    db.session.flush()
    if before == TransferState.FAILED and payout.state in _UNDER_WAY:
        _put_under_way(payout, transfer, actor, now)
    if payout.state == PayoutState.PROCESSING:
        payment.record_successes([(payout, transfer)], actor, now)
    payout.version += 1
    # What left may come back, as after any other success.
    settlement.schedule_check(transfer, now)
    return ""


def _put_under_way(payout: Payout, transfer: Transfer, actor: Actor, now: datetime) -> None:
    """It had been given back to what is owed; now it is known to have been under way."""
    for action in _UNDER_WAY[PayoutState(payout.state)]:
        if action is PayoutAction.REISSUE:
            payout.round += 1  # a return of this payment is another one than the return before
        records.change(
            payout, action, next_state(payout.state, action), actor=actor, now=now, tag="corrected"
        )
    entries.submitted(payout, transfer, records.today(payout, now), actor, now, "corrected")
    payout.retry_at = None


def _end_paid_twice(payout: Payout, transfer: Transfer, actor: Actor, now: datetime) -> str:
    """Money left a second time: the try is over, and what left is for the correction door, not for this payout."""
    amount = f"{Money(transfer.amount_minor, transfer.currency).plain} {transfer.currency}"
    # This state is final: the bank is not asked again, so its next "succeeded" opens no other review.
    transfer.state, transfer.next_check_at = TransferState.REVERSED.value, None
    transfer.error_code = PAID_TWICE
    transfer.error_message = f"Paid twice: {amount} really left with this try too, after the payout was paid."
    db.session.flush()
    payout.version += 1
    audit.record(
        tag="payouts:transfer:paid_twice",
        actor=actor,
        now=now,
        organisation_id=payout.organisation_id,
        subject_type=records.SUBJECT,
        subject_id=payout.id,
        subject_label=payout.reference,
        note=transfer.error_message,
        changes={"transfer": [None, transfer.transfer_id], "left twice": [None, amount]},
    )
    return (
        f"{payout.reference} was paid twice: {amount} left a second time and stands in no account yet. Ask the payee "
        "or the bank for it, and book the second debit as a correction, from its bank line under Reconciliation."
    )
