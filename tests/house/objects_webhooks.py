"""Example records of webhooks: an endpoint, and an event that it did not take."""

from __future__ import annotations

from sqlalchemy import select

from tests.factories import FACTORY
from tests.factories.payouts import WHEN
from tests.house.town import Arguments, House, example
from webapp.database import db
from webapp.webhooks import endpoints, messages
from webapp.webhooks.messages import Draft
from webapp.webhooks.models import WebhookDelivery, WebhookEndpoint
from webapp.webhooks.rules import DeliveryState, EndpointState, EventType


def _endpoint(house: House) -> WebhookEndpoint:
    """The one that is on; nobody answers at its address."""
    known = db.session.scalar(
        select(WebhookEndpoint).where(
            WebhookEndpoint.organisation_id == house.organisation.id,
            WebhookEndpoint.state == EndpointState.ON.value,
        )
    )
    if known is not None:
        return known
    made, _ = endpoints.create(
        organisation_id=house.organisation.id,
        url="https://example.com/hooks/paydesk",
        name="Accounting",
        events=[event.value for event in EventType],
        is_trial=False,
        actor=FACTORY,
        now=WHEN,
    )
    return made


@example("admin.webhooks")
def an_endpoint(house: House, kind: str) -> list[Arguments]:
    """An endpoint that did not take an event."""
    a_failed_delivery(house, kind)
    return [{"endpoint_id": _endpoint(house).id}]


@example("admin.webhooks.switch")
def an_endpoint_to_switch(house: House, kind: str) -> list[Arguments]:
    """The same, off and on."""
    return [{"endpoint_id": _endpoint(house).id, "kind": to} for to in ("off", "on")]


@example("admin.webhooks.delivery", "admin.webhooks.again")
def a_failed_delivery(house: House, kind: str) -> list[Arguments]:
    """An event that the endpoint did not take."""
    endpoint = _endpoint(house)
    row = db.session.scalar(
        select(WebhookDelivery).where(WebhookDelivery.endpoint_id == endpoint.id).limit(1)
    )
    if row is None:
        said = {"payout": {"reference": "PO-2026-000001", "state": "paid"}}
        draft = Draft(
            endpoint.organisation_id, EventType.PAID.value, "PO-2026-000001", said, WHEN, [endpoint.id]
        )
        (made,) = messages.write(db.session(), [draft])
        row = db.session.get_one(WebhookDelivery, made)
        row.state, row.tries, row.next_at = DeliveryState.FAILED.value, 10, None
        row.last_problem, row.last_code, row.last_at = "HTTP 500.", 500, WHEN
        db.session.flush()
    return [{"delivery_id": row.id}]
