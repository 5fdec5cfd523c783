"""Real workers on a real store: losing the store or a worker loses nothing and pays nothing twice."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from flask import Flask
from redis import Redis
from rq.serializers import JSONSerializer

from jobs import base
from tests import factories
from tests.factories.payouts import payout, payout_ready
from tests.jobs.processes import children, environment, process, wait_for
from tests.support.valkey import running_store
from webapp import cli, queue
from webapp.config import Settings
from webapp.database import db, transaction
from webapp.embedded.valkey import Store
from webapp.kernel.clock import utc_now
from webapp.ledger import check
from webapp.operations import jobs
from webapp.outbox import service as outbox
from webapp.outbox.models import OutboxMessage
from webapp.payouts import execution, recovery, service
from webapp.payouts.models import Approval, Payout, Transfer
from webapp.providers import sandbox
from webapp.runs import service as runs
from webapp.runs.models import Run
from webapp.runs.service import RowDraft


@pytest.fixture
def store(database: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store of its own, to which the application is connected."""
    with running_store() as started:
        redis = Redis.from_url(started.url)
        monkeypatch.setitem(database.extensions, "paydesk_redis", redis)
        yield started
        redis.close()


def _redis(app: Flask) -> Redis:
    found: Redis = app.extensions["paydesk_redis"]
    return found


def test_a_commit_rings_once_with_ids_only_and_a_rollback_never(database: Flask, store: Store) -> None:
    for n in range(5):
        with transaction():
            outbox.add(kind="x", reference_id=n, dedupe_key=str(n), to_queue="mail", now=utc_now())
    waiting = queue.queue("mail", _redis(database))
    assert waiting.count == 1
    (job,) = waiting.jobs
    assert (job.func_name, list(job.args)) == ("jobs.base.drain", ["mail"])
    assert JSONSerializer.loads(job.data)
    try:
        with transaction():
            outbox.add(kind="x", reference_id=9, dedupe_key="9", to_queue="bulk", now=utc_now())
            raise LookupError
    except LookupError:
        pass
    assert queue.queue("bulk", _redis(database)).count == 0


def test_a_store_that_is_away_does_not_stop_the_work(database: Flask, store: Store) -> None:
    store.stop()
    with transaction():
        outbox.add(kind="x", reference_id=1, dedupe_key="1", to_queue="mail", now=utc_now())
    assert queue.ring("mail") is False
    assert db.session.query(OutboxMessage).count() == 1


def _confirmed_run(organisation_id: int, count: int) -> int:
    from webapp.people.models import Organisation

    organisation = db.session.get_one(Organisation, organisation_id)
    payee = factories.payee(organisation)
    factories.method(payee)
    me = factories.actor_of(factories.user(organisation=organisation, role="admin"))
    with transaction():
        rows = [payout(organisation, payee) for _ in range(count)]
        drafts = [RowDraft("payout", p.id, p.reference, p.version) for p in rows]
        run = runs.create_draft(
            organisation_id=organisation_id, kind="payouts.approve", title="Approve", rows=drafts, actor=me,
            now=utc_now(),
        )  # fmt: skip
        run_id, reference = run.id, run.reference
    with transaction():
        runs.confirm(organisation_id=organisation_id, reference=reference, actor=me, now=utc_now())
    return run_id


@pytest.mark.slow
def test_emptying_the_store_before_and_during_a_run_loses_nothing(
    database: Flask, store: Store, settings: Settings
) -> None:
    count = 80
    organisation_id = factories.organisation().id
    run_id = _confirmed_run(organisation_id, count)
    redis = _redis(database)
    assert queue.queue("bulk", redis).count == 1
    redis.flushall()

    def run() -> Run:
        found = db.session.get_one(Run, run_id, populate_existing=True)
        db.session.expunge(found)
        db.session.rollback()  # on SQLite a look that stays open would lock the workers out
        return found

    env = environment(settings, store)
    with process(env, "-m", "jobs.worker", "bulk"), process(env, "-m", "jobs.schedule"):
        for reached in (5, 30, 55):
            wait_for(lambda reached=reached: run().done >= reached)  # type: ignore[misc]
            redis.flushall()
        wait_for(lambda: run().state == "finished")
    assert run().done == count
    assert db.session.query(Approval).count() == count
    assert db.session.query(Payout).filter_by(state="approved").count() == count
    assert check.run(organisation_id).findings == []


@pytest.mark.slow
def test_a_worker_killed_between_post_and_answer_pays_once(
    database: Flask, store: Store, settings: Settings, tmp_path: Path
) -> None:
    organisation = factories.organisation()
    organisation_id = organisation.id
    made = payout_ready(organisation, now=utc_now())
    with transaction():
        service.submit(
            organisation_id=organisation_id, reference=made.reference, actor=factories.FACTORY, now=utc_now()
        )
    row = db.session.query(Transfer).one()
    row_id, transfer_id = row.id, row.transfer_id
    db.session.rollback()
    posted = tmp_path / "posted"
    with process(environment(settings, store), "-m", "tests.jobs.hanging_worker", str(posted)) as worker:
        wait_for(posted.exists)
        for pid in [*children(worker.pid), worker.pid]:
            os.kill(pid, signal.SIGKILL)
        worker.wait(timeout=60)
    assert sandbox.posts(transfer_id) == 1
    assert db.session.get_one(Transfer, row_id).state == "submitting"
    db.session.rollback()
    with time_machine.travel(utc_now() + timedelta(minutes=3), tick=False):
        assert execution.send(transfer_row_id=row_id) is None
        assert recovery.reap_leases() == 1
        base.drain_here("money")
    assert db.session.get_one(Transfer, row_id, populate_existing=True).state == "succeeded"
    assert db.session.query(Payout).one().state == "paid"
    assert sandbox.posts(transfer_id) == 1
    assert check.run(organisation_id).findings == []


@pytest.mark.slow
def test_a_worker_and_the_scheduler_end_when_told_to(
    database: Flask, store: Store, settings: Settings
) -> None:
    env = environment(settings, store)
    organisation = factories.organisation()
    made = payout_ready(organisation, now=utc_now())
    organisation_id, payout_id, reference = organisation.id, made.id, made.reference
    with (
        process(env, "-m", "jobs.worker", "money") as worker,
        process(env, "-m", "jobs.schedule") as scheduler,
    ):
        with transaction():
            service.submit(
                organisation_id=organisation_id, reference=reference, actor=factories.FACTORY, now=utc_now()
            )

        def is_paid() -> bool:
            state = db.session.get_one(Payout, payout_id, populate_existing=True).state
            db.session.rollback()  # on SQLite a look that stays open would lock the workers out
            return state == "paid"

        wait_for(is_paid)
        for started in (worker, scheduler):
            started.send_signal(signal.SIGTERM)
        assert worker.wait(timeout=60) == 0
        assert scheduler.wait(timeout=60) == 0


@pytest.mark.parametrize("arguments", [[], ["nothing"], ["money", "mail"]])
def test_a_worker_needs_one_known_queue(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    from jobs import worker

    assert worker.main(arguments) == 2
    assert "money,mail,outside,bulk,documents" in capsys.readouterr().err


def test_every_queue_has_its_worker_wherever_workers_are_started() -> None:
    choices = cli.main.commands["worker"].params[0].type.choices
    assert tuple(choices) == queue.QUEUES
    assert set(jobs.WORK) == set(queue.QUEUES)
    deploy = Path(cli.ROOT) / "deploy"
    for name in queue.QUEUES:
        assert f'["worker", "{name}"]' in (deploy / "compose.yaml").read_text()
        assert f"paydesk-worker@{name}" in (deploy / "systemd" / "paydesk-worker@.service").read_text()
