"""Carrying deliveries out: claim, call outside any transaction, write down how it went.

A worker that dies after the call and before the record leaves a delivery that is made once more, under the same
`webhook-id`: at least once. Endpoints are called at the same time, the deliveries of one endpoint one after the other.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, select, update

from webapp.database import among, db, insert_many, transaction
from webapp.outbox.service import Later
from webapp.webhooks import endpoints, rules, sending, signing
from webapp.webhooks.models import WebhookDelivery, WebhookEndpoint, WebhookEvent, WebhookTry
from webapp.webhooks.rules import TEST, DeliveryState, EndpointState
from webapp.webhooks.sending import Answer

# Shorter than the outbox holds a batch for its worker, longer than a batch takes.
LEASE = timedelta(minutes=5)
# An endpoint that is slow leaves the rest of its deliveries to the next batch.
BUDGET_SECONDS = 20.0
# As many as a batch has deliveries: none waits for another's endpoint.
AT_ONCE = 50
_BUSY, _MOMENT = timedelta(seconds=5), timedelta(seconds=1)

Post = Callable[..., Answer]


@dataclass(frozen=True)
class Order:
    """One call to make."""

    delivery_id: int
    endpoint_id: int
    message_id: str
    url: str
    body: str
    keys: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True)
class Outcome:
    """How a call went; `answer` None: it was not made in this batch, as the endpoint gave no answer or was slow."""

    order: Order
    at: datetime
    answer: Answer | None


def deliver(
    delivery_ids: Sequence[int],
    *,
    is_trial: bool,
    clock: Callable[[], datetime],
    post: Post = sending.post,
) -> dict[int, Later | None]:
    """Make the deliveries that still wait. Answers, by delivery, when to look again; None: nothing is left to do."""
    with transaction():
        now = clock()
        orders = _claim(delivery_ids, now)
        others = _looked_at_later(set(delivery_ids) - {order.delivery_id for order in orders}, now)
    outcomes = _call(orders, is_trial, clock, post)
    with transaction():
        return {**dict.fromkeys(delivery_ids), **others, **_record(outcomes, clock())}


# ---------------------------------------------------------------- before


def _claim(delivery_ids: Sequence[int], now: datetime) -> list[Order]:
    """What is to be called now.

    Deliveries to endpoints that are not on are dropped, those to quiet ones put off; tests go out all the same.
    """
    taken = set(
        db.session.scalars(
            update(WebhookDelivery)
            .where(
                among(WebhookDelivery.id, delivery_ids),
                WebhookDelivery.state == DeliveryState.WAITING.value,
                WebhookDelivery.next_at <= now,
                or_(WebhookDelivery.lease_until.is_(None), WebhookDelivery.lease_until < now),
            )
            .values(lease_until=now + LEASE)
            .returning(WebhookDelivery.id)
            .execution_options(synchronize_session=False)
        )
    )
    rows = db.session.execute(
        select(WebhookDelivery.id, WebhookEvent.uid, WebhookEvent.type, WebhookEvent.body, WebhookEndpoint)
        .join(WebhookEvent, WebhookEvent.id == WebhookDelivery.event_id)
        .join(WebhookEndpoint, WebhookEndpoint.id == WebhookDelivery.endpoint_id)
        .where(among(WebhookDelivery.id, taken))
        .order_by(WebhookDelivery.id)
    ).all()
    orders: list[Order] = []
    dropped: list[int] = []
    quiet: dict[datetime, list[int]] = {}
    for delivery_id, uid, kind, body, endpoint in rows:
        if not _is_open(endpoint, kind):
            dropped.append(delivery_id)
        elif kind != TEST and endpoint.quiet_until is not None and endpoint.quiet_until > now:
            quiet.setdefault(endpoint.quiet_until, []).append(delivery_id)
        else:
            keys = endpoints.keys_of(endpoint, now)
            orders.append(Order(delivery_id, endpoint.id, uid, endpoint.url, body, keys))
    if dropped:
        drop(dropped)
    for until, some in quiet.items():
        _leave_alone(some, until)
    return orders


def _looked_at_later(delivery_ids: set[int], now: datetime) -> dict[int, Later]:
    """Of those not taken: another worker makes them just now, or their time has not come."""
    rows = db.session.execute(
        select(WebhookDelivery.id, WebhookDelivery.next_at, WebhookDelivery.lease_until).where(
            among(WebhookDelivery.id, delivery_ids), WebhookDelivery.state == DeliveryState.WAITING.value
        )
    )
    return {
        row.id: Later(max(row.next_at or now, row.lease_until or now) + _MOMENT, "It is not due yet.")
        for row in rows
    }


def _leave_alone(delivery_ids: Sequence[int], until: datetime) -> None:
    """What waits for a quiet endpoint costs no call, and nobody else any time."""
    db.session.execute(
        update(WebhookDelivery)
        .where(among(WebhookDelivery.id, delivery_ids), WebhookDelivery.state == DeliveryState.WAITING.value)
        .values(next_at=until, lease_until=None)
        .execution_options(synchronize_session=False)
    )


def _is_open(endpoint: WebhookEndpoint, kind: str) -> bool:
    if kind == TEST:
        return endpoint.state != EndpointState.REMOVED.value
    return endpoint.state == EndpointState.ON.value


def drop(delivery_ids: Sequence[int]) -> None:
    """What waits for an endpoint that is not told anything does not leave; a person can send it again."""
    db.session.execute(
        update(WebhookDelivery)
        .where(among(WebhookDelivery.id, delivery_ids), WebhookDelivery.state == DeliveryState.WAITING.value)
        .values(state=DeliveryState.DROPPED.value, next_at=None, lease_until=None)
        .execution_options(synchronize_session=False)
    )


# ---------------------------------------------------------------- the call


def _call(
    orders: Sequence[Order], is_trial: bool, clock: Callable[[], datetime], post: Post
) -> list[Outcome]:
    """Call every endpoint in a thread of its own; threads touch nothing but the network."""
    by_endpoint: dict[int, list[Order]] = {}
    for order in orders:
        by_endpoint.setdefault(order.endpoint_id, []).append(order)
    if not by_endpoint:
        return []
    with ThreadPoolExecutor(max_workers=min(AT_ONCE, len(by_endpoint))) as threads:
        made = threads.map(lambda some: _call_one_by_one(some, is_trial, clock, post), by_endpoint.values())
        return [outcome for some in made for outcome in some]


def _call_one_by_one(
    orders: Sequence[Order], is_trial: bool, clock: Callable[[], datetime], post: Post
) -> list[Outcome]:
    """The deliveries of one endpoint; after one without any answer, or when time is up, the others wait."""
    until, found, is_away = time.monotonic() + BUDGET_SECONDS, [], False
    for order in orders:
        at = clock()
        if is_away or time.monotonic() > until:
            found.append(Outcome(order, at, None))
            continue
        headers = signing.headers(order.keys, order.message_id, at, order.body)
        answer = post(order.url, order.body, headers, is_trial=is_trial)
        is_away = answer.code is None
        found.append(Outcome(order, at, answer))
    return found


# ---------------------------------------------------------------- after


def _record(outcomes: Sequence[Outcome], now: datetime) -> dict[int, Later | None]:
    """Write every try, and what it means for the delivery and for the endpoint."""
    if not outcomes:
        return {}
    rows = _locked(WebhookDelivery, {outcome.order.delivery_id for outcome in outcomes})
    places = _locked(WebhookEndpoint, {outcome.order.endpoint_id for outcome in outcomes})
    insert_many(db.session(), WebhookTry, [_try(o, o.answer) for o in outcomes if o.answer is not None])
    answers: dict[int, Later | None] = {}
    for outcome in outcomes:
        row = rows[outcome.order.delivery_id]
        place = places[row.endpoint_id]
        row.lease_until = None
        if outcome.answer is None:
            answers[row.id] = _not_called(row, place, now)
        elif outcome.answer.is_taken:
            _taken(row, place, outcome, now)
            answers[row.id] = None
        else:
            answers[row.id] = _failed(row, place, outcome.answer, outcome.at, now)
    for place in places.values():
        endpoints.stop_if_given_up(place, now)
    return answers


def _locked(model: Any, ids: set[int]) -> dict[int, Any]:
    """Rows by id, locked in the order of their ids, so that two workers never wait for each other."""
    query = select(model).where(among(model.id, ids)).order_by(model.id).with_for_update()
    return {row.id: row for row in db.session.scalars(query.execution_options(populate_existing=True))}


def _try(outcome: Outcome, answer: Answer) -> dict[str, Any]:
    return {
        "delivery_id": outcome.order.delivery_id, "at": outcome.at, "milliseconds": answer.milliseconds,
        "code": answer.code, "problem": answer.problem[:200], "answer": answer.text[: rules.ANSWER_LENGTH],
    }  # fmt: skip


def _taken(row: WebhookDelivery, place: WebhookEndpoint, outcome: Outcome, now: datetime) -> None:
    assert outcome.answer is not None  # noqa: S101 - tells the type checker what the caller looked at
    row.state, row.next_at, row.delivered_at = DeliveryState.DELIVERED.value, None, now
    row.last_code, row.last_problem, row.last_at = outcome.answer.code, "", outcome.at
    place.failures, place.failing_since, place.last_success_at = 0, None, now
    place.quiet_until = None


def _failed(
    row: WebhookDelivery, place: WebhookEndpoint, answer: Answer, at: datetime, now: datetime
) -> Later | None:
    row.tries += 1
    row.last_code, row.last_problem, row.last_at = answer.code, answer.problem[:200], at
    place.failures += 1
    place.failing_since = place.failing_since or now
    place.quiet_until = rules.quiet_until(place.failures, now) if answer.code is None else None
    if answer.code == rules.GONE:
        endpoints.stop(place, "It answered 410: it wants nothing any more.", now)
    again = rules.next_try(row.tries, now, random.random(), answer.wish)
    if again is None or answer.code == rules.GONE:
        row.state, row.next_at = DeliveryState.FAILED.value, None
        return None
    return _put_off(row, max(again, place.quiet_until or again))


def _not_called(row: WebhookDelivery, place: WebhookEndpoint, now: datetime) -> Later:
    """Its turn did not come: the endpoint gave no answer, or took so long that others get their turn first."""
    if place.quiet_until is None or place.quiet_until <= now:
        place.quiet_until = now + _BUSY
    return _put_off(row, place.quiet_until)


def _put_off(row: WebhookDelivery, at: datetime) -> Later:
    row.next_at = at
    return Later(at, row.last_problem or "The endpoint was slow, or gave no answer, at the delivery before.")
