"""Server-side sessions: the cookie carries a random token, everything else is in the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple, Protocol

from sqlalchemy import ColumnElement, Select, String, bindparam, cast, func, or_, select, update

from webapp.database import db
from webapp.kernel.ids import new_token, token_hash
from webapp.people.models import Membership, Organisation, OrganisationProgram, Role, User, UserSession

IDLE_LIMIT = timedelta(minutes=30)
# Whoever can move or see all of the money is signed out sooner.
IDLE_LIMIT_OF_MONEY_ROLES = timedelta(minutes=10)
MONEY_ROLES = frozenset({Role.ADMIN.value, Role.ACCOUNTANT.value})
ABSOLUTE_LIMIT = timedelta(hours=8)
# How long somebody whose password was right may look for their second factor.
PENDING_LIMIT = timedelta(minutes=10)
# last_seen_at is written at most this often, so that reading pages rarely write.
TOUCH_EVERY = timedelta(minutes=1)


class RoleHeld(NamedTuple):
    """One role of a person in one organisation."""

    organisation_id: int
    role: str


class Person(NamedTuple):
    """The user of a session as every page needs them; the names are those of the record."""

    id: int
    name: str
    email: str
    locale: str
    hides_amounts: bool
    has_shortcuts: bool
    is_active: bool
    is_demo: bool
    memberships: Sequence[RoleHeld]


class Visit(NamedTuple):
    """A session as every page needs it: plain values, and the organisation in which it works."""

    id: int
    organisation_id: int | None
    last_seen_at: datetime
    reauthenticated_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    is_pending: bool
    factor: str
    user: Person
    organisation: Organisation | None
    programs: frozenset[str]


class _HasRole(Protocol):
    @property
    def role(self) -> str: ...


class _Signing(Protocol):
    @property
    def is_active(self) -> bool: ...
    @property
    def is_demo(self) -> bool: ...
    @property
    def memberships(self) -> Sequence[_HasRole]: ...


class _Session(Protocol):
    @property
    def is_pending(self) -> bool: ...
    @property
    def ended_at(self) -> datetime | None: ...
    @property
    def expires_at(self) -> datetime: ...
    @property
    def last_seen_at(self) -> datetime: ...
    @property
    def user(self) -> _Signing: ...


def idle_limit(user: _Signing) -> timedelta:
    """How long a user may be away. Demo accounts hold no real money and get the longer time."""
    holds_money = any(m.role in MONEY_ROLES for m in user.memberships)
    return IDLE_LIMIT_OF_MONEY_ROLES if holds_money and not user.is_demo else IDLE_LIMIT


def is_live(row: _Session, now: datetime) -> bool:
    """Whether a session opens doors: proved in full, not ended, expired or idle, its user not disabled."""
    if row.is_pending or not _is_open(row, now):
        return False
    return row.last_seen_at + idle_limit(row.user) > now


def _is_open(row: _Session, now: datetime) -> bool:
    return row.ended_at is None and row.expires_at > now and row.user.is_active


def start(
    *,
    user_id: int,
    organisation_id: int | None,
    ip: str,
    user_agent: str,
    now: datetime,
    is_pending: bool = False,
) -> tuple[str, UserSession]:
    """Open a session; returns the token for the cookie (kept nowhere else) and the row.

    A pending one waits for the second factor: it opens no door and ends after ten minutes.
    """
    token = new_token()
    row = UserSession(
        token_hash=token_hash(token),
        user_id=user_id,
        organisation_id=organisation_id,
        ip=ip[:120],
        user_agent=user_agent[:300],
        created_at=now,
        last_seen_at=now,
        reauthenticated_at=now,
        expires_at=now + (PENDING_LIMIT if is_pending else ABSOLUTE_LIMIT),
        is_pending=is_pending,
    )
    db.session.add(row)
    db.session.flush()
    return token, row


def find_live(*, token: str, now: datetime) -> UserSession | None:
    """The session of a cookie's token, unless it ended, idled out, expired, or its user is disabled."""
    row = _find(token)
    return row if row is not None and is_live(row, now) else None


def find_pending(*, token: str, now: datetime) -> UserSession | None:
    """The session of a token whose password was right and whose second factor is still to come."""
    row = _find(token)
    return row if row is not None and row.is_pending and _is_open(row, now) else None


def find_visit(*, token: str, now: datetime) -> Visit | None:
    """What `find_live` finds, as plain values: every request of a signed-in person asks this."""
    found = db.session.execute(_visit_by_token(), {"token_hash": token_hash(token)}).one_or_none()
    if found is None:
        return None
    # The columns of the session, those of its user, the organisation, and two lists in one text each.
    *values, organisation, roles, programs = found
    held = [entry.split(" ") for entry in (roles or "").split(",") if entry]
    memberships = tuple(RoleHeld(int(organisation_id), role) for organisation_id, role in held)
    user = Person._make((*values[_OF_SESSION:], memberships))
    own = frozenset((programs or "").split(",")) - {""}
    row = Visit._make((*values[:_OF_SESSION], user, organisation, own))
    return row if is_live(row, now) else None


_OF_SESSION = len(Visit._fields) - 3


@cache
def _visit_by_token() -> Select[Any]:
    """Built once, and one question for all of it. Roles and programs are few words without spaces or commas."""
    roles = select(
        func.aggregate_strings(
            cast(Membership.organisation_id, String).concat(" ").concat(Membership.role), ","
        )
    ).where(Membership.user_id == User.id)
    programs = select(func.aggregate_strings(OrganisationProgram.program, ",")).where(
        OrganisationProgram.organisation_id == Organisation.id
    )
    return (
        select(
            *(getattr(UserSession, name) for name in Visit._fields[:_OF_SESSION]),
            *(getattr(User, name) for name in Person._fields[:-1]),
            Organisation,
            roles.correlate(User).scalar_subquery(),
            programs.correlate(Organisation).scalar_subquery(),
        )
        .join(User, User.id == UserSession.user_id)
        .outerjoin(Organisation, Organisation.id == UserSession.organisation_id)
        .where(UserSession.token_hash == bindparam("token_hash"))
    )


def _find(token: str) -> UserSession | None:
    query = select(UserSession).where(UserSession.token_hash == token_hash(token))
    return db.session.scalars(query).unique().one_or_none()


def complete(*, session_id: int, factor: str, now: datetime) -> str | None:
    """Make a pending session a full one under a new token; None when it is not pending any more."""
    token = new_token()
    values = {
        "token_hash": token_hash(token),
        "is_pending": False,
        "factor": factor,
        "last_seen_at": now,
        "reauthenticated_at": now,
        "expires_at": now + ABSOLUTE_LIMIT,
    }
    pending = (UserSession.is_pending.is_(True), UserSession.expires_at > now)
    return token if _update_open(session_id, values, *pending) else None


def renew(*, session_id: int, now: datetime, factor: str | None = None) -> str | None:
    """A new token for a session whose person proved again who they are; None when it ended meanwhile.

    `factor` is set when the proof changes how the session counts (a second factor was added or removed).
    """
    token = new_token()
    values = {"token_hash": token_hash(token), "reauthenticated_at": now, "last_seen_at": now}
    if factor is not None:
        values["factor"] = factor
    return token if _update_open(session_id, values, UserSession.is_pending.is_(False)) else None


def set_factor(*, session_id: int, factor: str) -> None:
    """Note how the session counts from now on: "password" where its second factor was taken away."""
    _update_open(session_id, {"factor": factor})


def set_challenge(*, session_id: int, challenge: str, until: datetime) -> None:
    """Keep the challenge of a ceremony; one that was under way is forgotten."""
    _update_open(session_id, {"challenge": challenge, "challenge_until": until})


def take_challenge(*, session_id: int, challenge: str, now: datetime) -> bool:
    """Use the challenge up: True once, and only for the session that it was given to, while it is valid."""
    fits = (UserSession.challenge == challenge, UserSession.challenge_until > now)
    return bool(challenge) and _update_open(session_id, {"challenge": "", "challenge_until": None}, *fits)


def _update_open(session_id: int, values: dict[str, Any], *conditions: ColumnElement[bool]) -> bool:
    result: Any = db.session.execute(
        update(UserSession)
        .where(UserSession.id == session_id, UserSession.ended_at.is_(None), *conditions)
        .values(**values)
    )
    return bool(result.rowcount == 1)


def end(*, session_id: int, reason: str, now: datetime) -> None:
    """End one session; its cookie opens nothing any more."""
    db.session.execute(
        update(UserSession)
        .where(UserSession.id == session_id, UserSession.ended_at.is_(None))
        .values(ended_at=now, end_reason=reason)
    )


def end_all(
    *,
    user_id: int,
    reason: str,
    now: datetime,
    except_session_id: int | None = None,
    organisation_id: int | None = None,
) -> int:
    """End every open session of a user, but for one that is kept; returns how many ended.

    With `organisation_id` only those that work in that organisation, or in none: what one organisation decides
    signs nobody out of another.
    """
    statement = update(UserSession).where(UserSession.user_id == user_id, UserSession.ended_at.is_(None))
    if organisation_id is not None:
        here = UserSession.organisation_id
        statement = statement.where(or_(here == organisation_id, here.is_(None)))
    if except_session_id is not None:
        statement = statement.where(UserSession.id != except_session_id)
    result: Any = db.session.execute(statement.values(ended_at=now, end_reason=reason))
    return int(result.rowcount)


def touch(*, session_id: int, now: datetime) -> None:
    """Note that the session is in use."""
    db.session.execute(update(UserSession).where(UserSession.id == session_id).values(last_seen_at=now))


def choose_organisation(*, session_id: int, organisation_id: int) -> None:
    """Make an organisation the session's current one. The caller has checked the membership."""
    db.session.execute(
        update(UserSession).where(UserSession.id == session_id).values(organisation_id=organisation_id)
    )
