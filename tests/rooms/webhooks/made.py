"""Endpoints and deliveries for tests, made through the services."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select

from tests.factories import FACTORY, stored
from tests.factories.payouts import WHEN
from webapp.database import db
from webapp.outbox.models import OutboxMessage
from webapp.people.models import Organisation
from webapp.webhooks import deliveries, endpoints, messages
from webapp.webhooks.models import WebhookDelivery, WebhookEndpoint
from webapp.webhooks.rules import EventType
from webapp.webhooks.sending import Answer

URL = "https://example.com/hooks/paydesk"
ALL = tuple(event.value for event in EventType)


def endpoint(
    organisation: Organisation, url: str = URL, events: Sequence[str] = ALL, **values: Any
) -> tuple[WebhookEndpoint, str]:
    """An endpoint that is on, and its secret."""
    given: dict[str, Any] = {"name": "", "is_trial": True, "actor": FACTORY, "now": WHEN, **values}
    with stored():
        return endpoints.create(organisation_id=organisation.id, url=url, events=events, **given)


def waiting() -> list[int]:
    """Deliveries that the outbox asks for and nobody has carried out, oldest first."""
    query = select(OutboxMessage.reference_id).where(
        OutboxMessage.kind == messages.KIND, OutboxMessage.done_at.is_(None)
    )
    found = list(db.session.scalars(query.order_by(OutboxMessage.id)))
    db.session.rollback()
    return found


def send(
    now: datetime = WHEN, ids: Sequence[int] | None = None, post: Callable[..., Answer] | None = None
) -> Any:
    """Carry out what waits, at an instant."""
    how: dict[str, Any] = {"post": post} if post else {}
    answers = deliveries.deliver(waiting() if ids is None else ids, is_trial=True, clock=lambda: now, **how)
    db.session.expire_all()
    return answers


def answering(code: int | None, *, wish: float | None = None) -> Callable[..., Answer]:
    """An endpoint that always answers the same."""
    return lambda *given, **how: Answer(code, "" if code and code < 300 else "It failed.", "", 3, wish)


def all_deliveries() -> list[WebhookDelivery]:
    """Every delivery, in the order in which they were made."""
    return list(db.session.scalars(select(WebhookDelivery).order_by(WebhookDelivery.id)))
