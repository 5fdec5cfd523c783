"""Addresses that only the mail itself may hold: marks in the log, put in while a mail is sent.

The personal link of an invitation or a reset opens an account, so nothing that is stored holds it. The link that
switches a kind of mail off acts without a sign-in, so it is treated alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from itsdangerous import BadSignature, URLSafeSerializer
from markupsafe import escape

from webapp.config import Settings
from webapp.database import db
from webapp.notices import catalogue
from webapp.notices.letters import PERSONAL_LINK, UNSUBSCRIBE_LINK
from webapp.notices.models import Email
from webapp.people.access import links
from webapp.people.access.models import AccountLink

_SALT = "unsubscribe"
_TOKEN_LENGTH = 400
INSTEAD = {
    PERSONAL_LINK: "[a personal link, which only the recipient's mail holds]",
    UNSUBSCRIBE_LINK: "[the recipient's own link]",
}


@dataclass(frozen=True)
class Subscription:
    """A kind of optional mail to one user, or to one payee who is no user."""

    notice: str
    user_id: int | None = None
    payee_id: int | None = None


def _signer(settings: Settings) -> URLSafeSerializer:
    return URLSafeSerializer(settings.signing_keys, salt=_SALT)


def token_of(subscription: Subscription, settings: Settings) -> str:
    """The signed part of the address that switches this kind of mail off."""
    who = ["u", subscription.user_id] if subscription.user_id is not None else ["p", subscription.payee_id]
    token: str | bytes = _signer(settings).dumps([*who, subscription.notice])
    return token if isinstance(token, str) else token.decode()


def read_token(token: str, settings: Settings) -> Subscription | None:
    """What a signed token is about; None for anything that we did not sign."""
    if len(token) > _TOKEN_LENGTH:
        return None
    try:
        kind, number, notice = _signer(settings).loads(token)
    except (BadSignature, ValueError, TypeError):
        return None
    if not catalogue.is_optional(notice):
        return None
    return Subscription(notice, user_id=number) if kind == "u" else Subscription(notice, payee_id=number)


def unsubscribe_url(email: Email, settings: Settings) -> str:
    """The address that switches this kind of mail off; empty for mail that is always sent."""
    if not catalogue.is_optional(email.notice) or (email.user_id is None and email.payee_id is None):
        return ""
    payee_id = None if email.user_id is not None else email.payee_id
    token = token_of(Subscription(email.notice, email.user_id, payee_id), settings)
    return f"{settings.public_url}/unsubscribe/{token}"


@dataclass(frozen=True)
class OwnLink:
    """How a program's kind of mail comes to its personal link: the address now, and why there is none any more."""

    url: Callable[[Email, Settings], str]
    why_not: Callable[[Email], str]


_own_links: dict[str, OwnLink] = {}


def register_link(notice: str, link: OwnLink) -> None:
    """Let a program say which personal link its kind of mail carries; called once, at start."""
    _own_links[notice] = link


def why_no_link(email: Email) -> str:
    """Why a program's mail has no personal link any more, for people; empty when it has one, or needs none."""
    own = _own_links.get(email.notice)
    return own.why_not(email) if own else ""


def personal_url(email: Email, settings: Settings) -> str:
    """The personal link of a mail; empty for a mail without one."""
    if own := _own_links.get(email.notice):
        return own.url(email, settings)
    if email.link_id is None:
        return ""
    return links.url_of(db.session.get_one(AccountLink, email.link_id), settings.public_url)


def filled(email: Email, settings: Settings) -> tuple[str, str]:
    """Text and HTML as the recipient gets them. Never stored, never logged."""
    text, html = email.body_text, email.body_html
    found = {PERSONAL_LINK: personal_url(email, settings), UNSUBSCRIBE_LINK: unsubscribe_url(email, settings)}
    for mark, address in found.items():
        if address:
            text, html = text.replace(mark, address), html.replace(mark, str(escape(address)))
    return text, html


def redacted_text(email: Email) -> str:
    """The text for the log, with words where the addresses were."""
    text = email.body_text
    for mark, words in INSTEAD.items():
        text = text.replace(mark, words)
    return text
