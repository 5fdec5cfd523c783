"""Money that does not agree with our books: one person proposes what is booked, another one confirms it.

About a payment of which another amount came than was asked for, or a refund that is left to people. Nothing is
booked before the confirmation, and nothing whose figures changed since the proposal.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from webapp.audit import service as audit
from webapp.database import db, lock_row
from webapp.kernel.actor import Actor
from webapp.kernel.checks import need_reason
from webapp.kernel.clock import local_date
from webapp.kernel.errors import Conflict, Invalid, NotAllowed, NotFound
from webapp.kernel.money import Money
from webapp.payouts import policies
from webapp.people.models import Organisation
from webapp.programs.rentals import booking, credits, entries, left, payments, returns, sharing
from webapp.programs.rentals.models import (
    Choice,
    DecisionState,
    PaymentSource,
    PaymentState,
    RentDecision,
    RentPayment,
    RentReturn,
    ReturnKind,
)

CHANGED = "What PhonePe says has changed since this was proposed. Look at it again; nothing was done."


def is_differing(payment: RentPayment) -> bool:
    """Whether another amount came than was asked for, and nobody has settled that."""
    return (
        payment.source == PaymentSource.PHONEPE
        and payment.state in (PaymentState.PENDING, PaymentState.FAILED, PaymentState.CANCELLED)
        and payment.error_code == payments.AMOUNT_DIFFERS
        and bool(payment.said_minor)
    )


def accepted_parts(payment: RentPayment) -> tuple[int, int, int]:
    """(rent, charge of the gateway, tenant's credit) in minor units when what was received is accepted.

    The charge stays as it was agreed, unless more than it did not come; then rent up to what was asked for.
    """
    said = payment.said_minor or 0
    charge = payment.gateway_charge_minor if said > payment.gateway_charge_minor else 0
    rent = min(said - charge, payment.amount_minor)
    return rent, charge, said - charge - rent


def open_decision(payment_id: int) -> RentDecision | None:
    """The proposal about a payment or one of its refunds that waits for its second person."""
    return db.session.scalar(
        select(RentDecision).where(
            RentDecision.payment_id == payment_id, RentDecision.state == DecisionState.PROPOSED.value
        )
    )


def decisions_of(payment_id: int) -> Sequence[RentDecision]:
    """What was proposed about a payment and its refunds, and what became of it, oldest first."""
    return db.session.scalars(
        select(RentDecision).where(RentDecision.payment_id == payment_id).order_by(RentDecision.id)
    ).all()


def choices_of_refund(row: RentReturn, payment: RentPayment) -> list[Choice]:
    """What can be proposed about a refund that is left to people.

    It is left as it is only where the gateway refused it and the money counts as rent otherwise.
    """
    if row.said_minor is not None:
        return [Choice.AS_SAID]
    may_stay = row.state == "failed" and payment.state == PaymentState.COMPLETED
    return [Choice.BY_HAND, Choice.LEAVE] if may_stay else [Choice.BY_HAND]


def propose_for_payment(
    *, organisation_id: int, reference: str, choice: str, reason: str, actor: Actor, now: datetime
) -> RentDecision:
    """Propose what becomes of a payment of which another amount came. Raises Invalid, Conflict, NotFound."""
    payment = _lock_payment(organisation_id, reference)
    if not is_differing(payment):
        raise Conflict(f"{reference} has no amount to settle. Nothing was done.")
    if choice not in (Choice.ACCEPT, Choice.REFUND_ALL):
        raise Invalid("choice", "Choose what becomes of what was received.", Choice.ACCEPT.label)
    return _propose(payment, None, choice, payment.said_minor or 0, reason, actor, now)


def propose_for_refund(
    *,
    organisation_id: int,
    return_ref: str,
    choice: str,
    reason: str,
    hand_reference: str = "",
    excess_to: str = "",
    actor: Actor,
    now: datetime,
) -> RentDecision:
    """Propose what becomes of a refund that is left to people. Raises Invalid, NotFound; Conflict also when it is to
    be settled by hand while another refund of the same money is under way.
    """
    row = left.lock_refund(organisation_id, return_ref)
    payment = db.session.get_one(RentPayment, row.payment_id)
    if not left.why_left(row, now):
        raise Conflict(f"{return_ref} does not wait for a person. Nothing was done.")
    choices = choices_of_refund(row, payment)
    if choice not in choices:
        raise Invalid("choice", "Choose what becomes of this refund.", choices[0].label)
    proof = " ".join(hand_reference.split())
    if choice == Choice.BY_HAND and not 0 < len(proof) <= 120:
        raise Invalid(
            "hand_reference", "Enter the bank's reference of what you gave back.", "UTR N325123456789"
        )
    if choice == Choice.BY_HAND:
        _need_no_other(row, payment)
    amount = row.amount_minor if row.said_minor is None else row.said_minor
    bearer = "" if choice == Choice.LEAVE else booking.need_bearer(payment, amount, excess_to)
    made = _propose(payment, row, choice, amount, reason, actor, now)
    made.excess_to, made.hand_reference = bearer, proof if choice == Choice.BY_HAND else ""
    db.session.flush()
    return made


def _propose(
    payment: RentPayment,
    row: RentReturn | None,
    choice: str,
    amount_minor: int,
    reason: str,
    actor: Actor,
    now: datetime,
) -> RentDecision:
    reason = need_reason(reason, "The tenant paid a part.", "payment")
    if open_decision(payment.id) is not None:
        raise Conflict(
            f"Somebody has proposed something about {payment.reference} already. Decide that first."
        )
    made = RentDecision(
        organisation_id=payment.organisation_id,
        payment_id=payment.id,
        return_id=row.id if row else None,
        choice=choice,
        currency=payment.currency,
        amount_minor=amount_minor,
        reason=reason,
        proposed_by_id=actor.user_id,
        proposed_by_label=actor.label,
        proposed_at=now,
    )
    db.session.add(made)
    db.session.flush()
    _record("settlement_proposed", made, payment, actor, now)
    return made


def why_not_decide(decision: RentDecision, user_id: int | None) -> list[str]:
    """Why this person cannot confirm a proposal; empty when they can."""
    policy, _ = policies.current_policy(decision.organisation_id)
    if user_id is not None and user_id == decision.proposed_by_id and not policy.single_operator.is_on:
        return ["You proposed this; another person must confirm it."]
    return []


def refuse(*, organisation_id: int, decision_id: int, actor: Actor, now: datetime) -> RentDecision:
    """Drop a proposal; its own proposer may, too. Raises NotFound, Conflict."""
    payment, decision = _lock_decision(organisation_id, decision_id)
    _end(decision, DecisionState.REFUSED, actor, now)
    _record("settlement_refused", decision, payment, actor, now)
    return decision


def confirm(*, organisation_id: int, decision_id: int, actor: Actor, now: datetime) -> RentDecision:
    """A second person's yes: what was proposed is booked. The caller has asked the gateway just before.

    Raises NotFound, NotAllowed, Conflict when it was decided, or what it was decided about has changed.
    """
    payment, decision = _lock_decision(organisation_id, decision_id)
    if reasons := why_not_decide(decision, actor.user_id):
        raise NotAllowed(reasons)
    row = lock_row(RentReturn, RentReturn.id == decision.return_id) if decision.return_id else None
    if not _is_as_proposed(decision, payment, row, now):
        raise Conflict(CHANGED)
    _end(decision, DecisionState.CONFIRMED, actor, now)
    decision.is_single_operator = actor.user_id == decision.proposed_by_id
    _record("settlement_confirmed", decision, payment, actor, now)
    if row is not None:
        _settle_refund(row, payment, decision, actor, now)
    elif decision.choice == Choice.ACCEPT:
        _accept(payment, actor, now)
    else:
        _refund_all(payment, decision, actor, now)
    db.session.flush()
    return decision


def _is_as_proposed(
    decision: RentDecision, payment: RentPayment, row: RentReturn | None, now: datetime
) -> bool:
    """Whether what was proposed about still stands as it did then."""
    if row is None:
        return is_differing(payment) and payment.said_minor == decision.amount_minor
    if not left.why_left(row, now) or decision.choice not in choices_of_refund(row, payment):
        return False
    return decision.choice != Choice.AS_SAID or row.said_minor == decision.amount_minor


def _lock_payment(organisation_id: int, reference: str) -> RentPayment:
    return lock_row(
        RentPayment, RentPayment.organisation_id == organisation_id, RentPayment.reference == reference
    )


def _lock_decision(organisation_id: int, decision_id: int) -> tuple[RentPayment, RentDecision]:
    """The payment and the proposal, locked in the order that everybody keeps. Raises NotFound, Conflict."""
    mine = (RentDecision.organisation_id == organisation_id, RentDecision.id == decision_id)
    payment_id = db.session.scalar(select(RentDecision.payment_id).where(*mine))
    if payment_id is None:
        raise NotFound
    payment = lock_row(RentPayment, RentPayment.id == payment_id)
    decision = lock_row(RentDecision, *mine)
    if decision.state != DecisionState.PROPOSED:
        word = DecisionState(decision.state).label.lower()
        raise Conflict(f"This was {word} by {decision.decided_by_label} already. Nothing was done.")
    return payment, decision


def _end(decision: RentDecision, state: DecisionState, actor: Actor, now: datetime) -> None:
    decision.state = state.value
    decision.decided_by_id, decision.decided_by_label, decision.decided_at = actor.user_id, actor.label, now


def _accept(payment: RentPayment, actor: Actor, now: datetime) -> None:
    """What came counts: as rent up to what was asked for; what is missing stays owed, what is more is credit."""
    rent, charge, credit = accepted_parts(payment)
    if credit:
        # All that the credit may pay, before anything is booked.
        credits.lock_open(payment.charge.lease_id)
    payment.amount_minor, payment.gateway_charge_minor, payment.credit_minor = rent, charge, credit
    payment.said_minor = None
    payment.received_on = payment.received_on or _today(payment, now)
    payments.complete(payment, actor, now)
    if credit:
        credits.use(lease_id=payment.charge.lease_id, actor=actor, now=now)


def _refund_all(payment: RentPayment, decision: RentDecision, actor: Actor, now: datetime) -> None:
    """What came is no rent: it is booked as received, and all of it goes back the way it came."""
    before = payment.state
    payment.amount_minor, payment.gateway_charge_minor = decision.amount_minor, 0
    payment.state = PaymentState.GOING_BACK.value
    payment.said_minor = payment.next_check_at = None
    payment.error_code = payment.error_message = ""
    payment.received_on = payment.received_on or _today(payment, now)
    payment.version += 1
    db.session.flush()
    entries.received(payment, payment.received_on, actor, now)
    _record("settled", decision, payment, actor, now, {"state": [before, payment.state]})
    returns.begin(payment, payment.amount_minor, decision.reason, actor, now)


def _settle_refund(
    row: RentReturn, payment: RentPayment, decision: RentDecision, actor: Actor, now: datetime
) -> None:
    if decision.choice == Choice.LEAVE:
        sharing.ask(payment, now, part=f":return:{row.id}:left")
        return
    if decision.choice == Choice.AS_SAID:
        row = _said(row, payment, actor, now)
    else:
        _need_no_other(row, payment)
        row.hand_reference = decision.hand_reference
        returns.watch(row, now)
    try:
        booking.confirm(row, actor, now, decision.excess_to)
    except Invalid as error:
        raise Conflict(CHANGED) from error


def _need_no_other(row: RentReturn, payment: RentPayment) -> None:
    """Money given back by hand beside another refund under way would leave twice. Raises Conflict."""
    others = sum(
        db.session.scalars(
            select(RentReturn.amount_minor).where(
                RentReturn.payment_id == payment.id,
                RentReturn.kind == ReturnKind.REFUND.value,
                RentReturn.state == "pending",
                RentReturn.id != row.id,
            )
        )
    )
    if others and row.amount_minor + others > payment.amount_minor - payment.returned_minor:
        words = Money(others, payment.currency).format()
        raise Conflict(
            f"Another refund of {payment.reference} over {words} is under way. Wait for its end; nothing was done."
        )


def _said(row: RentReturn, payment: RentPayment, actor: Actor, now: datetime) -> RentReturn:
    """The refund as the gateway says it; beside one that people had given back by hand, a second one."""
    said = row.said_minor or 0
    if row.state != "completed":
        row.amount_minor = said
        return row
    row.said_minor, row.error_message = None, ""
    try:
        with db.session.begin_nested():
            return returns.add(
                payment, ReturnKind.REFUND, returns.second_ref(row), said, row.reason, actor, now
            )
    except IntegrityError as error:
        raise Conflict(f"{row.return_ref} is booked twice already. Nothing was done.") from error


def _today(payment: RentPayment, now: datetime) -> Any:
    return local_date(now, db.session.get_one(Organisation, payment.organisation_id).timezone)


def _record(
    action: str,
    decision: RentDecision,
    payment: RentPayment,
    actor: Actor,
    now: datetime,
    changes: dict[str, Any] | None = None,
) -> None:
    said = Money(decision.amount_minor, decision.currency).plain
    audit.record(
        tag=f"rentals:rent_payment:{action}",
        actor=actor,
        now=now,
        organisation_id=payment.organisation_id,
        subject_type="rent_payment",
        subject_id=payment.id,
        subject_label=payment.reference,
        changes=changes or {"choice": [None, decision.choice], "amount": [None, said]},
        note=" ".join(
            filter(None, (Choice(decision.choice).label + ":", decision.reason, decision.hand_reference))
        ),
    )
