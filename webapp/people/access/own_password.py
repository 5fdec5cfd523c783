"""Changing one's own password."""

from __future__ import annotations

from datetime import datetime

from webapp.audit import service as audit
from webapp.database import db
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict, Invalid
from webapp.kernel.ids import new_uid
from webapp.people import passwords, service, sessions
from webapp.people.access import links
from webapp.people.models import User


def change(
    *, user_id: int, present: str, password: str, session_id: int, actor: Actor, now: datetime
) -> str | None:
    """Give oneself a new password; the session's new token, or None when the present password is not right.

    The other sessions and the API tokens end, links to set the password stop working, and the person is told by
    mail. Wrong tries
    are in the audit trail. Raises Invalid, and Conflict for demo accounts, whose password everybody knows.
    """
    user = db.session.get_one(User, user_id)
    if user.is_demo:
        raise Conflict("Demo accounts keep their password. Invite somebody to try this with another account.")
    if not passwords.verify(present, user.password_hash):
        audit.record(
            tag="people:user:password_change_failed",
            actor=actor,
            now=now,
            organisation_id=None,
            subject_type="user",
            subject_id=user_id,
            subject_label=user.email,
        )
        return None
    if passwords.verify(password, user.password_hash):
        raise Invalid("password", "This is your present password. Choose another one.")
    service.set_password(
        user_id=user_id, password=password, actor=actor, now=now, except_session_id=session_id
    )
    links.revoke(user_id=user_id, kind=links.RESET, now=now)
    links.tell_password_changed(user_id=user_id, extra=new_uid(), now=now)
    return sessions.renew(session_id=session_id, now=now)
