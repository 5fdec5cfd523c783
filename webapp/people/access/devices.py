"""Browsers that a person signed in from before; the first sign-in from another one is told by mail."""

from __future__ import annotations

import re
from datetime import datetime

from sqlalchemy import exists, select, update

from webapp.database import db, insert_ignoring_conflict
from webapp.kernel.ids import new_token, token_hash
from webapp.outbox import service as outbox
from webapp.people.access.models import KnownDevice
from webapp.people.models import UserSession

NOTICE = "notice.new_device"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


def token_from(cookie: str | None) -> str:
    """The browser's own token: the one that its cookie brings, or a new one where there is none of ours."""
    return cookie if cookie is not None and _TOKEN.fullmatch(cookie) else new_token()


def note(*, session: UserSession, token: str, now: datetime) -> bool:
    """Remember that the session's person signed in from the browser of `token`; True when it was unknown.

    Of an unknown browser the person is told, unless they never signed in before. Demo accounts are not noted:
    everybody signs in with them.
    """
    user_id = session.user_id
    if session.user.is_demo:
        return False
    seen = update(KnownDevice).where(
        KnownDevice.user_id == user_id, KnownDevice.token_hash == token_hash(token)
    )
    values = {"last_seen_at": now, "ip": session.ip, "user_agent": session.user_agent}
    if db.session.execute(seen.values(**values)).rowcount:  # type: ignore[attr-defined]
        return False
    has_been_here = _has_signed_in_before(user_id, session.id)
    insert_ignoring_conflict(
        db.session(),
        KnownDevice,
        {"user_id": user_id, "token_hash": token_hash(token), "first_seen_at": now, **values},
    )
    if has_been_here:
        outbox.ask_mail(
            kind=NOTICE, reference_id=session.id, organisation_id=session.organisation_id, now=now
        )
    return True


def _has_signed_in_before(user_id: int, session_id: int) -> bool:
    """A known browser, or a session before this one that was fully opened."""
    device = exists().where(KnownDevice.user_id == user_id)
    session = exists().where(
        UserSession.user_id == user_id, UserSession.id != session_id, UserSession.is_pending.is_(False)
    )
    return bool(db.session.scalar(select(device | session)))
