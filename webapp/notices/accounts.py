"""Mails about a person's account: invitation, reset, sign-in from a new device, what changed in its security."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from webapp.database import db
from webapp.kernel.clock import instant_text
from webapp.kernel.errors import NotFound
from webapp.notices import queries, recipients, service
from webapp.notices.letters import PERSONAL_LINK, Letter, browser_in_words
from webapp.notices.models import Email
from webapp.notices.service import Desk, Recipient
from webapp.people.access import links, tokens
from webapp.people.access.models import AccountLink
from webapp.people.models import Organisation, Role, User, UserSession

PRODUCT = "Paydesk"
# What happened, as the subject and as a sentence.
SECURITY = {
    "password_changed": ("Your password was changed", "The password of your account was changed."),
    "factor_added": (
        "A second factor was added",
        "A second factor was added to your account. It is asked for when you sign in.",
    ),
    "factor_removed": (
        "A second factor was removed",
        "A second factor was removed from your account.",
    ),
    "recovery_used": (
        "A recovery code was used",
        "Somebody signed in as you with one of your recovery codes. That code is used up.",
    ),
}


def _zone(organisation: Organisation | None) -> str:
    return organisation.timezone if organisation else "UTC"


def _who_to_ask(organisation: Organisation | None) -> str:
    if organisation is None:
        return "an admin of your organisation"
    contact = organisation.contact_email
    return f"{organisation.name} ({contact})" if contact else f"an admin of {organisation.name}"


def _reset_page(desk: Desk) -> str:
    return f"{desk.public_url}/forgot"


def account_link(link_id: int, *, desk: Desk) -> Email | None:
    """The mail with a personal link (invitation or reset); None when the link is worth nothing any more.

    Raises NotFound.
    """
    link = db.session.get(AccountLink, link_id)
    if link is None:
        raise NotFound
    if not links.is_open(link, desk.now):
        return None
    letter = _invitation(link) if link.kind == "invitation" else _reset(link)
    return service.write(
        notice=link.kind,
        key=f"{link.kind}:{link.id}",
        letter=letter,
        to=_recipient(link),
        desk=desk,
        # Only the person sees mail about resetting their password; an invitation is the organisation's.
        organisation_id=link.organisation_id if link.kind == "invitation" else None,
        link_id=link.id,
    )


def _recipient(link: AccountLink) -> Recipient:
    to = recipients.of_user(link.user)
    return to if link.kind == "reset" else replace(to, name=to.address)


def _invitation(link: AccountLink) -> Letter:
    organisation = link.organisation
    by = db.session.get(User, link.created_by_id) if link.created_by_id else None
    roles = [
        Role(m.role).label.lower()
        for m in link.user.memberships
        if organisation is not None and m.organisation_id == organisation.id
    ]
    return Letter(
        folder="invitation",
        organisation=organisation.name if organisation else PRODUCT,
        contact=organisation.contact_email if organisation else "",
        # Not the name: the log of mails must not tell that the address has an account in another organisation.
        name=link.user.email,
        values={
            "by": by.name if by else "An admin",
            "roles": " and ".join(roles) or "a user",
            "until": instant_text(link.expires_at, _zone(organisation)),
        },
        link=PERSONAL_LINK,
    )


def _reset(link: AccountLink) -> Letter:
    organisation = recipients.organisation_of(link.user)
    return Letter(
        folder="reset",
        organisation=PRODUCT,
        name=link.user.name or link.user.email,
        values={
            "email": link.user.email,
            "until": instant_text(link.expires_at, _zone(organisation)),
            "asks": _who_to_ask(organisation),
        },
        link=PERSONAL_LINK,
    )


def new_device(session_id: int, *, desk: Desk) -> Email:
    """Tell a user about a sign-in with a browser that was not known. Raises NotFound."""
    row = db.session.get(UserSession, session_id)
    if row is None:
        raise NotFound
    organisation = row.organisation or recipients.organisation_of(row.user)
    when = instant_text(row.created_at, _zone(organisation))
    browser = browser_in_words(row.user_agent)
    letter = Letter(
        folder="new_device",
        organisation=PRODUCT,
        name=row.user.name or row.user.email,
        rows=(
            ("When", when),
            ("With", browser),
            ("From", f"Internet address {row.ip}" if row.ip else "An address that is not known"),
        ),
        values={"when": when, "browser": browser, "asks": _who_to_ask(organisation)},
        link=_reset_page(desk),
    )
    return service.write(
        notice="new_device",
        key=f"new_device:{row.id}",
        letter=letter,
        to=recipients.of_user(row.user),
        desk=desk,
        organisation_id=None,
    )


def security(event: str, user_id: int, *, desk: Desk) -> list[Email]:
    """Tell a user what changed in the security of their account, once for every time it is waiting to be told.

    `event` is a key of SECURITY. Raises NotFound for an unknown user and KeyError for an unknown event.
    """
    title, said = SECURITY[event]
    user = db.session.get(User, user_id)
    if user is None:
        raise NotFound
    waiting = queries.open_messages(f"notice.security.{event}", user_id)
    return [
        _security_mail(event, title, said, user, message.id, message.created_at, desk) for message in waiting
    ]


def _security_mail(
    event: str, title: str, said: str, user: User, message_id: int, at: datetime, desk: Desk
) -> Email:
    organisation = recipients.organisation_of(user)
    when = instant_text(at, _zone(organisation))
    letter = Letter(
        folder="security",
        organisation=PRODUCT,
        name=user.name or user.email,
        rows=(("When", when), ("Account", user.email), *_ended_tokens(event, user, at)),
        values={"title": title, "said": said, "when": when, "asks": _who_to_ask(organisation)},
        link=_reset_page(desk),
    )
    return service.write(
        notice=f"security_{event}",
        key=f"security.{event}:{user.id}:{message_id}",
        letter=letter,
        to=recipients.of_user(user),
        desk=desk,
        organisation_id=None,
    )


def _ended_tokens(event: str, user: User, at: datetime) -> tuple[tuple[str, str], ...]:
    """A new password takes the API tokens with it: programs stop working, and the person must know why."""
    n = tokens.count_revoked_at(user.id, at) if event == "password_changed" else 0
    words = "1 revoked; the program that used it needs a new one"
    if n > 1:
        words = f"{n} revoked; the programs that used them need new ones"
    return (("API tokens", words),) if n else ()
