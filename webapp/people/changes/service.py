"""Changes of payment details: asked for by one person, verified or refused by another, then a cool-off.

The payee's row is locked first by everybody, so that two decisions about one payee never happen at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from webapp import secrets
from webapp.audit import service as audit
from webapp.database import db
from webapp.kernel.actor import Actor
from webapp.kernel.clock import instant_text
from webapp.kernel.errors import Conflict, NotAllowed, StaleVersion
from webapp.kernel.ids import new_uid
from webapp.people import methods, numbers
from webapp.people.accounts import Destination
from webapp.people.changes import checks, queries, rules
from webapp.people.changes.common import need_words, tell
from webapp.people.changes.cool_off import Release, contact_changed, release_cool_off
from webapp.people.changes.models import MethodChange
from webapp.people.changes.rules import ChangeState, Source
from webapp.people.models import Payee, PayoutMethod
from webapp.people.organisations import timezone_of

__all__ = [
    "Decision",
    "Release",
    "ask",
    "contact_changed",
    "refuse",
    "release_cool_off",
    "verify",
    "withdraw",
]

_S = ChangeState


@dataclass(frozen=True)
class Decision:
    """What a decision led to. `is_repeat`: the same person had decided so before, nothing was changed now."""

    change: MethodChange
    is_repeat: bool
    message: str


def ask(
    *,
    organisation_id: int,
    payee_id: int,
    destination: Destination,
    source: str,
    actor: Actor,
    now: datetime,
    expected_version: int | None = None,
) -> MethodChange | PayoutMethod:
    """Ask that a payee's money goes to `destination`; a second person must verify it (a MethodChange).

    First details, and details that are on file already, need nobody: their PayoutMethod is returned. A new ask
    of the same person replaces the one that waits; while another person's waits, it is a Conflict that says
    whose. `source` is payee, admin, import or api; `expected_version` the version that the person saw (0: none).
    Raises Invalid, NotFound, StaleVersion, Conflict.
    """
    checks.check_format(destination)
    payee = methods.lock_payee(organisation_id, payee_id)
    old = methods.current_version(payee_id)
    methods.check_seen(payee, old, expected_version)
    index = methods.blind_index(organisation_id, destination)
    if old is not None and methods.is_same(old, destination, index):
        return old
    if old is None:
        return _first(payee, destination, actor, now)
    waiting = queries.pending_for(payee_id)
    if waiting is not None:
        if _is_theirs(waiting, actor, source) and _asks_for(waiting, destination, index):
            return waiting
        _make_way(waiting, payee, source, actor, now)
    change = _store(payee, old, destination, index, Source(source), actor, now)
    _record("asked", change, payee, actor, now, changes=_said(old, change))
    tell("notice.details.asked", change.id, organisation_id, now)
    return change


def _first(payee: Payee, destination: Destination, actor: Actor, now: datetime) -> PayoutMethod:
    method = methods.set_payout_method(
        organisation_id=payee.organisation_id,
        payee_id=payee.id,
        destination=destination,
        actor=actor,
        now=now,
    )
    tell("notice.details.changed", method.id, payee.organisation_id, now)
    return method


def _is_theirs(waiting: MethodChange, actor: Actor, source: str) -> bool:
    """Whether the person (or, without one, the same kind of source) asked for what waits."""
    if actor.user_id is None:
        return waiting.requested_by_id is None and waiting.source == source
    return waiting.requested_by_id == actor.user_id


def _asks_for(waiting: MethodChange, destination: Destination, index: str) -> bool:
    asked = (waiting.kind, waiting.scheme, waiting.name_at_bank, waiting.bank_name, waiting.blind_index)
    return asked == (
        destination.kind,
        destination.scheme,
        destination.name_at_bank,
        destination.bank_name,
        index,
    )


def _make_way(waiting: MethodChange, payee: Payee, source: str, actor: Actor, now: datetime) -> None:
    """Withdraw one's own older ask; refuse beside somebody else's."""
    if not _is_theirs(waiting, actor, source):
        zone = timezone_of(payee.organisation_id)
        is_payee = actor.user_id is not None and actor.user_id == payee.user_id
        who = "An admin" if is_payee else waiting.requested_by_label
        raise Conflict(
            f"{who} asked for new payment details on {instant_text(waiting.requested_at, zone)} ({waiting.reference}). "
            "They must be verified, refused or withdrawn first. Nothing of yours was saved."
        )
    _close(waiting, _S.WITHDRAWN, actor, now, "Replaced by a newer one of the same person.")
    _record("withdrawn", waiting, payee, actor, now, note=waiting.note)


def _store(
    payee: Payee,
    old: PayoutMethod,
    destination: Destination,
    index: str,
    source: Source,
    actor: Actor,
    now: datetime,
) -> MethodChange:
    uid = new_uid()
    sealed = None
    if destination.details:
        sealed = secrets.key_ring().encrypt(destination.details, queries.binding_of(uid))
    change = MethodChange(
        reference=numbers.next_number(payee.organisation_id, "BC"),
        organisation_id=payee.organisation_id,
        payee_id=payee.id,
        uid=uid,
        old_method_id=old.id,
        kind=destination.kind,
        scheme=destination.scheme,
        name_at_bank=destination.name_at_bank,
        bank_name=destination.bank_name,
        masked=destination.masked,
        details_encrypted=sealed,
        blind_index=index,
        source=source.value,
        findings=queries.findings_about(payee, destination),
        requested_by_id=actor.user_id,
        requested_by_label=actor.label[:254],
        requested_at=now,
    )
    db.session.add(change)
    db.session.flush()
    db.session.expire(payee, ["pending_change"])
    return change


def _said(old: PayoutMethod | None, change: MethodChange) -> dict[str, Any]:
    """The change for the trail: masked, never a number."""
    return {
        "payout method": [old.masked if old else None, change.masked],
        "name at bank": [old.name_at_bank if old else None, change.name_at_bank],
        "source": [None, change.source],
    }


def _lock(organisation_id: int, reference: str) -> tuple[Payee, MethodChange]:
    """The payee and the change, both locked, in the order that everybody keeps. Raises NotFound."""
    found = queries.get_change(organisation_id, reference)
    payee = methods.lock_payee(organisation_id, found.payee_id)
    change = db.session.scalars(
        select(MethodChange)
        .where(MethodChange.id == found.id)
        .with_for_update(of=MethodChange)
        .execution_options(populate_existing=True)
    ).one()
    return payee, change


def _repeat_or_refuse(change: MethodChange, wanted: ChangeState, actor: Actor) -> Decision | None:
    """The earlier decision for the person who made it; a Conflict with who did what when for others."""
    if change.state == _S.PENDING.value:
        return None
    when = instant_text(change.decided_at or change.requested_at, timezone_of(change.organisation_id))
    word = _S(change.state).label.lower()
    if change.state == wanted.value and actor.user_id is not None and change.decided_by_id == actor.user_id:
        return Decision(change, True, f"You have {word} {change.reference} already, on {when}.")
    raise Conflict(
        f"{change.decided_by_label} has {word} {change.reference} on {when}. Nothing was changed now."
    )


def verify(*, organisation_id: int, reference: str, note: str, actor: Actor, now: datetime) -> Decision:
    """The second person's yes: the details become the payee's next version and wait out their cool-off.

    `note` says who was called on which number. Raises Invalid without one, NotAllowed with the reasons,
    Conflict when somebody decided before, StaleVersion when the details on file changed meanwhile, NotFound.
    """
    payee, change = _lock(organisation_id, reference)
    if repeat := _repeat_or_refuse(change, _S.VERIFIED, actor):
        return repeat
    facts = queries.verifier_facts(change, actor.user_id, now)
    if reasons := rules.why_not_decide(facts):
        raise NotAllowed(reasons)
    example = "Called Maya Fernandez on +1 203 555 0142; she read out the last four digits."
    note = need_words(
        "note", note, "Say whom you called on which number on file, and what they said.", example
    )
    old = methods.current_version(payee.id)
    if (old.id if old else None) != change.old_method_id:
        raise StaleVersion(f"The details on file changed since {change.reference} was asked for. Refuse it.")
    findings = queries.present_findings(change)
    method = methods.set_payout_method(
        organisation_id=organisation_id,
        payee_id=payee.id,
        destination=queries.destination_of(change),
        cool_off_hours=methods.cool_off_hours(organisation_id),
        entered_by=Actor(change.requested_by_id, change.requested_by_label),
        actor=actor,
        now=now,
    )
    change.method_id, change.findings = method.id, findings
    change.is_single_operator = rules.is_alone(facts)
    _close(change, _S.VERIFIED, actor, now, note)
    alone = {"single operator": [None, True]} if change.is_single_operator else {}
    _record("verified", change, payee, actor, now, note=note, changes={**_said(old, change), **alone})
    tell("notice.details.verified", change.id, organisation_id, now)
    return Decision(change, False, f"{reference} is verified. {_paid_from(method, organisation_id)}")


def _paid_from(method: PayoutMethod, organisation_id: int) -> str:
    if method.cool_off_until is None:
        return "Payouts go to the new details from now on."
    return f"Payouts go to the new details from {instant_text(method.cool_off_until, timezone_of(organisation_id))}."


def refuse(*, organisation_id: int, reference: str, reason: str, actor: Actor, now: datetime) -> Decision:
    """An admin's no: the details on file stay, and payouts go on. Raises Invalid, NotAllowed, Conflict, NotFound."""
    payee, change = _lock(organisation_id, reference)
    if repeat := _repeat_or_refuse(change, _S.REFUSED, actor):
        return repeat
    if not queries.is_active_admin(organisation_id, actor.user_id):
        raise NotAllowed(["Only an admin of this organisation can decide."])
    reason = need_words("reason", reason, "Say why; the payee is told.", "The payee did not ask for it.")
    _close(change, _S.REFUSED, actor, now, reason)
    _record("refused", change, payee, actor, now, note=reason)
    tell("notice.details.refused", change.id, organisation_id, now)
    return Decision(change, False, f"{reference} is refused. The details on file stay.")


def withdraw(*, organisation_id: int, reference: str, actor: Actor, now: datetime) -> Decision:
    """Take the ask back: who asked, or the payee. Raises NotAllowed for others, Conflict, NotFound."""
    payee, change = _lock(organisation_id, reference)
    if repeat := _repeat_or_refuse(change, _S.WITHDRAWN, actor):
        return repeat
    if actor.user_id is None or actor.user_id not in (change.requested_by_id, payee.user_id):
        raise NotAllowed(
            [f"Only {change.requested_by_label} or the payee can withdraw it. You can refuse it."]
        )
    _close(change, _S.WITHDRAWN, actor, now, "")
    _record("withdrawn", change, payee, actor, now)
    return Decision(change, False, f"{reference} is withdrawn. The details on file stay.")


def _close(change: MethodChange, state: ChangeState, actor: Actor, now: datetime, note: str) -> None:
    change.state, change.note, change.decided_at = state.value, note, now
    change.decided_by_id, change.decided_by_label = actor.user_id, actor.label[:254]
    db.session.flush()
    db.session.expire(change.payee, ["pending_change"])


def _record(
    word: str,
    change: MethodChange,
    payee: Payee,
    actor: Actor,
    now: datetime,
    *,
    note: str = "",
    changes: dict[str, Any] | None = None,
) -> None:
    audit.record(
        tag=f"people:details_change:{word}",
        actor=actor,
        now=now,
        organisation_id=change.organisation_id,
        subject_type=queries.SUBJECT,
        subject_id=change.id,
        subject_label=f"{change.reference} {payee.name}",
        note=note,
        changes=changes,
    )
