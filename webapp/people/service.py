"""Changes to users, roles and payees. Organisations and payout methods have files of their own, re-exported here."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from webapp.audit import service as audit
from webapp.database import db
from webapp.kernel.actor import COMMAND, Actor
from webapp.kernel.errors import Invalid, StaleVersion
from webapp.outbox import service as outbox
from webapp.people import numbers, passwords, sessions
from webapp.people.access import tokens
from webapp.people.changes import cool_off
from webapp.people.methods import lock_payee, set_payout_method
from webapp.people.models import (
    PAYEE_KINDS,
    Membership,
    Payee,
    Role,
    User,
)
from webapp.people.organisations import create_organisation
from webapp.people.values import check_email, check_name, store

__all__ = [
    "add_membership",
    "authenticate",
    "check_email",
    "create_organisation",
    "create_payee",
    "create_user",
    "link_user",
    "set_payout_method",
    "update_payee",
]

EDITABLE = ("name", "email", "phone", "address", "country", "external_ref", "is_active")


class AddressTaken(Invalid):
    """Somebody has this address already; an organisation that invites it must not learn so."""


def create_user(
    *, email: str, name: str, password: str | None, actor: Actor, now: datetime, is_demo: bool = False
) -> User:
    """A person who can sign in; without a password they cannot until one is set.

    Raises Invalid, AddressTaken also when the other one was committed a moment ago.
    """
    address = check_email(email)
    if password is not None:
        passwords.check(password, email=address, name=name, is_demo=is_demo)
    user = User(
        email=address,
        name=check_name(name),
        password_hash=None if password is None else passwords.hash_of(password),
        password_changed_at=None if password is None else now,
        is_demo=is_demo,
        created_at=now,
    )
    store(user, AddressTaken("email", f"There is a user {address} already.", "maya@example.com"))
    audit.record(
        tag="people:user:created",
        actor=actor,
        now=now,
        organisation_id=None,
        subject_type="user",
        subject_id=user.id,
        subject_label=address,
    )
    return user


def add_membership(
    *, user_id: int, organisation_id: int, role: str, actor: Actor, now: datetime
) -> Membership:
    """Give a user a role in an organisation; giving it again changes nothing. Raises Invalid."""
    if role not in list(Role):
        raise Invalid("role", f"{role!r} is not a role.", Role.ADMIN.value)
    query = select(Membership).where(
        Membership.user_id == user_id,
        Membership.organisation_id == organisation_id,
        Membership.role == role,
    )
    if existing := db.session.scalar(query):
        return existing
    user = db.session.get_one(User, user_id)
    membership = Membership(user_id=user_id, organisation_id=organisation_id, role=str(role), created_at=now)
    store(membership, Invalid("role", f"{user.email} holds this role already."))
    db.session.expire(user, ["memberships"])
    # What one may do has changed: whoever sits at an open browser proves again who they are.
    sessions.end_all(user_id=user_id, organisation_id=organisation_id, reason="roles changed", now=now)
    audit.record(
        tag="people:membership:added",
        actor=actor,
        now=now,
        organisation_id=organisation_id,
        subject_type="user",
        subject_id=user_id,
        subject_label=user.email,
        changes={"role": [None, str(role)]},
    )
    if role == Role.ADMIN.value and (actor.is_person or actor == COMMAND):
        # Two admins together can do everything, so the others hear of a new one.
        outbox.ask_mail(
            kind="notice.admin.added", reference_id=membership.id, organisation_id=organisation_id, now=now
        )
    return membership


def authenticate(*, email: str, password: str, now: datetime, demo_mode: bool = False) -> User | None:
    """The user whose password this is, or None; takes as long for an unknown address as for a known one.

    Demo accounts, whose password everybody knows, are let in only in demo mode. A hash made with older
    settings is made anew.
    """
    user = db.session.scalar(select(User).where(User.email == email.strip().lower()))
    fits = passwords.verify(password, user.password_hash if user else None)
    if user is None or not fits or not user.is_active or (user.is_demo and not demo_mode):
        return None
    if user.password_hash and passwords.needs_rehash(user.password_hash):
        user.password_hash = passwords.hash_of(password)
    user.last_sign_in_at = now
    return user


def set_password(
    *, user_id: int, password: str, actor: Actor, now: datetime, except_session_id: int | None = None
) -> None:
    """Give a user a new password; their sessions end, but for one that is kept, and their API tokens.

    Whoever got in by the old password may have made tokens meanwhile. Raises Invalid.
    """
    user = db.session.get_one(User, user_id, with_for_update=True)
    passwords.check(password, email=user.email, name=user.name, is_demo=user.is_demo)
    user.password_hash, user.password_changed_at = passwords.hash_of(password), now
    sessions.end_all(user_id=user_id, reason="password changed", now=now, except_session_id=except_session_id)
    revoked = tokens.revoke_all(user_id=user_id, actor=actor, now=now, reason="password changed")
    audit.record(
        tag="people:user:password_changed",
        actor=actor,
        now=now,
        organisation_id=None,
        subject_type="user",
        subject_id=user_id,
        subject_label=user.email,
        changes={"api_tokens_revoked": [0, revoked]} if revoked else None,
    )


def _clean(values: dict[str, Any]) -> dict[str, Any]:
    """Checked and trimmed fields of a payee. Raises Invalid."""
    limits = {"phone": 120, "address": 2000, "external_ref": 120}
    for field, limit in limits.items():
        if field in values:
            values[field] = (values[field] or "").strip()
            if len(values[field]) > limit:
                raise Invalid(field, f"Use at most {limit} characters.")
    if "name" in values:
        values["name"] = check_name(values["name"], 200)
    if "email" in values:
        values["email"] = check_email(values["email"]) if (values["email"] or "").strip() else ""
    if "external_ref" in values:
        values["external_ref"] = values["external_ref"] or None
    if "country" in values:
        values["country"] = (values["country"] or "").strip().upper()
        if values["country"] and not (len(values["country"]) == 2 and values["country"].isascii()
                                      and values["country"].isalpha()):  # fmt: skip
            raise Invalid("country", "Use the two letters of the country.", "IN")
    return values


def check_payee_field(field: str, text: str) -> None:
    """Whether a payee can have this text in a field (name, email, phone, address, country, external_ref).

    Raises Invalid.
    """
    _clean({field: text})


def _taken(external_ref: str | None) -> Invalid:
    return Invalid("external_ref", f"Another payee of this kind has the reference {external_ref!r}.")


def create_payee(
    *,
    organisation_id: int,
    kind: str,
    name: str,
    actor: Actor,
    now: datetime,
    email: str = "",
    phone: str = "",
    address: str = "",
    country: str = "",
    external_ref: str | None = None,
    user_id: int | None = None,
) -> Payee:
    """Somebody an organisation pays or charges, numbered PY-0001 and on. Raises Invalid."""
    if kind not in PAYEE_KINDS:
        raise Invalid("kind", f"{kind!r} is not a kind of payee.", Role.TECHNICIAN.value)
    values = _clean(
        {
            "name": name,
            "email": email,
            "phone": phone,
            "address": address,
            "country": country,
            "external_ref": external_ref,
        }
    )
    payee = Payee(
        organisation_id=organisation_id,
        reference=numbers.next_number(organisation_id, "PY"),
        kind=str(kind),
        created_by_id=actor.user_id,
        created_at=now,
        **values,
    )
    store(payee, _taken(values["external_ref"]))
    _record("created", payee, actor, now, {"name": [None, payee.name], "kind": [None, payee.kind]})
    if user_id is not None:
        link_user(organisation_id=organisation_id, payee_id=payee.id, user_id=user_id, actor=actor, now=now)
    return payee


def _record(action: str, payee: Payee, actor: Actor, now: datetime, changes: dict[str, Any]) -> None:
    audit.record(
        tag=f"people:payee:{action}",
        actor=actor,
        now=now,
        organisation_id=payee.organisation_id,
        subject_type="payee",
        subject_id=payee.id,
        subject_label=f"{payee.reference} {payee.name}",
        changes=changes,
    )


def update_payee(
    *,
    organisation_id: int,
    payee_id: int,
    changes: dict[str, Any],
    actor: Actor,
    now: datetime,
    expected_version: int | None = None,
) -> Payee:
    """Change the fields of EDITABLE that `changes` names; without a difference nothing is written.

    Raises Invalid, NotFound, or StaleVersion when somebody changed the payee since `expected_version`.
    """
    if unknown := set(changes) - set(EDITABLE):
        raise ValueError(f"not editable: {sorted(unknown)}")
    payee = lock_payee(organisation_id, payee_id)
    if expected_version is not None and payee.version != expected_version:
        raise StaleVersion(
            f"Somebody else changed {payee.name} since you opened this page. Nothing of yours was saved yet."
        )
    values = {k: v for k, v in _clean(dict(changes)).items() if getattr(payee, k) != v}
    if not values:
        return payee
    differences = {field: [getattr(payee, field), value] for field, value in values.items()}
    try:
        with db.session.begin_nested():
            for field, value in values.items():
                setattr(payee, field, value)
            payee.version += 1
    except IntegrityError as error:
        raise _taken(values.get("external_ref")) from error
    _record("changed", payee, actor, now, differences)
    if any(differences.get(field, [""])[0] for field in ("email", "phone")):
        # Whoever takes over an account changes first where its owner would be asked.
        cool_off.contact_changed(payee=payee, actor=actor, now=now)
    return payee


def link_user(*, organisation_id: int, payee_id: int, user_id: int, actor: Actor, now: datetime) -> Payee:
    """Let a user sign in as this payee: links them and gives the role of the payee's kind. Raises Invalid."""
    payee = lock_payee(organisation_id, payee_id)
    if payee.user_id == user_id:
        return payee
    user = db.session.get_one(User, user_id)
    taken = db.session.scalar(
        select(Payee.reference).where(
            Payee.organisation_id == organisation_id, Payee.kind == payee.kind, Payee.user_id == user_id
        )
    )
    if taken is not None:
        raise Invalid("email", f"{user.email} is the {payee.kind} {taken} already.")
    if payee.user_id is not None:
        raise Invalid("email", f"{payee.reference} belongs to another user already.")
    payee.user_id = user_id
    payee.version += 1
    db.session.flush()
    add_membership(user_id=user_id, organisation_id=organisation_id, role=payee.kind, actor=actor, now=now)
    _record("linked", payee, actor, now, {"user": [None, user.email]})
    return payee


def set_preferences(*, user_id: int, locale: str, hides_amounts: bool, has_shortcuts: bool) -> None:
    """What a person chose for themselves; an empty locale is the organisation's. Nobody else sees it."""
    user = db.session.get_one(User, user_id)
    user.locale, user.hides_amounts, user.has_shortcuts = locale, hides_amounts, has_shortcuts
