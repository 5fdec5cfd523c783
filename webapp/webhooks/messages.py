"""What happened to payouts, written down for every endpoint that wants it, in the transaction in which it happened."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp import queue
from webapp.database import among, ask, insert_many
from webapp.kernel.ids import new_uid
from webapp.kernel.money import Money
from webapp.outbox import service as outbox
from webapp.payouts import turns
from webapp.payouts.models import Payout
from webapp.payouts.turns import Turn
from webapp.people.models import Payee
from webapp.webhooks.models import WebhookDelivery, WebhookEndpoint, WebhookEvent
from webapp.webhooks.rules import EVENT_OF_TURN, DeliveryState, EndpointState

KIND = "webhook.deliver"


@dataclass(frozen=True)
class Draft:
    """An event before it is stored: its words, and who gets it."""

    organisation_id: int
    type: str
    subject: str
    data: Mapping[str, Any]
    at: datetime
    endpoint_ids: Sequence[int]


def hear(session: Session, heard: Sequence[Turn]) -> None:
    """Write the events of a transaction's turns. One question where nobody wants to know."""
    told = [turn for turn in heard if turn.word in EVENT_OF_TURN]
    wishes = _wishes({turn.organisation_id for turn in told})
    wanted = [
        (turn, ids)
        for turn in told
        if (ids := _who(wishes, turn.organisation_id, EVENT_OF_TURN[turn.word].value))
    ]
    if not wanted:
        return
    found = payouts_said({turn.payout_id for turn, _ in wanted})
    drafts = []
    for turn, ids in wanted:
        said = found[turn.payout_id]
        event = EVENT_OF_TURN[turn.word].value
        drafts.append(Draft(turn.organisation_id, event, said["reference"], {"payout": said}, turn.at, ids))
    write(session, drafts)


def _wishes(organisation_ids: Collection[int]) -> dict[int, list[tuple[int, frozenset[str]]]]:
    """Organisation -> its endpoints that are on, each with the events it wants."""
    if not organisation_ids:
        return {}
    found: dict[int, list[tuple[int, frozenset[str]]]] = {}
    query = (
        select(WebhookEndpoint.organisation_id, WebhookEndpoint.id, WebhookEndpoint.events)
        .where(
            among(WebhookEndpoint.organisation_id, organisation_ids),
            WebhookEndpoint.state == EndpointState.ON.value,
        )
        .order_by(WebhookEndpoint.id)
    )
    for row in ask(query):
        found.setdefault(row.organisation_id, []).append((row.id, frozenset(row.events)))
    return found


def _who(
    wishes: Mapping[int, Iterable[tuple[int, frozenset[str]]]], organisation_id: int, event: str
) -> list[int]:
    return [endpoint_id for endpoint_id, events in wishes.get(organisation_id, ()) if event in events]


_COLUMNS = (
    "id", "reference", "program", "state", "currency", "amount_minor", "gross_minor", "period_start", "period_end",
    "is_automatic", "is_held", "reason", "rail", "payment_reference", "paid_on", "retry_at", "created_at",
    "approved_at", "paid_at", "version",
)  # fmt: skip


def payouts_said(payout_ids: Collection[int]) -> dict[int, dict[str, Any]]:
    """Payouts as other systems are told of them: no payment details, no notes of admins, no names of people."""
    query = (
        select(*(getattr(Payout, name) for name in _COLUMNS), Payee.reference.label("payee"), Payee.kind)
        .join(Payee, Payee.id == Payout.payee_id)
        .where(among(Payout.id, payout_ids))
    )
    return {row.id: _said(row) for row in ask(query)}


def _said(row: Any) -> dict[str, Any]:
    as_it_is = [name for name in _COLUMNS if name not in ("id", "currency", "amount_minor", "gross_minor")]
    return {
        **{name: _plain(getattr(row, name)) for name in as_it_is},
        "payee": {"reference": row.payee, "kind": row.kind},
        "net": _amount(row.amount_minor, row.currency),
        "gross": _amount(row.gross_minor, row.currency),
        "href": f"/api/v1/payouts/{row.reference}",
    }


def _amount(minor: int, currency: str) -> dict[str, Any]:
    return {"amount_minor": minor, "currency": currency, "amount": Money(minor, currency).plain}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return instant(value)
    return value.isoformat() if isinstance(value, date) else value


def instant(at: datetime) -> str:
    """An instant as the API writes it: 2026-11-21T09:00:00.000Z."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def body_of(draft: Draft) -> str:
    """The text that is signed and sent."""
    said = {"type": draft.type, "timestamp": instant(draft.at), "data": draft.data}
    return json.dumps(said, separators=(",", ":"), ensure_ascii=True)


def write(session: Session, drafts: Sequence[Draft]) -> list[int]:
    """Store events with a delivery for each endpoint, and have them sent; ids of the deliveries, in no order."""
    events = [
        {
            "uid": f"msg_{new_uid()}", "organisation_id": draft.organisation_id, "type": draft.type,
            "subject": draft.subject, "body": body_of(draft), "created_at": draft.at,
        }
        for draft in drafts
    ]  # fmt: skip
    stored = insert_many(session, WebhookEvent, events, returning=("id", "uid"))
    ids = {row.uid: row.id for row in stored}
    deliveries = [
        {
            "organisation_id": draft.organisation_id, "endpoint_id": endpoint_id, "event_id": ids[event["uid"]],
            "state": DeliveryState.WAITING.value, "tries": 0, "next_at": draft.at, "last_problem": "",
            "created_at": draft.at,
        }
        for draft, event in zip(drafts, events, strict=True)
        for endpoint_id in draft.endpoint_ids
    ]  # fmt: skip
    made = insert_many(
        session, WebhookDelivery, deliveries, returning=("id", "organisation_id", "created_at")
    )
    for row in made:
        ask_for(row.id, row.organisation_id, row.created_at)
    return [row.id for row in made]


def ask_for(delivery_id: int, organisation_id: int, now: datetime, part: str = "first") -> None:
    """Have a worker look at a delivery; `part` tells one wish for it from the next."""
    outbox.add_at_commit(
        kind=KIND,
        reference_id=delivery_id,
        dedupe_key=f"{KIND}:{delivery_id}:{part}",
        to_queue=queue.OUTSIDE,
        organisation_id=organisation_id,
        now=now,
    )


turns.register_listener(hear)
