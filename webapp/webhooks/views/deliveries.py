"""What endpoints were told: the list, one delivery with its tries, and sending it again."""

from __future__ import annotations

from typing import Any

from flask import flash, g, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.database import db, transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict
from webapp.people.views.session import actor, may_change
from webapp.web.fields import all_optional
from webapp.web.htmx import is_fragment, see_other
from webapp.web.pagination import Page, capped_count, keyset
from webapp.webhooks import forms, queries, replay
from webapp.webhooks.models import WebhookDelivery
from webapp.webhooks.queries import DeliveryFilter
from webapp.webhooks.rules import MOST_TRIES, TEST, DeliveryState, EndpointState, EventType


def event_label(event: str) -> str:
    """What an event is called."""
    return "Test" if event == TEST else EventType(event).label


def _shown(row: WebhookDelivery) -> dict[str, Any]:
    return {"row": row, "state": DeliveryState(row.state), "event": event_label(row.event.type)}


def newest(chosen: DeliveryFilter, most: int) -> list[dict[str, Any]]:
    """The newest deliveries of a filter."""
    query = queries.deliveries(g.organisation.id, chosen).order_by(WebhookDelivery.id.desc()).limit(most)
    return [_shown(row) for row in db.session.scalars(query)]


def index() -> ResponseReturnValue:
    """Every delivery, newest first, with its state."""
    form = forms.FilterForm(request.args, queries.endpoints(g.organisation.id))
    form.validate()
    all_optional(form)
    chosen = form.chosen()
    query = queries.deliveries(g.organisation.id, chosen)
    found, count = keyset(query, WebhookDelivery.id), capped_count(query, WebhookDelivery.id)
    words = "1 delivery" if count == "1" else f"{count} deliveries"
    return render_template(
        "webhooks/_deliveries.html" if is_fragment() else "webhooks/deliveries.html",
        form=form,
        chips=_chips(form, chosen),
        label=forms.label,
        page=Page([_shown(row) for row in found.items], found.previous_href, found.next_href, words),
    )


def _chips(form: forms.FilterForm, chosen: DeliveryFilter) -> list[dict[str, str]]:
    """The filters in use, each with the address of the list without it."""
    values: dict[str, Any] = {
        "q": chosen.text, "state": chosen.state, "event": chosen.event, "place": chosen.endpoint_id
    }  # fmt: skip
    labels = {
        "q": f"Begins with “{chosen.text}”",
        "state": DeliveryState(chosen.state).label if chosen.state else "",
        "event": event_label(chosen.event) if chosen.event else "",
        "place": form.offered.get(str(chosen.endpoint_id), ""),
    }
    return [
        {
            "label": labels[name],
            "remove_href": url_for(".deliveries", **{k: v for k, v in values.items() if v and k != name}),
        }
        for name, value in values.items()
        if value
    ]


def show(delivery_id: int) -> ResponseReturnValue:
    """One delivery: what was sent, every try, what was answered."""
    return _page(delivery_id, 200)


def _page(delivery_id: int, code: int, conflict: str = "") -> ResponseReturnValue:
    row = queries.get_delivery(g.organisation.id, delivery_id)
    page = render_template(
        "webhooks/delivery.html",
        **_shown(row),
        label=forms.label,
        body=queries.body_shown(row.event),
        tries=queries.tries(row.id),
        most_tries=MOST_TRIES,
        is_removed=row.endpoint.state == EndpointState.REMOVED.value,
        may_change=may_change(),
        conflict=conflict,
        has_errors=code >= 400,
    )
    return page, code


def again(delivery_id: int) -> ResponseReturnValue:
    """Send it again under the same id; 409 while its endpoint is not on, or while it is being sent."""
    try:
        with transaction():
            replay.send_again(
                organisation_id=g.organisation.id, delivery_id=delivery_id, actor=actor(), now=utc_now()
            )
    except Conflict as error:
        return _page(delivery_id, 409, error.message)
    flash("It is sent again, under the same id. What is answered shows here in seconds.", "success")
    return see_other(url_for(".delivery", delivery_id=delivery_id))
