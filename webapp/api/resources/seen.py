"""An act is bound to what its caller saw: the version of the payout, and of the payment details it goes to.

Both are compared inside the transaction that acts. What does not fit answers 409 `stale`, with what changed since
in the member `changed`, and nothing is kept of the act.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import select

from webapp.api import queries
from webapp.api.bearer import Caller
from webapp.api.problems import Problem
from webapp.audit.models import AuditEvent
from webapp.database import db
from webapp.kernel.clock import instant_text
from webapp.kernel.errors import StaleVersion
from webapp.payouts import queries as facts
from webapp.payouts.models import Payout
from webapp.payouts.service import Result
from webapp.people.models import PayoutMethod
from webapp.people.queries import email_of

# More events than these are read on the payout's own address.
LISTED = 20


def to_version(call: Callable[..., Result], who: Caller, reference: str, **values: Any) -> Result:
    """Do it; a payout that is not the version that the caller saw answers what happened to it since."""
    try:
        return call(reference=reference, **values)
    except StaleVersion as error:
        payout = queries.payout(who.viewer, reference)
        seen = int(values["expected_version"])
        raise _stale(str(error), "version", seen, payout.version, _events(payout, seen)) from error


def approval_of_details(result: Result, seen: int) -> None:
    """The approval just given is one of the details that the caller saw. Raises Problem 409."""
    if result.is_repeat:
        return
    payout = result.payout
    bound, method = payout.approvals[-1].fingerprint, _version(payout, seen)
    if (method is None and seen) or bound != facts.fingerprint_of(payout, method):
        raise _other_details(payout, "seen_details_version", seen)


def payment_to_details(result: Result, seen: int, field: str = "confirm_details_version") -> None:
    """The payout goes to the details that the caller named. Raises Problem 409."""
    if result.is_repeat:
        return
    payout = result.payout
    method = _version(payout, seen)
    if method is None or payout.method_id != method.id:
        raise _other_details(payout, field, seen)


def _version(payout: Payout, version: int) -> PayoutMethod | None:
    return db.session.scalar(
        select(PayoutMethod).where(PayoutMethod.payee_id == payout.payee_id, PayoutMethod.version == version)
    )


def _other_details(payout: Payout, field: str, seen: int) -> Problem:
    present, before = facts.current_method(payout), _version(payout, seen)
    words = f"The payment details of {payout.payee.name} are not those that you saw."
    what = [f"You saw {_place(before)}.", f"Now they are {_place(present)}."]
    if present is not None:
        when = instant_text(present.created_at, payout.organisation.timezone)
        what.append(f"They were entered by {email_of(present.created_by_id) or 'Paydesk'} on {when}.")
    words += " Look at them, then decide again."
    return _stale(words, field, seen, present.version if present else 0, what)


def _place(method: PayoutMethod | None) -> str:
    if method is None:
        return "none that there are"
    where = " ".join(filter(None, (method.bank_name, method.masked or "by hand")))
    return f"version {method.version}, {where}"


def _events(payout: Payout, seen: int) -> list[str]:
    """What was done since a version, the newest first: each act counts the version up by one."""
    n = payout.version - seen
    if n < 1:
        return [f"There has been no version {seen} yet."]
    rows = db.session.scalars(queries.events(payout).order_by(AuditEvent.id.desc()).limit(min(n, LISTED)))
    return [_event(row, payout.organisation.timezone) for row in rows]


def _event(row: AuditEvent, timezone: str) -> str:
    word = row.tag.rpartition(":")[2].replace("_", " ").capitalize()
    return f"{word} by {row.actor_label} on {instant_text(row.at, timezone)}."


def _stale(detail: str, field: str, seen: int, now: int, what: list[str]) -> Problem:
    changed = {"field": field, "seen": seen, "now": now, "what": what}
    return Problem("stale", detail, members={"changed": [changed]})
