"""Rent that goes back to the tenant: refunds that we order, chargebacks that befall us; and what owners then owe.

The fee, its tax and what was withheld go back in proportion; the owners bear the rest. What was paid out to them
already they owe, and it is netted from their next payouts. What has not left is held, taken back and set off
(`holding`).
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
from webapp.kernel.clock import local_date, utc_now
from webapp.kernel.errors import Conflict, Invalid
from webapp.kernel.ids import new_transfer_id
from webapp.kernel.money import Money
from webapp.outbox import service as outbox
from webapp.people.models import Organisation, Payee
from webapp.programs.rentals import charging, collecting, entries, holding, rules, sharing
from webapp.programs.rentals.models import (
    Distribution,
    OwnerDebt,
    PaymentSource,
    PaymentState,
    RentCharge,
    RentPayment,
    RentReturn,
    ReturnKind,
)
from webapp.providers import registry
from webapp.providers.ports import CollectionAnswer, CollectionState


def order_refund(
    *, organisation_id: int, reference: str, amount_minor: int, reason: str, actor: Actor, now: datetime
) -> RentReturn:
    """Give rent back to the tenant, wholly or in part: through the gateway it came by, or by hand.

    A refund by hand counts at once; one through the gateway when the gateway confirms it. Raises Invalid, NotFound,
    Conflict.
    """
    payment = _lock(organisation_id, reference, amount_minor, reason)
    row = _new(payment, ReturnKind.REFUND, f"RF{new_transfer_id()}", amount_minor, reason, actor, now)
    if payment.source == PaymentSource.PHONEPE:
        _plan(row, now, now)
        holding.hold_back(payment, actor, now)
    else:
        confirm(row, actor, now)
    return row


def record_chargeback(
    *,
    organisation_id: int,
    reference: str,
    case_number: str,
    amount_minor: int,
    reason: str,
    actor: Actor,
    now: datetime,
) -> RentReturn:
    """The tenant's bank took rent back. Raises Invalid, NotFound, Conflict when the case is there already."""
    case = " ".join(case_number.split())
    if not case or len(case) > 60:
        raise Invalid("case_number", "Enter the gateway's number of the case.", "CB-20261104-17")
    payment = _lock(organisation_id, reference, amount_minor, reason)
    known = select(RentReturn.id).where(
        RentReturn.organisation_id == organisation_id, RentReturn.return_ref == case
    )
    if db.session.scalar(known):
        raise Conflict(f"The case {case} is recorded already. Nothing was done.")
    try:
        with db.session.begin_nested():
            row = _new(payment, ReturnKind.CHARGEBACK, case, amount_minor, reason, actor, now)
    except IntegrityError as error:
        raise Conflict(
            f"The case {case} cannot be recorded now; it may have been this moment. Nothing was done."
        ) from error
    confirm(row, actor, now)
    return row


def _lock(organisation_id: int, reference: str, amount_minor: int, reason: str) -> RentPayment:
    payment = lock_row(
        RentPayment, RentPayment.organisation_id == organisation_id, RentPayment.reference == reference
    )
    if payment.state != PaymentState.COMPLETED:
        raise Conflict(f"{reference} is {PaymentState(payment.state).label.lower()}; nothing can go back.")
    pending = db.session.scalars(
        select(RentReturn.amount_minor).where(
            RentReturn.payment_id == payment.id, RentReturn.state == "pending"
        )
    )
    left = payment.amount_minor - payment.returned_minor - sum(pending)
    if not 0 < amount_minor <= left:
        most = Money(left, payment.currency).format()
        raise Invalid(
            "amount", f"At most {most} of {reference} can go back.", Money(left, payment.currency).plain
        )
    if not reason.strip():
        raise Invalid("reason", "Give a reason; it is kept with the payment.", "Paid twice.")
    return payment


def _new(
    payment: RentPayment,
    kind: ReturnKind,
    return_ref: str,
    amount_minor: int,
    reason: str,
    actor: Actor,
    now: datetime,
) -> RentReturn:
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


def work(*, return_id: int, clock: Callable[[], datetime] = utc_now) -> CollectionState | None:
    """Order a refund at the gateway, or ask what became of it; the same refund id is never ordered as another.

    One that was refused is only asked about: the gateway may have given it back after all. Returns what the gateway
    said; None: there is nothing to ask.
    """
    with transaction():
        row = db.session.execute(
            select(
                RentReturn.organisation_id,
                RentReturn.return_ref,
                RentReturn.amount_minor,
                RentReturn.state,
                RentPayment.merchant_order_id,
            )
            .join(RentPayment, RentPayment.id == RentReturn.payment_id)
            .where(RentReturn.id == return_id, RentReturn.kind == ReturnKind.REFUND.value)
        ).one_or_none()
    if row is None or row.state == "completed" or row.merchant_order_id is None:
        return None
    organisation_id, refund_id, order_id = row.organisation_id, row.return_ref, row.merchant_order_id
    collector = registry.collector(collecting.GATEWAY)
    answer = collecting.ask(lambda: collector.refund_status(organisation_id, refund_id))
    if answer.state is CollectionState.NOT_FOUND and row.state == "pending":
        # The gateway does not know it: it was never ordered, or the order was lost. The id makes it safe to repeat.
        answer = collecting.ask(
            lambda: collector.refund(organisation_id, refund_id, order_id, row.amount_minor)
        )
        if answer.state is CollectionState.FAILED:
            # A refused order is believed only where the gateway does not know the refund either.
            said = collecting.ask(lambda: collector.refund_status(organisation_id, refund_id))
            answer = answer if said.state is CollectionState.NOT_FOUND else said
    with transaction():
        _apply(return_id, answer, clock())
    return answer.state


def _apply(return_id: int, answer: CollectionAnswer, now: datetime) -> None:
    row = lock_row(RentReturn, RentReturn.id == return_id)
    if row.state == "completed":
        return
    row.checks += 1
    if answer.state is CollectionState.COMPLETED:
        if problem := _contradiction(row, answer):
            _leave_to_a_person(row, problem, answer, now)
        else:
            confirm(row, WORKER, now)
    elif row.state == "failed":
        return
    elif answer.state is CollectionState.FAILED:
        row.state, row.next_check_at = "failed", None
        row.error_message = (answer.message or "The gateway refused the refund.")[:500]
        payment = db.session.get_one(RentPayment, row.payment_id)
        sharing.ask(payment, now, part=f":return:{row.id}:refused")
    else:
        row.error_message = answer.message[:500]
        _plan(row, now + timedelta(seconds=rules.next_poll(row.checks)), now)


def _contradiction(row: RentReturn, answer: CollectionAnswer) -> str:
    """Why a refund that the gateway calls completed cannot be booked as it is; empty when it can."""
    if answer.amount_minor not in (None, row.amount_minor):
        said, asked = (
            Money(minor, row.currency).format() for minor in (answer.amount_minor or 0, row.amount_minor)
        )
        return f"The gateway says {said} went back, and {asked} was asked for. A person must look."
    payment = lock_row(RentPayment, RentPayment.id == row.payment_id)
    if payment.returned_minor + row.amount_minor > payment.amount_minor:
        return (
            "The gateway says it went back, and more than was paid would have gone back. A person must look."
        )
    return ""


def _leave_to_a_person(row: RentReturn, problem: str, answer: CollectionAnswer, now: datetime) -> None:
    """Nothing is booked and nothing asked any more; said once in the trail, and shown with the payment."""
    row.next_check_at = None
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


def confirm(row: RentReturn, actor: Actor, now: datetime) -> None:
    """The money has gone back: booked, counted, and owed by the owners where it was theirs."""
    payment = lock_row(RentPayment, RentPayment.id == row.payment_id)
    before = payment.returned_minor
    row.state, row.completed_at, row.next_check_at, row.error_message = "completed", now, None, ""
    payment.returned_minor += row.amount_minor
    payment.version += 1
    if payment.returned_minor == payment.amount_minor:
        payment.state = PaymentState.REFUNDED.value
    # As when it is received: the payment first, then its charge.
    charge = lock_row(RentCharge, RentCharge.id == payment.charge_id)
    charging.count_paid(charge, -row.amount_minor)
    db.session.flush()
    on = local_date(now, db.session.get_one(Organisation, payment.organisation_id).timezone)
    distribution = payment.distribution
    if distribution is None:
        entries.went_back_unshared(row, payment, on, actor, now)
        sharing.ask(payment, now, part=f":return:{row.id}")
        return
    # Before anything of a share is touched: whoever cancels a payout locks the payout first, then its share.
    why = f"The rent went back to the tenant ({row.kind} of {payment.reference})."
    holding.take_back(payment, why, actor, now)
    fee, fee_tax, withheld, owners = _borne(distribution, before, payment.returned_minor)
    debts = _owe(row, distribution, owners, now)
    entries.went_back(
        row, payment, fee_minor=fee, fee_tax_minor=fee_tax, withheld_minor=withheld, debts=debts,
        on=on, actor=actor, now=now,
    )  # fmt: skip
    holding.set_off(payment, actor, now)
    sharing.ask(payment, now, part=f":return:{row.id}")


def _borne(distribution: Distribution, before: int, after: int) -> tuple[int, int, int, int]:
    """Fee, tax on it, withheld tax and the owners' part of what went back between two sums, exact over all returns."""
    weights = [distribution.fee_minor, distribution.fee_tax_minor, distribution.withheld_minor]
    weights.append(distribution.rent_minor - sum(weights))
    earlier, later = (Money(minor, distribution.currency).allocate(weights) for minor in (before, after))
    parts = [b.amount - a.amount for a, b in zip(earlier, later, strict=True)]
    if min(parts) >= 0:
        return parts[0], parts[1], parts[2], parts[3]
    # Largest remainders may take a paisa back from one part as the sum grows; this return alone then decides.
    alone = [part.amount for part in Money(after - before, distribution.currency).allocate(weights)]
    return alone[0], alone[1], alone[2], alone[3]


def _owe(
    row: RentReturn, distribution: Distribution, owners_minor: int, now: datetime
) -> list[tuple[Payee, int]]:
    shares = distribution.shares
    parts = Money(owners_minor, row.currency).allocate([share.weight for share in shares])
    debts = []
    for share, part in zip(shares, parts, strict=True):
        if part.amount:
            db.session.add(
                OwnerDebt(
                    organisation_id=row.organisation_id,
                    return_id=row.id,
                    payee_id=share.payee_id,
                    currency=row.currency,
                    amount_minor=part.amount,
                    created_at=now,
                )
            )
            debts.append((share.payee, part.amount))
    db.session.flush()
    return debts
