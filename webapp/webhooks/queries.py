"""Reads of endpoints and of what they were told. Secrets are never read here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import contains_eager

from webapp.database import among, db
from webapp.kernel.errors import NotFound
from webapp.webhooks import replay
from webapp.webhooks.models import WebhookDelivery, WebhookEndpoint, WebhookEvent, WebhookTry
from webapp.webhooks.rules import EndpointState

# How many tries of a delivery its page shows, the newest first.
TRIES_SHOWN = 50
# Counted no further: nobody needs to know more exactly.
COUNT_LIMIT = 10_000


@dataclass(frozen=True)
class DeliveryFilter:
    """What the list is narrowed to; empty narrows nothing."""

    state: str = ""
    event: str = ""
    endpoint_id: int = 0
    text: str = ""


def endpoints(organisation_id: int) -> Sequence[WebhookEndpoint]:
    """The organisation's endpoints that were not removed, in the order in which they were made."""
    return db.session.scalars(
        select(WebhookEndpoint)
        .where(
            WebhookEndpoint.organisation_id == organisation_id,
            WebhookEndpoint.state != EndpointState.REMOVED.value,
        )
        .order_by(WebhookEndpoint.id)
    ).all()


def get_endpoint(organisation_id: int, endpoint_id: int) -> WebhookEndpoint:
    """One endpoint that was not removed. Raises NotFound, also for another organisation's."""
    row = db.session.scalar(
        select(WebhookEndpoint).where(
            WebhookEndpoint.id == endpoint_id,
            WebhookEndpoint.organisation_id == organisation_id,
            WebhookEndpoint.state != EndpointState.REMOVED.value,
        )
    )
    if row is None:
        raise NotFound
    return row


def counts(endpoint_ids: Sequence[int], since: datetime) -> dict[int, dict[str, int]]:
    """Endpoint -> state of a delivery -> how many events since an instant."""
    found: dict[int, dict[str, int]] = {endpoint_id: {} for endpoint_id in endpoint_ids}
    query = (
        select(WebhookDelivery.endpoint_id, WebhookDelivery.state, func.count())
        .where(among(WebhookDelivery.endpoint_id, endpoint_ids), WebhookDelivery.created_at >= since)
        .group_by(WebhookDelivery.endpoint_id, WebhookDelivery.state)
    )
    for endpoint_id, state, n in db.session.execute(query):
        found[endpoint_id][state] = n
    return found


def deliveries(organisation_id: int, chosen: DeliveryFilter) -> Select[Any]:
    """The organisation's deliveries with event and endpoint; read by `WebhookDelivery.id`."""
    query = (
        select(WebhookDelivery)
        .join(WebhookEvent, WebhookEvent.id == WebhookDelivery.event_id)
        .join(WebhookEndpoint, WebhookEndpoint.id == WebhookDelivery.endpoint_id)
        .options(contains_eager(WebhookDelivery.event), contains_eager(WebhookDelivery.endpoint))
        .where(WebhookDelivery.organisation_id == organisation_id)
    )
    if chosen.state:
        query = query.where(WebhookDelivery.state == chosen.state)
    if chosen.event:
        query = query.where(WebhookEvent.type == chosen.event)
    if chosen.endpoint_id:
        query = query.where(WebhookDelivery.endpoint_id == chosen.endpoint_id)
    if chosen.text:
        query = query.where(WebhookEvent.subject.istartswith(chosen.text.strip(), autoescape=True))
    return query


def get_delivery(organisation_id: int, delivery_id: int) -> WebhookDelivery:
    """One delivery. Raises NotFound, also for another organisation's."""
    query = deliveries(organisation_id, DeliveryFilter()).where(WebhookDelivery.id == delivery_id)
    row: WebhookDelivery | None = db.session.scalar(query)
    if row is None:
        raise NotFound
    return row


def tries(delivery_id: int) -> Sequence[WebhookTry]:
    """The newest tries of a delivery."""
    return db.session.scalars(
        select(WebhookTry)
        .where(WebhookTry.delivery_id == delivery_id)
        .order_by(WebhookTry.id.desc())
        .limit(TRIES_SHOWN)
    ).all()


def body_shown(event: WebhookEvent) -> str:
    """What was sent, laid out for people; the bytes that are signed have no spaces."""
    return json.dumps(json.loads(event.body), indent=2, ensure_ascii=False)


def count_untaken(organisation_id: int, endpoint_id: int, since: datetime) -> int:
    """How many deliveries since an instant could be sent again, counted up to COUNT_LIMIT."""
    query = replay.untaken(organisation_id, endpoint_id, since).with_only_columns(WebhookDelivery.id)
    found = select(func.count()).select_from(query.order_by(None).limit(COUNT_LIMIT).subquery())
    return int(db.session.scalar(found) or 0)
