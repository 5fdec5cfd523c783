"""Carrying deliveries out: taken, failed, tried again, given up, sent again; and workers that die."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select

from tests import factories
from tests.factories import FACTORY
from tests.factories import payouts as made
from tests.factories.payouts import WHEN
from tests.rooms.webhooks.made import all_deliveries, answering, endpoint, send, waiting
from tests.rooms.webhooks.receiver import receiver
from webapp.database import db, transaction
from webapp.kernel.errors import Conflict, Invalid, NotFound, StaleVersion
from webapp.outbox.models import OutboxMessage
from webapp.outbox.service import Later
from webapp.people.models import Organisation
from webapp.webhooks import deliveries, endpoints, forgetting, replay, rules, signing
from webapp.webhooks.models import WebhookDelivery, WebhookEndpoint, WebhookEvent, WebhookTry
from webapp.webhooks.rules import DeliveryState, EndpointState


@pytest.fixture
def organisation(database: Flask) -> Organisation:
    return factories.organisation("solaria")


def one_event(organisation: Organisation) -> int:
    """An event of one payout; the id of its only delivery."""
    made.payout(organisation, factories.payee(organisation))
    return all_deliveries()[-1].id


def the(model: type, row_id: int) -> object:
    return db.session.get_one(model, row_id)


def delivery(row_id: int) -> WebhookDelivery:
    return db.session.get_one(WebhookDelivery, row_id)


def place_of(row: WebhookEndpoint) -> WebhookEndpoint:
    return db.session.get_one(WebhookEndpoint, row.id)


def test_what_arrives_is_what_was_written_with_a_right_signature(organisation: Organisation) -> None:
    with receiver() as there:
        row, secret = endpoint(organisation, there.url)
        row_id = one_event(organisation)
        assert send() == {row_id: None}
    (call,) = there.calls
    event = delivery(row_id).event
    assert call.body == event.body
    assert call.headers["webhook-id"] == event.uid
    assert event.uid.startswith("msg_")
    assert call.headers["webhook-timestamp"] == str(int(WHEN.timestamp()))
    right = signing.signature(secret, event.uid, int(WHEN.timestamp()), call.body)
    assert call.headers["webhook-signature"] == right
    assert (delivery(row_id).state, delivery(row_id).last_code) == (DeliveryState.DELIVERED, 200)
    assert place_of(row).last_success_at == WHEN
    (tried,) = db.session.scalars(select(WebhookTry))
    assert (tried.code, tried.answer) == (200, "thanks")
    assert send(ids=[row_id]) == {row_id: None}
    assert len(there.calls) == 1


def test_a_failure_is_tried_again_under_the_same_id(organisation: Organisation) -> None:
    with receiver() as there:
        there.answers = [(500, {}, b"oh"), (200, {}, b"")]
        endpoint(organisation, there.url)
        row_id = one_event(organisation)
        later = send()[row_id]
        assert isinstance(later, Later)
        assert timedelta(seconds=5) <= later.at - WHEN <= timedelta(seconds=6)
        row = delivery(row_id)
        assert (row.state, row.tries, row.last_code, row.next_at) == ("waiting", 1, 500, later.at)
        early = send()[row_id]
        assert isinstance(early, Later)
        assert len(there.calls) == 1
        assert send(later.at) == {row_id: None}
    assert [call.headers["webhook-id"] for call in there.calls] == [row.event.uid] * 2
    assert there.calls[0].body == there.calls[1].body
    assert there.calls[0].headers["webhook-signature"] != there.calls[1].headers["webhook-signature"]
    assert delivery(row_id).state == "delivered"


def test_after_the_last_try_it_has_failed(organisation: Organisation) -> None:
    row, _ = endpoint(organisation)
    row_id, at = one_event(organisation), WHEN
    for n in range(rules.MOST_TRIES):
        answer = send(at, [row_id], answering(503))[row_id]
        if n < rules.MOST_TRIES - 1:
            assert isinstance(answer, Later)
            at = answer.at
    assert answer is None
    assert (delivery(row_id).state, delivery(row_id).tries) == ("failed", 10)
    assert db.session.scalar(select(func.count()).select_from(WebhookTry)) == 10
    # Ten tries in more than three days, and nothing taken: the endpoint is given up, and the admins hear of it.
    assert (place_of(row).state, place_of(row).stopped_at) == ("stopped", at)
    asked = select(OutboxMessage.reference_id).where(OutboxMessage.kind == endpoints.STOPPED_NOTICE)
    assert list(db.session.scalars(asked)) == [row.id]
    made.payout(organisation, factories.payee(organisation))
    assert len(all_deliveries()) == 1


def test_one_success_begins_the_count_anew(organisation: Organisation) -> None:
    row, _ = endpoint(organisation)
    ids = [one_event(organisation) for _ in range(2)]
    for n in range(12):
        send(WHEN + timedelta(hours=30 * n), ids[:1], answering(500))
    first = place_of(row).failures
    assert first == 10
    assert place_of(row).state == "stopped"
    with transaction():
        endpoints.switch(
            organisation_id=organisation.id, endpoint_id=row.id, is_on=True, actor=FACTORY, now=WHEN
        )
    with transaction():
        replay.send_again(organisation_id=organisation.id, delivery_id=ids[1], actor=FACTORY, now=WHEN)
    send(WHEN, ids[1:], answering(500))
    assert place_of(row).failures == 1
    send(WHEN + timedelta(days=9), ids[1:], answering(200))
    assert (place_of(row).failures, place_of(row).failing_since, place_of(row).state) == (0, None, "on")


def test_gone_means_gone(organisation: Organisation) -> None:
    row, _ = endpoint(organisation)
    ids = [one_event(organisation) for _ in range(2)]
    send(WHEN, ids[:1], answering(410))
    assert delivery(ids[0]).state == "failed"
    assert place_of(row).state == "stopped"
    assert "410" in place_of(row).stop_reason
    assert delivery(ids[1]).state == "dropped"


def test_an_endpoint_that_asks_for_time_gets_it(organisation: Organisation) -> None:
    endpoint(organisation)
    row_id = one_event(organisation)
    later = send(WHEN, None, answering(429, wish=900.0))[row_id]
    assert isinstance(later, Later)
    assert later.at == WHEN + timedelta(seconds=900)


def test_an_endpoint_without_any_answer_is_not_called_again_and_again(organisation: Organisation) -> None:
    endpoint(organisation)
    calls = []

    def nobody(*given: object, **how: object) -> object:
        calls.append(given)
        return answering(None)()

    ids = [one_event(organisation) for _ in range(5)]
    answers = send(WHEN, ids, nobody)  # type: ignore[arg-type]
    assert len(calls) == 1
    assert all(isinstance(answers[row_id], Later) for row_id in ids)
    assert [delivery(row_id).tries for row_id in ids] == [1, 0, 0, 0, 0]


def test_one_that_is_away_does_not_hold_the_others_up(organisation: Organisation) -> None:
    with receiver() as there:
        endpoint(organisation, "http://127.0.0.1:1/hook")
        endpoint(organisation, there.url)
        made.payout(organisation, factories.payee(organisation))
        send()
        assert sorted(row.state for row in all_deliveries()) == ["delivered", "waiting"]
        assert len(there.calls) == 1


def test_a_worker_that_dies_after_the_call_leaves_one_that_is_made_again(organisation: Organisation) -> None:
    with receiver() as there:
        endpoint(organisation, there.url)
        row_id = one_event(organisation)

        class Killed(BaseException):
            """The worker is gone."""

        def call_and_die(*given: object, **how: object) -> object:
            deliveries.sending.post(*given, **how)  # type: ignore[arg-type]
            raise Killed

        with pytest.raises(Killed):
            send(WHEN, [row_id], call_and_die)  # type: ignore[arg-type]
        db.session.rollback()
        # While its claim lasts nobody else makes it.
        held = send(WHEN + timedelta(minutes=1), [row_id])[row_id]
        assert isinstance(held, Later)
        assert len(there.calls) == 1
        assert send(held.at, [row_id]) == {row_id: None}
    assert len(there.calls) == 2
    assert there.calls[0].headers["webhook-id"] == there.calls[1].headers["webhook-id"]
    assert delivery(row_id).state == "delivered"


def test_what_waits_when_an_endpoint_goes_off_does_not_leave(organisation: Organisation) -> None:
    row, _ = endpoint(organisation)
    row_id = one_event(organisation)
    with transaction():
        endpoints.switch(
            organisation_id=organisation.id, endpoint_id=row.id, is_on=False, actor=FACTORY, now=WHEN
        )
    assert delivery(row_id).state == "dropped"
    assert send(WHEN, [row_id], answering(200)) == {row_id: None}
    assert delivery(row_id).state == "dropped"
    with transaction(), pytest.raises(Conflict, match="not on"):
        replay.send_again(organisation_id=organisation.id, delivery_id=row_id, actor=FACTORY, now=WHEN)


def test_a_test_goes_out_also_to_one_that_is_off(organisation: Organisation) -> None:
    with receiver() as there:
        row, _ = endpoint(organisation, there.url)
        with transaction():
            endpoints.switch(
                organisation_id=organisation.id, endpoint_id=row.id, is_on=False, actor=FACTORY, now=WHEN
            )
        with transaction():
            row_id = replay.send_test(
                organisation_id=organisation.id, endpoint_id=row.id, actor=FACTORY, now=WHEN
            )
        assert send() == {row_id: None}
    assert there.calls[0].said["type"] == "webhook.test"
    assert place_of(row).state == EndpointState.OFF


def test_everything_since_a_day_is_sent_again(organisation: Organisation) -> None:
    row, _ = endpoint(organisation)
    ids = [one_event(organisation) for _ in range(3)]
    with transaction():
        for row_id, state in zip(ids, ("failed", "delivered", "dropped"), strict=True):
            delivery(row_id).state = state
    common = {"organisation_id": organisation.id, "endpoint_id": row.id, "actor": FACTORY, "now": WHEN}
    with transaction():
        assert replay.send_all_again(**common, since=WHEN + timedelta(days=1)) == 0
    with transaction():
        assert replay.send_all_again(**common, since=WHEN - timedelta(days=1)) == 2
    assert [delivery(row_id).state for row_id in ids] == ["waiting", "delivered", "waiting"]
    calls: list[object] = []

    def taken(*given: object, **how: object) -> object:
        calls.append(given)
        return answering(200)()

    send(WHEN, None, taken)  # type: ignore[arg-type]
    assert len(calls) == 2
    assert [delivery(row_id).state for row_id in ids] == ["delivered"] * 3


def test_nobody_sends_what_is_another_organisation_s(organisation: Organisation) -> None:
    other = factories.organisation("lumina")
    row, _ = endpoint(organisation)
    row_id = one_event(organisation)
    with transaction():
        delivery(row_id).state = "failed"
    common = {"organisation_id": other.id, "actor": FACTORY, "now": WHEN}
    for act in (
        lambda: replay.send_again(delivery_id=row_id, **common),
        lambda: replay.send_test(endpoint_id=row.id, **common),
        lambda: replay.send_all_again(endpoint_id=row.id, since=WHEN, **common),
        lambda: endpoints.switch(endpoint_id=row.id, is_on=False, **common),
        lambda: endpoints.remove(endpoint_id=row.id, **common),
        lambda: endpoints.rotate(endpoint_id=row.id, expected_version=None, **common),
    ):
        with transaction(), pytest.raises(NotFound):
            act()
    assert delivery(row_id).state == "failed"
    assert place_of(row).version == 1


def test_an_exchanged_secret_signs_for_a_day_beside_the_new_one(organisation: Organisation) -> None:
    with receiver() as there:
        row, old = endpoint(organisation, there.url)
        with transaction():
            _, new = endpoints.rotate(
                organisation_id=organisation.id,
                endpoint_id=row.id,
                actor=FACTORY,
                now=WHEN,
                expected_version=1,
            )
        assert new != old
        assert endpoints.keys_of(place_of(row), WHEN + timedelta(hours=23)) == (new, old)
        assert endpoints.keys_of(place_of(row), WHEN + timedelta(hours=24)) == (new,)
        one_event(organisation)
        send()
    assert len(there.calls[0].headers["webhook-signature"].split(" ")) == 2
    stored = place_of(row)
    for envelope in (stored.secret_encrypted, stored.old_secret_encrypted or ""):
        assert envelope.startswith("v1.")
        assert old not in envelope
    with transaction(), pytest.raises(StaleVersion):
        endpoints.rotate(
            organisation_id=organisation.id, endpoint_id=row.id, actor=FACTORY, now=WHEN, expected_version=1
        )


def test_events_that_do_not_exist_and_none_are_refused(organisation: Organisation) -> None:
    for events in ([], ["payout.exploded"], ["webhook.test"]):
        with pytest.raises(Invalid) as refused:
            endpoint(organisation, events=events)
        assert refused.value.field == "events"
    for _ in range(endpoints.MOST):
        endpoint(organisation)
    with pytest.raises(Conflict, match="20 endpoints"):
        endpoint(organisation)


def test_what_was_settled_long_ago_is_forgotten(organisation: Organisation) -> None:
    endpoint(organisation)
    ids = [one_event(organisation) for _ in range(3)]
    send(WHEN, ids[:2], answering(200))
    much_later: datetime = WHEN + rules.KEPT + timedelta(days=1)
    assert forgetting.forget(now=WHEN + timedelta(days=89)) == 0
    assert forgetting.forget(now=much_later, batch=1) == 2
    assert [row.id for row in all_deliveries()] == ids[2:]
    assert db.session.scalar(select(func.count()).select_from(WebhookEvent)) == 1
    assert db.session.scalar(select(func.count()).select_from(WebhookTry)) == 0
    assert waiting()


def test_the_payload_is_small(organisation: Organisation) -> None:
    endpoint(organisation)
    one_event(organisation)
    (body,) = db.session.scalars(select(WebhookEvent.body))
    assert len(body) < 2_000
    assert set(json.loads(body)) == {"type", "timestamp", "data"}


def test_workers_at_once_make_one_call(database: Flask, organisation: Organisation) -> None:
    with receiver() as there:
        endpoint(organisation, there.url)
        row_id = one_event(organisation)
        db.session.rollback()
        start = threading.Barrier(4)

        def work(_: int) -> object:
            with database.app_context():
                start.wait(20)
                try:
                    return deliveries.deliver([row_id], is_trial=True, clock=lambda: WHEN)[row_id]
                finally:
                    db.session.remove()

        with ThreadPoolExecutor(4) as workers:
            answers = list(workers.map(work, range(4)))
    assert len(there.calls) == 1
    assert None in answers
    db.session.expire_all()
    assert delivery(row_id).state == "delivered"
