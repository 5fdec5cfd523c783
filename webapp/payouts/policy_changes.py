"""Changing the approval rules: one admin proposes, a second one accepts; alone, the change is made at once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, exists, select
from sqlalchemy.exc import IntegrityError

from webapp.audit import service as audit
from webapp.audit.models import AuditEvent
from webapp.database import db, lock_row
from webapp.kernel.actor import Actor
from webapp.kernel.clock import instant_text
from webapp.kernel.errors import Conflict, Invalid, NotAllowed, StaleVersion
from webapp.outbox import service as outbox
from webapp.payouts import policies
from webapp.payouts.models import ApprovalPolicy, PolicyProposal
from webapp.payouts.policy import from_rules
from webapp.people import members, queries
from webapp.people.models import Organisation, Role, User

# Who took the last other admin away changes the rules alone only after so long: time for that person to object.
ALONE_AFTER = timedelta(days=7)
NEEDS_REASON = "Say why the rules change; it is kept in the audit trail."


def pending(organisation_id: int) -> PolicyProposal | None:
    """The proposal that waits for a second admin."""
    return db.session.scalar(
        select(PolicyProposal).where(
            PolicyProposal.organisation_id == organisation_id, PolicyProposal.state == "pending"
        )
    )


def is_pending(organisation_id: int) -> ColumnElement[bool]:
    """Whether one does: a column of a query that asks for more."""
    return exists().where(
        PolicyProposal.organisation_id == organisation_id, PolicyProposal.state == "pending"
    )


def propose(
    *,
    organisation_id: int,
    rules: dict[str, Any],
    note: str,
    expected_version: int,
    actor: Actor,
    now: datetime,
) -> PolicyProposal | ApprovalPolicy:
    """Ask for new rules. With another active admin they wait for that person; alone they are in force at once.

    Raises Invalid (also when nothing differs), StaleVersion, or Conflict: another proposal waits, or the person
    is alone because they took the other admin away within ALONE_AFTER.
    """
    policy = from_rules(rules)
    note = _need(note, "note", NEEDS_REASON, "We grew; amounts above 5,000 now need two people.")
    present, version = policies.current_policy(organisation_id)
    if expected_version != version:
        raise StaleVersion("Somebody else changed the policy since you opened this page. Nothing was saved.")
    if policy.rules == present.rules:
        raise Invalid("rules", "Nothing differs from the rules in force.")
    if policy.currency != present.currency:
        raise Invalid("currency", f"The tiers are in {present.currency}, the organisation's currency.")
    if not members.active_admins(organisation_id, without=actor.user_id):
        _refuse_newly_alone(organisation_id, actor, now)
        return _put_in_force(organisation_id, policy.rules, version, note, actor, now)
    row = PolicyProposal(
        organisation_id=organisation_id,
        base_version=version,
        rules=policy.rules,
        note=note,
        proposed_by_id=actor.user_id,
        proposed_by_label=actor.label,
        proposed_at=now,
    )
    try:
        with db.session.begin_nested():
            db.session.add(row)
    except IntegrityError as error:
        raise Conflict("Another change of the rules waits already. Decide that one first.") from error
    _record("proposed", row, actor, now, note)
    outbox.ask_mail(
        kind="notice.policy.proposed", reference_id=row.id, organisation_id=organisation_id, now=now
    )
    return row


def _refuse_newly_alone(organisation_id: int, actor: Actor, now: datetime) -> None:
    """Two people change the rules; taking one of them away first must not make it one. Raises Conflict."""
    events = db.session.scalars(
        select(AuditEvent)
        .join(User, User.id == AuditEvent.subject_id)
        .where(
            AuditEvent.organisation_id == organisation_id,
            AuditEvent.actor_id == actor.user_id,
            AuditEvent.tag.in_(["people:membership:removed", "people:user:disabled"]),
            AuditEvent.at > now - ALONE_AFTER,
            ~members.is_pending(organisation_id),
        )
        .order_by(AuditEvent.id.desc())
    )
    found = next((event for event in events if _was_admin(event)), None)
    if found is not None:
        zone = db.session.get_one(Organisation, organisation_id).timezone
        raise Conflict(
            f"You took {found.subject_label} away as an admin on {instant_text(found.at, zone)}. You can change the "
            f"rules alone from {instant_text(found.at + ALONE_AFTER, zone)}; with another admin at once."
        )


def _was_admin(event: AuditEvent) -> bool:
    if event.tag == "people:membership:removed":
        return bool((event.changes.get("role") or [None])[0] == Role.ADMIN.value)
    roles = queries.roles_in(event.subject_id or 0, event.organisation_id or 0)
    return Role.ADMIN.value in roles


def _need(text: str, field: str, message: str, example: str) -> str:
    if not text.strip():
        raise Invalid(field, message, example)
    return text.strip()[:2000]


def _put_in_force(
    organisation_id: int, rules: dict[str, Any], version: int, note: str, actor: Actor, now: datetime
) -> ApprovalPolicy:
    row = policies.change_policy(
        organisation_id=organisation_id,
        rules=rules,
        actor=actor,
        now=now,
        expected_version=version,
        note=note,
    )
    outbox.ask_mail(
        kind="notice.policy.changed", reference_id=row.id, organisation_id=organisation_id, now=now
    )
    return row


def _lock(organisation_id: int, proposal_id: int) -> PolicyProposal:
    return lock_row(
        PolicyProposal, PolicyProposal.organisation_id == organisation_id, PolicyProposal.id == proposal_id
    )


def _refuse_decided(row: PolicyProposal, wanted: str, actor: Actor) -> bool:
    """True when this person did just that before; Conflict when it was decided otherwise."""
    if row.state == "pending":
        return False
    if row.state == wanted and row.decided_by_id == actor.user_id:
        return True
    raise Conflict(f"{row.decided_by_label} {row.state} this change already. Nothing was changed now.")


def accept(*, organisation_id: int, proposal_id: int, actor: Actor, now: datetime) -> ApprovalPolicy | None:
    """A second admin's yes: the rules are in force. None when this person accepted it before.

    Raises NotAllowed for the person who proposed it, Conflict when it is decided, StaleVersion when the rules
    changed since it was proposed.
    """
    row = _lock(organisation_id, proposal_id)
    if _refuse_decided(row, "accepted", actor):
        return None
    if actor.user_id is None or actor.user_id == row.proposed_by_id:
        raise NotAllowed(["You proposed this change; a different admin must accept it."])
    stored = _put_in_force(organisation_id, row.rules, row.base_version, row.note, actor, now)
    _decide(row, "accepted", "", actor, now)
    return stored


def refuse(*, organisation_id: int, proposal_id: int, reason: str, actor: Actor, now: datetime) -> None:
    """A second admin's no, with a reason; the person who proposed it withdraws it the same way."""
    row = _lock(organisation_id, proposal_id)
    word = "withdrawn" if actor.user_id is not None and actor.user_id == row.proposed_by_id else "refused"
    if _refuse_decided(row, word, actor):
        return
    if word == "refused":
        reason = _need(
            reason, "reason", "Say why not; the person who proposed it reads it.", "Too high for us."
        )
    _decide(row, word, reason.strip()[:2000], actor, now)


def _decide(row: PolicyProposal, word: str, reason: str, actor: Actor, now: datetime) -> None:
    row.state, row.reason = word, reason
    row.decided_by_id, row.decided_by_label, row.decided_at = actor.user_id, actor.label, now
    db.session.flush()
    _record(f"proposal_{word}", row, actor, now, reason)


def _record(word: str, row: PolicyProposal, actor: Actor, now: datetime, note: str) -> None:
    before = policies.current_policy(row.organisation_id)[0].rules if word == "proposed" else {}
    audit.record(
        tag=f"payouts:policy:{word}",
        actor=actor,
        now=now,
        organisation_id=row.organisation_id,
        subject_type="policy",
        subject_id=row.id,
        subject_label="Change of the approval rules",
        changes={k: [before.get(k), v] for k, v in row.rules.items() if before and before.get(k) != v},
        note=note,
    )
