"""Endpoints that give no answer, or take long over it: they are left alone for a while and hold nobody up."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from flask import Flask
from sqlalchemy import select

from jobs import base, registry
from tests import factories
from tests.factories import FACTORY
from tests.factories import payouts as made
from tests.factories.payouts import WHEN
from tests.rooms.webhooks.made import ALL, URL, all_deliveries, answering, endpoint, send
from webapp import queue
from webapp.database import db, transaction
from webapp.outbox.models import OutboxMessage
from webapp.outbox.service import Later
from webapp.people.models import Organisation
from webapp.webhooks import deliveries, endpoints, messages, replay, rules
from webapp.webhooks.models import WebhookDelivery, WebhookEndpoint
from webapp.webhooks.sending import Answer

ALIVE = "https://alive.example/hook"
MOMENT = timedelta(seconds=1)


class Asked:
    """Endpoints that answer as told, and which of them were called."""

    def __init__(self, code: int | None, alive: int | None = 200) -> None:
        self.codes: dict[str, int | None] = {URL: code, ALIVE: alive}
        self.urls: list[str] = []

    def __call__(self, url: str, *given: object, **how: object) -> Answer:
        self.urls.append(url)
        return answering(self.codes[url])()


@pytest.fixture
def organisation(database: Flask) -> Organisation:
    return factories.organisation("solaria")


@pytest.fixture
def place(organisation: Organisation) -> int:
    """An endpoint that is on."""
    return endpoint(organisation)[0].id


def event(organisation: Organisation) -> int:
    """An event of one payout; its newest delivery."""
    made.payout(organisation, factories.payee(organisation))
    return all_deliveries()[-1].id


def quiet_until(place: int) -> object:
    db.session.expire_all()
    return db.session.get_one(WebhookEndpoint, place).quiet_until


def delivery(row_id: int) -> WebhookDelivery:
    return db.session.get_one(WebhookDelivery, row_id)


def test_what_waits_for_a_dead_endpoint_costs_no_call(organisation: Organisation, place: int) -> None:
    endpoint(organisation, ALIVE)
    event(organisation)
    asked = Asked(None)
    send(WHEN, None, asked)
    until = WHEN + rules.QUIET
    assert quiet_until(place) == until
    asked.urls.clear()
    event(organisation)
    later = send(WHEN + MOMENT, None, asked)
    assert asked.urls == [ALIVE]
    theirs = [row for row in all_deliveries() if row.endpoint_id == place]
    assert [(row.state, row.tries, row.lease_until) for row in theirs] == [
        ("waiting", 1, None),
        ("waiting", 0, None),
    ]
    assert all(row.next_at is not None and row.next_at >= until for row in theirs)
    assert all(isinstance(later[row.id], Later) and later[row.id].at >= until for row in theirs)


def test_each_further_silence_is_longer_up_to_ten_minutes(organisation: Organisation, place: int) -> None:
    ids = [event(organisation) for _ in range(3)]
    at, waits, asked = WHEN, [], Asked(None)
    for _ in range(10):
        send(at, ids, asked)
        until = quiet_until(place)
        assert isinstance(until, datetime)
        waits.append((until - at).total_seconds())
        at += timedelta(hours=1)
    assert waits[:3] == [5, 10, 20]
    assert waits == sorted(waits)
    assert waits[-1] == 600
    assert len(asked.urls) == 10


@pytest.mark.parametrize("code", [200, 500])
def test_any_answer_ends_the_silence(organisation: Organisation, place: int, code: int) -> None:
    ids = [event(organisation) for _ in range(3)]
    send(WHEN, ids, Asked(None))
    asked = Asked(code)
    send(WHEN + timedelta(minutes=1), ids, asked)
    assert len(asked.urls) == 3
    assert quiet_until(place) is None


def _test(organisation_id: int, place: int) -> None:
    replay.send_test(organisation_id=organisation_id, endpoint_id=place, actor=FACTORY, now=WHEN + MOMENT)


def _again(organisation_id: int, place: int) -> None:
    for row in all_deliveries():
        replay.send_again(
            organisation_id=organisation_id, delivery_id=row.id, actor=FACTORY, now=WHEN + MOMENT
        )


def _move(organisation_id: int, place: int) -> None:
    endpoints.change(
        organisation_id=organisation_id, endpoint_id=place, url=ALIVE, name="", events=ALL, is_trial=True,
        actor=FACTORY, now=WHEN + MOMENT, expected_version=None,
    )  # fmt: skip


def _off_and_on(organisation_id: int, place: int) -> None:
    for is_on in (False, True):
        endpoints.switch(
            organisation_id=organisation_id, endpoint_id=place, is_on=is_on, actor=FACTORY, now=WHEN + MOMENT
        )


@pytest.mark.parametrize("act", [_test, _again, _move, _off_and_on])
def test_whom_a_person_looks_after_is_called_at_once(
    organisation: Organisation, place: int, act: Callable[[int, int], None]
) -> None:
    event(organisation)
    send(WHEN, None, Asked(None))
    with transaction():
        act(organisation.id, place)
    event(organisation)
    asked = Asked(200)
    send(WHEN + 2 * MOMENT, None, asked)
    assert asked.urls
    assert quiet_until(place) is None


def test_one_that_is_slow_lets_the_others_go_first(
    organisation: Organisation, place: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint(organisation, ALIVE)
    seconds = [0.0]
    monkeypatch.setattr(deliveries, "time", SimpleNamespace(monotonic=lambda: seconds[0]))
    for _ in range(4):
        event(organisation)
    ids = [row.id for row in all_deliveries() if row.endpoint_id == place]
    asked = Asked(200)

    def slowly(*given: str, **how: object) -> Answer:
        seconds[0] += deliveries.BUDGET_SECONDS + 1
        return asked(*given)

    send(WHEN, ids, slowly)
    assert len(asked.urls) == 1
    states = [delivery(row_id).state for row_id in ids]
    assert states == ["delivered", "waiting", "waiting", "waiting"]
    until = quiet_until(place)
    assert until == WHEN + timedelta(seconds=5)
    asked.urls.clear()
    send(WHEN + MOMENT, None, asked)
    assert set(asked.urls) == {ALIVE}
    send(until, ids, asked)  # type: ignore[arg-type]
    assert {delivery(row_id).state for row_id in ids} == {"delivered"}


def test_deliveries_do_not_stand_in_the_queue_of_the_mails(organisation: Organisation, place: int) -> None:
    event(organisation)
    asked = select(OutboxMessage.queue).where(OutboxMessage.kind == messages.KIND)
    assert set(db.session.scalars(asked)) == {queue.OUTSIDE}


def test_what_waits_when_the_queue_is_new_gets_its_worker(
    database: Flask, organisation: Organisation, place: int
) -> None:
    ids = [event(organisation) for _ in range(2)]
    query = select(OutboxMessage).where(OutboxMessage.kind == messages.KIND).order_by(OutboxMessage.id)
    db.session.rollback()
    with transaction():
        first, second = db.session.scalars(query)
        first.queue = second.queue = queue.MAIL
        first.done_at = WHEN
    file = Path(database.config["MIGRATIONS_FOLDER"]) / "versions" / "0036.py"
    spec = importlib.util.spec_from_file_location("migration_0036", file)
    assert spec is not None
    assert spec.loader is not None
    migration = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(migration)
    with Operations.context(MigrationContext.configure(db.session.connection())):
        migration._move(messages.KIND, queue.OUTSIDE)
    db.session.expire_all()
    found = [row.queue for row in db.session.scalars(query)]
    db.session.rollback()
    assert found == [queue.MAIL, queue.OUTSIDE]
    assert len(ids) == 2


def test_a_batch_that_took_long_is_not_made_smaller() -> None:
    pace = base._Pace()
    for count in (3, 10, 20, 40, 50):
        pace.took(messages.KIND, count, 40.0)
    assert pace.sizes[messages.KIND] == registry.BATCHES[messages.KIND]
    pace.took("transfer.send", 10, 40.0)
    assert pace.sizes["transfer.send"] == 1


@pytest.mark.parametrize(("failures", "seconds"), [(1, 5), (2, 10), (7, 320), (8, 600), (100_000, 600)])
def test_how_long_an_endpoint_is_left_alone(failures: int, seconds: int) -> None:
    assert rules.quiet_until(failures, WHEN) == WHEN + timedelta(seconds=seconds)
