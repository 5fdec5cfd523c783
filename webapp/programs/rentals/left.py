"""Refunds that are left to people: which, why, and a new order under a new id once the first came to nothing."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, exists, or_, select
from sqlalchemy.orm import aliased

from webapp.database import db, lock_row
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict, NotFound
from webapp.programs.rentals import returns
from webapp.programs.rentals.models import (
    Choice,
    DecisionState,
    RentDecision,
    RentPayment,
    RentReturn,
    ReturnKind,
)

# After so long without an end a refund is left to people; the gateway is still asked about it.
LONGEST = timedelta(hours=24)
# A refund that the gateway says it does not know, so often in a row and over so long, was never taken in.
NOT_FOUND_TIMES, NOT_FOUND_OVER = 3, timedelta(minutes=15)
REFUSED = "The gateway refused it."
UNASKED = "Nobody asks about it any more."
LATE = "It was ordered more than a day ago, and its end is not known."


def lock_refund(organisation_id: int, return_ref: str) -> RentReturn:
    """A refund's row, locked after its payment. Raises NotFound."""
    conditions = (
        RentReturn.organisation_id == organisation_id,
        RentReturn.return_ref == return_ref,
        RentReturn.kind == ReturnKind.REFUND.value,
    )
    payment_id = db.session.scalar(select(RentReturn.payment_id).where(*conditions))
    if payment_id is None:
        raise NotFound
    lock_row(RentPayment, RentPayment.id == payment_id)
    return lock_row(RentReturn, *conditions)


def is_unknown_there(row: RentReturn, now: datetime) -> bool:
    """Whether the gateway has said often and long enough that it does not know an ordered refund."""
    return (
        row.state == "pending"
        and row.not_found >= NOT_FOUND_TIMES
        and row.not_found_since is not None
        and now - row.not_found_since >= NOT_FOUND_OVER
    )


def why_left(row: RentReturn, now: datetime) -> str:
    """Why a refund waits for a person, in a sentence; empty when it does not."""
    if row.kind != ReturnKind.REFUND:
        return ""
    if row.state == "completed":
        return row.error_message
    if row.state == "pending":
        if row.next_check_at is None:
            return row.error_message or UNASKED
        return LATE if now - row.created_at > LONGEST else ""
    return "" if is_closed(row) else row.error_message or REFUSED


def is_closed(row: RentReturn) -> bool:
    """Whether a refund that failed was ordered anew, or left by two people, or nothing is left to go back."""
    return not db.session.scalar(select(RentReturn.id).where(RentReturn.id == row.id, _is_open_failure()))


def _is_open_failure() -> Any:
    again = aliased(RentReturn)
    was_left = exists().where(
        RentDecision.return_id == RentReturn.id,
        RentDecision.choice == Choice.LEAVE.value,
        RentDecision.state == DecisionState.CONFIRMED.value,
    )
    # An alias, as the lists that this stands in ask for the payment, too.
    paid = aliased(RentPayment)
    has_left = exists().where(paid.id == RentReturn.payment_id, paid.returned_minor < paid.amount_minor)
    was_tried_again = exists().where(again.retry_of_id == RentReturn.id)
    return and_(RentReturn.state == "failed", has_left, ~was_tried_again, ~was_left)


def is_left(now: datetime) -> Any:
    """The condition on `RentReturn` that `why_left` says in words."""
    waits = and_(
        RentReturn.state == "pending",
        or_(RentReturn.next_check_at.is_(None), RentReturn.created_at < now - LONGEST),
    )
    twice = and_(RentReturn.state == "completed", RentReturn.error_message != "")
    return and_(RentReturn.kind == ReturnKind.REFUND.value, or_(waits, twice, _is_open_failure()))


def why_not_again(row: RentReturn, now: datetime) -> str:
    """Why a refund cannot be ordered anew under a new id, in a sentence; empty when it can."""
    if row.state == "failed":
        words = f"{row.return_ref} was ordered anew already, left as it is, or all has gone back."
        return f"{words} Nothing was done." if is_closed(row) else ""
    if row.state == "completed":
        return f"{row.return_ref} has gone back. Nothing was done."
    if is_unknown_there(row, now):
        return ""
    return (
        f"{row.return_ref} may still go through. A new one is ordered only when the gateway says that it failed, or "
        f"has not known it {NOT_FOUND_TIMES} times over {NOT_FOUND_OVER.seconds // 60} minutes."
    )


def try_again(*, organisation_id: int, return_ref: str, actor: Actor, now: datetime) -> RentReturn:
    """Order a refund anew under a new id, once the first one is certain to have come to nothing.

    The caller has asked the gateway just before. Raises NotFound, Invalid when so much is not left, Conflict while
    the first may still go through.
    """
    old = lock_refund(organisation_id, return_ref)
    if reason := why_not_again(old, now):
        raise Conflict(reason)
    if old.state == "pending":
        old.state, old.next_check_at = "failed", None
        old.error_message = f"The gateway did not know it, {old.not_found} times asked. It was ordered anew."
    db.session.flush()
    payment = db.session.get_one(RentPayment, old.payment_id)
    returns.need_left(payment, old.amount_minor)
    return returns.begin(payment, old.amount_minor, old.reason, actor, now, retry_of_id=old.id)
