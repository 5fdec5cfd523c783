"""Sending again, and trying out: what a person asks for on the pages. Never commits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Select, select

from webapp.audit import service as audit
from webapp.database import db, lock_row
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict
from webapp.webhooks import endpoints, messages
from webapp.webhooks.messages import Draft
from webapp.webhooks.models import WebhookDelivery, WebhookEndpoint, WebhookEvent
from webapp.webhooks.rules import TEST, DeliveryState, EndpointState

# So many are sent again in one go.
AT_ONCE = 5_000
_NOT_TAKEN = (DeliveryState.FAILED.value, DeliveryState.DROPPED.value)


def send_test(*, organisation_id: int, endpoint_id: int, actor: Actor, now: datetime) -> int:
    """Make an event that says nothing, for one endpoint, also while it is off; the id of its delivery.

    Raises NotFound.
    """
    row = endpoints.lock(organisation_id, endpoint_id)
    said = {"message": "This is a test. Nothing happened to any payout.", "endpoint": row.name or row.url}
    (delivery_id,) = messages.write(db.session(), [Draft(organisation_id, TEST, "", said, now, [row.id])])
    _trail(row, "tested", actor, now)
    return delivery_id


def send_again(*, organisation_id: int, delivery_id: int, actor: Actor, now: datetime) -> WebhookDelivery:
    """Send one delivery again, under the same id; one that waits is sent now. Raises NotFound, Conflict."""
    row = lock_row(
        WebhookDelivery,
        WebhookDelivery.organisation_id == organisation_id,
        WebhookDelivery.id == delivery_id,
    )
    place = db.session.get_one(WebhookEndpoint, row.endpoint_id)
    event = db.session.get_one(WebhookEvent, row.event_id)
    if event.type != TEST or place.state == EndpointState.REMOVED.value:
        _refuse_closed(place)
    if row.lease_until is not None and row.lease_until > now:
        raise Conflict("A worker is sending this just now. Look again in a minute.")
    _again(place, [row], now)
    _trail(place, "sent_again", actor, now, f"{event.type} {event.subject}".strip())
    return row


def untaken(organisation_id: int, endpoint_id: int, since: datetime) -> Select[WebhookDelivery]:
    """Deliveries to an endpoint of events since an instant that it did not take and nobody tries any more."""
    return (
        select(WebhookDelivery)
        .where(
            WebhookDelivery.organisation_id == organisation_id,
            WebhookDelivery.endpoint_id == endpoint_id,
            WebhookDelivery.state.in_(_NOT_TAKEN),
            WebhookDelivery.created_at >= since,
        )
        .order_by(WebhookDelivery.id)
    )


def send_all_again(
    *, organisation_id: int, endpoint_id: int, since: datetime, actor: Actor, now: datetime
) -> int:
    """Send everything again that the endpoint did not take since an instant, oldest first, AT_ONCE at most.

    Returns how many. Raises NotFound, Conflict while the endpoint is not on.
    """
    place = endpoints.lock(organisation_id, endpoint_id)
    _refuse_closed(place)
    query = untaken(organisation_id, endpoint_id, since).limit(AT_ONCE).with_for_update()
    rows = db.session.scalars(query).all()
    _again(place, rows, now)
    if rows:
        _trail(place, "sent_again", actor, now, f"{len(rows):,} since {since:%Y-%m-%d}")
    return len(rows)


def _refuse_closed(place: WebhookEndpoint) -> None:
    if place.state == EndpointState.REMOVED.value:
        raise Conflict("This endpoint was removed. Nothing is sent to it.")
    if place.state != EndpointState.ON.value:
        raise Conflict("This endpoint is not on. Switch it on first; nothing was sent.")


def _again(place: WebhookEndpoint, rows: Sequence[WebhookDelivery], now: datetime) -> None:
    # A person wants it now, and may know that the endpoint is there again.
    place.quiet_until = None
    for row in rows:
        row.state, row.tries, row.next_at = DeliveryState.WAITING.value, 0, now
        row.lease_until = None
        messages.ask_for(row.id, row.organisation_id, now, part=f"{now.timestamp():.6f}")


def _trail(place: WebhookEndpoint, action: str, actor: Actor, now: datetime, note: str = "") -> None:
    audit.record(
        tag=f"webhooks:endpoint:{action}",
        actor=actor,
        now=now,
        organisation_id=place.organisation_id,
        subject_type="webhook_endpoint",
        subject_id=place.id,
        subject_label=place.name or place.url,
        note=note,
    )
