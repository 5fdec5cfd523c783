"""The run of a month: everybody with a balance or activity once, by the calendar or by a person."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, text

from tests.factories import payouts as factory
from tests.factories import people
from tests.factories.statements import OCTOBER, owed, ready, statement
from tests.support.worker import work_off
from webapp.audit.models import AuditEvent
from webapp.database import db, transaction
from webapp.kernel.errors import Invalid
from webapp.people.models import Organisation, Payee
from webapp.runs import tasks
from webapp.runs.models import Run, RunRow
from webapp.statements import month_runs
from webapp.statements.models import Document

NOVEMBER_2 = datetime(2026, 11, 2, 10, 0, tzinfo=UTC)


@pytest.fixture
def organisation(database: Flask) -> Organisation:
    return people.organisation("solaria")


@pytest.fixture
def payees(organisation: Organisation) -> list[Payee]:
    """Active in October; a balance from before; square since September; with something in November alone."""
    made = [people.payee(organisation, name=name) for name in ("Active", "Balance", "Square", "Later")]
    with transaction():
        owed(organisation, made[0], 100, date(2026, 10, 31))
        owed(organisation, made[1], 200, date(2026, 8, 1))
        owed(organisation, made[2], 300, date(2026, 8, 1))
        owed(organisation, made[2], -300, date(2026, 9, 30))
        owed(organisation, made[3], 400, date(2026, 11, 1))
    return made


def start(organisation: Organisation, month: date = OCTOBER, **values: Any) -> Run | None:
    with transaction():
        return month_runs.start(
            organisation_id=organisation.id, month=month, actor=people.FACTORY, now=NOVEMBER_2, **values
        )


def work(run: Run) -> list[RunRow]:
    work_off(run.id, lambda: NOVEMBER_2)
    return list(db.session.scalars(select(RunRow).where(RunRow.run_id == run.id).order_by(RunRow.position)))


def documents() -> list[Document]:
    return list(db.session.scalars(select(Document).order_by(Document.id)))


def test_those_with_a_balance_or_activity_get_one(organisation: Organisation, payees: list[Payee]) -> None:
    run = start(organisation)
    assert run is not None
    assert run.title == "2 statements of October 2026"
    rows = work(run)
    assert [(row.outcome, row.subject_label) for row in rows] == [
        ("done", f"{payees[0].reference} Active, USD"),
        ("done", f"{payees[1].reference} Balance, USD"),
    ]
    assert "ST-2026-000001, closing with 1.00 USD" in rows[0].message
    assert [(d.payee_id, d.opening_minor, d.closing_minor) for d in documents()] == [
        (payees[0].id, 0, 100),
        (payees[1].id, 200, 200),
    ]


def test_a_second_start_makes_nothing_twice(organisation: Organisation, payees: list[Payee]) -> None:
    first, second = start(organisation), start(organisation)
    assert first is not None
    assert second is not None
    work(first)
    assert [row.outcome for row in work(second)] == ["done", "done"] or len(documents()) == 2
    assert len(documents()) == 2
    assert start(organisation) is None
    for document in documents():
        ready(document)
    assert start(organisation) is None


def test_a_row_for_one_that_is_there_is_skipped_and_says_when_it_is_stale(
    organisation: Organisation, payees: list[Payee]
) -> None:
    run = start(organisation)
    assert run is not None
    for payee in payees[:2]:
        ready(statement(organisation, payee))
    owed(organisation, payees[0], 5, date(2026, 10, 30))
    rows = work(run)
    assert [row.outcome for row in rows] == ["skipped", "skipped"]
    assert "Entries were posted since" in rows[0].message
    assert rows[1].message.endswith("is there already.")


def test_one_that_failed_is_made_again(organisation: Organisation, payees: list[Payee]) -> None:
    document = statement(organisation, payees[0])
    with transaction():
        db.session.get_one(Document, document.id).state = "failed"
    found = month_runs.due(organisation_id=organisation.id, month=OCTOBER, now=NOVEMBER_2)
    assert (len(found.to_make), found.n_there, found.n_failed) == (2, 0, 1)
    run = start(organisation)
    assert run is not None
    assert "had failed and is made again" in " ".join(row.message for row in work(run))
    assert {d.state for d in documents()} == {"queued"}
    assert len(documents()) == 2


def test_one_that_does_not_add_up_fails_alone_and_leaves_no_number(
    organisation: Organisation, payees: list[Payee]
) -> None:
    factory.payout_ready(organisation, payees[0], now=datetime(2026, 10, 12, tzinfo=UTC))
    with transaction() as session:
        session.execute(text("UPDATE payout_lines SET amount_minor = amount_minor + 1"))
    run = start(organisation)
    assert run is not None
    rows = work(run)
    assert [row.outcome for row in rows] == ["failed", "done"]
    assert "the ledger booked 499.50 USD" in rows[0].message
    assert [d.number for d in documents()] == ["ST-2026-000001"]
    event = db.session.scalars(
        select(AuditEvent).where(AuditEvent.tag == "statements:statement:refused")
    ).one()
    assert event.subject_id == payees[0].id


def test_a_month_that_is_not_over_is_refused(organisation: Organisation) -> None:
    with pytest.raises(Invalid, match="1 December 2026"):
        start(organisation, date(2026, 11, 1))
    assert start(organisation, date(2020, 1, 1)) is None


def test_other_organisations_stay_out(organisation: Organisation, payees: list[Payee]) -> None:
    assert start(people.organisation("griha")) is None


def test_the_calendar_makes_the_month_before_in_the_organisations_zone(
    organisation: Organisation, payees: list[Payee]
) -> None:
    task = next(task for task in tasks.registered() if task.name == month_runs.TASK)
    assert task.per_organisation
    due_at = tasks.next_due(task, datetime(2026, 10, 31, 12, tzinfo=UTC), organisation.timezone)
    assert due_at == datetime(2026, 11, 2, 10, 0, tzinfo=UTC)  # five in the morning in New York
    following = tasks.next_due(task, due_at, organisation.timezone)
    assert following == due_at + timedelta(days=1)
    month_runs.make_monthly(organisation.id, due_at, due_at)
    run = db.session.scalars(select(Run)).one()
    assert (run.parameters["month"], run.created_by_label) == ("2026-10-01", "scheduler")
    work(run)
    month_runs.make_monthly(organisation.id, following, following)
    assert len(db.session.scalars(select(Run)).all()) == 1
    # One that was missed for weeks is still about the month before it was due.
    assert month_runs.next_run_on(date(2026, 11, 2)) == date(2026, 11, 2)
    assert month_runs.next_run_on(date(2026, 12, 3)) == date(2027, 1, 2)


def test_a_person_looks_then_starts_it(client: FlaskClient, organisation: Organisation, payees: list[Payee],
                                       time_machine: Any) -> None:  # fmt: skip
    time_machine.move_to(NOVEMBER_2, tick=False)
    people.sign_in(client, people.user(organisation=organisation, role="admin"), organisation)
    page = client.get("/admin/statements/month").text
    assert "Make 2 statements" in page
    assert "$3.00" in page
    answer = client.post("/admin/statements/month", data={"month": "2026-10"})
    assert answer.status_code == 303
    run = db.session.scalars(select(Run)).one()
    assert answer.location == f"/admin/runs/{run.reference}"
    assert run.parameters == {"month": "2026-10-01", "tells": False}
    work(run)
    again = client.post("/admin/statements/month", data={"month": "2026-10"}, follow_redirects=True)
    assert "is there already" in again.text
    assert "Nothing is left to make" in again.text
    for wrong in ("2026-11", "2026-13", "yesterday", ""):
        refused = client.post("/admin/statements/month", data={"month": wrong})
        assert refused.status_code == 422, wrong
    assert client.get("/admin/statements/month?month=2030-01").status_code == 422
    accountant = people.user(organisation=organisation, role="accountant")
    people.sign_in(client, accountant, organisation)
    assert client.get("/admin/statements/month").status_code == 200
    assert client.post("/admin/statements/month", data={"month": "2026-10"}).status_code == 403
