"""Events of a CRM: sent once or more often, each counts once, and an older one does not undo a newer one."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from webapp.api import paging, partners_queries
from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.schemas.partner_deals import DealEventPage, EventIn, EventOut, EventQuery, EventReceived
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Invalid
from webapp.people.access.tokens import Scope
from webapp.programs.partners import events
from webapp.programs.partners.events import EventDraft
from webapp.programs.partners.models import Deal
from webapp.programs.partners.models_events import CrmEvent, EventType

resource = Resource(
    "deal_events",
    "/events",
    title="Events of a CRM",
    about="What happened to deals in a CRM, as it happens. The event's own id makes it count once, in whatever order "
    "and however often events arrive.",
)
_OF_A_DEAL = ("name", "customer", "product", "program", "registered_by", "opened_at")
_OF_A_TOUCH = ("partner", "type", "weight", "happened_at", "touchpoint")
# Fields of the services that are called something else in `data`.
_CALLED = {"external_ref": "touchpoint", "amount_minor": "amount"}


def _fields(row: CrmEvent) -> dict[str, Any]:
    names = ("type", "occurred_at", "outcome", "note", "received_at")
    return {
        **{name: getattr(row, name) for name in names},
        "id": row.event_id,
        "deal": row.deal.reference if row.deal else None,
        "touchpoint": row.touch_id,
    }


def _draft(body: EventIn) -> EventDraft:
    """Raises Invalid for what does not belong to an event of its type."""
    data, is_touch = body.data, EventType(body.type) is EventType.TOUCHED
    foreign = (*_OF_A_DEAL, "amount", "closed_at", "reason") if is_touch else _OF_A_TOUCH
    for name in foreign:
        if getattr(data, name) is not None:
            raise Invalid(name, f"This does not belong to {body.type}. Leave it out.")
    values: dict[str, Any] = {
        name: getattr(data, name) for name in (_OF_A_TOUCH if is_touch else _OF_A_DEAL)
        if getattr(data, name) is not None
    }  # fmt: skip
    if "touchpoint" in values:
        values["external_ref"] = values.pop("touchpoint")
    if data.amount is not None:
        values["amount"] = (data.amount.minor, data.amount.currency)
    return EventDraft(
        body.id, body.type, body.occurred_at, data.deal, values, data.closed_at, (data.reason or "").strip()
    )


@resource.post("", summary="Send an event", body=EventIn, answers=EventReceived, status=201, location="/events/{id}",
               repeats=True, scope=Scope.EVENTS_WRITE)  # fmt: skip
def receive(who: Caller, body: EventIn) -> EventReceived:
    """All of it is done, or nothing. The same id again: 200 with the first answer (`is_repeat`), with whatever key.

    The same id with another content: 409. What cannot be done (a touch of a deal that is not there yet) is refused
    and leaves nothing behind: send the event again later, with a new idempotency key.
    """
    try:
        row, is_repeat = events.receive(
            organisation_id=who.organisation_id, draft=_draft(body), actor=who.actor, now=utc_now()
        )
    except Invalid as error:
        if error.field == "occurred_at":
            raise
        name = _CALLED.get(error.field, error.field)
        raise Invalid(f"data.{name}", error.reason, error.example) from error
    return EventReceived(**_fields(row), is_repeat=is_repeat)


@resource.get("", summary="List events", query=EventQuery, answers=DealEventPage, scope=Scope.EVENTS_READ)
def index(who: Caller, query: EventQuery) -> DealEventPage:
    """The events that match, the newest arrival first."""
    found = partners_queries.events(who.organisation_id)
    if query.type:
        found = found.where(CrmEvent.type == query.type)
    if query.outcome:
        found = found.where(CrmEvent.outcome == query.outcome)
    if query.deal:
        deal = select(Deal.id).where(
            Deal.organisation_id == who.organisation_id, Deal.reference == query.deal
        )
        found = found.where(CrmEvent.deal_id.in_(deal))
    rows, following = paging.page(found, CrmEvent.id, limit=query.limit, cursor=query.cursor)
    return DealEventPage(items=[EventOut(**_fields(row)) for row in rows], next_cursor=following)


@resource.get("/<event_id>", summary="Get an event", answers=EventOut, scope=Scope.EVENTS_READ)
def show(who: Caller, event_id: str) -> EventOut:
    """One event by the id that the CRM gave it, and what became of it."""
    return EventOut(**_fields(partners_queries.event(who.organisation_id, event_id)))
