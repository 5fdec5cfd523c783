"""Draining the outbox: every kind has a function, and what it answers or raises is written down."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask

from jobs import base, registry, schedule
from tests import factories
from tests.factories.payouts import payout, payout_ready
from webapp.database import db, transaction
from webapp.kernel.clock import utc_now
from webapp.outbox import service as outbox
from webapp.outbox.models import OutboxMessage
from webapp.outbox.service import Later
from webapp.payouts import service
from webapp.payouts.models import Payout
from webapp.runs import service as runs
from webapp.runs import tasks
from webapp.runs.models import Run
from webapp.runs.service import RowDraft

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
HEARD: list[int] = []
REPLIES: dict[int, Any] = {}


def hear(reference_id: int) -> Any:
    """The test's own effect."""
    HEARD.append(reference_id)
    reply = REPLIES.get(reference_id)
    if isinstance(reply, BaseException):
        raise reply
    return reply


@pytest.fixture(autouse=True)
def _effects(monkeypatch: pytest.MonkeyPatch) -> None:
    HEARD.clear()
    REPLIES.clear()
    monkeypatch.setitem(registry.HANDLERS, "test.hear", f"{__name__}.hear")


def add(reference_id: int, kind: str = "test.hear") -> None:
    with transaction():
        outbox.add(
            kind=kind,
            reference_id=reference_id,
            dedupe_key=f"{kind}:{reference_id}",
            to_queue="mail",
            now=utc_now(),
        )


def message(reference_id: int) -> OutboxMessage:
    db.session.rollback()
    return db.session.query(OutboxMessage).filter_by(reference_id=reference_id).populate_existing().one()


@pytest.mark.parametrize("kind", sorted(registry.HANDLERS))
def test_every_kind_names_a_function_that_is_there(kind: str) -> None:
    assert callable(registry.handler(kind))


def test_an_unknown_kind_waits_and_says_so(database: Flask) -> None:
    add(1, "nobody.does.this")
    assert base.drain_here("mail") == 1
    assert "nobody carries out" in message(1).last_error
    assert message(1).done_at is None


def test_draining_goes_on_until_nothing_is_due_and_past_what_fails(database: Flask) -> None:
    with time_machine.travel(NOW, tick=False):
        REPLIES.update({2: LookupError("not yet"), 3: Later(NOW + timedelta(hours=1), "halted")})
        for n in (1, 2, 3, 4):
            add(n)
        assert base.drain_here("mail") == 4
        assert base.drain_here("mail") == 0
    assert HEARD == [1, 2, 3, 4]
    assert message(1).done_at == message(4).done_at == NOW
    assert message(2).last_error == "LookupError: not yet"
    assert (message(3).not_before, message(3).last_error) == (NOW + timedelta(hours=1), "halted")


def test_a_handler_that_left_changes_behind_loses_them(
    database: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    organisation_id = factories.organisation(slug="clean").id

    def careless(reference_id: int) -> None:
        from webapp.people.models import Organisation

        db.session.get_one(Organisation, organisation_id).name = "Changed"
        raise LookupError

    monkeypatch.setitem(globals(), "hear", careless)
    add(1)
    base.drain_here("mail")
    from webapp.people.models import Organisation

    assert db.session.get_one(Organisation, organisation_id).name == "Clean"
    assert message(1).last_error == "LookupError: "


def test_a_payout_is_paid_by_draining_alone(database: Flask) -> None:
    organisation = factories.organisation()
    organisation_id = organisation.id
    with time_machine.travel(NOW, tick=False) as clock:
        made = payout_ready(organisation)
        payout_id, reference = made.id, made.reference
        with transaction():
            service.submit(
                organisation_id=organisation_id, reference=reference, actor=factories.FACTORY, now=NOW
            )
        base.drain_here("money")
        assert db.session.get_one(Payout, payout_id).state == "processing"
        clock.shift(10)
        base.drain_here("money")
    assert db.session.get_one(Payout, payout_id, populate_existing=True).state == "paid"


def test_a_bulk_run_approves_and_skips_with_reasons(database: Flask) -> None:
    organisation = factories.organisation()
    organisation_id = organisation.id
    person = factories.user(organisation=organisation, role="admin")
    me = factories.actor_of(person)
    payee = factories.payee(organisation)
    factories.method(payee)
    rows = [payout(organisation, payee), payout(organisation, payee, actor=me), payout(organisation, payee)]
    with time_machine.travel(NOW, tick=False), transaction():
        drafts = [RowDraft("payout", p.id, p.reference, p.version) for p in rows]
        run = runs.create_draft(
            organisation_id=organisation_id,
            kind="payouts.approve",
            title="Approve 3",
            rows=drafts,
            actor=me,
            now=NOW,
        )
        rows[2].version += 1  # somebody changes it after the person looked
        runs.confirm(organisation_id=organisation_id, reference=run.reference, actor=me, now=NOW)
    with time_machine.travel(NOW, tick=False):
        base.drain_here("bulk")
    found = db.session.query(Run).one()
    assert (found.state, found.done, found.skipped, found.failed) == ("finished", 1, 2, 0)
    assert [p.state for p in db.session.query(Payout).order_by(Payout.id)] == [
        "approved", "pending_approval", "pending_approval",
    ]  # fmt: skip


def test_the_scheduler_s_tick_runs_its_tasks(database: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "_tasks", {})
    schedule.register_tasks()
    ran: list[str] = []
    monkeypatch.setattr("webapp.payouts.recovery.reap_leases", lambda: ran.append("reap") or 0)
    scheduler = schedule.Scheduler(database)
    scheduler.tick()
    scheduler.tick()
    assert ran == ["reap"]


def test_a_tick_survives_a_step_that_fails(database: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "_tasks", {})
    ran: list[str] = []
    monkeypatch.setattr(schedule, "ring_due", lambda: 1 / 0)
    monkeypatch.setattr(schedule, "tidy", lambda: ran.append("tidied"))
    schedule.Scheduler(database).tick()
    assert ran == ["tidied"]
