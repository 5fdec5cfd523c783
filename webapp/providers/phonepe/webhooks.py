"""Whether a message may be PhonePe's, and which order or refund it speaks of. Pure.

Its header is the same for every message and does not cover the body: nothing in the body is believed, the order is
asked for.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping


def is_authorised(headers: Mapping[str, str], username: str, password: str) -> bool:
    """Whether the header is the SHA-256 of "username:password", in hexadecimal; compared in constant time."""
    if not username or not password:
        return False
    expected = hashlib.sha256(f"{username}:{password}".encode()).hexdigest()
    given = headers.get("authorization", "").strip().lower()
    return hmac.compare_digest(given.encode(), expected.encode())


def subject(body: bytes) -> tuple[str, str]:
    """The event's name and our own id (of the refund where it is one, else of the order); empty where it has none.

    Raises ValueError for what is no message.
    """
    message = json.loads(body)
    if not isinstance(message, dict):
        raise ValueError("a message is a JSON object")
    payload = message.get("payload")
    payload = payload if isinstance(payload, dict) else {}
    ours = (
        payload.get("merchantRefundId") or payload.get("merchantOrderId") or payload.get("settlementId") or ""
    )
    return str(message.get("event", ""))[:120], str(ours)[:120]
