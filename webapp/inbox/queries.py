"""Reads of the inbox. What a message says is shown masked, as far as it can be read at all."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ScalarSelect, Select, func, or_, select

from webapp import secrets
from webapp.database import db
from webapp.inbox import reading
from webapp.inbox.models import MessageState, WebhookMessage
from webapp.inbox.service import BODY_OF
from webapp.kernel.errors import NotFound
from webapp.secrets import SecretsError

# States in which a person must look.
FINDINGS = (MessageState.UNMATCHED, MessageState.FAILED)


@dataclass(frozen=True)
class MessageFilter:
    """What the list is narrowed to; empty narrows nothing."""

    state: str = ""
    provider: str = ""
    text: str = ""


def messages(organisation_id: int, chosen: MessageFilter) -> Select[Any]:
    """The organisation's messages; read by `WebhookMessage.id`. "findings" are those that a person must look at."""
    query = select(WebhookMessage).where(WebhookMessage.organisation_id == organisation_id)
    if chosen.state == "findings":
        query = query.where(WebhookMessage.state.in_([state.value for state in FINDINGS]))
    elif chosen.state:
        query = query.where(WebhookMessage.state == chosen.state)
    if chosen.provider:
        query = query.where(WebhookMessage.provider == chosen.provider)
    if chosen.text:
        beginning = chosen.text.strip()
        query = query.where(
            or_(
                WebhookMessage.subject.startswith(beginning, autoescape=True),
                WebhookMessage.event.istartswith(beginning, autoescape=True),
            )
        )
    return query


def get_message(organisation_id: int, message_id: int) -> WebhookMessage:
    """One message. Raises NotFound, also for another organisation's."""
    row = db.session.scalar(
        select(WebhookMessage).where(
            WebhookMessage.id == message_id, WebhookMessage.organisation_id == organisation_id
        )
    )
    if row is None:
        raise NotFound
    return row


def body_of(message: WebhookMessage) -> str:
    """What the message says, masked; a sentence where it cannot be opened."""
    try:
        opened = secrets.key_ring().decrypt(message.body_encrypted, secrets.binding(BODY_OF, message.uid))
    except SecretsError as error:
        return str(error)
    raw = base64.b64decode(opened.reveal()["body"])
    return reading.readable(raw, str(message.headers.get("content-type", "")))


def findings(organisation_id: int, limit: int = 1000) -> ScalarSelect[int]:
    """How many messages a person must look at, counted up to `limit`: a column of a query that asks for more."""
    query = messages(organisation_id, MessageFilter(state="findings")).with_only_columns(WebhookMessage.id)
    return select(func.count()).select_from(query.limit(limit).subquery()).scalar_subquery()
