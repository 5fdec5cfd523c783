"""The run engine: one transaction per row, progress, stopping, repeating, dead workers."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.exc import OperationalError

from tests import factories
from webapp.database import db, transaction
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict, Invalid, NotAllowed, NotFound
from webapp.outbox.models import OutboxMessage
from webapp.people.models import Organisation
from webapp.runs import handlers, moves, service, working
from webapp.runs.models import RowOutcome, Run, RunRow
from webapp.runs.service import RowDraft, RowResult


class Work:
    """A handler that the test scripts by row position; it leaves a trace in the database."""

    def __init__(self) -> None:
        self.script: dict[int, Any] = {}
        self.seen: list[int] = []

    def __call__(self, run: Run, row: RunRow, actor: Actor, now: datetime) -> RowResult:
        self.seen.append(row.position)
        organisation = db.session.get_one(Organisation, run.organisation_id)
        organisation.address += f"{row.position},"
        db.session.flush()
        reply = self.script.get(row.position, RowResult(RowOutcome.DONE, "done"))
        if isinstance(reply, BaseException):
            raise reply
        if callable(reply):
            reply()
            return RowResult(RowOutcome.DONE, "done")
        return reply  # type: ignore[no-any-return]


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    """A handler of runs of the kind "test"."""
    made = Work()
    monkeypatch.setitem(handlers.single, "test", made)
    return made


ME = Actor(None, "maya@example.com")


@pytest.fixture
def house(database: Flask) -> Organisation:
    """An organisation."""
    return factories.organisation()


def draft(house: Organisation, now: datetime, rows: int = 5, **values: Any) -> Run:
    with transaction():
        return service.create_draft(
            organisation_id=house.id, kind="test", title="Five things", actor=ME, now=now,
            rows=[RowDraft("thing", n, f"Thing {n}") for n in range(1, rows + 1)], **values,
        )  # fmt: skip


def confirmed(house: Organisation, now: datetime, rows: int = 5) -> int:
    run = draft(house, now, rows)
    run_id, reference = run.id, run.reference
    with transaction():
        service.confirm(organisation_id=house.id, reference=reference, actor=ME, now=now)
    return run_id


def fresh(run_id: int) -> Run:
    db.session.rollback()
    return db.session.get_one(Run, run_id, populate_existing=True)


def outcomes(run_id: int) -> list[tuple[str, str]]:
    rows = db.session.query(RunRow).populate_existing().filter_by(run_id=run_id).order_by(RunRow.position)
    return [(r.outcome, r.message) for r in rows]


def traces(house: Organisation) -> list[str]:
    db.session.refresh(house)
    return [t for t in house.address.split(",") if t]


def test_a_draft_does_nothing_until_it_is_confirmed(house: Organisation, work: Work, now: datetime) -> None:
    run = draft(house, now)
    assert (run.reference, run.state, run.total) == ("BA-0001", "draft", 5)
    assert service.step(run_id=run.id, clock=lambda: now) is False
    assert work.seen == []
    assert db.session.query(OutboxMessage).count() == 0


def test_every_row_gets_its_outcome_and_a_bad_one_undoes_only_itself(
    house: Organisation, work: Work, now: datetime
) -> None:
    work.script = {
        2: Conflict("It is too late."),
        3: Invalid("size", "There is no size."),
        4: ZeroDivisionError("a bug"),
        5: RowResult(RowOutcome.SKIPPED, "already"),
    }
    run_id = confirmed(house, now, 6)
    assert service.step(run_id=run_id, clock=lambda: now) is True
    assert outcomes(run_id) == [
        ("done", "done"),
        ("skipped", "It is too late."),
        ("failed", "There is no size."),
        ("failed", "Something went wrong on our side; nothing was changed for this row."),
        ("skipped", "already"),
        ("done", "done"),
    ]
    run = fresh(run_id)
    assert (run.state, run.done, run.skipped, run.failed, run.total) == ("finished", 2, 2, 2, 6)
    assert traces(house) == ["1", "5", "6"]


def test_a_long_run_goes_on_in_the_next_step(house: Organisation, work: Work, now: datetime) -> None:
    run_id = confirmed(house, now)
    assert service.step(run_id=run_id, clock=lambda: now, chunk=2) is False
    run = fresh(run_id)
    assert (run.state, run.done, run.lease_until) == ("running", 2, None)
    keys = [m.dedupe_key for m in db.session.query(OutboxMessage).filter_by(kind="run.step")]
    assert keys == [f"run.step:{run_id}:0", f"run.step:{run_id}:2"]
    assert service.step(run_id=run_id, clock=lambda: now, chunk=10) is True
    assert traces(house) == ["1", "2", "3", "4", "5"]


def test_stepping_a_finished_run_again_does_nothing(house: Organisation, work: Work, now: datetime) -> None:
    run_id = confirmed(house, now)
    service.step(run_id=run_id, clock=lambda: now)
    assert service.step(run_id=run_id, clock=lambda: now) is False
    assert work.seen == [1, 2, 3, 4, 5]


def test_it_stops_between_rows_and_what_is_done_stays(house: Organisation, work: Work, now: datetime) -> None:
    run = draft(house, now)
    run_id, reference = run.id, run.reference
    with transaction():
        service.confirm(organisation_id=house.id, reference=reference, actor=ME, now=now)
    stop: dict[str, Any] = {"organisation_id": house.id, "reference": reference, "actor": ME, "now": now}
    work.script = {2: lambda: service.stop(**stop)}
    assert service.step(run_id=run_id, clock=lambda: now) is True
    assert [o for o, _ in outcomes(run_id)] == ["done", "done", "waiting", "waiting", "waiting"]
    stopped = fresh(run_id)
    assert (stopped.state, stopped.stop_reason) == ("stopped", "maya@example.com stopped it.")
    assert service.step(run_id=run_id, clock=lambda: now) is False
    with transaction():
        service.stop(**stop)
    with pytest.raises(Conflict), transaction():
        service.confirm(organisation_id=house.id, reference=reference, actor=ME, now=now)


def test_a_finished_run_cannot_be_stopped(house: Organisation, work: Work, now: datetime) -> None:
    run_id = confirmed(house, now)
    service.step(run_id=run_id, clock=lambda: now)
    with pytest.raises(Conflict), transaction():
        service.stop(organisation_id=house.id, reference=fresh(run_id).reference, actor=ME, now=now)


def test_confirming_again_changes_nothing_and_others_cannot(
    house: Organisation, work: Work, now: datetime
) -> None:
    run = draft(house, now)
    reference = run.reference
    other = factories.actor_of(factories.user(organisation=house, role="admin"))
    arguments: dict[str, Any] = {"organisation_id": house.id, "reference": reference, "now": now}
    with pytest.raises(Conflict, match=r"maya@example\.com prepared"), transaction():
        service.confirm(actor=other, **arguments)
    for _ in range(2):
        with transaction():
            service.confirm(actor=ME, parameters={"reason": "wrong size"}, **arguments)
    assert run.parameters == {"reason": "wrong size"}
    assert db.session.query(OutboxMessage).filter_by(kind="run.step").count() == 1


def test_only_one_worker_steps_a_run(house: Organisation, work: Work, now: datetime) -> None:
    run_id = confirmed(house, now)
    taken = working._take(run_id, now)
    assert taken is not None
    assert service.step(run_id=run_id, clock=lambda: now) is False
    assert work.seen == []
    late = now + moves.LEASE + timedelta(seconds=1)
    assert service.step(run_id=run_id, clock=lambda: late) is True


def test_a_run_whose_worker_died_is_picked_up_and_no_row_is_done_twice(
    house: Organisation, work: Work, now: datetime
) -> None:
    class Died(BaseException):
        """As sudden as kill -9."""

    work.script = {3: Died()}
    run_id = confirmed(house, now)
    with pytest.raises(Died):
        service.step(run_id=run_id, clock=lambda: now)
    assert fresh(run_id).done == 2
    work.script = {}
    late = now + timedelta(minutes=3)
    with transaction() as session:
        session.query(OutboxMessage).update({"done_at": now})
    assert service.recover(clock=lambda: late) == 1
    assert service.recover(clock=lambda: late) == 0
    assert service.step(run_id=run_id, clock=lambda: late) is True
    assert traces(house) == ["1", "2", "3", "4", "5"]
    assert fresh(run_id).done == 5


def test_a_database_that_is_away_is_no_row_s_fault(house: Organisation, work: Work, now: datetime) -> None:
    work.script = {2: OperationalError("SELECT 1", {}, Exception("gone"))}
    run_id = confirmed(house, now)
    with pytest.raises(OperationalError):
        service.step(run_id=run_id, clock=lambda: now)
    assert [o for o, _ in outcomes(run_id)] == ["done", "waiting", "waiting", "waiting", "waiting"]


def test_a_run_needs_rows_a_handler_and_its_organisation(
    house: Organisation, work: Work, now: datetime
) -> None:
    with pytest.raises(Invalid):
        draft(house, now, 0)
    with pytest.raises(ValueError, match="nobody handles"), transaction():
        service.create_draft(
            organisation_id=house.id, kind="unheard", title="x", rows=[RowDraft()], actor=ME, now=now
        )
    run = draft(house, now)
    other = factories.organisation().id
    with pytest.raises(NotFound), transaction():
        service.confirm(organisation_id=other, reference=run.reference, actor=ME, now=now)


def test_refusals_with_reasons_are_skipped_rows(house: Organisation, work: Work, now: datetime) -> None:
    work.script = {1: NotAllowed(["You created it.", "It has no method."])}
    run_id = confirmed(house, now, 1)
    service.step(run_id=run_id, clock=lambda: now)
    assert outcomes(run_id) == [("skipped", "You created it. It has no method.")]
