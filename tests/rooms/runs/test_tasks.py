"""The due-table: cron in local time, catching up, one scheduler at a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from flask import Flask

from tests import factories
from webapp.database import db, transaction
from webapp.runs import tasks
from webapp.runs.models import DueTask

MADRID = "Europe/Madrid"


@pytest.fixture(autouse=True)
def _own_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "_tasks", {})


class Calls:
    """A task that keeps when and for whom it ran."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, datetime]] = []
        self.error: Exception | None = None

    def __call__(self, organisation_id: int, due_at: datetime, now: datetime) -> None:
        if self.error is not None:
            raise self.error
        self.seen.append((organisation_id, due_at))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_a_plan_is_local_time_also_when_clocks_change() -> None:
    tasks.register_task("daily", Calls(), cron="0 1 * * *", per_organisation=True)
    (task,) = tasks.registered()
    assert tasks.next_due(task, at("2026-10-23T12:00"), MADRID) == at("2026-10-23T23:00")
    assert tasks.next_due(task, at("2026-10-24T23:00"), MADRID) == at("2026-10-26T00:00")
    assert tasks.next_due(task, at("2026-03-28T12:00"), MADRID) == at("2026-03-29T00:00")
    assert tasks.next_due(task, at("2026-03-29T00:00"), MADRID) == at("2026-03-29T23:00")


def test_every_day_comes_once_over_a_year_with_both_changes() -> None:
    tasks.register_task("daily", Calls(), cron="30 2 * * *", per_organisation=True)
    (task,) = tasks.registered()
    due, days = at("2026-01-01T00:00"), []
    while True:
        due = tasks.next_due(task, due, MADRID)
        if due >= at("2027-01-01T00:00"):
            break
        days.append(due)
    assert len(days) == 365
    assert all(timedelta(hours=22) < b - a < timedelta(hours=26) for a, b in pairwise(days))


def test_missed_days_are_caught_up_one_by_one(database: Flask) -> None:
    calls = Calls()
    tasks.register_task("daily", calls, cron="0 1 * * *", per_organisation=True)
    organisation = factories.organisation(timezone=MADRID)
    organisation_id = organisation.id
    assert tasks.run_due(clock=lambda: at("2026-11-20T12:00")) == 0
    assert tasks.run_due(clock=lambda: at("2026-11-23T12:00")) == 3
    assert calls.seen == [(organisation_id, at(f"2026-11-{day}T00:00")) for day in (21, 22, 23)]
    assert tasks.run_due(clock=lambda: at("2026-11-23T23:59")) == 0


def test_a_task_by_seconds_is_not_caught_up(database: Flask) -> None:
    calls = Calls()
    tasks.register_task("often", calls, every=60)
    start = at("2026-11-20T12:00")
    assert tasks.run_due(clock=lambda: start) == 1
    assert tasks.run_due(clock=lambda: start + timedelta(seconds=59)) == 0
    assert tasks.run_due(clock=lambda: start + timedelta(hours=5)) == 1
    assert [organisation_id for organisation_id, _ in calls.seen] == [0, 0]


def test_a_program_s_task_is_for_organisations_that_have_it(database: Flask) -> None:
    calls = Calls()
    tasks.register_task("rents", calls, every=60, per_organisation=True, program="rentals")
    factories.organisation()
    owner_id = factories.organisation(programs=["rentals"]).id
    assert tasks.run_due(clock=lambda: at("2026-11-20T12:00")) == 1
    assert [o for o, _ in calls.seen] == [owner_id]


def test_a_failing_task_is_tried_again_and_does_not_stop_the_others(database: Flask) -> None:
    bad, good = Calls(), Calls()
    bad.error = LookupError("no such thing")
    tasks.register_task("bad", bad, every=60)
    tasks.register_task("good", good, every=60)
    now = at("2026-11-20T12:00")
    tasks.run_due(clock=lambda: now)
    assert len(good.seen) == 1
    row = db.session.query(DueTask).filter_by(name="bad").one()
    assert row.last_error == "LookupError: no such thing"
    db.session.rollback()
    bad.error = None
    tasks.run_due(clock=lambda: now + timedelta(minutes=4))
    assert bad.seen == []
    tasks.run_due(clock=lambda: now + timedelta(minutes=6))
    assert len(bad.seen) == 1


def test_two_schedulers_do_not_run_the_same_task(database: Flask) -> None:
    tasks.register_task("daily", Calls(), every=60)
    now = at("2026-11-20T12:00")
    with transaction():
        tasks.plan(now=now)
    with transaction():
        first = tasks.claim_due(now=now)
    with transaction():
        second = tasks.claim_due(now=now)
        third = tasks.claim_due(now=now + tasks.LEASE + timedelta(seconds=1))
    assert first is not None
    assert second is None
    assert third is not None


@pytest.mark.parametrize(("cron", "every"), [("", 0), ("0 1 * * *", 5), ("61 * * * *", 0)])
def test_a_wrong_plan_is_refused(cron: str, every: int) -> None:
    with pytest.raises(ValueError):
        tasks.register_task("wrong", Calls(), cron=cron, every=every)
