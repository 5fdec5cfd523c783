"""The calls of PhonePe's Standard Checkout V2, as its documents describe them. Amounts are whole paise."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from webapp.kernel.clock import utc_now
from webapp.providers import accounts, http
from webapp.providers.accounts import Access, Token
from webapp.providers.http import Reply

PROVIDER = "phonepe"
# Base addresses by environment; an account may name others (demo and tests do).
BASES = {
    "sandbox": {
        "oauth": "https://api-preprod.phonepe.com/apis/pg-sandbox",
        "payments": "https://api-preprod.phonepe.com/apis/pg-sandbox",
    },
    "production": {
        "oauth": "https://api.phonepe.com/apis/identity-manager",
        "payments": "https://api.phonepe.com/apis/pg",
    },
}
LONGEST_ADDRESS = 1000
_PURPOSE = "payments"
# PhonePe asks for a token to be kept and renewed some minutes before its end, never to be fetched for each call.
_MARGIN = timedelta(minutes=4)


def base(access: Access, product: str) -> str:
    """Where a product of PhonePe is called, without a trailing slash."""
    return (access.get(f"{product}_url") or BASES[access.environment][product]).rstrip("/")


def is_pay_page(access: Access, address: str) -> bool:
    """Whether a payer may be sent there: PhonePe's own site, or the site that stands in for it."""
    try:
        page, own = urlsplit(address), urlsplit(base(access, "payments"))
        ports = page.port, own.port
    except ValueError:
        return False
    if len(address) > LONGEST_ADDRESS or page.username or page.password or not page.hostname:
        return False
    if (page.scheme, page.hostname, ports[0]) == (own.scheme, own.hostname, ports[1]):
        return True
    is_phonepe = page.hostname == "phonepe.com" or page.hostname.endswith(".phonepe.com")
    return page.scheme == "https" and is_phonepe and ports[0] in (None, 443)


def authorize(access: Access) -> Reply:
    """Ask for an access token."""
    return http.call(
        "POST",
        f"{base(access, 'oauth')}/v1/oauth/token",
        headers={},
        form={
            "client_id": access.get("client_id"),
            "client_version": access.get("client_version") or "1",
            "client_secret": access.get("client_secret"),
            "grant_type": "client_credentials",
        },
    )


def fetch_token(access: Access) -> Token | None:
    """A new access token; None when the keys are refused or nothing answers."""
    return token_of(authorize(access))


def token_of(reply: Reply) -> Token | None:
    """The token in an answer of `authorize`; None when there is none."""
    token, expires_at = reply.body.get("access_token"), _seconds(reply.body.get("expires_at"))
    if not reply.is_ok or not isinstance(token, str) or not token or expires_at is None:
        return None
    return Token(token, expires_at)


def _seconds(value: Any) -> datetime | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, OSError, ValueError):
        return None


def _call(
    access: Access, method: str, path: str, body: Mapping[str, Any] | None = None, **query: str
) -> Reply:
    """One call with the shared token; a token that is no longer taken is replaced, once."""
    for attempt in (1, 2):
        token = accounts.shared_token(
            access, _PURPOSE, lambda: fetch_token(access), now=utc_now(), margin=_MARGIN
        )
        if token is None:
            return Reply(401, problem="PhonePe gives no access token for these keys.", was_sent=False)
        headers = {"authorization": f"O-Bearer {token}"}
        if merchant := access.get("merchant_id"):
            headers["x-merchant-id"] = merchant
        content = json.dumps(body) if body is not None else None
        url = f"{base(access, 'payments')}{path}"
        reply = http.call(method, url, headers=headers, params=query or None, content=content)
        if reply.status != 401 or attempt == 2:
            return reply
        accounts.forget_token(access.account_id, _PURPOSE)
    raise AssertionError("the loop returns")


def pay(
    access: Access,
    *,
    order_id: str,
    amount_minor: int,
    expires_in_seconds: int,
    message: str,
    return_url: str,
) -> Reply:
    """Open an order; the answer has the address of the page where the payer pays."""
    return _call(
        access,
        "POST",
        "/checkout/v2/pay",
        {
            "merchantOrderId": order_id,
            "amount": amount_minor,
            "expireAfter": expires_in_seconds,
            "paymentFlow": {
                "type": "PG_CHECKOUT",
                "message": message,
                "merchantUrls": {"redirectUrl": return_url},
            },
        },
    )


def order_status(access: Access, order_id: str) -> Reply:
    """What became of an order; only the state at the root decides."""
    return _call(
        access, "GET", f"/checkout/v2/order/{order_id}/status", None, details="false", errorContext="true"
    )


def refund(access: Access, *, refund_id: str, order_id: str, amount_minor: int) -> Reply:
    """Give money of an order back."""
    body = {"merchantRefundId": refund_id, "originalMerchantOrderId": order_id, "amount": amount_minor}
    return _call(access, "POST", "/payments/v2/refund", body)


def refund_status(access: Access, refund_id: str) -> Reply:
    """What became of a refund."""
    return _call(access, "GET", f"/payments/v2/refund/{refund_id}/status")


def settlement_status(access: Access, settlement_id: str) -> Reply:
    """What became of a settlement of collected money to our bank."""
    return _call(access, "GET", f"/settlements/v1/{settlement_id}/status")
