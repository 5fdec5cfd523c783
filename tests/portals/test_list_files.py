"""Lists as files: exactly the filter, nothing that runs in a spreadsheet, nothing in the clear, and the trail knows."""

from __future__ import annotations

import csv
import io

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from tests.factories import people
from tests.factories.pages import Place
from tests.factories.pages import place as make_place
from webapp.audit.models import AuditEvent
from webapp.audit.views import files
from webapp.database import db, transaction
from webapp.people.changes import service as changes
from webapp.runs.models import Run

FILES = {
    "/admin/approvals": "payouts:approvals:exported",
    "/admin/payees": "people:payees:exported",
    "/admin/users": "people:users:exported",
    "/admin/bank-changes": "people:method_changes:exported",
    "/admin/runs": "runs:runs:exported",
}


@pytest.fixture
def place(database: Flask) -> Place:
    """Two admins, a technician with a login, two payees with bank accounts."""
    return make_place(database)


def _rows(client: FlaskClient, address: str) -> list[dict[str, str]]:
    answer = client.get(address)
    assert answer.status_code == 200, answer.text[:300]
    assert answer.mimetype == "text/csv"
    assert answer.headers["Cache-Control"] == "no-store"
    return list(csv.DictReader(io.StringIO(answer.get_data().decode("utf-8-sig"))))


def _run(place: Place, n: int, **values: str) -> None:
    with transaction():
        db.session.add(
            Run(
                organisation_id=place.organisation.id, reference=f"BA-{n:04d}", total=n, created_by_label="maya",
                created_at=people.WHEN,
                **{"kind": "payouts.approve", "title": "Approve", "state": "finished", **values},
            )
        )  # fmt: skip


def _tags(place: Place) -> list[tuple[str, str, int | None]]:
    events = db.session.scalars(
        select(AuditEvent).where(AuditEvent.tag.like("%:exported")).order_by(AuditEvent.id)
    )
    return [(e.tag, e.note, e.actor_id) for e in events if e.organisation_id == place.organisation.id]


@pytest.mark.parametrize("address", FILES)
def test_taking_a_list_is_remembered_and_the_page_leads_to_the_file(place: Place, address: str) -> None:
    place.payout(actor=people.actor_of(place.approver))
    _run(place, 1)
    with transaction():
        changes.ask(
            organisation_id=place.organisation.id, payee_id=place.payee.id, destination=people.destination(),
            source="admin", actor=people.actor_of(place.maker), now=people.WHEN,
        )  # fmt: skip
    client = place.client(place.maker)
    page = client.get(address).text
    href = page[page.rindex('href="', 0, page.index(" download>CSV</a>")) + 6 :].partition('"')[0]
    assert href.startswith(f"{address}/export.csv")
    assert _rows(client, href.replace("&amp;", "&"))
    client.head(f"{address}/export.csv")
    ((tag, _, actor_id),) = _tags(place)
    assert (tag, actor_id) == (FILES[address], place.maker.id)


def test_payees_are_those_of_the_filter_with_masked_accounts(place: Place) -> None:
    people.payee(place.organisation, name="=HYPERLINK(1)", kind="owner", email="h@example.com")
    people.payee(people.organisation(), name="Elsewhere")
    client = place.client(place.maker)
    rows = _rows(client, "/admin/payees/export.csv")
    assert [row["Name"] for row in rows] == ["'=HYPERLINK(1)", "Ana Souza", "Tomas Ek"]
    assert rows[1]["Paid to"].startswith("••")
    assert (rows[0]["Kind"], rows[0]["Paid to"], rows[0]["Active"]) == ("Owner", "", "yes")
    assert [row["Name"] for row in _rows(client, "/admin/payees/export.csv?search=tomas&before=1")] == [
        "Tomas Ek"
    ]
    assert _rows(client, "/admin/payees/export.csv?kind=owner")[0]["E-mail address"] == "h@example.com"
    assert _tags(place)[1][1] == "CSV of the list, filtered by search=tomas"


def test_users_are_those_of_the_filter(place: Place) -> None:
    rows = _rows(place.client(place.maker), "/admin/users/export.csv?role=admin")
    assert [(row["Name"], row["Roles"], row["State"]) for row in rows] == [
        ("Ravi", "Admin", "active"), ("Maya", "Admin", "active"),
    ]  # fmt: skip


def test_changes_of_details_are_those_of_the_state(place: Place) -> None:
    with transaction():
        changes.ask(
            organisation_id=place.organisation.id, payee_id=place.payee.id,
            destination=people.destination("998877665544"), source="admin", actor=people.actor_of(place.maker),
            now=people.WHEN,
        )  # fmt: skip
    client = place.client(place.maker)
    (row,) = _rows(client, "/admin/bank-changes/export.csv")
    assert (row["Payee"], row["Asked for"], row["Status"]) == (
        "Tomas Ek",
        "••5544",
        "Waits for a second person",
    )
    assert "998877665544" not in client.get("/admin/bank-changes/export.csv").text
    assert _rows(client, "/admin/bank-changes/export.csv?state=verified") == []
    assert len(_rows(client, "/admin/bank-changes/export.csv?state=all")) == 1


def test_runs_are_those_of_the_filter_in_batches(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(1, 6):
        _run(place, n)
    _run(place, 6, state="draft")
    _run(place, 7, state="stopped")
    monkeypatch.setattr(files, "BATCH", 2)
    client = place.client(place.maker)
    rows = _rows(client, "/admin/runs/export.csv?state=finished")
    assert [row["Run"] for row in rows] == [f"BA-{n:04d}" for n in (5, 4, 3, 2, 1)]
    assert [row["Rows"] for row in rows] == ["5", "4", "3", "2", "1"]
    assert client.get("/admin/runs/export.csv?state=nonsense").status_code == 422


def test_the_queue_is_the_view_that_is_open(place: Place) -> None:
    own, other = (
        place.payout(amount=10_000),
        place.payout(amount=20_000, actor=people.actor_of(place.approver)),
    )
    client = place.client(place.maker)
    assert [row["Reference"] for row in _rows(client, "/admin/approvals/export.csv")] == [other.reference]
    blocked = _rows(client, "/admin/approvals/export.csv?view=blocked")
    assert [(row["Reference"], row["Net"]) for row in blocked] == [(own.reference, "100.00")]
    assert client.get("/admin/approvals/export.csv?amount_from=nonsense").status_code == 422


def test_the_trail_itself_is_a_list_that_is_remembered(place: Place) -> None:
    client = place.client(place.maker)
    _rows(client, "/admin/activity/export")
    assert [tag for tag, _, _ in _tags(place)] == ["audit:trail:exported"]
    assert "Trail exported" in client.get("/admin/activity").text


def test_a_file_that_is_refused_is_not_remembered(place: Place) -> None:
    place.client(place.maker).get("/admin/runs/export.csv?state=nonsense")
    assert place.client(place.technician).get("/admin/payees/export.csv").status_code == 403
    assert _tags(place) == []
