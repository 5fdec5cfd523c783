"""Partners object to one commission: that one alone waits until an admin decides."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from webapp.database import db, lock_row
from webapp.kernel.actor import Actor
from webapp.kernel.checks import check_length, need_reason
from webapp.kernel.errors import Conflict, Invalid
from webapp.outbox import service as outbox
from webapp.programs.partners import trail
from webapp.programs.partners.models import Commission, CommissionDispute
from webapp.programs.partners.states import CommissionState, DisputeState

DISPUTED, DECIDED = "notice.commission.disputed", "notice.commission.decided"


def raise_dispute(
    *, organisation_id: int, payee_id: int, reference: str, reason: str, actor: Actor, now: datetime
) -> CommissionDispute:
    """A partner says that a commission is wrong; what is to be taken back is taken back meanwhile all the same.

    Each commission can be objected to once. Raises NotFound, Invalid, Conflict (in a payout, disputed, answered).
    """
    row = lock_row(
        Commission,
        Commission.organisation_id == organisation_id,
        Commission.payee_id == payee_id,
        Commission.reference == reference,
    )
    reason = need_reason(reason, "The deal was over 12,000.00.", "commission")
    if row.state != CommissionState.OPEN:
        label = CommissionState(row.state).label.lower()
        raise Conflict(f"{reference} is {label}; write to us about it instead.")
    _refuse_second(row)
    # Money that was paid too much is not paid out once more because of an objection.
    row.is_disputed, row.version = row.amount_minor >= 0, row.version + 1
    made = CommissionDispute(
        organisation_id=organisation_id,
        commission_id=row.id,
        reason=reason,
        raised_by_id=actor.user_id,
        raised_by_label=actor.label,
        raised_at=now,
    )
    db.session.add(made)
    db.session.flush()
    trail.record("dispute", "raised", made, reference, actor, now, {}, reason)
    outbox.ask_mail(kind=DISPUTED, reference_id=made.id, organisation_id=organisation_id, now=now)
    return made


def _refuse_second(row: Commission) -> None:
    query = select(CommissionDispute.state).where(CommissionDispute.commission_id == row.id)
    states = set(db.session.scalars(query))
    if row.is_disputed or DisputeState.OPEN in states:
        raise Conflict(f"{row.reference} is disputed already and waits for an answer.")
    if states:
        raise Conflict(f"Your objection to {row.reference} was answered; write to us about it instead.")


def need_answer(answer: str) -> str:
    """What the partner reads. Raises Invalid without one, and for more than 2,000 characters."""
    said, example = answer.strip(), "The deal was over 10,000.00, as the order says."
    if not said:
        raise Invalid("answer", "Tell the partner why.", example)
    check_length("answer", said, 2000, example)
    return said


def decide(
    *,
    organisation_id: int,
    dispute_id: int,
    is_accepted: bool,
    answer: str,
    actor: Actor,
    now: datetime,
) -> CommissionDispute:
    """Answer a dispute; the commission is paid again with the others, as the deal and the rules have it now.

    Who accepts corrects the deal, its touches or the rule first: amounts come from them alone. Raises NotFound,
    Invalid without an answer, Conflict when it is decided already or the objection is one's own.
    """
    dispute = lock_row(
        CommissionDispute,
        CommissionDispute.organisation_id == organisation_id,
        CommissionDispute.id == dispute_id,
    )
    if dispute.state != DisputeState.OPEN:
        label = DisputeState(dispute.state).label.lower()
        raise Conflict(f"This is {label} already, by {dispute.decided_by_label}. Nothing was done.")
    if actor.user_id is not None and actor.user_id == dispute.raised_by_id:
        raise Conflict("You raised this objection; somebody else answers it.")
    row = lock_row(Commission, Commission.id == dispute.commission_id)
    answer = need_answer(answer)
    row.is_disputed, row.version = False, row.version + 1
    state = DisputeState.ACCEPTED if is_accepted else DisputeState.REFUSED
    dispute.state, dispute.answer = state.value, answer
    dispute.decided_by_id, dispute.decided_by_label, dispute.decided_at = actor.user_id, actor.label, now
    db.session.flush()
    trail.record("dispute", state.value, dispute, row.reference, actor, now, {}, answer)
    outbox.ask_mail(kind=DECIDED, reference_id=dispute.id, organisation_id=organisation_id, now=now)
    return dispute
