"""The daily run and the button: one payout per technician, each row by itself, nothing twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier

import pytest
from flask import Flask
from sqlalchemy import select

from tests.factories import installations as make
from tests.factories import people
from webapp.database import db, transaction
from webapp.kernel.actor import SCHEDULER
from webapp.payouts.models import Payout
from webapp.people.models import Organisation
from webapp.programs.installations import creation, service, work
from webapp.runs import service as runs
from webapp.runs import tasks
from webapp.runs.models import DueTask, Run, RunRow


@pytest.fixture
def solaria(database: Flask) -> Organisation:
    work.register()
    organisation = people.organisation("solaria")
    make.known_rates(organisation)
    return organisation


def start(organisation: Organisation, now: datetime) -> Run | None:
    with transaction():
        return work.start_run(organisation_id=organisation.id, actor=SCHEDULER, now=now)


def test_one_payout_for_each_technician(solaria: Organisation, now: datetime) -> None:
    ana, ben, without = (people.payee(solaria, name=name) for name in ("Ana", "Ben", "Cy"))
    make.installation(solaria, ana)
    make.installation(solaria, ana, ben)
    make.installation(solaria, without, installation_type="hybrid")
    run = start(solaria, now)
    assert run is not None
    assert (run.total, run.title) == (2, "Create payouts for 2 technicians")
    assert runs.step(run_id=run.id, clock=lambda: now) is True
    made = db.session.execute(
        select(Payout.payee_id, Payout.amount_minor, Payout.is_automatic, Payout.run_id)
    ).all()
    assert sorted(tuple(row) for row in made) == [
        (ana.id, 37_500, True, run.id),
        (ben.id, 12_500, True, run.id),
    ]
    assert start(solaria, now) is None, "a second run the same day has nothing to do"


def test_two_runs_at_once_make_nothing_twice(solaria: Organisation, now: datetime) -> None:
    make.installation(solaria, people.payee(solaria, name="Ana"))
    first, second = start(solaria, now), start(solaria, now)
    assert first is not None
    assert second is not None
    for run in (first, second):
        runs.step(run_id=run.id, clock=lambda: now)
    assert len(db.session.scalars(select(Payout)).all()) == 1
    row = db.session.scalars(select(RunRow).where(RunRow.run_id == second.id)).one()
    assert (row.outcome, row.message) == ("skipped", "Nothing is due any more.")


def test_the_scheduler_starts_it_at_one_in_the_morning_where_the_organisation_is(
    solaria: Organisation, now: datetime
) -> None:
    make.installation(solaria, people.payee(solaria, name="Ana"))
    tasks.run_due(clock=lambda: now)
    planned = db.session.scalars(
        select(DueTask).where(DueTask.name == work.TASK, DueTask.organisation_id == solaria.id)
    ).one()
    assert planned.due_at.isoformat() == "2026-11-21T06:00:00+00:00", "01:00 in New York"
    assert db.session.scalars(select(Run)).all() == []
    later = planned.due_at + timedelta(minutes=1)
    db.session.rollback()
    tasks.run_due(clock=lambda: later)
    run = db.session.scalars(select(Run)).one()
    assert (run.kind, run.created_by_label, run.state) == (work.KIND, "scheduler", "queued")


def test_an_organisation_that_creates_by_hand_has_no_daily_run(solaria: Organisation, now: datetime) -> None:
    make.installation(solaria, people.payee(solaria, name="Ana"))
    with transaction():
        service.save_settings(
            organisation_id=solaria.id, range_mode="half_open", is_progressive=False, is_automatic=False,
            minimum_payout_minor=0, actor=SCHEDULER, now=now,
        )  # fmt: skip
    work.create_daily(solaria.id, now, now)
    assert db.session.scalars(select(Run)).all() == []


def test_many_at_once_pay_each_installation_once(
    solaria: Organisation, database: Flask, now: datetime
) -> None:
    ana = people.payee(solaria, name="Ana")
    for size in ("1", "2", "3"):
        make.installation(solaria, ana, size=size)
    organisation_id, payee_id = solaria.id, ana.id
    db.session.rollback()
    start_line = Barrier(6)

    def create(number: int) -> int:
        with database.app_context():
            start_line.wait(timeout=20)
            with transaction():
                made, _ = creation.create_due_for(
                    organisation_id=organisation_id,
                    payee_id=payee_id,
                    home_currency="USD",
                    actor=SCHEDULER,
                    now=now,
                )
            return len(made)

    with ThreadPoolExecutor(6) as pool:
        made = list(pool.map(create, range(6)))
    assert sorted(made) == [0, 0, 0, 0, 0, 1]
    assert db.session.scalars(select(Payout.amount_minor)).all() == [30_000]
