"""Server-side sessions: the cookie carries a random token, everything else is in the database."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update

from webapp.database import db
from webapp.kernel.ids import new_token, token_hash
from webapp.people.models import Role, User, UserSession

IDLE_LIMIT = timedelta(minutes=30)
# Whoever can move or see all of the money is signed out sooner.
IDLE_LIMIT_OF_MONEY_ROLES = timedelta(minutes=10)
MONEY_ROLES = frozenset({Role.ADMIN.value, Role.ACCOUNTANT.value})
ABSOLUTE_LIMIT = timedelta(hours=8)
# last_seen_at is written at most this often, so that reading pages rarely write.
TOUCH_EVERY = timedelta(minutes=1)


def idle_limit(user: User) -> timedelta:
    """How long a user may be away. Demo accounts hold no real money and get the longer time."""
    holds_money = any(m.role in MONEY_ROLES for m in user.memberships)
    return IDLE_LIMIT_OF_MONEY_ROLES if holds_money and not user.is_demo else IDLE_LIMIT


def is_live(row: UserSession, now: datetime) -> bool:
    """Whether a session still opens doors: not ended, expired or idle, and its user not disabled."""
    if row.ended_at is not None or row.expires_at <= now or not row.user.is_active:
        return False
    return row.last_seen_at + idle_limit(row.user) > now


def start(
    *, user_id: int, organisation_id: int | None, ip: str, user_agent: str, now: datetime
) -> tuple[str, UserSession]:
    """Open a session; returns the token for the cookie (kept nowhere else) and the row."""
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
        expires_at=now + ABSOLUTE_LIMIT,
    )
    db.session.add(row)
    db.session.flush()
    return token, row


def find_live(*, token: str, now: datetime) -> UserSession | None:
    """The session of a cookie's token, unless it ended, idled out, expired, or its user is disabled."""
    row = db.session.scalar(select(UserSession).where(UserSession.token_hash == token_hash(token)))
    return row if row is not None and is_live(row, now) else None


def end(*, session_id: int, reason: str, now: datetime) -> None:
    """End one session; its cookie opens nothing any more."""
    db.session.execute(
        update(UserSession)
        .where(UserSession.id == session_id, UserSession.ended_at.is_(None))
        .values(ended_at=now, end_reason=reason)
    )


def end_all(*, user_id: int, reason: str, now: datetime, except_session_id: int | None = None) -> int:
    """End every open session of a user, but for one that is kept; returns how many ended."""
    statement = update(UserSession).where(UserSession.user_id == user_id, UserSession.ended_at.is_(None))
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
