"""A payment of rent through its states: begun, received, failed; by hand: entered, verified by a second person."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from webapp import queue
from webapp.audit import service as audit
from webapp.audit.changes import check_version
from webapp.database import db, lock_row
from webapp.kernel.actor import WORKER, Actor
from webapp.kernel.checks import check_amount, need_reason
from webapp.kernel.clock import local_date
from webapp.kernel.errors import Conflict, Invalid, NotAllowed
from webapp.kernel.ids import new_transfer_id
from webapp.kernel.money import Money
from webapp.outbox import service as outbox
from webapp.payouts import policies
from webapp.people.models import Organisation
from webapp.people.numbers import next_number
from webapp.programs.rentals import charging, entries, rules, sharing, terms
from webapp.programs.rentals.models import (
    ChargeState,
    PaymentSource,
    PaymentState,
    RentCharge,
    RentPayment,
)
from webapp.providers.ports import CollectionAnswer, CollectionState

_P = PaymentState
ORDER_LIFE = timedelta(minutes=20)
# After an order has run out its last word is waited for; then it has failed.
GRACE = timedelta(minutes=15)
AMOUNT_DIFFERS = "AMOUNT_DIFFERS"


def _record(
    action: str, payment: RentPayment, actor: Actor, now: datetime, changes: dict[str, Any], note: str = ""
) -> None:
    audit.record(
        tag=f"rentals:rent_payment:{action}",
        actor=actor,
        now=now,
        organisation_id=payment.organisation_id,
        subject_type="rent_payment",
        subject_id=payment.id,
        subject_label=payment.reference,
        changes=changes,
        note=note,
    )


def new(
    charge: RentCharge, source: PaymentSource, amount_minor: int, now: datetime, **values: Any
) -> RentPayment:
    """A new payment of a charge, numbered RP-2026-000001 and on; nothing is booked yet."""
    payment = RentPayment(
        organisation_id=charge.organisation_id,
        reference=next_number(charge.organisation_id, f"RP-{now.year}", 6),
        charge=charge,
        source=source.value,
        currency=charge.currency,
        amount_minor=amount_minor,
        created_at=now,
        **values,
    )
    db.session.add(payment)
    db.session.flush()
    return payment


def begin_online(*, charge_id: int, actor: Actor, now: datetime) -> RentPayment:
    """The payment that a tenant is about to make of what is left of a charge; one that is still open is re-used.

    Raises NotFound, Conflict when nothing is left to pay.
    """
    charge = lock_row(RentCharge, RentCharge.id == charge_id)
    left = charge.amount_minor - charge.paid_minor
    if charge.state not in (ChargeState.OPEN, ChargeState.PART) or left <= 0:
        raise Conflict("This rent is paid. There is nothing more to do.")
    waiting = _open_order(charge_id, left, now)
    if waiting is not None:
        return waiting
    organisation = db.session.get_one(Organisation, charge.organisation_id)
    bands = terms.bands_on(charge.organisation_id, local_date(now, organisation.timezone))
    payment = new(
        charge,
        PaymentSource.PHONEPE,
        left,
        now,
        gateway_charge_minor=rules.gateway_charge(Money(left, charge.currency), bands).amount,
        merchant_order_id=new_transfer_id(),
        expires_at=now + ORDER_LIFE,
    )
    plan_check(payment, now)
    _record("begun", payment, actor, now, {"amount": [None, left]})
    return payment


def _open_order(charge_id: int, left: int, now: datetime) -> RentPayment | None:
    """The order that is gone on with. Raises Conflict while money may still come from another one."""
    for payment in db.session.scalars(
        select(RentPayment)
        .where(
            RentPayment.charge_id == charge_id,
            RentPayment.source == PaymentSource.PHONEPE.value,
            RentPayment.state == _P.PENDING.value,
        )
        .order_by(RentPayment.id.desc())
    ):
        if payment.error_code == AMOUNT_DIFFERS:
            raise Conflict(
                "Another amount than was asked for came in. A person looks at it. Do not pay again."
            )
        if payment.amount_minor == left and is_running(payment, now + timedelta(minutes=1)):
            return payment
        if payment.pay_url and is_awaited(payment, now):
            raise Conflict("An earlier payment is still being checked. Wait a few minutes before you pay.")
    return None


def is_running(payment: RentPayment, now: datetime) -> bool:
    """Whether the order can still be paid at the gateway."""
    return payment.expires_at is not None and payment.expires_at > now


def is_awaited(payment: RentPayment, now: datetime) -> bool:
    """Whether the gateway's last word about an order may still come."""
    return payment.expires_at is None or now <= payment.expires_at + GRACE


def ask_now(payment: RentPayment, now: datetime) -> None:
    """Have the gateway asked at once, because the payer is back; the planned questions go on from there."""
    if payment.state != _P.PENDING or payment.next_check_at is None or payment.next_check_at <= now:
        return
    payment.next_check_at = now
    outbox.add(
        kind="rent.check",
        reference_id=payment.id,
        dedupe_key=f"rent.check:{payment.id}:{payment.checks}:back",
        to_queue=queue.MONEY,
        organisation_id=payment.organisation_id,
        now=now,
    )


def plan_check(payment: RentPayment, now: datetime) -> None:
    """Plan when the gateway is asked next; an open payment is asked about until it has ended."""
    seconds = rules.next_poll(payment.checks) if is_awaited(payment, now) else 3600
    payment.next_check_at = now + timedelta(seconds=seconds)
    outbox.add(
        kind="rent.check",
        reference_id=payment.id,
        dedupe_key=f"rent.check:{payment.id}:{payment.checks}",
        to_queue=queue.MONEY,
        organisation_id=payment.organisation_id,
        now=now,
        not_before=payment.next_check_at,
    )


def apply(*, payment_id: int, answer: CollectionAnswer, now: datetime) -> RentPayment:
    """Let the gateway's answer to our own question take effect. Repeated and late answers change nothing twice.

    Money that arrives after the order had failed is received all the same: it is there.
    """
    payment = lock_row(RentPayment, RentPayment.id == payment_id)
    payment.checks += 1
    known = payment.gateway_reference
    if known and answer.provider_reference and answer.provider_reference != known:
        # An answer about another order says nothing about this one.
        answer = CollectionAnswer(CollectionState.UNKNOWN, message="The answer is about another order.")
    if answer.state is CollectionState.COMPLETED:
        _completed(payment, answer, now)
    elif payment.state == _P.PENDING:
        _still_open(payment, answer, now)
    db.session.flush()
    return payment


def _completed(payment: RentPayment, answer: CollectionAnswer, now: datetime) -> None:
    if payment.state not in (_P.PENDING, _P.FAILED, _P.CANCELLED):
        return
    payment.gateway_reference, payment.gateway_method = answer.provider_reference, answer.method
    payment.utr = answer.utr
    expected = payment.amount_minor + payment.gateway_charge_minor
    if answer.amount_minor != expected:
        _differs(payment, answer, expected, now)
        return
    payment.said_minor = None
    organisation = db.session.get_one(Organisation, payment.organisation_id)
    payment.received_on = local_date(now, organisation.timezone)
    complete(payment, WORKER, now)


def _differs(payment: RentPayment, answer: CollectionAnswer, expected: int, now: datetime) -> None:
    """Another amount came: nothing is booked, nothing asked any more; two people settle it."""
    said, asked = (
        "no amount" if minor is None else Money(minor, payment.currency).format()
        for minor in (answer.amount_minor, expected)
    )
    is_new = payment.error_code != AMOUNT_DIFFERS or payment.said_minor != answer.amount_minor
    payment.error_code, payment.said_minor = AMOUNT_DIFFERS, answer.amount_minor
    payment.error_message = f"The gateway says {said}, and {asked} was asked for. A person must look."
    payment.next_check_at = None
    if is_new:
        _record("amount_differs", payment, WORKER, now, {"amount": [expected, answer.amount_minor]})


def complete(payment: RentPayment, actor: Actor, now: datetime) -> None:
    """The rent is there: booked, counted, the tenant told, the owners' shares under way."""
    before = payment.state
    payment.state = _P.COMPLETED.value
    payment.completed_at, payment.next_check_at = now, None
    payment.error_code = payment.error_message = ""
    payment.version += 1
    charge = lock_row(RentCharge, RentCharge.id == payment.charge_id)
    charging.count_paid(charge, payment.amount_minor)
    db.session.flush()
    entries.received(payment, payment.received_on or now.date(), actor, now)
    _record("completed", payment, actor, now, {"state": [before, payment.state]})
    outbox.ask_mail(
        kind="notice.rent.received",
        reference_id=payment.id,
        organisation_id=payment.organisation_id,
        now=now,
    )
    sharing.ask(payment, now)


def _still_open(payment: RentPayment, answer: CollectionAnswer, now: datetime) -> None:
    is_unknown_there = answer.state is CollectionState.NOT_FOUND
    if answer.state is CollectionState.FAILED or (is_unknown_there and not is_awaited(payment, now)):
        fail(payment, answer, now)
        return
    plan_check(payment, now)


def fail(payment: RentPayment, answer: CollectionAnswer, now: datetime) -> None:
    """Nothing came of it; the tenant can begin anew."""
    payment.state = _P.FAILED.value
    payment.error_code = answer.code[:120]
    payment.error_message = (answer.message or "The payment was not finished in time.")[:500]
    payment.next_check_at = None
    payment.version += 1
    _record(
        "failed", payment, WORKER, now, {"state": [_P.PENDING.value, payment.state]}, payment.error_message
    )


def enter_by_hand(
    *,
    organisation_id: int,
    charge_reference: str,
    amount_minor: int,
    received_on: date,
    proof_reference: str,
    proof_key: str | None,
    proof_name: str,
    actor: Actor,
    now: datetime,
) -> RentPayment:
    """Rent that came outside the gateway, with what proves it; it counts when a second person has verified it.

    Raises Invalid, NotFound, Conflict when the proof was used for another payment.
    """
    charge = lock_row(
        RentCharge, RentCharge.organisation_id == organisation_id, RentCharge.reference == charge_reference
    )
    organisation = db.session.get_one(Organisation, organisation_id)
    if charge.state == ChargeState.WAIVED:
        raise Conflict(f"{charge_reference} is waived. Nothing is asked for.")
    check_amount("amount", amount_minor, "25,000.00")
    if received_on > local_date(now, organisation.timezone):
        raise Invalid("received_on", "This day has not come yet.", now.date().isoformat())
    proof = " ".join(proof_reference.split())
    if not proof or len(proof) > 120:
        raise Invalid(
            "proof_reference", "Enter the bank's reference or the number of the cheque.", "UTR N325…"
        )
    try:
        with db.session.begin_nested():
            payment = new(
                charge,
                PaymentSource.MANUAL,
                amount_minor,
                now,
                state=_P.TO_VERIFY.value,
                received_on=received_on,
                proof_reference=proof,
                proof_key=proof_key,
                proof_name=proof_name[:200],
                entered_by_id=actor.user_id,
                entered_by_label=actor.label,
            )
    except IntegrityError as error:
        raise Conflict(f"{proof} proves another payment already. Nothing was entered.") from error
    _record("entered", payment, actor, now, {"amount": [None, amount_minor]}, proof)
    return payment


def _lock(organisation_id: int, reference: str, expected_version: int | None) -> RentPayment:
    payment = lock_row(
        RentPayment, RentPayment.organisation_id == organisation_id, RentPayment.reference == reference
    )
    check_version(payment, reference, expected_version)
    return payment


def why_not_verify(payment: RentPayment, user_id: int | None) -> list[str]:
    """Why this person cannot verify a payment that was entered by hand; empty when they can."""
    policy, _ = policies.current_policy(payment.organisation_id)
    if user_id is not None and user_id == payment.entered_by_id and not policy.single_operator.is_on:
        return ["You entered this payment; another person must verify it."]
    return []


def verify(
    *, organisation_id: int, reference: str, actor: Actor, now: datetime, expected_version: int | None = None
) -> RentPayment:
    """A second person has compared a payment with its proof: it counts. Raises NotAllowed, Conflict, NotFound."""
    payment = _lock(organisation_id, reference, expected_version)
    if payment.state != _P.TO_VERIFY:
        raise Conflict(
            f"{reference} is {PaymentState(payment.state).label.lower()} already. Nothing was done."
        )
    if reasons := why_not_verify(payment, actor.user_id):
        raise NotAllowed(reasons)
    payment.verified_by_id, payment.verified_by_label, payment.verified_at = actor.user_id, actor.label, now
    payment.is_single_operator = actor.user_id == payment.entered_by_id
    complete(payment, actor, now)
    return payment


def cancel(
    *,
    organisation_id: int,
    reference: str,
    reason: str,
    actor: Actor,
    now: datetime,
    expected_version: int | None = None,
) -> RentPayment:
    """Take back a payment that was entered by hand and is not verified. Raises Invalid, Conflict, NotFound."""
    payment = _lock(organisation_id, reference, expected_version)
    if payment.state != _P.TO_VERIFY:
        raise Conflict(
            f"{reference} is {PaymentState(payment.state).label.lower()}; it cannot be taken back."
        )
    reason = need_reason(reason, "Entered for the wrong flat.", "payment")
    payment.state = _P.CANCELLED.value
    payment.version += 1
    _record(
        "cancelled",
        payment,
        actor,
        now,
        {"state": [_P.TO_VERIFY.value, payment.state]},
        reason,
    )
    db.session.flush()
    return payment
