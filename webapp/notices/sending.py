"""Sends one queued mail: claim (commit), talk to the server without a transaction, record (commit).

A mail is sent twice in one case only: the worker dies after the server took it and before that was recorded.
Both then carry the same Message-ID. A job that merely repeats finds the mail sent, or leased, and does nothing.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256

import structlog
from sqlalchemy import select

from webapp.config import Settings
from webapp.database import db, transaction
from webapp.kernel.errors import PaydeskError
from webapp.notices import marks, service
from webapp.notices.models import Email
from webapp.outbox.service import Later
from webapp.people.models import Organisation
from webapp.providers import smtp, storage

ASK_AGAIN = timedelta(minutes=1)
WITHOUT_SERVER = timedelta(minutes=10)
GIVE_UP_AFTER = timedelta(days=3)
log = structlog.get_logger()
CHANGED = "The stored file that goes with this mail is not the one that was made. Ask an admin to look at the storage."
NO_FILE = "The file that goes with this mail cannot be read right now. It is tried again."
NO_SERVER = (
    "SMTP_URL is missing: no mail leaves this installation. Set it to your mail server "
    "(smtp://user:password@host:587) and start Paydesk again; waiting mails then go out."
)


def send(email_id: int, *, settings: Settings, now: datetime) -> Later | None:
    """Send a mail; None when there is nothing more to do, or when and why to come back.

    A server that is away is tried again after 1, 2, 4 … 60 minutes for three days, then the mail fails. What the
    server refuses for good fails at once. Without a server the mail is kept (demo) or waits (production).
    """
    with transaction():
        if not service.claim(email_id=email_id, now=now):
            state = db.session.scalar(select(Email.state).where(Email.id == email_id))
            return (
                Later(now + ASK_AGAIN, "Another worker is sending this mail.") if state == "queued" else None
            )
        email = db.session.get_one(Email, email_id, populate_existing=True)
        if reason := service.why_not_again(email, now):
            # Its personal link was used, replaced or is late: such a mail would only confuse.
            service.record_result(email_id=email_id, state="failed", error=reason, now=now)
            return None
        mail = mail_of(email, settings)
        tries = email.tries
        kept, kept_hash = email.attachment_key, email.attachment_sha256
    if not settings.smtp_url:
        return _without_server(email_id, settings, now)
    if kept:
        try:
            mail = replace(mail, attachment=_file(kept, kept_hash))
        except _Changed:
            _record(email_id, "failed", CHANGED, now)
            return None
        except (OSError, PaydeskError) as error:
            log.warning("email.no_file", email=email_id, error=type(error).__name__)
            _record(email_id, "queued", NO_FILE, now)
            return Later(now + WITHOUT_SERVER, NO_FILE)
    try:
        smtp.send(settings.smtp_url, mail)
    except smtp.Refused as error:
        _record(email_id, "failed", str(error), now)
        return None
    except smtp.NotNow as error:
        log.warning("email.waits", email=email_id, reason=str(error))
        if now - mail.at > GIVE_UP_AFTER and tries > 1:
            _record(email_id, "failed", f"Given up after three days. {error}", now)
            return None
        _record(email_id, "queued", str(error), now)
        return Later(now + timedelta(minutes=min(60, 2 ** min(tries - 1, 6))), str(error))
    _record(email_id, "sent", "", now)
    return None


class _Changed(Exception):
    """A stored file is not the one that was made."""


def _file(key: str, digest: str) -> bytes:
    """The stored file of a mail; no transaction is open, because the storage may be another host."""
    content: bytes = storage.read(key)
    if sha256(content).hexdigest() != digest:
        raise _Changed
    return content


def mail_of(email: Email, settings: Settings) -> smtp.Mail:
    """The logged mail as the provider takes it, with the addresses that only the mail itself holds.

    All mails about one payout, or about the payment details of one payee, share a thread.
    """
    organisation = db.session.get(Organisation, email.organisation_id) if email.organisation_id else None
    text, html = marks.filled(email, settings)
    return smtp.Mail(
        sender=settings.mail_from,
        to_address=email.to_address,
        to_name=email.to_name,
        reply_to=organisation.contact_email if organisation else "",
        subject=email.subject,
        text=text,
        html=html,
        message_id=email.message_id,
        thread_id=_thread(email),
        at=email.created_at,
        unsubscribe_url=marks.unsubscribe_url(email, settings),
        attachment_name=email.attachment_name,
    )


def _thread(email: Email) -> str:
    domain = email.message_id.rpartition("@")[2].rstrip(">")
    if email.payout_id:
        return f"<payout-{email.organisation_id}-{email.payout_id}@{domain}>"
    if email.payee_id and email.notice.startswith("details_"):
        return f"<details-{email.organisation_id}-{email.payee_id}@{domain}>"
    return ""


def _without_server(email_id: int, settings: Settings, now: datetime) -> Later | None:
    if settings.environment in ("demo", "test"):
        _record(email_id, "kept", "", now)
        return None
    _record(email_id, "queued", NO_SERVER, now)
    return Later(now + WITHOUT_SERVER, NO_SERVER)


def _record(email_id: int, state: str, error: str, now: datetime) -> None:
    with transaction():
        service.record_result(email_id=email_id, state=state, error=error, now=now)
