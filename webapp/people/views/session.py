"""Who is signed in: reads the session of each request and fills `g` with organisation, roles and payee ids."""

from __future__ import annotations

import structlog
from flask import Flask, abort, g, request, session
from flask_login import LoginManager, UserMixin
from sqlalchemy import bindparam, select
from sqlalchemy.exc import OperationalError

from webapp.database import ask, transaction
from webapp.kernel.actor import Actor
from webapp.kernel.clock import utc_now
from webapp.people import sessions
from webapp.people.models import Payee, Role, UserSession
from webapp.people.sessions import Person, Visit

COOKIE_KEY = "session"
log = structlog.get_logger()
login_manager = LoginManager()
login_manager.session_protection = None


class SignedIn(UserMixin):
    """The signed-in person as flask-login and templates see them."""

    def __init__(self, user: Person, row: Visit) -> None:
        self.id = user.id
        self.name = user.name
        self.email = user.email
        self.session_id = row.id
        self.reauthenticated_at = row.reauthenticated_at
        self.factor = row.factor
        self.locale = user.locale
        self.hides_amounts = user.hides_amounts
        self.has_shortcuts = user.has_shortcuts
        self.holds_money = any(m.role in sessions.MONEY_ROLES for m in user.memberships)


def actor() -> Actor:
    """The person behind this request, for services and the audit trail."""
    from flask_login import current_user

    return Actor(
        current_user.id,
        current_user.email,
        request.remote_addr or "",
        str(request.user_agent)[:300],
    )


# Built once: every page of a payee asks this.
_PAYEE_ID = select(Payee.id).where(
    Payee.organisation_id == bindparam("organisation_id"),
    Payee.user_id == bindparam("user_id"),
    Payee.kind == bindparam("kind"),
)


def payee_id_for(kind: str) -> int | None:
    """Id of the payee of `kind` that the signed-in person is, in the current organisation."""
    from flask_login import current_user

    values = {"organisation_id": g.organisation.id, "user_id": current_user.id, "kind": kind}
    found = ask(_PAYEE_ID, values)
    return found[0][0] if found else None


def origin() -> Actor:
    """Where a request comes from, before anybody is known to be behind it."""
    return Actor(None, "not signed in", request.remote_addr or "", str(request.user_agent)[:300])


def begin(token: str) -> None:
    """Put a new session's token into an emptied cookie: nothing from before sign-in survives."""
    session.clear()
    session[COOKIE_KEY] = token


def pending() -> UserSession | None:
    """The session of this browser whose password was right and whose second factor is still to come."""
    token = session.get(COOKIE_KEY)
    return sessions.find_pending(token=token, now=utc_now()) if token else None


def may_change() -> bool:
    """Whether the signed-in person may change records here: an admin may, an accountant looks."""
    return Role.ADMIN in g.roles


def require_change() -> None:
    """403 for an accountant who opens a form: they could not send it."""
    if not may_change():
        abort(403, "An accountant can look at everything and change nothing. Ask an admin to do this.")


def _load() -> SignedIn | None:
    g.organisation, g.roles = None, frozenset()
    token = session.get(COOKIE_KEY)
    if not token:
        return None
    if g.get("database_is_away"):
        # The page that says so asks again who is signed in; it must come out all the same.
        return None
    now = utc_now()
    try:
        row = sessions.find_visit(token=token, now=now)
    except OperationalError:
        g.database_is_away = True
        raise
    if row is None:
        # The cookie stays as it is: it may wait for its second factor, or another request may have renewed it.
        return None
    roles = frozenset(m.role for m in row.user.memberships if m.organisation_id == row.organisation_id)
    g.organisation, g.roles = (row.organisation, roles) if roles else (None, frozenset())
    g.programs = row.programs
    g.locale = row.user.locale
    if now - row.last_seen_at >= sessions.TOUCH_EVERY:
        g.touch_session = row.id
    return SignedIn(row.user, row)


def init_app(app: Flask) -> None:
    """Attach flask-login; the session row is touched after the answer, in a transaction of its own."""
    login_manager.init_app(app)
    login_manager.request_loader(lambda request: _load())

    @app.after_request
    def _touch(response: object) -> object:
        if session_id := g.pop("touch_session", None):
            try:
                with transaction():
                    sessions.touch(session_id=session_id, now=utc_now())
            except OperationalError:
                # The answer stands whether or not this note could be made.
                log.warning("session.not_touched", session=session_id)
        return response
