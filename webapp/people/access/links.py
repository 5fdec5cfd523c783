"""Links that are sent by mail and work once: an invitation to an organisation, and a way to a new password.

A link is named by a signed token that only the mail holds. Looking at a link changes nothing; using it does.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from flask import current_app
from itsdangerous import BadSignature, URLSafeSerializer
from sqlalchemy import select, update

from webapp import queue
from webapp.audit import service as audit
from webapp.config import Settings
from webapp.database import db, lock_row
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict
from webapp.kernel.ids import new_uid
from webapp.outbox import service as outbox
from webapp.people import service
from webapp.people.access.models import AccountLink
from webapp.people.models import User

INVITATION, RESET = "invitation", "reset"
VALID_FOR = {INVITATION: timedelta(days=7), RESET: timedelta(hours=1)}
# The job that carries out what somebody asked for on the page "Forgot your password?".
ASKED = "account.reset_asked"
_LONGEST_TOKEN = 300


class Spent(Conflict):
    """The link is used, late, revoked, or its owner may not sign in: it opens nothing any more."""

    def __init__(self) -> None:
        super().__init__("This link does not work any more.")


def _serializer() -> URLSafeSerializer:
    settings: Settings = current_app.config["SETTINGS"]
    return URLSafeSerializer(settings.signing_keys, salt="account-link")


def token_of(link: AccountLink) -> str:
    """The signed token that names a link; it belongs into the mail and nowhere else."""
    token: str | bytes = _serializer().dumps(link.uid)
    return token if isinstance(token, str) else token.decode()


def url_of(link: AccountLink, public_url: str) -> str:
    """The address to put into the mail; `public_url` is the site's own, without a slash at the end."""
    return f"{public_url.rstrip('/')}/account/{link.kind}/{token_of(link)}"


def is_open(link: AccountLink, now: datetime) -> bool:
    """Whether a link still opens something."""
    is_fresh = link.used_at is None and link.revoked_at is None and link.expires_at > now
    return is_fresh and link.user.is_active


def _uid_in(token: str) -> str | None:
    if len(token) > _LONGEST_TOKEN:
        return None
    try:
        uid = _serializer().loads(token)
    except BadSignature:
        return None
    return uid if isinstance(uid, str) else None


def look_up(token: str, kind: str) -> AccountLink | None:
    """The link of a token, whether it still works or not; None for a token that we never signed."""
    uid = _uid_in(token)
    if uid is None:
        return None
    return db.session.scalar(select(AccountLink).where(AccountLink.uid == uid, AccountLink.kind == kind))


def find(token: str, now: datetime) -> AccountLink | None:
    """The link of a token while it still works; None otherwise."""
    uid = _uid_in(token)
    link = db.session.scalar(select(AccountLink).where(AccountLink.uid == uid)) if uid else None
    return link if link is not None and is_open(link, now) else None


def create_invitation(*, user_id: int, organisation_id: int, actor: Actor, now: datetime) -> AccountLink:
    """Invite a user to an organisation by mail, for seven days; an earlier invitation to it stops working."""
    revoke(user_id=user_id, kind=INVITATION, organisation_id=organisation_id, now=now)
    return _create(INVITATION, user_id, organisation_id, actor, now)


def create_reset(
    *, user_id: int, actor: Actor, now: datetime, organisation_id: int | None = None
) -> AccountLink:
    """Mail a user a way to a new password, for one hour; earlier ones stop working.

    `organisation_id` says whose admin asked for it.
    """
    revoke(user_id=user_id, kind=RESET, now=now)
    return _create(RESET, user_id, organisation_id, actor, now)


def _create(kind: str, user_id: int, organisation_id: int | None, actor: Actor, now: datetime) -> AccountLink:
    user = db.session.get_one(User, user_id)
    link = AccountLink(
        uid=new_uid(),
        kind=kind,
        user_id=user_id,
        organisation_id=organisation_id,
        created_by_id=actor.user_id,
        created_at=now,
        expires_at=now + VALID_FOR[kind],
    )
    db.session.add(link)
    db.session.flush()
    outbox.ask_mail(kind=f"notice.{kind}", reference_id=link.id, organisation_id=organisation_id, now=now)
    _record(f"{kind}_sent", user, organisation_id, actor, now)
    return link


def _record(action: str, user: User, organisation_id: int | None, actor: Actor, now: datetime) -> None:
    audit.record(
        tag=f"people:user:{action}",
        actor=actor,
        now=now,
        organisation_id=organisation_id,
        subject_type="user",
        subject_id=user.id,
        subject_label=user.email,
    )


def revoke(
    *, user_id: int, now: datetime, kind: str | None = None, organisation_id: int | None = None
) -> int:
    """Make a user's open links worthless, all of them or those of a kind or organisation; returns how many."""
    statement = update(AccountLink).where(
        AccountLink.user_id == user_id, AccountLink.used_at.is_(None), AccountLink.revoked_at.is_(None)
    )
    if kind is not None:
        statement = statement.where(AccountLink.kind == kind)
    if organisation_id is not None:
        statement = statement.where(AccountLink.organisation_id == organisation_id)
    result: Any = db.session.execute(statement.values(revoked_at=now))
    return int(result.rowcount)


def ask_reset(*, email: str, origin: Actor, now: datetime) -> None:
    """Somebody forgot the password of an address. Costs the same whether or not the address is known.

    What follows is done by a worker, so that neither the answer nor its time tells who has an account.
    """
    address = email.strip().lower()
    user_id = db.session.scalar(select(User.id).where(User.email == address))
    audit.record(
        tag="people:user:reset_asked",
        actor=origin,
        now=now,
        organisation_id=None,
        subject_type="user",
        subject_id=user_id,
        subject_label=address[:200] if address.count("@") == 1 else "not an e-mail address",
    )
    outbox.add(
        kind=ASKED, reference_id=user_id or 0, dedupe_key=f"{ASKED}:{new_uid()}", to_queue=queue.MAIL, now=now
    )


def send_asked_reset(*, user_id: int, actor: Actor, now: datetime) -> AccountLink | None:
    """Mail the reset link that was asked for; None when nobody with such an account may sign in.

    Demo accounts keep the password that everybody knows.
    """
    user = db.session.get(User, user_id) if user_id else None
    if user is None or not user.is_active or user.is_demo:
        return None
    return create_reset(user_id=user.id, actor=actor, now=now)


def _take(token: str, kind: str, now: datetime) -> AccountLink:
    """The link, locked and marked as used. Raises NotFound for no token of ours, Spent for one that is over."""
    uid = _uid_in(token)
    link = lock_row(AccountLink, AccountLink.uid == (uid or ""), AccountLink.kind == kind)
    if not is_open(link, now):
        raise Spent
    link.used_at = now
    db.session.flush()
    return link


def asks_for_password(link: AccountLink) -> bool:
    """Whether using the link sets a password: a reset always, an invitation for who has none yet."""
    return link.kind == RESET or link.user.password_hash is None


def use(*, token: str, kind: str, password: str | None, origin: Actor, now: datetime) -> User:
    """Follow a link to its end, once: set the password (which ends every session) or accept the invitation.

    `password` is not looked at for an invited person who has one already. Raises NotFound, Spent, or Invalid
    (nothing is used up then, when the caller's transaction is rolled back).
    """
    link = _take(token, kind, now)
    user = link.user
    actor = Actor(user.id, user.email, origin.ip, origin.user_agent)
    if asks_for_password(link):
        service.set_password(user_id=user.id, password=password or "", actor=actor, now=now)
        # Whoever could read one of these mails must not set the password once more.
        revoke(user_id=user.id, kind=RESET, now=now)
        if kind == RESET:
            tell_password_changed(user_id=user.id, extra=link.uid, now=now)
    _record(
        "invitation_accepted" if kind == INVITATION else "reset_used", user, link.organisation_id, actor, now
    )
    return user


def tell_password_changed(*, user_id: int, extra: str, now: datetime) -> None:
    """Mail the person that their password was changed; `extra` tells one change from the next."""
    outbox.ask_mail(kind="notice.security.password_changed", reference_id=user_id, now=now, part=f":{extra}")
