"""What an event of the trail may be made of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from webapp.audit.models import AuditEvent

TAG = re.compile(r"[a-z]+(_[a-z]+)*:[a-z]+(_[a-z]+)*:[a-z]+(_[a-z]+)*")
SOURCES = {
    "accounting", "audit", "people", "payouts", "ledger", "imports", "statements", "notices", "runs", "operations",
    "installations", "rentals", "clinic", "repairs", "partners", "inbox", "connections", "reconciliation",
    "bankfiles", "webhooks",
}  # fmt: skip
# Words that the name of a field does not have: what is called so is a secret, or where money goes in the clear.
SECRET = {"password", "passwords", "secret", "hash", "otp", "totp", "pin", "cvv", "iban", "vpa", "encrypted", "cookie",
          "account_number", "routing_number", "recovery_code", "private_key", "api_key", "challenge"}  # fmt: skip
# A token of the API, an Argon2 hash, our encrypted fields, a private key, a signed link.
SECRET_VALUE = re.compile(
    r"pd_[\w-]{20,}|\$argon2|\bv1:[\w-]{20,}|PRIVATE KEY-----|/account/(reset|invitation)/[\w.-]{20,}"
)


def secret_names(names: Any) -> set[str]:
    """The names among these that a secret would have."""
    return {name for name in names if name in SECRET or set(re.split(r"[ _]", str(name).lower())) & SECRET}


def problems(event: AuditEvent) -> Iterator[str]:
    """What is wrong with a stored event."""
    name = f"{event.tag} #{event.id}"
    if not TAG.fullmatch(event.tag) or event.tag.partition(":")[0] not in SOURCES:
        yield f"{name}: the tag is no source:subject:action that is known"
    if not re.fullmatch(r"[a-z_]+", event.subject_type):
        yield f"{name}: the subject type {event.subject_type!r}"
    if not event.actor_label:
        yield f"{name}: nobody did it"
    if event.at.tzinfo is None or event.at.utcoffset():
        yield f"{name}: the time is not UTC"
    if not isinstance(event.changes, dict) or not all(isinstance(key, str) and key for key in event.changes):
        yield f"{name}: the changes are no fields"
    for field in secret_names(event.changes):
        yield f"{name}: a field is called {field}"
    if found := SECRET_VALUE.search(f"{event.changes} {event.note} {event.subject_label}"):
        yield f"{name}: holds {found[0][:12]}…"
