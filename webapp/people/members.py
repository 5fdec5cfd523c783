"""Who belongs to an organisation, as its own people may see it.

Of somebody who was invited and has not accepted yet, an organisation sees the address and the roles it gave and
nothing else: whether that address has an account in another organisation is not its business.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, or_, select, union
from sqlalchemy.orm import aliased, lazyload

from webapp.database import db, like
from webapp.kernel.errors import NotFound
from webapp.people.access.links import INVITATION
from webapp.people.access.models import AccountLink, Passkey, TotpSecret
from webapp.people.models import Membership, Organisation, Payee, Role, User, UserSession
from webapp.people.sessions import is_live


@dataclass(frozen=True)
class Member:
    """A person of an organisation. `name`, `last_sign_in_at` and the second factor are empty while pending."""

    user_id: int
    email: str
    name: str
    roles: tuple[str, ...]
    state: str  # active | disabled | pending
    has_second_factor: bool
    last_sign_in_at: datetime | None
    # The newest invitation, and until when it works (None: it does not any more). Of a pending person it stands
    # in addresses instead of `user_id`: how large a user's number is would tell how long the account has existed.
    invitation_id: int | None
    invited_until: datetime | None

    @property
    def is_pending(self) -> bool:
        """Whether the invitation was not accepted yet."""
        return self.state == "pending"


def _invited_here(organisation_id: int, *, used: bool | None = None) -> ColumnElement[bool]:
    parts = [
        AccountLink.user_id == User.id,
        AccountLink.organisation_id == organisation_id,
        AccountLink.kind == INVITATION,
    ]
    if used is not None:
        parts.append(AccountLink.used_at.is_not(None))
    return exists().where(*parts)


def is_pending(organisation_id: int) -> ColumnElement[bool]:
    """A condition on users: invited to the organisation, and no invitation of it was accepted."""
    return and_(_invited_here(organisation_id), ~_invited_here(organisation_id, used=True))


def members(organisation_id: int, *, search: str = "", role: str = "") -> Select[Any]:
    """Users who hold a role in an organisation, each with the number of their first membership there.

    `search` looks in addresses, and in the names of those who accepted.
    """
    other = aliased(Membership)
    is_first = ~exists().where(
        other.organisation_id == organisation_id, other.user_id == User.id, other.id < Membership.id
    )
    query: Any = (
        select(User, Membership.id)
        .join(Membership, Membership.user_id == User.id)
        .where(Membership.organisation_id == organisation_id, is_first)
    )
    if role:
        held = exists().where(
            other.organisation_id == organisation_id, other.user_id == User.id, other.role == role
        )
        query = query.where(held)
    if search := search.strip():
        by_name = and_(like(User.name, search), ~is_pending(organisation_id))
        query = query.where(or_(like(User.email, search), by_name))
    ordered: Select[Any] = query.order_by(Membership.id.desc())
    return ordered


def _with_second_factor(ids: Collection[int]) -> set[int]:
    codes = select(TotpSecret.user_id).where(
        TotpSecret.user_id.in_(ids), TotpSecret.confirmed_at.is_not(None)
    )
    keys = select(Passkey.user_id).where(Passkey.user_id.in_(ids))
    return set(db.session.scalars(union(codes, keys)))


def _invitations(organisation_id: int, ids: Collection[int]) -> dict[int, list[AccountLink]]:
    """The invitations of each user to the organisation, the newest last."""
    query = select(AccountLink).where(
        AccountLink.user_id.in_(ids),
        AccountLink.organisation_id == organisation_id,
        AccountLink.kind == INVITATION,
    )
    found: dict[int, list[AccountLink]] = {}
    for link in db.session.scalars(query.order_by(AccountLink.id)):
        found.setdefault(link.user_id, []).append(link)
    return found


def _works_until(link: AccountLink, now: datetime) -> datetime | None:
    if link.used_at or link.revoked_at or link.expires_at <= now:
        return None
    return link.expires_at


def describe(organisation_id: int, users: Iterable[User], now: datetime) -> list[Member]:
    """What an organisation may see of these users, in their order. Two queries, however many they are."""
    users = list(users)
    ids = [user.id for user in users]
    secured = _with_second_factor(ids)
    invited = _invitations(organisation_id, ids)
    order = [role.value for role in Role]
    found = []
    for user in users:
        roles = {m.role for m in user.memberships if m.organisation_id == organisation_id}
        sent = invited.get(user.id, [])
        waits = bool(sent) and not any(link.used_at for link in sent)
        state = "pending" if waits else "active" if user.is_active else "disabled"
        found.append(
            Member(
                user_id=user.id,
                email=user.email,
                name="" if waits else user.name,
                roles=tuple(sorted(roles, key=order.index)),
                state=state,
                has_second_factor=user.id in secured and not waits,
                last_sign_in_at=None if waits else user.last_sign_in_at,
                invitation_id=sent[-1].id if sent else None,
                invited_until=_works_until(sent[-1], now) if sent else None,
            )
        )
    return found


def get_user(organisation_id: int, user_id: int) -> User:
    """A user who holds a role in the organisation. Raises NotFound for anybody else."""
    user = db.session.scalar(
        select(User).where(
            User.id == user_id,
            exists().where(Membership.user_id == User.id, Membership.organisation_id == organisation_id),
        )
    )
    if user is None:
        raise NotFound
    return user


def get(organisation_id: int, user_id: int, now: datetime) -> Member:
    """One person of an organisation. Raises NotFound."""
    return describe(organisation_id, [get_user(organisation_id, user_id)], now)[0]


def get_invitation(organisation_id: int, link_id: int) -> AccountLink:
    """An invitation of the organisation. Raises NotFound."""
    link = db.session.scalar(
        select(AccountLink).where(
            AccountLink.id == link_id,
            AccountLink.organisation_id == organisation_id,
            AccountLink.kind == INVITATION,
        )
    )
    if link is None:
        raise NotFound
    return link


def is_elsewhere(organisation_id: int, user_id: int) -> bool:
    """Whether a user also belongs to another organisation."""
    other = exists().where(Membership.user_id == user_id, Membership.organisation_id != organisation_id)
    return bool(db.session.scalar(select(other)))


def active_admins(organisation_id: int, *, without: int | None = None) -> list[User]:
    """The admins who can act, by name: they accepted and are not disabled. `without` leaves one user out."""
    query = (
        select(User)
        .join(Membership, Membership.user_id == User.id)
        .where(
            Membership.organisation_id == organisation_id,
            Membership.role == Role.ADMIN.value,
            User.is_active.is_(True),
            ~is_pending(organisation_id),
        )
        .options(lazyload(User.memberships))
        .order_by(User.name, User.id)
    )
    return [user for user in db.session.scalars(query) if user.id != without]


def sessions_here(organisation_id: int, user_id: int, now: datetime) -> list[UserSession]:
    """A person's open sessions that work in the organisation, the one used last first."""
    query = (
        select(UserSession)
        .where(
            UserSession.user_id == user_id,
            UserSession.organisation_id == organisation_id,
            UserSession.ended_at.is_(None),
            UserSession.is_pending.is_(False),
            UserSession.expires_at > now,
        )
        .order_by(UserSession.last_seen_at.desc(), UserSession.id.desc())
    )
    return [row for row in db.session.scalars(query) if is_live(row, now)]


def payees_of(organisation_id: int, user_id: int) -> list[Payee]:
    """The payees as whom a person signs in."""
    query = select(Payee).where(Payee.organisation_id == organisation_id, Payee.user_id == user_id)
    return list(db.session.scalars(query.order_by(Payee.id)))


def lock(organisation_id: int) -> Organisation:
    """The organisation's row, held until the end: two admins who remove each other at once take turns."""
    return db.session.get_one(Organisation, organisation_id, with_for_update=True, populate_existing=True)
