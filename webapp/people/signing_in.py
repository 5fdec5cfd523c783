"""Opening and closing sessions: every try to sign in, good or bad, is in the audit trail."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from sqlalchemy import select

from webapp.audit import service as audit
from webapp.database import db
from webapp.kernel.actor import Actor
from webapp.kernel.errors import NotFound
from webapp.people import queries, service, sessions
from webapp.people.access import devices, second_factor
from webapp.people.models import Membership, User, UserSession


def sign_in(
    *,
    email: str,
    password: str,
    origin: Actor,
    old_session_id: int | None,
    demo_mode: bool,
    now: datetime,
    device: str = "",
) -> str | None:
    """Try to sign in; the token for the cookie, or None. `origin` carries the address and browser.

    `device` is the browser's own token: of a sign-in from an unknown one the person is told.

    A success always opens a new session and ends the browser's old one, so that a planted cookie is worth
    nothing. The session of somebody who has a second factor is pending: it opens no door until `prove` was right.
    """
    user = service.authenticate(email=email, password=password, now=now, demo_mode=demo_mode)
    if user is None:
        _record_failure(email, origin, now)
        return None
    is_pending = second_factor.factors_of(user.id).has_any
    return open_session(
        user=user,
        origin=origin,
        old_session_id=old_session_id,
        now=now,
        how="password_accepted" if is_pending else "signed_in",
        is_pending=is_pending,
        device=device,
    )


def open_session(
    *,
    user: User,
    origin: Actor,
    old_session_id: int | None,
    now: datetime,
    how: str = "signed_in",
    is_pending: bool = False,
    device: str = "",
) -> str:
    """Open a session for a user whose identity is settled; returns the token for the cookie."""
    if old_session_id is not None:
        sessions.end(session_id=old_session_id, reason="signed in again", now=now)
    organisation_id = home_organisation(user.id)
    token, row = sessions.start(
        user_id=user.id,
        organisation_id=organisation_id,
        ip=origin.ip,
        user_agent=origin.user_agent,
        now=now,
        is_pending=is_pending,
    )
    audit.record(
        tag=f"people:session:{how}",
        actor=replace(origin, user_id=user.id, label=user.email),
        now=now,
        organisation_id=organisation_id,
        subject_type="session",
        subject_id=row.id,
        subject_label=user.email,
    )
    if device and not row.is_pending:
        devices.note(session=row, token=device, now=now)
    return token


def _record_failure(email: str, origin: Actor, now: datetime) -> None:
    typed = email.strip().lower()
    user = queries.find_user(typed)
    # Somebody may have typed their password into the wrong box: only what looks like an address is kept.
    label = typed[:200] if typed.count("@") == 1 and " " not in typed else "not an e-mail address"
    audit.record(
        tag="people:session:sign_in_failed",
        actor=replace(origin, user_id=None, label="not signed in"),
        now=now,
        organisation_id=None,
        subject_type="user",
        subject_id=user.id if user else None,
        subject_label=label,
    )


def home_organisation(user_id: int) -> int | None:
    """Where a new session begins: the organisation used last, if the user still belongs to it."""
    mine = list(
        db.session.scalars(
            select(Membership.organisation_id).where(Membership.user_id == user_id).order_by(Membership.id)
        )
    )
    last = db.session.scalar(
        select(UserSession.organisation_id)
        .where(UserSession.user_id == user_id, UserSession.organisation_id.in_(mine))
        .order_by(UserSession.id.desc())
        .limit(1)
    )
    return last or (mine[0] if mine else None)


def sign_out(*, session_id: int, actor: Actor, organisation_id: int | None, now: datetime) -> None:
    """End the session one is in."""
    sessions.end(session_id=session_id, reason="signed out", now=now)
    _record_end([session_id], actor, organisation_id, now)


def end_own_session(*, session_id: int, actor: Actor, organisation_id: int | None, now: datetime) -> None:
    """End one of one's own sessions, perhaps in another browser. Raises NotFound for anybody else's."""
    owner = db.session.scalar(select(UserSession.user_id).where(UserSession.id == session_id))
    if owner is None or owner != actor.user_id:
        raise NotFound
    sessions.end(session_id=session_id, reason="ended by its user", now=now)
    _record_end([session_id], actor, organisation_id, now)


def end_other_sessions(*, session_id: int, actor: Actor, organisation_id: int | None, now: datetime) -> int:
    """End every session of the actor but the one they are in; returns how many ended."""
    assert actor.user_id is not None  # noqa: S101 - only people have sessions
    ended = sessions.end_all(
        user_id=actor.user_id, reason="ended by its user", now=now, except_session_id=session_id
    )
    if ended:
        _record_end([], actor, organisation_id, now, note=f"{ended} other sessions ended")
    return ended


def _record_end(
    ids: list[int], actor: Actor, organisation_id: int | None, now: datetime, note: str = ""
) -> None:
    audit.record(
        tag="people:session:ended",
        actor=actor,
        now=now,
        organisation_id=organisation_id,
        subject_type="session",
        subject_id=ids[0] if ids else None,
        subject_label=actor.label,
        note=note,
    )


def switch_organisation(*, session_id: int, organisation_id: int, actor: Actor, now: datetime) -> None:
    """Make one of the actor's organisations the current one. Raises NotFound for any other."""
    assert actor.user_id is not None  # noqa: S101 - only people have sessions
    if not queries.roles_in(actor.user_id, organisation_id):
        raise NotFound
    sessions.choose_organisation(session_id=session_id, organisation_id=organisation_id)
    audit.record(
        tag="people:session:switched",
        actor=actor,
        now=now,
        organisation_id=organisation_id,
        subject_type="session",
        subject_id=session_id,
        subject_label=actor.label,
    )
