"""Readings of the e-mail log; each asks for the organisation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, or_, select

from webapp.database import db, like
from webapp.kernel.errors import NotFound
from webapp.kernel.labels import Label
from webapp.notices import catalogue
from webapp.notices.models import Email
from webapp.outbox import service as outbox
from webapp.outbox.models import OutboxMessage
from webapp.payouts.models import Payout
from webapp.people.models import Membership


class EmailState(Label):
    """Where an e-mail stands; sentence = what happens next."""

    QUEUED = "queued", "Waiting", "waiting", "waiting", "A worker sends it within a minute."
    SENT = (
        "sent",
        "Sent",
        "done",
        "done",
        "The mail server has taken it. Whether it arrived is not known here.",
    )
    KEPT = "kept", "Kept", "ok", "ok", "There is no mail server; it is shown here only."
    FAILED = (
        "failed",
        "Failed",
        "failed",
        "failed",
        "It is not tried again by itself. An admin can send it again.",
    )


NOTICES = catalogue.LABELS


@dataclass(frozen=True)
class EmailFilter:
    """What a list of mails is narrowed to; empty values narrow nothing."""

    text: str = ""
    state: str = ""
    notice: str = ""
    payout: str = ""


def emails(organisation_id: int, chosen: EmailFilter | None = None) -> Select[Any]:
    """The mails of an organisation; `text` looks in recipient and subject, `payout` is a reference."""
    chosen = chosen or EmailFilter()
    query = select(Email).where(Email.organisation_id == organisation_id)
    if chosen.state:
        query = query.where(Email.state == chosen.state)
    if chosen.notice:
        query = query.where(Email.notice == chosen.notice)
    if payout := chosen.payout.strip():
        found = select(Payout.id).where(
            Payout.organisation_id == organisation_id, Payout.reference == payout.upper()
        )
        query = query.where(Email.payout_id.in_(found))
    if text := chosen.text.strip():
        columns = (Email.to_address, Email.to_name, Email.subject)
        query = query.where(or_(*(like(column, text) for column in columns)))
    return query.order_by(Email.id.desc())


def inbox(organisation_id: int, *, with_accounts: bool) -> Select[Any]:
    """The mails of an organisation; `with_accounts` adds those about the accounts of its people."""
    clause: ColumnElement[bool] = Email.organisation_id == organisation_id
    if with_accounts:
        people = select(Membership.user_id).where(Membership.organisation_id == organisation_id)
        clause = or_(clause, and_(Email.organisation_id.is_(None), Email.user_id.in_(people)))
    return select(Email).where(clause).order_by(Email.id.desc())


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


def next_try(email: Email) -> datetime | None:
    """When a waiting mail is tried again; None when it is not."""
    if email.state != "queued":
        return None
    return db.session.scalar(
        select(OutboxMessage.not_before)
        .where(OutboxMessage.kind == "email.send", OutboxMessage.reference_id == email.id, outbox.is_open())
        .order_by(OutboxMessage.not_before)
        .limit(1)
    )


def own_emails(user_id: int) -> Select[Any]:
    """The mails that were sent to a user, also as a payee."""
    return select(Email).where(Email.user_id == user_id).order_by(Email.id.desc())


def get_own_email(user_id: int, email_id: int) -> Email:
    """One mail to a user. Raises NotFound, also for somebody else's."""
    email = db.session.scalar(select(Email).where(Email.user_id == user_id, Email.id == email_id))
    if email is None:
        raise NotFound
    return email


def failed_emails(organisation_id: int, chosen: EmailFilter, *, up_to: int | None = None) -> Select[Any]:
    """The failed mails of a filter, oldest first; `up_to` is the newest number that a person has seen."""
    query = emails(organisation_id, replace(chosen, state=EmailState.FAILED.value)).order_by(None)
    if up_to is not None:
        query = query.where(Email.id <= up_to)
    return query.order_by(Email.id)


def open_messages(kind: str, reference_id: int) -> list[OutboxMessage]:
    """What still waits to be carried out for a row: several events about one person are several messages."""
    query = select(OutboxMessage).where(
        OutboxMessage.kind == kind, OutboxMessage.reference_id == reference_id, outbox.is_open()
    )
    return list(db.session.scalars(query.order_by(OutboxMessage.id)))
