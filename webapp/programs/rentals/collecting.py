"""Asking the gateway: orders opened, asked about, refunds. The functions open their own transactions.

No transaction is open while the gateway thinks. What it says is believed only when we have asked.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

import structlog
from sqlalchemy import ColumnElement, and_, exists, or_, select

from webapp import queue
from webapp.database import db, lock_row, transaction
from webapp.kernel.actor import WORKER, Actor
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Unavailable
from webapp.outbox import service as outbox
from webapp.programs.rentals import payments, sharing
from webapp.programs.rentals.models import PaymentState, RentPayment, RentReturn, ReturnKind
from webapp.providers import registry
from webapp.providers.ports import CollectionAnswer, CollectionOrder, CollectionState

log = structlog.get_logger()
GATEWAY = "phonepe"
# Longer than a call of the gateway can take: after it, an order whose page is not known has lost it.
OPENING = timedelta(minutes=1)


def open_order(
    *, charge_id: int, return_url: str, actor: Actor, clock: Callable[[], datetime] = utc_now
) -> str:
    """Begin to pay a month's rent: the address of the gateway's page. An order that is open already is gone on with.

    Raises Conflict when nothing is left to pay or an earlier payment may still arrive, Unavailable when the gateway
    does not answer or refuses (nothing was taken).
    """
    # The second time, where the first order is at the gateway and nobody knows the address of its page any more.
    for _ in range(2):
        with transaction():
            payment = payments.begin_online(charge_id=charge_id, actor=actor, now=clock())
            payment_id, pay_url = payment.id, payment.pay_url
            order = _order(payment, return_url)
        if pay_url:
            return pay_url
        answer = ask(partial(registry.collector(GATEWAY).create, order))
        with transaction():
            payment = lock_row(RentPayment, RentPayment.id == payment_id)
            if pay_url := _opened(payment, answer, clock()):
                return pay_url
            is_given_up = not payments.is_running(payment, clock())
        if not is_given_up or answer.state is CollectionState.FAILED:
            break
    raise Unavailable("The payment page cannot be reached at the moment. Nothing was taken. Try again soon.")


def _order(payment: RentPayment, return_url: str) -> CollectionOrder:
    return CollectionOrder(
        organisation_id=payment.organisation_id,
        order_id=payment.merchant_order_id or "",
        amount_minor=payment.amount_minor + payment.gateway_charge_minor,
        currency=payment.currency,
        message=f"Rent {payment.charge.reference}",
        return_url=return_url,
        expires_in_seconds=int(payments.ORDER_LIFE.total_seconds()),
    )


def _opened(payment: RentPayment, answer: CollectionAnswer, now: datetime) -> str:
    """Keep what the gateway said to a new order; the address of its page, empty where there is none."""
    if payment.state != PaymentState.PENDING or payment.pay_url:
        # Another click was quicker.
        return payment.pay_url if payment.state == PaymentState.PENDING else ""
    if answer.pay_url:
        payment.pay_url, payment.gateway_reference = answer.pay_url, answer.provider_reference
        payment.expires_at = answer.expires_at or payment.expires_at
        payment.error_code = payment.error_message = ""
        return payment.pay_url
    if answer.state is CollectionState.FAILED:
        payments.fail(payment, answer, now)
        return ""
    payment.error_code, payment.error_message = answer.code[:120], answer.message[:500]
    if answer.state is CollectionState.PENDING and now - payment.created_at > OPENING:
        # It is there, and its page was told to somebody who is gone: nobody can pay it. It runs out by itself.
        payment.expires_at = now
    return ""


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

    `is_scheduled`: only while it is open and due to be asked about; a question that was asked meanwhile, for a
    message or because the payer came back, has moved the next one. None: there is nothing to ask.
    """
    with transaction():
        row = db.session.execute(
            select(
                RentPayment.organisation_id,
                RentPayment.merchant_order_id,
                RentPayment.state,
                RentPayment.next_check_at,
            ).where(RentPayment.id == payment_id)
        ).one_or_none()
    if row is None or row.merchant_order_id is None:
        return None
    is_due = row.next_check_at is not None and row.next_check_at <= clock()
    if is_scheduled and (row.state != PaymentState.PENDING or not is_due):
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
    """Put back what should be in the outbox and is not: open payments and refunds that nobody asks about.

    A refund that was left to people before it was kept what the gateway says is asked about once more.
    """
    now = clock()
    late = now - timedelta(minutes=2)
    # As it was once left to people. What they can choose from depends on what the gateway says of it.
    is_untold = and_(
        RentReturn.next_check_at.is_(None),
        RentReturn.said_minor.is_(None),
        RentReturn.kind == ReturnKind.REFUND.value,
        exists().where(RentPayment.id == RentReturn.payment_id, RentPayment.merchant_order_id.is_not(None)),
    )
    is_forgotten = or_(RentReturn.next_check_at < late, is_untold)
    with transaction():
        return _recover("rent.check", RentPayment, RentPayment.next_check_at < late, now, limit) + _recover(
            "rent.return", RentReturn, is_forgotten, now, limit
        )


def _recover(
    kind: str,
    table: type[RentPayment] | type[RentReturn],
    is_forgotten: ColumnElement[bool],
    now: datetime,
    limit: int,
) -> int:
    forgotten = db.session.execute(
        select(table.id, table.organisation_id)
        .where(table.state == PaymentState.PENDING.value, is_forgotten)
        .order_by(table.next_check_at)
        .limit(limit)
    ).all()
    return sum(
        outbox.add(
            kind=kind,
            reference_id=row.id,
            dedupe_key=f"{kind}:{row.id}:sweep:{now:%Y%m%d%H%M}",
            to_queue=queue.MONEY,
            organisation_id=row.organisation_id,
            now=now,
        )
        for row in forgotten
    )
