"""The one writer of the e-mail log: composes, queues, records what became of each mail. Never commits or sends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parseaddr
from hashlib import sha256

from sqlalchemy import or_, select, update

from webapp import queue
from webapp.audit import service as audit
from webapp.database import db
from webapp.kernel.actor import WORKER, Actor
from webapp.kernel.errors import Conflict, NotFound
from webapp.notices import compose, letters, marks
from webapp.notices.letters import Letter
from webapp.notices.models import Email
from webapp.outbox import service as outbox
from webapp.payouts.drafts import GROSS_KINDS
from webapp.payouts.models import Approval, Payout, PayoutLine
from webapp.payouts.policy import WALLET
from webapp.people.access.models import AccountLink
from webapp.people.models import PayoutMethod, User

SEND = "email.send"
LEASE = timedelta(minutes=5)
# So many failed mails are sent again in one go.
AT_ONCE = 500


@dataclass(frozen=True)
class Desk:
    """Where this installation is reached, who signs its mail, and what time it is."""

    public_url: str
    mail_from: str
    now: datetime


@dataclass(frozen=True)
class Recipient:
    """One address. `user_id` lets the person find the mail on their own pages."""

    address: str
    name: str
    user_id: int | None = None
    payee_id: int | None = None


@dataclass(frozen=True)
class Attachment:
    """A stored file that goes with a mail: where it is kept, what it is called, its hash."""

    storage_key: str
    name: str
    sha256: str


def write(
    *,
    notice: str,
    key: str,
    letter: Letter,
    to: Recipient,
    desk: Desk,
    organisation_id: int | None,
    link_id: int | None = None,
    attachment: Attachment | None = None,
) -> Email:
    """Word a letter, log it and queue it, with a stored PDF where one is given.

    With a `key` that is there already, the mail of then is answered.
    """
    key = f"{key}:{sha256(to.address.lower().encode()).hexdigest()[:16]}"
    known = db.session.scalar(select(Email).where(Email.dedupe_key == key))
    if known is not None:
        return known
    words = letters.compose(letter)
    email = Email(
        organisation_id=organisation_id,
        dedupe_key=key,
        notice=notice,
        to_address=to.address,
        to_name=to.name[:200],
        user_id=to.user_id,
        payee_id=to.payee_id,
        link_id=link_id,
        attachment_key=attachment.storage_key if attachment else "",
        attachment_name=attachment.name if attachment else "",
        attachment_sha256=attachment.sha256 if attachment else "",
        subject=words.subject,
        body_text=words.text,
        body_html=words.html,
        message_id=message_id(key, desk.mail_from),
        created_at=desk.now,
    )
    db.session.add(email)
    db.session.flush()
    _queue(email, desk.now)
    return email


def compose_payout(
    event: str, payout_id: int, *, now: datetime, public_url: str, mail_from: str
) -> Email | None:
    """The mail that tells a payee what happened to their payout, logged and queued; asked twice, it is the same one.

    `event` is one of approved, rejected, paid, failed, reversed. None, with a note in the audit trail, when nobody
    knows an address. Raises NotFound for an unknown payout and ValueError for an unknown event.
    """
    payout = db.session.get(Payout, payout_id)
    if payout is None:
        raise NotFound
    tries = len(payout.transfers) if event in ("failed", "reversed") else 0
    key = f"payout.{event}:{payout.id}:{payout.round}" + (f":{tries}" if tries else "")
    known = db.session.scalar(select(Email).where(Email.dedupe_key == key))
    if known is not None:
        return known
    user = db.session.get(User, payout.payee.user_id) if payout.payee.user_id else None
    address = payout.payee.email or (user.email if user else "")
    if not address:
        _note_no_address(payout, event, now)
        return None
    words = compose.compose(facts_of(event, payout, public_url))
    email = Email(
        organisation_id=payout.organisation_id,
        dedupe_key=key,
        notice=f"payout_{event}",
        to_address=address,
        to_name=payout.payee.name,
        payee_id=payout.payee_id,
        user_id=payout.payee.user_id,
        payout_id=payout.id,
        subject=words.subject,
        body_text=words.text,
        body_html=words.html,
        message_id=message_id(key, mail_from),
        created_at=now,
    )
    db.session.add(email)
    db.session.flush()
    _queue(email, now)
    return email


def _destination(payout: Payout, method: PayoutMethod | None) -> str:
    if payout.rail == WALLET:
        return compose.WALLET
    return compose.destination(method.kind, method.masked) if method else ""


def facts_of(event: str, payout: Payout, public_url: str) -> compose.NoticeFacts:
    """What a mail about `payout` says. The account is the masked one; the admins' own note is never in it."""
    organisation, payee = payout.organisation, payout.payee
    method = payout.method or payee.current_method
    last = payout.transfers[-1] if payout.transfers else None
    # A payee who cannot sign in gets no link that leads nowhere.
    link = f"{public_url}/{payee.kind}/payouts/{payout.reference}" if payee.user_id else ""
    return compose.NoticeFacts(
        event=event,
        organisation=organisation.name,
        contact=organisation.contact_email,
        payee_name=payee.name,
        reference=payout.reference,
        currency=payout.currency,
        home_currency=organisation.currency,
        gross_minor=payout.gross_minor,
        amount_minor=payout.amount_minor,
        period_start=payout.period_start,
        period_end=payout.period_end,
        locale=organisation.locale,
        timezone=organisation.timezone,
        lines=tuple(
            compose.NoticeLine(line.description, line.formula, line.amount_minor, _is_taken(line))
            for line in payout.lines
        ),
        destination=_destination(payout, method),
        payment_reference=payout.payment_reference or "",
        paid_on=payout.paid_on,
        cause=payout.reason or (last.error_message if last and event != "rejected" else ""),
        decided_by=_decided_by(payout) if event == "rejected" else "",
        next_try_at=payout.retry_at if payout.state == "retry_scheduled" else None,
        link=link,
        gross_label=compose.gross_label(payout.program),
        reference_label="Bank trace (UTR)"
        if last and last.utr and last.utr == payout.payment_reference
        else "Payment reference",
    )


def _is_taken(line: PayoutLine) -> bool:
    return line.kind not in GROSS_KINDS and not (line.kind == "adjustment" and line.amount_minor > 0)


def message_id(key: str, mail_from: str) -> str:
    """A Message-ID that is the same each time a mail is sent, so that a repeat can be recognised."""
    domain = parseaddr(mail_from)[1].partition("@")[2] or "paydesk.invalid"
    return f"<{sha256(key.encode()).hexdigest()[:32]}@{domain}>"


def claim(*, email_id: int, now: datetime) -> bool:
    """Take a queued mail for sending, for five minutes; False when it is sent, failed, or another worker has it."""
    result = db.session.execute(
        update(Email)
        .where(
            Email.id == email_id,
            Email.state == "queued",
            or_(Email.lease_until.is_(None), Email.lease_until < now),
        )
        .values(lease_until=now + LEASE, tries=Email.tries + 1)
        .execution_options(synchronize_session=False)
    )
    return bool(result.rowcount == 1)  # type: ignore[attr-defined]


def record_result(*, email_id: int, state: str, error: str = "", now: datetime) -> None:
    """Write what became of a claimed mail: sent, kept (demo, no server), failed, or queued with the reason."""
    db.session.execute(
        update(Email)
        .where(Email.id == email_id, Email.state == "queued")
        .values(
            state=state,
            error=error[:500],
            lease_until=None,
            sent_at=now if state == "sent" else None,
        )
        .execution_options(synchronize_session=False)
    )


def send_again(*, email: Email, actor: Actor, now: datetime) -> Email:
    """Send a mail once more: a failed one as it is, one that went out as a new entry of the log.

    Raises Conflict when it still waits for its turn and nothing went wrong with it.
    """
    if email.state == "queued" and not email.error:
        raise Conflict("This mail still waits for its turn. A worker sends it within a minute.")
    if reason := why_not_again(email, now):
        raise Conflict(reason)
    if email.state in ("failed", "queued"):
        email.state, email.error = "queued", ""
        again = email
    else:
        again = _copy(email, now)
    audit.record(
        tag="notices:email:sent_again",
        actor=actor,
        now=now,
        organisation_id=email.organisation_id,
        subject_type="email",
        subject_id=email.id,
        subject_label=email.subject,
        note=f"To {email.to_address}",
    )
    _queue(again, now)
    return again


def leave_to_people(*, reason: str, now: datetime) -> int:
    """Nothing that is still to be told leaves by itself: an older database does not know whether it was told since.

    Mails that are written stand in the log with the reason; those that are not, among the jobs that gave up. An admin
    sends them, one or all, or leaves them. Returns how many. What is asked for after this leaves as ever.
    """
    db.session.execute(
        update(Email)
        .where(Email.state == "queued")
        .values(error=reason[:500], lease_until=None)
        .execution_options(synchronize_session=False)
    )
    return outbox.leave_to_people(queue_name=queue.MAIL, reason=reason, now=now)


def why_not_again(email: Email, now: datetime) -> str:
    """Why a mail with a personal link is worth nothing any more, and what to do instead; empty when it may go."""
    if email.link_id is None:
        return marks.why_no_link(email)
    link = db.session.get_one(AccountLink, email.link_id)
    is_invitation = link.kind == "invitation"
    instead = (
        "Invite the person again on their page under Users."
        if is_invitation
        else "The person asks for a new link on the sign-in page."
    )
    if link.used_at is not None:
        done = "has accepted already and can sign in" if is_invitation else "has used it to choose a password"
        return f"The link in this mail was used: {email.to_address} {done}. There is nothing to send again."
    if link.revoked_at is not None:
        return f"The link in this mail was replaced by a newer one. {instead}"
    if link.expires_at <= now:
        return f"The link in this mail is no longer good: its time is over. {instead}"
    return ""


def send_failed_again(*, emails: Sequence[Email], actor: Actor, now: datetime) -> tuple[int, int]:
    """Queue failed mails once more, one entry of the trail for all. Returns how many, and how many were left out.

    Left out are those that are no longer failed, and those whose personal link is worth nothing any more.
    """
    chosen = [email for email in emails if email.state == "failed" and not why_not_again(email, now)]
    for email in chosen:
        email.state, email.error = "queued", ""
        _queue(email, now)
    if chosen:
        audit.record(
            tag="notices:email:failed_sent_again",
            actor=actor,
            now=now,
            organisation_id=chosen[0].organisation_id,
            subject_type="email",
            subject_id=chosen[0].id,
            subject_label="1 e-mail" if len(chosen) == 1 else f"{len(chosen)} e-mails",
            note="Numbers " + ", ".join(str(email.id) for email in chosen)[:1900],
        )
    return len(chosen), len(emails) - len(chosen)


def _copy(email: Email, now: datetime) -> Email:
    key = f"{email.dedupe_key.partition('#')[0]}#{now.timestamp():.6f}"
    again = Email(
        organisation_id=email.organisation_id,
        dedupe_key=key,
        notice=email.notice,
        to_address=email.to_address,
        to_name=email.to_name,
        payee_id=email.payee_id,
        payout_id=email.payout_id,
        user_id=email.user_id,
        link_id=email.link_id,
        attachment_key=email.attachment_key,
        attachment_name=email.attachment_name,
        attachment_sha256=email.attachment_sha256,
        subject=email.subject,
        body_text=email.body_text,
        body_html=email.body_html,
        message_id=message_id(key, email.message_id.strip("<>")),
        created_at=now,
    )
    db.session.add(again)
    db.session.flush()
    return again


def _queue(email: Email, now: datetime) -> None:
    outbox.add(
        kind=SEND,
        reference_id=email.id,
        dedupe_key=f"{SEND}:{email.id}:{now.timestamp():.6f}",
        to_queue=queue.MAIL,
        organisation_id=email.organisation_id,
        now=now,
    )


def _decided_by(payout: Payout) -> str:
    """Name of the person who rejected it last; empty when nobody is written down."""
    row = db.session.execute(
        select(User.name, Approval.approver_label)
        .select_from(Approval)
        .outerjoin(User, User.id == Approval.approver_id)
        .where(Approval.payout_id == payout.id, Approval.decision == "rejected")
        .order_by(Approval.id.desc())
        .limit(1)
    ).first()
    return (row[0] or row[1]) if row else ""


def _note_no_address(payout: Payout, event: str, now: datetime) -> None:
    audit.record(
        tag="notices:email:no_address",
        actor=WORKER,
        now=now,
        organisation_id=payout.organisation_id,
        subject_type="payee",
        subject_id=payout.payee_id,
        subject_label=payout.payee.reference,
        note=f"No mail about {payout.reference} ({event}): {payout.payee.name} has no e-mail address.",
    )
