"""Whether a message really is Cashfree's, and which transfer it speaks of. Pure.

What it says about money is never believed: the transfer is asked for.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

SIGNATURE, TIMESTAMP = "x-webhook-signature", "x-webhook-timestamp"
WINDOW = timedelta(minutes=5)
_MILLISECONDS = 10**11


def is_signed(
    body: bytes, headers: Mapping[str, str], client_secrets: Sequence[str], *, content_type: str
) -> bool:
    """Whether one of our secrets signed it. Version 2: time stamp and raw body; version 1: the values of a form.

    Cashfree signs with the oldest secret in use, so all are tried, in constant time.
    """
    if content_type.partition(";")[0].strip() == "application/x-www-form-urlencoded":
        fields = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        given = fields.pop("signature", "")
        signed = "".join(fields[name] for name in sorted(fields)).encode()
    else:
        given = headers.get(SIGNATURE, "")
        signed = headers.get(TIMESTAMP, "").encode() + body
    right = [hmac.compare_digest(given.encode(), sign(secret, signed)) for secret in client_secrets if secret]
    return bool(given) and any(right)


def sign(secret: str, content: bytes) -> bytes:
    """Base64 of HMAC-SHA256, as Cashfree writes it."""
    return base64.b64encode(hmac.new(secret.encode(), content, hashlib.sha256).digest())


def is_recent(headers: Mapping[str, str], now: datetime) -> bool:
    """Whether its time stamp (seconds or milliseconds) is within the window; version 1 carries none."""
    text = headers.get(TIMESTAMP, "")
    if not text:
        return True
    if not text.isascii() or not text.isdigit() or len(text) > 16:
        return False
    seconds = int(text) / (1000 if int(text) > _MILLISECONDS else 1)
    return abs(now.timestamp() - seconds) <= WINDOW.total_seconds()


def subject(body: bytes, *, content_type: str) -> tuple[str, str]:
    """The event's name and our transfer id; empty texts where it has none. Raises ValueError for what is no message."""
    if content_type.partition(";")[0].strip() == "application/x-www-form-urlencoded":
        fields: Mapping[str, Any] = dict(parse_qsl(body.decode("utf-8", "replace")))
        return str(fields.get("event", ""))[:120], str(fields.get("transferId", ""))[:120]
    message = json.loads(body)
    if not isinstance(message, dict):
        raise ValueError("a message is a JSON object")
    data = message.get("data")
    transfer_id = data.get("transfer_id", "") if isinstance(data, dict) else ""
    return str(message.get("type", ""))[:120], str(transfer_id)[:120]
