"""The calls of Cashfree's Payouts V2 (and the two of V1 that tell the balance), as its documents describe them."""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from webapp.providers import http
from webapp.providers.accounts import Access, Token
from webapp.providers.http import Reply

PROVIDER = "cashfree"
API_VERSION = "2024-01-01"
# Base addresses by environment; an account may name others (demo and tests do).
BASES = {
    "sandbox": {
        "payouts": "https://sandbox.cashfree.com/payout",
        "balance": "https://payout-gamma.cashfree.com",
        "verification": "https://sandbox.cashfree.com/verification",
    },
    "production": {
        "payouts": "https://api.cashfree.com/payout",
        "balance": "https://payout-api.cashfree.com",
        "verification": "https://api.cashfree.com/verification",
    },
}
# A balance token lives for about five minutes.
TOKEN_SECONDS = 270


def base(access: Access, product: str) -> str:
    """Where a product of Cashfree is called, without a trailing slash."""
    return (access.get(f"{product}_url") or BASES[access.environment][product]).rstrip("/")


def _headers(access: Access, *, prefix: str = "") -> dict[str, str]:
    client_id = access.get(f"{prefix}client_id") or access.get("client_id")
    headers = {
        "x-client-id": client_id,
        "x-client-secret": access.get(f"{prefix}client_secret") or access.get("client_secret"),
        "x-api-version": API_VERSION,
    }
    return headers | _seal(access, client_id)


def _seal(access: Access, client_id: str) -> dict[str, str]:
    """The header that stands in for a fixed IP address, for accounts that were given a key for it."""
    public_key = access.get("public_key")
    return {"x-cf-signature": signature(client_id, public_key, int(time.time()))} if public_key else {}


def signature(client_id: str, public_key_pem: str, at: int) -> str:
    """What takes the place of a fixed IP address: client id and time, sealed with Cashfree's public key."""
    key = load_pem_public_key(public_key_pem.encode())
    if not isinstance(key, rsa.RSAPublicKey):
        raise TypeError("the public key is not an RSA key")
    # Cashfree prescribes OAEP with SHA-1; it protects a time stamp for minutes, not a document.
    sha1 = hashes.SHA1()  # noqa: S303 - as above
    sealed = key.encrypt(f"{client_id}.{at}".encode(), padding.OAEP(padding.MGF1(sha1), sha1, None))
    return base64.b64encode(sealed).decode()


def post_transfer(access: Access, body: Mapping[str, Any]) -> Reply:
    """POST /transfers: the one call that moves money."""
    return http.call(
        "POST",
        f"{base(access, 'payouts')}/transfers",
        headers=_headers(access),
        content=http.exact_json(body),
    )


def get_transfer(access: Access, transfer_id: str) -> Reply:
    """GET /transfers by our own id."""
    return http.call(
        "GET",
        f"{base(access, 'payouts')}/transfers",
        headers=_headers(access),
        params={"transfer_id": transfer_id},
    )


def post_beneficiary(access: Access, body: Mapping[str, Any]) -> Reply:
    """POST /beneficiary."""
    return http.call(
        "POST",
        f"{base(access, 'payouts')}/beneficiary",
        headers=_headers(access),
        content=http.exact_json(body),
    )


def get_beneficiary(access: Access, **query: str) -> Reply:
    """GET /beneficiary, by its id or by account and IFSC."""
    return http.call("GET", f"{base(access, 'payouts')}/beneficiary", headers=_headers(access), params=query)


def authorize(access: Access) -> Reply:
    """POST /payout/v1/authorize: the only way to a token of V1."""
    return http.call(
        "POST", f"{base(access, 'balance')}/payout/v1/authorize", headers=_v1_headers(access), content="{}"
    )


def fetch_balance_token(access: Access) -> Token | None:
    """A token of V1, which alone tells the balance; None when the keys are refused or nothing answers."""
    return token_of(authorize(access))


def token_of(reply: Reply) -> Token | None:
    """The token in an answer of `authorize`; None when there is none."""
    data = reply.body.get("data")
    if not reply.is_ok or not isinstance(data, Mapping) or not isinstance(data.get("token"), str):
        return None
    return Token(data["token"], datetime.now(UTC) + timedelta(seconds=TOKEN_SECONDS))


def _v1_headers(access: Access) -> dict[str, str]:
    client_id = access.get("client_id")
    keys = {"x-client-id": client_id, "x-client-secret": access.get("client_secret")}
    return keys | _seal(access, client_id)


def get_balance(access: Access, token: str) -> tuple[Reply, int | None]:
    """What can be spent, in paise; None when Cashfree did not say."""
    reply = http.call(
        "GET",
        f"{base(access, 'balance')}/payout/v1/getBalance",
        headers={"authorization": f"Bearer {token}"},
    )
    data = reply.body.get("data")
    if not reply.is_ok or not isinstance(data, Mapping):
        return reply, None
    return reply, http.minor_of(data.get("availableBalance", data.get("balance")))


def verify_bank_account(access: Access, *, account: str, ifsc: str, name: str) -> Reply:
    """Ask whether an account exists and in whose name; each call is billed, so nobody repeats it by itself."""
    body = {"bank_account": account, "ifsc": ifsc, "name": name[:100]}
    return http.call(
        "POST",
        f"{base(access, 'verification')}/bank-account/sync",
        headers=_headers(access, prefix="verification_"),
        content=http.exact_json(body),
    )


def verify_upi(access: Access, *, verification_id: str, vpa: str, name: str) -> Reply:
    """Ask whether a UPI address exists and in whose name."""
    body = {"verification_id": verification_id, "vpa": vpa, "name": name[:100]}
    return http.call(
        "POST",
        f"{base(access, 'verification')}/upi",
        headers=_headers(access, prefix="verification_"),
        content=http.exact_json(body),
    )


def transfer_body(
    *, transfer_id: str, amount: Decimal, mode: str, beneficiary_id: str, remarks: str, fund_source: str
) -> dict[str, Any]:
    """The body of a transfer to a known beneficiary."""
    body: dict[str, Any] = {
        "transfer_id": transfer_id,
        "transfer_amount": amount,
        "transfer_currency": "INR",
        "transfer_mode": mode,
        "beneficiary_details": {"beneficiary_id": beneficiary_id},
        "transfer_remarks": remarks,
    }
    if fund_source:
        body["fundsource_id"] = fund_source
    return body
