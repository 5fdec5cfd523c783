"""Whether a message is the provider's, and what it is about. Pure; what it says about money is never believed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from webapp.providers.cashfree import webhooks as cashfree
from webapp.providers.phonepe import webhooks as phonepe

# Nothing longer is read.
LARGEST_BYTES = 256 * 1024
# The few headers that say something and are no key; kept with the message.
KEPT_HEADERS = ("content-type", "user-agent", "x-webhook-timestamp", "x-webhook-version", "x-webhook-attempt")


@dataclass(frozen=True)
class Proof:
    """Whether the signature is right, and whether its time stamp is of now."""

    is_genuine: bool
    is_recent: bool = True


def prove(
    provider: str, values: Mapping[str, str], body: bytes, headers: Mapping[str, str], now: datetime
) -> Proof:
    """Check a message against the account's keys; `headers` have names in lower case."""
    if provider == "phonepe":
        user, word = values.get("webhook_username", ""), values.get("webhook_password", "")
        return Proof(phonepe.is_authorised(headers, user, word))
    secrets = [values.get(name, "") for name in ("client_secret", "old_client_secret")]
    content_type = headers.get("content-type", "")
    takes_forms = values.get("webhook_version") == "1"
    genuine = cashfree.is_signed(body, headers, secrets, content_type=content_type, takes_forms=takes_forms)
    return Proof(genuine, cashfree.is_recent(body, headers, now, content_type=content_type))


def subject_of(provider: str, body: bytes, headers: Mapping[str, str]) -> tuple[str, str]:
    """The event's name and our own id that it speaks of; empty where nothing can be read."""
    try:
        if provider == "phonepe":
            event, subject = phonepe.subject(body)
        else:
            event, subject = cashfree.subject(body, content_type=headers.get("content-type", ""))
    except (ValueError, RecursionError):
        return "", ""
    return plain(event), plain(subject)


def kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """What is kept of the headers."""
    return {name: plain(headers[name], 200) for name in KEPT_HEADERS if headers.get(name)}


def plain(text: str, longest: int = 120) -> str:
    """A text of a stranger as every database takes it: one line, no signs that cannot be stored."""
    storable = text.encode("utf-8", "replace").decode()
    return "".join(sign if sign.isprintable() else " " for sign in storable)[:longest].strip()
