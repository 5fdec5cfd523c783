"""The door out of a review: two people who looked at the bank's own records say whether the money moved.

In single-operator mode there may be nobody else: the same person says the same again, once the mode's delay is over.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select

from webapp.audit import service as audit
from webapp.database import db
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict, Forbidden, Invalid
from webapp.payouts import approval, entries, payment, policies, records, settlement
from webapp.payouts.models import Payout, Transfer, TransferEvent
from webapp.payouts.policy import SingleOperator, instant_text
from webapp.payouts.records import Result
from webapp.payouts.states import PayoutAction, PayoutState, TransferState, next_state

MOVED, NOT_MOVED = "moved", "not_moved"
_WORDS = {MOVED: "the money has left", NOT_MOVED: "no money has left"}


def settle_review(
    *, organisation_id: int, reference: str, finding: str, note: str, actor: Actor, now: datetime
) -> Result:
    """One person's finding, "moved" or "not_moved"; the same finding of a second person is booked.

    In single-operator mode it is also booked when the same person finds the same after the mode's delay.

    The halt of the rail is lifted apart from this. Raises Conflict when nothing is under review, Invalid for an
    unknown finding or a missing note, Forbidden for anybody but a person.
    """
    payout = records.lock(organisation_id, reference)
    transfer = _under_review(payout)
    if finding not in _WORDS:
        raise Invalid("finding", "Say whether the money has left.", MOVED)
    note = approval.need_reason(note, "The bank's statement of 20 November shows the debit.")
    if actor.user_id is None:
        raise Forbidden("Only people settle a review.")
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
    _book(payout, transfer, finding, actor, now)
    settlement.keep_event(transfer, "operator", TransferState.REVIEW, now, request=request)
    return Result(payout, False, f"The review of {reference} is settled: {_WORDS[finding]}.")


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
        .order_by(Transfer.n)
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


def _book(payout: Payout, transfer: Transfer, finding: str, actor: Actor, now: datetime) -> None:
    """Bring payout, transfer and ledger to what was found, by the turns of the table."""
    state = PayoutState(payout.state)
    transfer.finished_at = now
    if finding == MOVED:
        if state in (PayoutState.FAILED, PayoutState.RETRY_SCHEDULED):
            # It had been given back to what is owed; now it is known to have been under way.
            following = next_state(payout.state, PayoutAction.RETRY)
            records.change(payout, PayoutAction.RETRY, following, actor=actor, now=now, tag="corrected")
            entries.submitted(payout, transfer, records.today(payout, now), actor, now, "corrected")
            payout.retry_at = None
        transfer.state = TransferState.SUCCEEDED.value
        db.session.flush()
        if payout.state == PayoutState.PROCESSING:
            payment.record_success(payout, transfer, actor, now)
        return
    transfer.state = TransferState.FAILED.value
    if state is PayoutState.PROCESSING:
        transfer.error_code = "NOT_MOVED"
        db.session.flush()
        payment.record_failure(payout, transfer, actor, now)
    elif state is PayoutState.PAID:
        transfer.state = TransferState.REVERSED.value
        db.session.flush()
        reason = "Two people found that the money had not left."
        payment.record_return(payout, reason, records.today(payout, now), actor, now)
