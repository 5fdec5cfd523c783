"""Asking the gateway: orders opened, asked about, refunds. The functions open their own transactions.

No transaction is open while the gateway thinks. What it says is believed only when we have asked.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from sqlalchemy import select

from webapp import queue
from webapp.database import db, transaction
from webapp.kernel.actor import WORKER, Actor
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Unavailable
from webapp.outbox import service as outbox
from webapp.programs.rentals import payments, sharing
from webapp.programs.rentals.models import PaymentState, RentPayment
from webapp.providers import registry
from webapp.providers.ports import CollectionAnswer, CollectionOrder, CollectionState

log = structlog.get_logger()
GATEWAY = "phonepe"


def open_order(
    *, charge_id: int, return_url: str, actor: Actor, clock: Callable[[], datetime] = utc_now
) -> str:
    """Begin to pay a month's rent: the address of the gateway's page. An order that is open already is gone on with.

    Raises Conflict when nothing is left to pay, Unavailable when the gateway does not answer (nothing was taken).
    """
    with transaction():
        payment = payments.begin_online(charge_id=charge_id, actor=actor, now=clock())
        payment_id, pay_url = payment.id, payment.pay_url
        order = CollectionOrder(
            organisation_id=payment.organisation_id,
            order_id=payment.merchant_order_id or "",
            amount_minor=payment.amount_minor + payment.gateway_charge_minor,
            currency=payment.currency,
            message=f"Rent {payment.charge.reference}",
            return_url=return_url,
            expires_in_seconds=int(payments.ORDER_LIFE.total_seconds()),
        )
    if pay_url:
        return pay_url
    answer = ask(lambda: registry.collector(GATEWAY).create(order))
    with transaction():
        payment = db.session.get_one(RentPayment, payment_id, with_for_update=True)
        if answer.pay_url:
            payment.pay_url = answer.pay_url[:1000]
            payment.expires_at = answer.expires_at or payment.expires_at
        else:
            payment.error_code, payment.error_message = answer.code[:120], answer.message[:500]
    if not answer.pay_url:
        raise Unavailable(
            "The payment page cannot be reached at the moment. Nothing was taken. Try again soon."
        )
    return answer.pay_url


def ask(question: Callable[[], CollectionAnswer]) -> CollectionAnswer:
    """Put a question to the gateway; what breaks in the adapter is an unknown answer, never an error."""
    try:
        return question()
    except Exception as error:
        log.exception("collector.broke", collector=GATEWAY)
        return CollectionAnswer(
            CollectionState.UNKNOWN, message=f"The connection broke ({type(error).__name__})."
        )


def check(
    *, payment_id: int, is_scheduled: bool = False, clock: Callable[[], datetime] = utc_now
) -> PaymentState | None:
    """Ask the gateway what became of a payment and let the answer take effect; safe to repeat at any time.

    `is_scheduled`: only while it is open. None: there is nothing to ask.
    """
    with transaction():
        row = db.session.execute(
            select(RentPayment.organisation_id, RentPayment.merchant_order_id, RentPayment.state).where(
                RentPayment.id == payment_id
            )
        ).one_or_none()
    if row is None or row.merchant_order_id is None or (is_scheduled and row.state != PaymentState.PENDING):
        return None
    answer = ask(lambda: registry.collector(GATEWAY).status(row.organisation_id, row.merchant_order_id))
    with transaction():
        payment = payments.apply(payment_id=payment_id, answer=answer, now=clock())
        return PaymentState(payment.state)


def share(*, payment_id: int, clock: Callable[[], datetime] = utc_now) -> None:
    """Share a received rent out, then pay the owners: two steps, so that the second never undoes the first."""
    with transaction():
        sharing.share_out(payment_id=payment_id, actor=WORKER, now=clock())
    with transaction():
        sharing.pay_owners(payment_id=payment_id, actor=WORKER, now=clock())


def recover(*, clock: Callable[[], datetime] = utc_now, limit: int = 500) -> int:
    """Put back what should be in the outbox and is not: open payments that nobody asks about, rents not shared out."""
    now = clock()
    late = now - timedelta(minutes=2)
    with transaction():
        forgotten = db.session.scalars(
            select(RentPayment)
            .where(RentPayment.state == PaymentState.PENDING.value, RentPayment.next_check_at < late)
            .limit(limit)
        ).all()
        count = 0
        for payment in forgotten:
            count += outbox.add(
                kind="rent.check",
                reference_id=payment.id,
                dedupe_key=f"rent.check:{payment.id}:sweep:{now:%Y%m%d%H%M}",
                to_queue=queue.MONEY,
                organisation_id=payment.organisation_id,
                now=now,
            )
    return count
