"""Rent that goes back to the tenant: refunds that we order, chargebacks that befall us.

Who bears it is booked in `booking`. What was paid out to owners already they owe, and it is netted from their next
payouts. What has not left is held, taken back and set off (`holding`). What the gateway refuses, or gives no clear
answer about, is left to people (`settling`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from webapp import queue
from webapp.audit import service as audit
from webapp.database import db, lock_row, transaction
from webapp.kernel.actor import WORKER, Actor
from webapp.kernel.checks import need_reason
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, Invalid, StaleVersion
from webapp.kernel.ids import new_transfer_id
from webapp.kernel.money import Money
from webapp.outbox import service as outbox
from webapp.programs.rentals import booking, collecting, holding, rules, sharing
from webapp.programs.rentals.models import (
    PaymentSource,
    PaymentState,
    RentPayment,
    RentReturn,
    ReturnKind,
)
from webapp.providers import registry
from webapp.providers.ports import CollectionAnswer, CollectionState

WATCHED_DAYS = (1, 3, 7)


def order_refund(
    *,
    organisation_id: int,
    reference: str,
    amount_minor: int,
    reason: str,
    actor: Actor,
    now: datetime,
    expected_version: int | None = None,
) -> RentReturn:
    """Give rent back to the tenant, wholly or in part: through the gateway it came by, or by hand.

    A refund by hand counts at once; one through the gateway when the gateway confirms it. Raises Invalid, NotFound,
    Conflict; StaleVersion when the payment changed since `expected_version` was shown, by another refund for one.
    """
    payment = _lock(organisation_id, reference, reason)
    if expected_version is not None and payment.version != expected_version:
        raise StaleVersion(
            f"{reference} changed since you opened this page. Look at what went back already; nothing was done."
        )
    need_left(payment, amount_minor)
    return begin(payment, amount_minor, reason, actor, now)


def begin(
    payment: RentPayment,
    amount_minor: int,
    reason: str,
    actor: Actor,
    now: datetime,
    retry_of_id: int | None = None,
) -> RentReturn:
    """Start a refund of a locked payment that has so much left."""
    row = add(payment, ReturnKind.REFUND, f"RF{new_transfer_id()}", amount_minor, reason, actor, now)
    row.retry_of_id = retry_of_id
    if payment.source == PaymentSource.PHONEPE:
        # Nothing is counted yet, but whoever sends the same form again has not seen this refund.
        payment.version += 1
        _plan(row, now, now)
        holding.hold_back(payment, actor, now)
    else:
        booking.confirm(row, actor, now)
    return row


def record_chargeback(
    *,
    organisation_id: int,
    reference: str,
    case_number: str,
    amount_minor: int,
    reason: str,
    excess_to: str = "",
    actor: Actor,
    now: datetime,
) -> RentReturn:
    """The tenant's bank took rent back, also of a payment that was refunded already or is on its way back.

    What is more than the payment has left has left twice: `excess_to` says who bears it (an ExcessTo). Raises Invalid,
    NotFound, Conflict when the case is there already.
    """
    case = " ".join(case_number.split())
    if not case or len(case) > 60:
        raise Invalid("case_number", "Enter the gateway's number of the case.", "CB-20261104-17")
    payment = _lock(organisation_id, reference, reason, *_CHARGED_BACK)
    _need_taken(payment, amount_minor)
    excess_to = booking.need_bearer(payment, amount_minor, excess_to)
    known = select(RentReturn.id).where(
        RentReturn.organisation_id == organisation_id, RentReturn.return_ref == case
    )
    if db.session.scalar(known):
        raise Conflict(f"The case {case} is recorded already. Nothing was done.")
    try:
        with db.session.begin_nested():
            row = add(payment, ReturnKind.CHARGEBACK, case, amount_minor, reason, actor, now)
    except IntegrityError as error:
        raise Conflict(
            f"The case {case} cannot be recorded now; it may have been this moment. Nothing was done."
        ) from error
    booking.confirm(row, actor, now, excess_to)
    return row


_CHARGED_BACK = (PaymentState.COMPLETED, PaymentState.GOING_BACK, PaymentState.REFUNDED)


def _lock(
    organisation_id: int,
    reference: str,
    reason: str,
    *states: PaymentState,
) -> RentPayment:
    payment = lock_row(
        RentPayment, RentPayment.organisation_id == organisation_id, RentPayment.reference == reference
    )
    if payment.state not in (states or _CHARGED_BACK[:2]):
        raise Conflict(f"{reference} is {PaymentState(payment.state).label.lower()}; nothing can go back.")
    need_reason(reason, "Paid twice.", "payment")
    return payment


def need_left(payment: RentPayment, amount_minor: int) -> None:
    """Refuse to give back more than is left and not on its way. Raises Invalid."""
    pending = db.session.scalars(
        select(RentReturn.amount_minor).where(
            RentReturn.payment_id == payment.id, RentReturn.state == "pending"
        )
    )
    _at_most(payment, amount_minor, payment.amount_minor - payment.returned_minor - sum(pending))


def _need_taken(payment: RentPayment, amount_minor: int) -> None:
    """A tenant's bank takes at most what the tenant paid in all, charge of the gateway and credit included."""
    before = db.session.scalars(
        select(RentReturn.amount_minor).where(
            RentReturn.payment_id == payment.id, RentReturn.kind == ReturnKind.CHARGEBACK.value
        )
    )
    paid = payment.amount_minor + payment.gateway_charge_minor + payment.credit_minor
    _at_most(payment, amount_minor, paid - sum(before))


def _at_most(payment: RentPayment, amount_minor: int, left_minor: int) -> None:
    if not 0 < amount_minor <= left_minor:
        left = Money(left_minor, payment.currency)
        raise Invalid("amount", f"At most {left.format()} of {payment.reference} can go back.", left.plain)


def add(
    payment: RentPayment,
    kind: ReturnKind,
    return_ref: str,
    amount_minor: int,
    reason: str,
    actor: Actor,
    now: datetime,
) -> RentReturn:
    """A new refund or chargeback of a payment, with its line in the trail; nothing is booked yet."""
    row = RentReturn(
        organisation_id=payment.organisation_id,
        payment_id=payment.id,
        kind=kind.value,
        return_ref=return_ref,
        currency=payment.currency,
        amount_minor=amount_minor,
        reason=reason.strip()[:2000],
        created_by_id=actor.user_id,
        created_by_label=actor.label,
        created_at=now,
    )
    db.session.add(row)
    db.session.flush()
    audit.record(
        tag=f"rentals:rent_payment:{kind.value}",
        actor=actor,
        now=now,
        organisation_id=payment.organisation_id,
        subject_type="rent_payment",
        subject_id=payment.id,
        subject_label=payment.reference,
        changes={"amount": [None, amount_minor]},
        note=row.reason,
    )
    return row


def _plan(row: RentReturn, at: datetime, now: datetime) -> None:
    row.next_check_at = at
    outbox.add(
        kind="rent.return",
        reference_id=row.id,
        dedupe_key=f"rent.return:{row.id}:{row.checks}",
        to_queue=queue.MONEY,
        organisation_id=row.organisation_id,
        now=now,
        not_before=at,
    )


def watch(row: RentReturn, now: datetime) -> None:
    """Have the gateway asked later on about a refund that people gave back by hand: it may go through all the same."""
    for days in WATCHED_DAYS:
        outbox.add(
            kind="rent.return",
            reference_id=row.id,
            dedupe_key=f"rent.return:{row.id}:watch:{days}",
            to_queue=queue.MONEY,
            organisation_id=row.organisation_id,
            now=now,
            not_before=now + timedelta(days=days),
        )


def work(*, return_id: int, clock: Callable[[], datetime] = utc_now) -> CollectionState | None:
    """Order a refund at the gateway, or ask what became of it; the same refund id is never ordered as another.

    One that was refused, or that people gave back by hand, is only asked about: the gateway may have given it back
    after all. Returns what the gateway said; None: there is nothing to ask.
    """
    with transaction():
        row = db.session.execute(
            select(
                RentReturn.organisation_id,
                RentReturn.return_ref,
                RentReturn.amount_minor,
                RentReturn.state,
                RentReturn.hand_reference,
                RentPayment.merchant_order_id,
            )
            .join(RentPayment, RentPayment.id == RentReturn.payment_id)
            .where(RentReturn.id == return_id, RentReturn.kind == ReturnKind.REFUND.value)
        ).one_or_none()
    if row is None or (row.state == "completed" and not row.hand_reference) or row.merchant_order_id is None:
        return None
    organisation_id, refund_id, order_id = row.organisation_id, row.return_ref, row.merchant_order_id
    collector = registry.collector(collecting.GATEWAY)
    answer = collecting.ask(lambda: collector.refund_status(organisation_id, refund_id))
    is_unknown = answer.state is CollectionState.NOT_FOUND
    if is_unknown and row.state == "pending":
        # The gateway does not know it: it was never ordered, or the order was lost. The id makes it safe to repeat.
        answer = collecting.ask(
            lambda: collector.refund(organisation_id, refund_id, order_id, row.amount_minor)
        )
        if answer.state is CollectionState.FAILED:
            # A refused order is believed only where the gateway does not know the refund either.
            said = collecting.ask(lambda: collector.refund_status(organisation_id, refund_id))
            answer = answer if said.state is CollectionState.NOT_FOUND else said
    with transaction():
        _apply(return_id, answer, clock(), is_unknown=is_unknown)
    return answer.state


def _apply(return_id: int, answer: CollectionAnswer, now: datetime, *, is_unknown: bool) -> None:
    payment_id = db.session.scalar(select(RentReturn.payment_id).where(RentReturn.id == return_id))
    lock_row(RentPayment, RentPayment.id == payment_id)
    row = lock_row(RentReturn, RentReturn.id == return_id)
    is_completed = answer.state is CollectionState.COMPLETED
    if row.state == "completed":
        if is_completed and row.hand_reference and not _is_booked_twice(row):
            _leave_to_a_person(row, GIVEN_TWICE, answer, now)
        return
    row.checks += 1
    _count_unknown(row, is_unknown, now)
    if is_completed:
        if problem := _contradiction(row, answer):
            _leave_to_a_person(row, problem, answer, now)
        else:
            booking.confirm(row, WORKER, now)
    elif row.state == "failed":
        return
    elif answer.state is CollectionState.FAILED:
        row.state, row.next_check_at = "failed", None
        row.error_message = (answer.message or "The gateway refused the refund.")[:500]
        payment = db.session.get_one(RentPayment, row.payment_id)
        sharing.ask(payment, now, part=f":return:{row.id}:refused")
    else:
        row.error_message = answer.message[:500]
        _plan(row, now + timedelta(seconds=rules.next_refund_poll(row.checks, now - row.created_at)), now)


GIVEN_TWICE = "The gateway says it went back too, after people had given it back by hand. A person must look."


def second_ref(row: RentReturn) -> str:
    """What the same refund is called where it went back by hand, and through the gateway, too."""
    return f"{row.return_ref}-2"


def _is_booked_twice(row: RentReturn) -> bool:
    query = select(RentReturn.id).where(
        RentReturn.organisation_id == row.organisation_id, RentReturn.return_ref == second_ref(row)
    )
    return db.session.scalar(query) is not None


def _count_unknown(row: RentReturn, is_unknown: bool, now: datetime) -> None:
    if not is_unknown:
        row.not_found, row.not_found_since = 0, None
        return
    row.not_found += 1
    row.not_found_since = row.not_found_since or now


def _contradiction(row: RentReturn, answer: CollectionAnswer) -> str:
    """Why a refund that the gateway calls completed cannot be booked as it is; empty when it can."""
    if answer.amount_minor not in (None, row.amount_minor):
        said, asked = (
            Money(minor, row.currency).format() for minor in (answer.amount_minor or 0, row.amount_minor)
        )
        return f"The gateway says {said} went back, and {asked} was asked for. A person must look."
    payment = lock_row(RentPayment, RentPayment.id == row.payment_id)
    if booking.excess_of(payment, row.amount_minor):
        return (
            "The gateway says it went back, and more than was paid would have gone back. A person must look."
        )
    return ""


def _leave_to_a_person(row: RentReturn, problem: str, answer: CollectionAnswer, now: datetime) -> None:
    """Nothing is booked and nothing asked any more; said once in the trail, and shown with the payment."""
    row.next_check_at = None
    row.said_minor = row.amount_minor if answer.amount_minor is None else answer.amount_minor
    if row.error_message == problem:
        return
    row.error_message = problem
    payment = db.session.get_one(RentPayment, row.payment_id)
    audit.record(
        tag="rentals:rent_payment:amount_differs",
        actor=WORKER,
        now=now,
        organisation_id=row.organisation_id,
        subject_type="rent_payment",
        subject_id=payment.id,
        subject_label=payment.reference,
        changes={"amount": [row.amount_minor, answer.amount_minor]},
        note=f"{row.return_ref}: {problem}",
    )
