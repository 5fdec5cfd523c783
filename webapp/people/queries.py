"""Readings of people, payees and methods; each asks for the organisation it may see."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, or_, select
from sqlalchemy.orm import selectinload

from webapp import secrets
from webapp.database import db, like
from webapp.kernel.errors import NotFound
from webapp.people.models import Membership, Organisation, Payee, PayoutMethod, Role, User, UserSession
from webapp.people.sessions import is_live


def get_organisation(slug: str) -> Organisation:
    """An organisation by its slug. Raises NotFound."""
    row = db.session.scalar(select(Organisation).where(Organisation.slug == slug))
    if row is None:
        raise NotFound(f"There is no organisation {slug!r}.")
    return row


def find_organisation(slug: str) -> Organisation | None:
    """The organisation with this short name, if it is there."""
    return db.session.scalar(select(Organisation).where(Organisation.slug == slug))


def find_user(email: str) -> User | None:
    """A user by e-mail address, in any case of letters."""
    return db.session.scalar(select(User).where(User.email == email.strip().lower()))


def email_of(user_id: int | None) -> str | None:
    """The address that a user signs in with; None without a user."""
    if user_id is None:
        return None
    return db.session.scalar(select(User.email).where(User.id == user_id))


def memberships_of(user_id: int) -> list[Membership]:
    """Every role of a user, by organisation and role."""
    query = (
        select(Membership)
        .join(Membership.organisation)
        .where(Membership.user_id == user_id)
        .order_by(Organisation.name, Membership.id)
    )
    return list(db.session.scalars(query))


def roles_in(user_id: int, organisation_id: int) -> frozenset[str]:
    """The roles that a user holds in one organisation."""
    return frozenset(
        db.session.scalars(
            select(Membership.role).where(
                Membership.user_id == user_id, Membership.organisation_id == organisation_id
            )
        )
    )


def live_sessions(user_id: int, now: datetime) -> list[UserSession]:
    """A user's open sessions, the one used last first."""
    query = (
        select(UserSession)
        .where(
            UserSession.user_id == user_id,
            UserSession.ended_at.is_(None),
            UserSession.expires_at > now,
        )
        .order_by(UserSession.last_seen_at.desc(), UserSession.id.desc())
    )
    return [row for row in db.session.scalars(query) if is_live(row, now)]


def payees(
    organisation_id: int, *, search: str = "", kind: str = "", is_active: bool | None = None
) -> Select[Any]:
    """The payees of an organisation; `search` looks in name, e-mail, reference and external reference."""
    query = (
        select(Payee)
        .where(Payee.organisation_id == organisation_id)
        .options(selectinload(Payee.current_method))
    )
    if kind:
        query = query.where(Payee.kind == kind)
    if is_active is not None:
        query = query.where(Payee.is_active.is_(is_active))
    if search := search.strip():
        columns = (Payee.name, Payee.email, Payee.reference, Payee.external_ref)
        query = query.where(or_(*(like(column, search) for column in columns)))
    return query.order_by(Payee.id.desc())


def is_named(text: str) -> ColumnElement[bool]:
    """The condition that a payee has this reference, or this in their name."""
    return or_(Payee.reference == text.upper(), like(Payee.name, text))


def payees_named(organisation_id: int, text: str) -> Select[Any]:
    """Ids of the payees of a reference, or with this in their name."""
    return select(Payee.id).where(Payee.organisation_id == organisation_id, is_named(text))


def get_payee(organisation_id: int, reference: str, kind: Role | None = None) -> Payee:
    """A payee by its reference, of a kind where one is named. Raises NotFound, also for another organisation's."""
    return _payee(kind, Payee.organisation_id == organisation_id, Payee.reference == reference)


def get_payee_by_id(organisation_id: int, payee_id: int, kind: Role | None = None) -> Payee:
    """A payee by its id, of a kind where one is named. Raises NotFound, also for another organisation's."""
    return _payee(kind, Payee.organisation_id == organisation_id, Payee.id == payee_id)


def _payee(kind: Role | None, *conditions: ColumnElement[bool]) -> Payee:
    query = select(Payee).where(*conditions)
    row = db.session.scalar(query if kind is None else query.where(Payee.kind == kind.value))
    if row is None:
        raise NotFound if kind is None else NotFound(f"There is no such {kind.value}.")
    return row


def payee_of_user(organisation_id: int, user_id: int, kind: str) -> Payee | None:
    """The payee of a kind that a user is, in one organisation."""
    return db.session.scalar(
        select(Payee).where(
            Payee.organisation_id == organisation_id, Payee.user_id == user_id, Payee.kind == kind
        )
    )


def current_method(payee_id: int) -> PayoutMethod | None:
    """Where a payee's money goes now; None until somebody has said it."""
    return db.session.scalar(
        select(PayoutMethod).where(PayoutMethod.payee_id == payee_id, PayoutMethod.is_current.is_(True))
    )


def method_history(organisation_id: int, payee_id: int) -> list[PayoutMethod]:
    """Every version of a payee's payout method, newest first."""
    query = select(PayoutMethod).where(
        PayoutMethod.organisation_id == organisation_id, PayoutMethod.payee_id == payee_id
    )
    return list(db.session.scalars(query.order_by(PayoutMethod.version.desc())))


def payees_with_account(organisation_id: int, blind_index: str, except_payee_id: int) -> Sequence[Payee]:
    """Other payees of the organisation whose current method is the account of a blind index."""
    if not blind_index:
        return []
    query = (
        select(Payee)
        .join(PayoutMethod, PayoutMethod.payee_id == Payee.id)
        .where(
            PayoutMethod.organisation_id == organisation_id,
            PayoutMethod.blind_index == blind_index,
            PayoutMethod.is_current.is_(True),
            PayoutMethod.payee_id != except_payee_id,
        )
        .order_by(Payee.id)
    )
    return list(db.session.scalars(query))


def payees_with_same_account(method: PayoutMethod) -> Sequence[Payee]:
    """Other payees of the organisation whose current method is the same account."""
    return payees_with_account(method.organisation_id, method.blind_index, method.payee_id)


def details_of(method: PayoutMethod) -> secrets.Secret:
    """The clear account of a method, for the rail that sends the money. Raises SecretsError."""
    if method.details_encrypted is None:
        return secrets.Secret({})
    return secrets.key_ring().decrypt(method.details_encrypted, secrets.binding_of(method.uid))
