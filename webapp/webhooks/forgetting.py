"""Removing what was settled long ago: events are facts about payouts, which stay in the trail."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, exists, select

from webapp.database import among, db, transaction
from webapp.webhooks.models import WebhookDelivery, WebhookEvent, WebhookTry
from webapp.webhooks.rules import KEPT, DeliveryState

BATCH = 1_000


def forget(*, now: datetime, batch: int = BATCH) -> int:
    """Remove events older than KEPT of which no delivery waits, with all that belongs to them. Returns how many.

    Opens a transaction for each batch.
    """
    count = 0
    while True:
        with transaction():
            ids = _old(now, batch)
            _remove(ids)
        count += len(ids)
        if len(ids) < batch:
            return count


def _old(now: datetime, batch: int) -> Sequence[int]:
    waits = exists().where(
        WebhookDelivery.event_id == WebhookEvent.id, WebhookDelivery.state == DeliveryState.WAITING.value
    )
    query = select(WebhookEvent.id).where(WebhookEvent.created_at < now - KEPT, ~waits)
    return db.session.scalars(query.order_by(WebhookEvent.created_at, WebhookEvent.id).limit(batch)).all()


def _remove(event_ids: Sequence[int]) -> None:
    if not event_ids:
        return
    made = select(WebhookDelivery.id).where(among(WebhookDelivery.event_id, event_ids))
    for statement in (
        delete(WebhookTry).where(WebhookTry.delivery_id.in_(made)),
        delete(WebhookDelivery).where(among(WebhookDelivery.event_id, event_ids)),
        delete(WebhookEvent).where(among(WebhookEvent.id, event_ids)),
    ):
        db.session.execute(statement.execution_options(synchronize_session=False))
