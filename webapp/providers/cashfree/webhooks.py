"""Whether a message really is Cashfree's, and which transfer it speaks of. Pure.

What it says about money is never believed: the transfer is asked for.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

SIGNATURE, TIMESTAMP = "x-webhook-signature", "x-webhook-timestamp"
WINDOW = timedelta(minutes=5)
_MILLISECONDS = 10**11
FORM = "application/x-www-form-urlencoded"
# What is signed of version 2 begins so; a form whose values read like that is a message of version 2 wrapped anew.
_LIKE_VERSION_2 = re.compile(rb"\s*\d{9,16}\s*[{\[]")
# A form says when it happened, not when it was sent, without a zone; the provider tries again for hours.
_FORM_WINDOW, _INDIA = timedelta(hours=24), timedelta(hours=5, minutes=30)


def is_form(content_type: str) -> bool:
    """Whether a message comes in the way of version 1."""
    return content_type.partition(";")[0].strip().lower() == FORM


def _form(body: bytes) -> dict[str, str] | None:
    """The fields of a form; None when one of them stands twice, so that nobody knows which was signed."""
    pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
    fields = dict(pairs)
    return fields if len(fields) == len(pairs) else None


def is_signed(
    body: bytes,
    headers: Mapping[str, str],
    client_secrets: Sequence[str],
    *,
    content_type: str,
    takes_forms: bool = False,
) -> bool:
    """Whether one of our secrets signed it. Version 2: time stamp and raw body; version 1: the values of a form.

    `takes_forms`: the account says that version 1 is what it is sent; otherwise no form is anybody's message. Cashfree
    signs with the oldest secret in use, so all are tried, in constant time.
    """
    if is_form(content_type):
        fields = _form(body)
        if fields is None or not takes_forms:
            return False
        given = fields.pop("signature", "")
        signed = "".join(fields[name] for name in sorted(fields)).encode()
        if _LIKE_VERSION_2.match(signed):
            return False
    else:
        given = headers.get(SIGNATURE, "")
        signed = headers.get(TIMESTAMP, "").encode() + body
    right = [hmac.compare_digest(given.encode(), sign(secret, signed)) for secret in client_secrets if secret]
    return bool(given) and any(right)


def sign(secret: str, content: bytes) -> bytes:
    """Base64 of HMAC-SHA256, as Cashfree writes it."""
    return base64.b64encode(hmac.new(secret.encode(), content, hashlib.sha256).digest())


def is_recent(body: bytes, headers: Mapping[str, str], now: datetime, *, content_type: str) -> bool:
    """Whether its time stamp (seconds or milliseconds) is within the window.

    Version 1 carries none; what it says happened must be of the last day, in India's time or in UTC.
    """
    if is_form(content_type):
        return _is_recent_form(_form(body) or {}, now)
    text = headers.get(TIMESTAMP, "")
    if not text.isascii() or not text.isdigit() or len(text) > 16:
        return False
    seconds = int(text) / (1000 if int(text) > _MILLISECONDS else 1)
    return abs(now.timestamp() - seconds) <= WINDOW.total_seconds()


def _is_recent_form(fields: Mapping[str, str], now: datetime) -> bool:
    text = fields.get("eventTime") or fields.get("alertTime") or ""
    if not text:
        # Such messages name no transfer, so nothing is done about them.
        return not fields.get("transferId")
    try:
        said = datetime.fromisoformat(text.strip())
    except ValueError:
        return False
    zones = (timedelta(), _INDIA) if said.tzinfo is None else (timedelta(),)
    moments = [(said if said.tzinfo else said.replace(tzinfo=UTC)) - zone for zone in zones]
    return any(-WINDOW <= now - moment <= _FORM_WINDOW for moment in moments)


def subject(body: bytes, *, content_type: str) -> tuple[str, str]:
    """The event's name and our transfer id; empty texts where it has none. Raises ValueError for what is no message."""
    if is_form(content_type):
        fields: Mapping[str, Any] = dict(parse_qsl(body.decode("utf-8", "replace")))
        return str(fields.get("event", ""))[:120], str(fields.get("transferId", ""))[:120]
    message = json.loads(body)
    if not isinstance(message, dict):
        raise ValueError("a message is a JSON object")
    data = message.get("data")
    transfer_id = data.get("transfer_id", "") if isinstance(data, dict) else ""
    return str(message.get("type", ""))[:120], str(transfer_id)[:120]
