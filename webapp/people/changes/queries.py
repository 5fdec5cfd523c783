"""Readings of asked-for payment details; each asks for the organisation it may see."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import joinedload

from webapp import secrets
from webapp.audit.models import AuditEvent
from webapp.database import db
from webapp.kernel.errors import NotFound
from webapp.people import methods
from webapp.people import queries as people
from webapp.people.accounts import Destination
from webapp.people.changes import checks
from webapp.people.changes.models import CoolOffRelease, MethodChange
from webapp.people.changes.rules import ChangeState, DeciderFacts
from webapp.people.models import Organisation, Payee, PayoutMethod, Role, User

# A new e-mail address or phone this long before details were asked for is pointed out to who verifies them.
CONTACT_DAYS = 30
SUBJECT = "method_change"


def binding_of(uid: str) -> str:
    """What the encrypted details of a change are bound to."""
    return f"method_changes.details.{uid}"


def details_of(change: MethodChange) -> secrets.Secret:
    """The clear details that were asked for. Raises SecretsError."""
    if change.details_encrypted is None:
        return secrets.Secret({})
    return secrets.key_ring().decrypt(change.details_encrypted, binding_of(change.uid))


def destination_of(change: MethodChange) -> Destination:
    """The place for money that a change asks for, with its secret values."""
    return Destination(
        change.kind, change.scheme, change.name_at_bank, change.bank_name, details_of(change).reveal()
    )


def pending_for(payee_id: int) -> MethodChange | None:
    """The change of a payee's details that waits for a second person, if there is one."""
    return db.session.scalar(
        select(MethodChange).where(
            MethodChange.payee_id == payee_id, MethodChange.state == ChangeState.PENDING.value
        )
    )


def get_change(organisation_id: int, reference: str) -> MethodChange:
    """A change by its reference. Raises NotFound, also for another organisation's."""
    row = db.session.scalar(
        select(MethodChange)
        .where(MethodChange.organisation_id == organisation_id, MethodChange.reference == reference)
        .options(joinedload(MethodChange.payee), joinedload(MethodChange.old_method))
    )
    if row is None:
        raise NotFound
    return row


def changes(organisation_id: int, *, state: str = "", payee_id: int | None = None) -> Select[Any]:
    """The changes of an organisation, of one state or all, with what a row of the list shows."""
    query = (
        select(MethodChange)
        .where(MethodChange.organisation_id == organisation_id)
        .options(joinedload(MethodChange.payee), joinedload(MethodChange.old_method))
    )
    if state:
        query = query.where(MethodChange.state == state)
    if payee_id is not None:
        query = query.where(MethodChange.payee_id == payee_id)
    return query.order_by(MethodChange.id.desc())


def change_behind(method: PayoutMethod) -> MethodChange | None:
    """The verified change that made a version; None for first details."""
    return db.session.scalar(select(MethodChange).where(MethodChange.method_id == method.id))


def asked_event(change: MethodChange) -> AuditEvent | None:
    """The trail's event of the asking: it holds from which address and browser it came."""
    return db.session.scalar(
        select(AuditEvent)
        .where(
            AuditEvent.organisation_id == change.organisation_id,
            AuditEvent.subject_type == SUBJECT,
            AuditEvent.subject_id == change.id,
            AuditEvent.tag == "people:details_change:asked",
        )
        .order_by(AuditEvent.id)
        .limit(1)
    )


def releases_of(method_id: int) -> Sequence[CoolOffRelease]:
    """Who has said that a cool-off may end early."""
    return db.session.scalars(
        select(CoolOffRelease).where(CoolOffRelease.method_id == method_id).order_by(CoolOffRelease.id)
    ).all()


def contact_changes(organisation_id: int, payee_id: int, since: datetime) -> list[AuditEvent]:
    """Changes of a payee's e-mail address or phone since an instant, the newest first."""
    query = select(AuditEvent).where(
        AuditEvent.organisation_id == organisation_id,
        AuditEvent.subject_type == "payee",
        AuditEvent.subject_id == payee_id,
        AuditEvent.tag == "people:payee:changed",
        AuditEvent.at >= since,
    )
    rows = db.session.scalars(query.order_by(AuditEvent.id.desc()))
    return [row for row in rows if {"email", "phone"} & set(row.changes)]


def version_with_account(payee_id: int, blind_index: str) -> int | None:
    """The newest version of the payee's own details that was the same account."""
    if not blind_index:
        return None
    return db.session.scalar(
        select(func.max(PayoutMethod.version)).where(
            PayoutMethod.payee_id == payee_id, PayoutMethod.blind_index == blind_index
        )
    )


def twins_of(organisation_id: int, blind_index: str, payee_id: int) -> list[tuple[str, str]]:
    """(reference, name) of the other payees whose money goes to the account, or is asked to go there."""
    if not blind_index:
        return []
    found = [
        (p.reference, p.name) for p in people.payees_with_account(organisation_id, blind_index, payee_id)
    ]
    asked = db.session.execute(
        select(Payee.reference, Payee.name)
        .join(MethodChange, MethodChange.payee_id == Payee.id)
        .where(
            MethodChange.organisation_id == organisation_id,
            MethodChange.state == ChangeState.PENDING.value,
            MethodChange.blind_index == blind_index,
            MethodChange.payee_id != payee_id,
        )
        .order_by(Payee.id)
    ).all()
    return list(dict.fromkeys([*found, *((row[0], row[1]) for row in asked)]))


def findings_about(payee: Payee, destination: Destination) -> dict[str, Any]:
    """What the checks find about details of a payee, now."""
    index = methods.blind_index(payee.organisation_id, destination)
    return _findings(payee, destination.kind, destination.name_at_bank, index)


def present_findings(change: MethodChange) -> dict[str, Any]:
    """What the checks find now about a change that waits; of a decided one, what was found then."""
    if change.state != ChangeState.PENDING.value:
        return change.findings
    return _findings(change.payee, change.kind, change.name_at_bank, change.blind_index)


def _findings(payee: Payee, kind: str, name_at_bank: str, index: str) -> dict[str, Any]:
    return checks.findings(
        destination_kind=kind,
        name_at_bank=name_at_bank,
        payee_name=payee.name,
        twins=twins_of(payee.organisation_id, index, payee.id),
        used_in_version=version_with_account(payee.id, index),
    )


def is_active_admin(organisation_id: int, user_id: int | None) -> bool:
    """Whether a user is an admin of the organisation now, and not disabled."""
    if user_id is None:
        return False
    user = db.session.get(User, user_id)
    return (
        user is not None and user.is_active and Role.ADMIN.value in people.roles_in(user_id, organisation_id)
    )


def _facts(
    payee: Payee, asker_id: int | None, asked_at: datetime, user_id: int | None, now: datetime
) -> DeciderFacts:
    organisation = db.session.get_one(Organisation, payee.organisation_id)
    return DeciderFacts(
        user_id=user_id,
        is_active_admin=is_active_admin(payee.organisation_id, user_id),
        asker_id=asker_id,
        payee_user_id=payee.user_id,
        asked_at=asked_at,
        now=now,
        timezone=organisation.timezone,
        single_operator_hours=methods.single_operator_hours(payee.organisation_id),
    )


def verifier_facts(change: MethodChange, user_id: int | None, now: datetime) -> DeciderFacts:
    """What decides whether a user can verify a change now."""
    return _facts(change.payee, change.requested_by_id, change.requested_at, user_id, now)


def release_facts(method: PayoutMethod, user_id: int | None, now: datetime) -> DeciderFacts:
    """What decides whether a user can release the cool-off of a version now."""
    return _facts(method.payee, method.created_by_id, method.created_at, user_id, now)
