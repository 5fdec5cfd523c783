"""The wait of new payment details, its early end by two admins, and its new begin when the contact changes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete

from webapp.audit import service as audit
from webapp.database import db
from webapp.kernel.actor import Actor
from webapp.kernel.clock import instant_text
from webapp.kernel.errors import Conflict, NotAllowed, StaleVersion
from webapp.people import methods
from webapp.people.changes import queries, rules
from webapp.people.changes.common import need_words, tell
from webapp.people.changes.models import CoolOffRelease
from webapp.people.models import Payee, PayoutMethod
from webapp.people.organisations import timezone_of


@dataclass(frozen=True)
class Release:
    """What a word for releasing a cool-off led to."""

    is_over: bool
    is_repeat: bool
    message: str


def release_cool_off(
    *, organisation_id: int, method_id: int, reason: str, actor: Actor, now: datetime
) -> Release:
    """One admin's word that the present details may be paid to at once; the second one's ends the cool-off.

    Neither may be who asked for the details, or the payee; in a one-person company one word is enough after the
    policy's delay. Raises Invalid without a reason, NotAllowed, Conflict when there is nothing to release, NotFound.
    """
    method = _locked_method(organisation_id, method_id)
    zone = timezone_of(organisation_id)
    given = queries.releases_of(method_id)
    own = next((r for r in given if actor.user_id is not None and r.user_id == actor.user_id), None)
    if not method.is_current or method.cool_off_until is None or method.cool_off_until <= now:
        if own is not None and method.is_current:
            return Release(True, True, "The cool-off is over already; your word is kept.")
        raise Conflict("These details do not wait for a cool-off any more. Nothing was changed.")
    if own is not None:
        return Release(
            False,
            True,
            f"You gave your word on {instant_text(own.at, zone)}. Another admin must give theirs.",
        )
    facts = queries.release_facts(method, actor.user_id, now)
    if reasons := rules.why_not_decide(facts):
        raise NotAllowed(reasons)
    reason = need_words(
        "reason", reason, "Say why it cannot wait.", "Maya called: the old account is closed."
    )
    db.session.add(
        CoolOffRelease(
            organisation_id=organisation_id, method_id=method_id, user_id=actor.user_id, reason=reason, at=now
        )
    )
    db.session.flush()
    until, is_over = method.cool_off_until, facts.single_operator_hours is not None or len(given) >= 1
    changes: dict[str, Any] = {
        "payout method": [None, method.masked],
        "released by": [len(given), len(given) + 1],
    }
    if is_over:
        method.cool_off_until = now
        changes["cool-off until"] = [until.isoformat(timespec="minutes"), now.isoformat(timespec="minutes")]
        tell("notice.cool_off.released", method.id, organisation_id, now, part=f":{until:%Y%m%d%H%M}")
    _record(method, actor, now, reason, changes, is_over)
    if is_over:
        return Release(
            True, False, f"The cool-off is over. {method.payee.name} can be paid to {method.masked} now."
        )
    return Release(
        False, False, "Your word is kept. One more admin, who did not ask for the details, must agree."
    )


def _locked_method(organisation_id: int, method_id: int) -> PayoutMethod:
    found = db.session.get(PayoutMethod, method_id)
    payee = methods.lock_payee(organisation_id, found.payee_id if found else -1)
    method = db.session.get(PayoutMethod, method_id, populate_existing=True)
    if method is None or method.payee_id != payee.id:
        raise StaleVersion("The payment details changed meanwhile. Look at them again.")
    return method


def contact_changed(*, payee: Payee, actor: Actor, now: datetime) -> None:
    """A payee's e-mail address or phone has changed: they are told, and the present details wait as if new."""
    tell("notice.contact.changed", payee.id, payee.organisation_id, now, part=f":{payee.version}")
    method = methods.start_cool_off(payee=payee, now=now)
    if method is None:
        return
    db.session.execute(delete(CoolOffRelease).where(CoolOffRelease.method_id == method.id))
    _record(method, actor, now, "The e-mail address or phone changed.", {}, None)


def _record(
    method: PayoutMethod,
    actor: Actor,
    now: datetime,
    note: str,
    changes: dict[str, Any],
    is_over: bool | None,
) -> None:
    """The trail of a cool-off: begun (None), one word given, or over."""
    words = {None: "cool_off_begun", False: "cool_off_release_given", True: "cool_off_released"}
    audit.record(
        tag=f"people:payout_method:{words[is_over]}",
        actor=actor,
        now=now,
        organisation_id=method.organisation_id,
        subject_type="payee",
        subject_id=method.payee_id,
        subject_label=f"{method.payee.reference} {method.payee.name}",
        note=note,
        changes=changes,
    )
