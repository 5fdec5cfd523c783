"""Readings of the e-mail log; each asks for the organisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, or_, select

from webapp.database import db
from webapp.kernel.errors import NotFound
from webapp.kernel.labels import Label
from webapp.notices.models import Email
from webapp.payouts.models import Payout


class EmailState(Label):
    """Where an e-mail stands; sentence = what happens next."""

    QUEUED = "queued", "Waiting", "waiting", "waiting", "A worker sends it within a minute."
    SENT = "sent", "Sent", "done", "done", "The mail server has taken it."
    KEPT = "kept", "Kept", "ok", "ok", "There is no mail server; it is shown here only."
    FAILED = (
        "failed",
        "Failed",
        "failed",
        "failed",
        "It is not tried again by itself. An admin can send it again.",
    )


NOTICES = {
    "payout_approved": "Payout approved",
    "payout_rejected": "Payout rejected",
    "payout_paid": "Payout paid",
    "payout_failed": "Payout failed",
    "payout_reversed": "Payout returned",
}


@dataclass(frozen=True)
class EmailFilter:
    """What a list of mails is narrowed to; empty values narrow nothing."""

    text: str = ""
    state: str = ""
    notice: str = ""


def emails(organisation_id: int, chosen: EmailFilter | None = None) -> Select[Any]:
    """The mails of an organisation; `text` looks in recipient and subject."""
    chosen = chosen or EmailFilter()
    query = select(Email).where(Email.organisation_id == organisation_id)
    if chosen.state:
        query = query.where(Email.state == chosen.state)
    if chosen.notice:
        query = query.where(Email.notice == chosen.notice)
    if text := chosen.text.strip():
        columns = (Email.to_address, Email.to_name, Email.subject)
        query = query.where(or_(*(column.icontains(text, autoescape=True) for column in columns)))
    return query.order_by(Email.id.desc())


def get_email(organisation_id: int, email_id: int) -> Email:
    """One mail. Raises NotFound, also for another organisation's."""
    email = db.session.scalar(
        select(Email).where(Email.organisation_id == organisation_id, Email.id == email_id)
    )
    if email is None:
        raise NotFound
    return email


def emails_about(payout_id: int) -> list[Email]:
    """The mails about a payout, oldest first. The caller has checked that the payout is theirs."""
    return list(db.session.scalars(select(Email).where(Email.payout_id == payout_id).order_by(Email.id)))


def payout_reference(email: Email) -> str | None:
    """Reference of the payout that a mail is about."""
    if email.payout_id is None:
        return None
    return db.session.scalar(
        select(Payout.reference).where(
            Payout.id == email.payout_id, Payout.organisation_id == email.organisation_id
        )
    )
