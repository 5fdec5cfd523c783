"""Workers: whole chunks or nothing, two at once, dying, stopping, a storage that is away."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from jobs import base
from tests.factories import people
from tests.rooms.imports.conftest import Desk
from webapp.audit.models import AuditEvent
from webapp.database import db, transaction
from webapp.imports import perform, work
from webapp.imports.models import ImportChunk, ImportFile
from webapp.imports.payees import PayeeImport
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import NotFound, Unavailable
from webapp.outbox.models import OutboxMessage
from webapp.people import users
from webapp.people.models import Payee
from webapp.providers import storage
from webapp.runs import tasks

ROWS = 10
LIST = "external_ref,name,email\n" + "".join(
    f"T-{n},Person {n},{'nowhere' if n == 4 else f'p{n}@x.example'}\n" for n in range(1, ROWS + 1)
)


class Died(BaseException):
    """As sudden as kill -9."""


@pytest.fixture
def running(desk: Desk) -> str:
    """An import that was checked and confirmed."""
    reference = desk.check("technicians", LIST)
    assert desk.bring(reference).status_code == 303
    return reference


def brought() -> list[str]:
    db.session.rollback()
    query = select(Payee.external_ref).where(Payee.external_ref.is_not(None)).order_by(Payee.id)
    return [str(ref) for ref in db.session.scalars(query)]


EXPECTED = [f"T-{n}" for n in range(1, ROWS + 1) if n != 4]


def dying_at(monkeypatch: pytest.MonkeyPatch, line: int, error: BaseException) -> None:
    """The next worker breaks at a line."""
    whole: Callable[..., Any] = perform.apply_row

    def apply_row(importer: Any, row: Any, *args: Any, **kwargs: Any) -> Any:
        if row.line == line:
            raise error
        return whole(importer, row, *args, **kwargs)

    monkeypatch.setattr(work, "apply_row", apply_row)


def later() -> datetime:
    return utc_now() + work.LEASE + timedelta(seconds=1)


def test_a_worker_that_dies_between_chunks_is_followed_by_another(
    desk: Desk, running: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_id = desk.row(running).id
    dying_at(monkeypatch, 9, Died())
    with pytest.raises(Died):
        work.step(import_id=import_id, chunk=3)
    monkeypatch.undo()
    row = desk.row(running)
    assert (row.done, row.created, row.refused, row.state) == (6, 5, 1, "running")
    assert brought() == EXPECTED[:5]
    assert work.step(import_id=import_id, chunk=3) is False, "its lease still runs"
    with transaction() as session:
        session.query(OutboxMessage).update({"done_at": utc_now()})
    assert work.recover() == 0
    assert work.recover(clock=later) == 1
    assert work.recover(clock=later) == 0
    assert work.step(import_id=import_id, chunk=3, clock=later)
    row = desk.row(running)
    assert (row.state, row.done, row.created, row.refused) == ("done", 10, 9, 1)
    assert brought() == EXPECTED
    assert db.session.query(AuditEvent).filter_by(subject_type="import").count() == 1


@pytest.mark.parametrize("error", [OperationalError("SELECT 1", {}, Exception("gone")), Unavailable("away")])
def test_what_is_away_is_no_row_s_fault(
    desk: Desk, running: str, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    import_id = desk.row(running).id
    dying_at(monkeypatch, 6, error)
    with pytest.raises(type(error)):
        work.step(import_id=import_id, chunk=3)
    monkeypatch.undo()
    row = desk.row(running)
    assert (row.done, row.lease_until, row.state) == (3, None, "running")
    assert desk.work(running)
    assert brought() == EXPECTED


def test_a_turn_ends_and_the_next_one_is_queued(desk: Desk, running: str) -> None:
    assert desk.work(running, chunk=3, chunks=2) is False
    row = desk.row(running)
    assert (row.done, row.lease_until) == (6, None)
    keys = [m.dedupe_key for m in db.session.query(OutboxMessage).filter_by(kind="import.step")]
    assert keys[-1] == f"import.step:{row.id}:2:running:6"
    progress = desk.client.get(f"/admin/imports/{running}/progress")
    assert (progress.status_code, "6</span> of" in progress.text) == (200, True)
    assert desk.work(running, chunk=3)
    over = desk.client.get(f"/admin/imports/{running}/progress")
    assert over.status_code == 286
    assert 'data-hx-swap-oob="true"' in over.text
    assert "every 2s" not in over.text
    assert "See the payees" in over.text
    assert brought() == EXPECTED


def test_a_repeated_reference_is_refused_across_turns_in_check_and_run(desk: Desk) -> None:
    text = LIST + "T-4,Person 4,p4@x.example\nT-2,Somebody else,\n"
    reference = desk.kept("technicians", text)
    assert desk.columns(reference).status_code == 303
    for _ in range(2):
        while not desk.work(reference, chunk=3, chunks=1):
            pass
        row = desk.row(reference)
        assert (row.created, row.refused) == (10, 2), "line 5 was refused, so T-4 is free again; T-2 is not"
        assert "Line 3 has the same reference." in desk.page(reference)
        desk.bring(reference)
    assert set(brought()) == {f"T-{n}" for n in range(1, 11)}


def test_two_workers_on_one_import_store_nothing_twice(desk: Desk, running: str) -> None:
    import_id, app = desk.row(running).id, desk.place.app
    db.session.rollback()
    barrier = threading.Barrier(2)
    failures: list[BaseException] = []

    def worker() -> None:
        with app.app_context():
            barrier.wait()
            try:
                # The second one sees a lease that has run out at once, as if the first were dead.
                work.step(
                    import_id=import_id, chunk=1, clock=lambda: utc_now() + timedelta(hours=next(hours))
                )
            except BaseException as error:
                failures.append(error)
            finally:
                db.session.remove()

    hours = iter(range(0, 10_000))
    threads = [threading.Thread(target=worker) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    if desk.row(running).state == "running":
        desk.work(running, clock=lambda: utc_now() + timedelta(days=1000))
    row = desk.row(running)
    assert (row.state, row.done, row.created, row.refused) == ("done", 10, 9, 1)
    assert brought() == EXPECTED
    assert (
        sum(c.refused for c in db.session.query(ImportChunk).filter_by(import_id=import_id, phase="run")) == 1
    )


def test_stop_keeps_what_is_stored_and_the_rest_can_follow(desk: Desk, running: str) -> None:
    desk.work(running, chunk=3, chunks=1)
    answer = desk.client.post(f"/admin/imports/{running}/stop")
    assert answer.status_code == 303
    row = desk.row(running)
    assert (row.state, row.created, row.done) == ("stopped", 3, 3)
    page = desk.page(running)
    assert "maya@example.com stopped it." in page
    assert "7 not done" in page
    assert desk.work(running) is False
    (event,) = db.session.query(AuditEvent).filter_by(subject_type="import").all()
    assert event.tag == "imports:import:stopped"
    assert desk.columns(running).status_code == 303
    assert desk.work(running)
    row = desk.row(running)
    assert (row.created, row.unchanged, row.refused) == (6, 3, 1)
    assert desk.bring(running).status_code == 303
    assert desk.work(running)
    assert brought() == EXPECTED
    assert desk.client.post(f"/admin/imports/{running}/stop").status_code == 409


def test_a_worker_that_is_asked_to_stop_does_so_after_its_chunk(
    desk: Desk, running: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_id = desk.row(running).id
    kept = work._next_chunk

    def next_chunk(turn: Any, now: datetime, size: int) -> bool | None:
        result = kept(turn, now, size)
        if result is None and turn.done == 3:
            assert desk.client.post(f"/admin/imports/{running}/stop").status_code == 303
            assert "Stopping after the rows at hand" in desk.page(running)
        return result

    monkeypatch.setattr(work, "_next_chunk", next_chunk)
    assert work.step(import_id=import_id, chunk=3)
    assert (desk.row(running).state, desk.row(running).done) == ("stopped", 3)


def test_a_check_can_be_stopped_too(desk: Desk) -> None:
    reference = desk.kept("technicians", LIST)
    desk.columns(reference)
    desk.work(reference, chunk=3, chunks=1)
    assert desk.client.post(f"/admin/imports/{reference}/stop").status_code == 303
    assert desk.row(reference).state == "stopped"
    assert brought() == []
    assert db.session.query(AuditEvent).filter_by(subject_type="import").count() == 0
    assert "Check it again" in desk.page(reference)


def test_a_bug_costs_its_row_alone(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = PayeeImport.apply

    def apply(self: PayeeImport, row: Any) -> str:
        if row.line == 3:
            raise ZeroDivisionError
        return whole(self, row)

    monkeypatch.setattr(PayeeImport, "apply", apply)
    reference = desk.whole("technicians", LIST)
    assert (desk.row(reference).created, desk.row(reference).refused) == (8, 2)
    assert "Something went wrong on our side; nothing of this row was stored." in desk.page(reference)


def test_a_row_that_somebody_made_meanwhile_is_updated_or_named(desk: Desk, running: str) -> None:
    with transaction():
        people.payee(desk.place.organisation, name="Person 1", external_ref="T-1")
    assert desk.work(running)
    row = desk.row(running)
    assert (row.created, row.updated, row.refused) == (8, 1, 1)
    assert db.session.query(Payee).filter_by(external_ref="T-1").one().email == "p1@x.example"


@pytest.mark.parametrize("change", ["gone", "other"])
def test_a_stored_file_that_is_not_the_uploaded_one_is_not_read(
    desk: Desk, running: str, change: str
) -> None:
    key = desk.row(running).storage_key
    storage.delete(key)
    if change == "other":
        storage.save(key, LIST.replace("Person", "Villain").encode())
    assert desk.work(running)
    row = desk.row(running)
    assert (row.state, row.done) == ("failed", 0)
    assert brought() == []
    page = desk.page(running)
    assert "Upload it again" in page
    assert row.error in page


def test_a_storage_that_does_not_answer_is_tried_again(
    desk: Desk, running: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(key: str) -> bytes:
        assert not db.session.info.get("is_writing"), "nobody waits for it with a transaction open"
        raise Unavailable("The storage does not answer.")

    monkeypatch.setattr(storage, "read", away)
    with pytest.raises(Unavailable):
        desk.work(running)
    monkeypatch.undo()
    assert desk.row(running).lease_until is None
    assert desk.work(running)
    assert brought() == EXPECTED


def test_the_bulk_worker_does_it_by_the_outbox(desk: Desk) -> None:
    reference = desk.kept("technicians", LIST)
    desk.columns(reference)
    assert base.drain_here("bulk") == 1
    assert desk.row(reference).state == "checked"
    desk.bring(reference)
    assert base.drain_here("bulk") == 1
    assert desk.row(reference).state == "done"
    assert "imports.recover" in {task.name for task in tasks.registered()}


def test_nobody_works_on_what_does_not_wait(desk: Desk) -> None:
    reference = desk.kept("technicians", LIST)
    assert desk.work(reference) is False
    assert work.step(import_id=999_999) is False
    assert work.recover(clock=later) == 0
    with pytest.raises(NotFound):
        storage.read("imports/1/none.csv")
    assert desk.row(reference).state == "uploaded"
    assert db.session.query(ImportFile).count() == 1


def test_an_import_stops_when_its_person_may_not_act_any_more(desk: Desk, running: str) -> None:
    import_id = db.session.query(ImportFile.id).filter_by(reference=running).scalar()
    with transaction():
        users.disable(
            organisation_id=desk.place.organisation.id, user_id=desk.place.maker.id,
            actor=people.actor_of(desk.place.approver), now=utc_now(),
        )  # fmt: skip
    assert work.step(import_id=import_id) is True
    db.session.rollback()
    row = db.session.get_one(ImportFile, import_id, populate_existing=True)
    assert (row.state, row.done) == ("stopped", 0)
    assert "not an active admin" in row.error
