"""Showing an account in full: deliberate, with a reason, and kept in the trail without the number."""

from __future__ import annotations

from datetime import datetime

from webapp.audit import service as audit
from webapp.kernel.actor import Actor
from webapp.people import queries as people
from webapp.people.changes import queries
from webapp.people.changes.common import need_words
from webapp.people.changes.models import MethodChange
from webapp.people.models import Payee, PayoutMethod

# Field of the sealed details -> its words, in the order in which people read them out.
FIELDS = {
    "account_number": "Account number",
    "iban": "IBAN",
    "routing_number": "Routing number",
    "ifsc": "IFSC",
    "vpa": "UPI address",
}


def _readable(values: dict[str, str]) -> list[tuple[str, str]]:
    return [(label, values[name]) for name, label in FIELDS.items() if name in values]


def reveal_method(*, method: PayoutMethod, reason: str, actor: Actor, now: datetime) -> list[tuple[str, str]]:
    """The clear values of a payee's details as (label, value); the trail keeps who looked and why.

    Raises Invalid without a reason.
    """
    _record(method.payee, method.masked, reason, actor, now)
    return _readable(people.details_of(method).reveal())


def reveal_change(*, change: MethodChange, reason: str, actor: Actor, now: datetime) -> list[tuple[str, str]]:
    """The same of details that are asked for. Raises Invalid without a reason."""
    _record(change.payee, change.masked, reason, actor, now)
    return _readable(queries.details_of(change).reveal())


def _record(payee: Payee, masked: str, reason: str, actor: Actor, now: datetime) -> None:
    example = "Maya reads her number out on the phone."
    reason = need_words("reason", reason, "Say why you need the full account; it is kept.", example)
    audit.record(
        tag="people:payout_method:revealed",
        actor=actor,
        now=now,
        organisation_id=payee.organisation_id,
        subject_type="payee",
        subject_id=payee.id,
        subject_label=f"{payee.reference} {payee.name}",
        note=reason,
        changes={"shown": [None, masked]},
    )
