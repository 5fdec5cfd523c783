"""The collector "phonepe": orders and refunds, and what PhonePe's answers mean.

The state is the one at the root of the answer, and nothing else; amount and order id are compared by whoever asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from webapp.providers import accounts, http
from webapp.providers.accounts import Access
from webapp.providers.http import Reply
from webapp.providers.phonepe import client
from webapp.providers.ports import (
    CREDENTIALS,
    DUPLICATE,
    UNREADABLE,
    CollectionAnswer,
    CollectionOrder,
    CollectionState,
    mask,
)

# state → what it means, of orders and of refunds
STATES = {
    "PENDING": CollectionState.PENDING,
    "CONFIRMED": CollectionState.PENDING,
    "COMPLETED": CollectionState.COMPLETED,
    "FAILED": CollectionState.FAILED,
}
DUPLICATES = frozenset({"ORDER_ALREADY_EXISTS", "DUPLICATE_ORDER", "DUPLICATE_REFUND"})
UNKNOWN_IDS = frozenset(
    {"INVALID_MERCHANT_ORDER_ID", "ORDER_NOT_FOUND", "INVALID_MERCHANT_REFUND_ID", "REFUND_NOT_FOUND"}
)
LEAST_MINOR = 100
_NO_KEYS = CollectionAnswer(
    CollectionState.NOT_SENT,
    code=CREDENTIALS,
    message="There are no keys for PhonePe. An admin must enter them.",
)


class PhonePe:
    """Opens orders, asks, refunds. Keeps nothing."""

    name = "phonepe"

    def create(self, order: CollectionOrder) -> CollectionAnswer:
        """Open an order. The same id again: the order that is there is asked for."""
        access = accounts.find_access(order.organisation_id, client.PROVIDER)
        if access is None:
            return _NO_KEYS
        if order.currency != "INR" or order.amount_minor < LEAST_MINOR:
            return _refused("AMOUNT", "PhonePe takes 1.00 INR or more.")
        reply = client.pay(
            access,
            order_id=order.order_id,
            amount_minor=order.amount_minor,
            expires_in_seconds=order.expires_in_seconds,
            message=order.message[:250],
            return_url=order.return_url,
        )
        if reply.body.get("code") in DUPLICATES:
            return self.status(order.organisation_id, order.order_id)
        return _with_page(access, _answer(reply, order_id=order.order_id))

    def status(self, organisation_id: int, order_id: str) -> CollectionAnswer:
        """What became of an order."""
        access = accounts.find_access(organisation_id, client.PROVIDER)
        if access is None:
            return _NO_KEYS
        return _answer(client.order_status(access, order_id), order_id=order_id, is_question=True)

    def refund(
        self, organisation_id: int, refund_id: str, order_id: str, amount_minor: int
    ) -> CollectionAnswer:
        """Give money back; the same refund id again is asked for."""
        access = accounts.find_access(organisation_id, client.PROVIDER)
        if access is None:
            return _NO_KEYS
        reply = client.refund(access, refund_id=refund_id, order_id=order_id, amount_minor=amount_minor)
        if reply.body.get("code") in DUPLICATES:
            return self.refund_status(organisation_id, refund_id)
        return _answer(reply, refund_id=refund_id)

    def refund_status(self, organisation_id: int, refund_id: str) -> CollectionAnswer:
        """What became of a refund."""
        access = accounts.find_access(organisation_id, client.PROVIDER)
        if access is None:
            return _NO_KEYS
        return _answer(client.refund_status(access, refund_id), refund_id=refund_id, is_question=True)


def _refused(code: str, message: str) -> CollectionAnswer:
    return CollectionAnswer(CollectionState.FAILED, code=code, message=message)


def _with_page(access: Access, answer: CollectionAnswer) -> CollectionAnswer:
    """The answer, if its page is one that a payer may be sent to; else without, and saying so."""
    if not answer.pay_url or client.is_pay_page(access, answer.pay_url):
        return answer
    return replace(answer, pay_url="", code=UNREADABLE, message="The payment page is not one of PhonePe's.")


def _answer(
    reply: Reply, *, order_id: str = "", refund_id: str = "", is_question: bool = False
) -> CollectionAnswer:
    """What a reply means. A question that is refused says nothing about what was asked for; an order that is, does."""
    if reply.is_ok:
        return _known(reply, {"merchantOrderId": order_id, "merchantRefundId": refund_id})
    code, message = str(reply.body.get("code") or ""), _problem(reply)
    if not reply.was_sent:
        return CollectionAnswer(
            CollectionState.NOT_SENT, code=CREDENTIALS if reply.status == 401 else "", message=message
        )
    # A refusal counts only in PhonePe's own words: a page of somebody on the way says nothing about the order.
    if reply.status in (401, 403) and code:
        return CollectionAnswer(CollectionState.NOT_SENT, code=CREDENTIALS, message=message, raw=_raw(reply))
    if code in UNKNOWN_IDS or (reply.status == 404 and code):
        return CollectionAnswer(CollectionState.NOT_FOUND, code=code, message=message, raw=_raw(reply))
    if reply.status in (400, 409, 410, 417, 422) and code and not is_question:
        state = CollectionState.UNKNOWN if code in DUPLICATES else CollectionState.FAILED
        return CollectionAnswer(
            state, code=DUPLICATE if code in DUPLICATES else code, message=message, raw=_raw(reply)
        )
    return CollectionAnswer(CollectionState.UNKNOWN, code=code, message=message, raw=_raw(reply))


def _unreadable(reply: Reply, message: str) -> CollectionAnswer:
    """Kept as it came, and asked for again."""
    return CollectionAnswer(CollectionState.UNKNOWN, code=UNREADABLE, message=message, raw=_raw(reply))


def _known(reply: Reply, ours: Mapping[str, str]) -> CollectionAnswer:
    body = reply.body
    word = str(body.get("state") or "")
    state = STATES.get(word, CollectionState.UNKNOWN)
    amount = http.minor_of(body.get("amount"), places=0)
    if any(wanted and body.get(name, wanted) != wanted for name, wanted in ours.items()):
        return _unreadable(reply, "The answer is about another order.")
    if state is CollectionState.UNKNOWN:
        return _unreadable(reply, f"PhonePe says {word[:40]!r}, which Paydesk does not know.")
    if state is CollectionState.COMPLETED and amount is None:
        return _unreadable(reply, "The answer has no exact amount.")
    payment = _last_payment(body)
    rail = payment.get("rail")
    rail = rail if isinstance(rail, Mapping) else {}
    code = str(body.get("detailedErrorCode") or body.get("errorCode") or "")
    message = _failure(body) if state is CollectionState.FAILED else ""
    return CollectionAnswer(
        state,
        provider_reference=str(body.get("orderId") or body.get("refundId") or "")[:120],
        pay_url=str(body.get("redirectUrl") or ""),
        amount_minor=amount,
        method=str(payment.get("paymentMode") or "")[:120],
        utr=str(rail.get("utr") or "")[:120],
        expires_at=_instant(body.get("expireAt")),
        code=code[:120],
        message=message,
        raw=_raw(reply),
    )


def _last_payment(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The try that counts: the completed one, else the last."""
    tries = [each for each in body.get("paymentDetails") or () if isinstance(each, Mapping)]
    done = [each for each in tries if each.get("state") == "COMPLETED"]
    return (done or tries or [{}])[-1]


def _failure(body: Mapping[str, Any]) -> str:
    context = body.get("errorContext")
    said = context.get("description") if isinstance(context, Mapping) else None
    return str(mask(str(said or "The payment did not go through.")))[:300]


def _instant(milliseconds: Any) -> datetime | None:
    if not isinstance(milliseconds, int) or isinstance(milliseconds, bool):
        return None
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, OSError, ValueError):
        return None


def _problem(reply: Reply) -> str:
    said = str(reply.body.get("message") or "") or reply.problem or f"HTTP {reply.status}."
    return str(mask(said))[:300]


def _raw(reply: Reply) -> dict[str, Any]:
    kept: dict[str, Any] = mask(http.plain(reply.body))
    kept.pop("redirectUrl", None)
    return {"http": reply.status, "request_id": reply.request_id, **kept}
