"""The audit trail: a chain that shows tampering, writers that never leave a gap, the page and its file."""

from __future__ import annotations

import csv
import io
import threading
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, text

from tests import factories
from tests.rooms.ledger.test_check import behind_its_back
from webapp.audit import queries, service, words
from webapp.audit.models import AuditEvent
from webapp.database import db, transaction
from webapp.kernel.actor import Actor
from webapp.people.models import Organisation

NOW = datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=UTC)
ADA = Actor(None, "ada@solaria.example", "192.0.2.7", "Browser")


def organisation() -> Organisation:
    """The organisation, whose own making is on its trail already."""
    return factories.organisation(slug="solaria", timezone="America/New_York")


def write(organisation_id: int | None, n: int = 1, **values: object) -> None:
    """Record one event and commit it."""
    defaults = {
        "tag": "payouts:payout:approved", "actor": ADA, "now": NOW + timedelta(minutes=n),
        "subject_type": "payout", "subject_id": n, "subject_label": f"PO-{n}", "note": "",
        "changes": {"state": ["pending_approval", "approved"], "approvals": [0, n]},
    }  # fmt: skip
    with transaction():
        service.record(organisation_id=organisation_id, **{**defaults, **values})


def found(chain: int) -> list[str]:
    """What the verification says."""
    db.session.rollback()
    return queries.verify(chain).problems


def test_a_good_chain_is_intact(database: Flask) -> None:
    made = organisation().id
    before = queries.verify(made).length
    for n in range(3):
        write(made, n)
    write(None)
    state = queries.verify(made)
    assert state.is_intact
    assert state.length == before + 3
    assert queries.verify(0).is_intact
    assert {0, made} <= set(queries.chains())


def test_an_empty_chain_is_intact(database: Flask) -> None:
    assert queries.verify(12345).is_intact


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE audit_events SET note = 'other' WHERE subject_id = 2", "changed"),
        ("UPDATE audit_events SET actor_label = 'eve' WHERE subject_id = 2", "changed"),
        ("UPDATE audit_events SET changes = '{}' WHERE subject_id = 2", "changed"),
        ("UPDATE audit_events SET subject_id = 9 WHERE subject_id = 2", "changed"),
        ("DELETE FROM audit_events WHERE subject_id = 2", "missing"),
        ("DELETE FROM audit_events WHERE subject_id = 4", "head"),
        ("UPDATE audit_events SET previous_hash = 'x' WHERE subject_id = 2", "continue"),
        ("DELETE FROM audit_heads", "head"),
    ],
)  # fmt: skip
def test_tampering_is_found(database: Flask, statement: str, words: str) -> None:
    made = organisation().id
    for n in range(1, 5):
        write(made, n)
    with behind_its_back() as connection:
        connection.execute(text(statement))
    problems = found(made)
    assert problems
    assert any(words in problem for problem in problems), problems


def test_a_rewritten_event_with_a_fitting_hash_breaks_the_next_link(database: Flask) -> None:
    made = organisation().id
    for n in range(1, 4):
        write(made, n)
    event = db.session.scalars(select(AuditEvent).where(AuditEvent.subject_id == 2)).one()
    values = {name: getattr(event, name) for name in queries._HASHED} | {"note": "forged"}
    forged, seq = service.event_hash(values, event.seq, event.previous_hash), event.seq
    with behind_its_back() as connection:
        connection.execute(
            text("UPDATE audit_events SET note = 'forged', hash = :h WHERE subject_id = 2"), {"h": forged}
        )
    assert [p for p in found(made) if f"Event {seq + 1} " in p and "does not continue" in p]


def test_two_writers_leave_no_gap(database: Flask) -> None:
    made, errors = organisation().id, []
    start = threading.Barrier(2)
    before = queries.verify(made).length
    db.session.remove()

    def work(first: int) -> None:
        with database.app_context():
            start.wait()
            try:
                for n in range(first, first + 20):
                    write(made, n)
            except Exception as error:
                errors.append(error)

    threads = [threading.Thread(target=work, args=(k * 100,)) for k in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    state = queries.verify(made)
    assert state.is_intact
    assert state.length == before + 40


def test_a_rolled_back_action_leaves_no_event(database: Flask) -> None:
    made = organisation().id
    before = queries.verify(made).length
    with pytest.raises(RuntimeError, match="stop"), transaction():
        service.record(tag="a:b:c", actor=ADA, now=NOW, organisation_id=made, subject_type="b")
        raise RuntimeError("stop")
    write(made)
    state = queries.verify(made)
    assert (state.length, state.is_intact) == (before + 1, True)


def test_events_of_one_record_are_its_own(database: Flask) -> None:
    made, other = organisation().id, factories.organisation(slug="other").id
    for n in (1, 2, 1):
        write(made, n, now=NOW)
    write(other, 1)
    filters = {"subject_type": "payout", "subject_id": 1}
    found = queries.trail(organisation_id=made, timezone="UTC", filters=filters)
    events = db.session.scalars(found).all()
    assert [e.subject_id for e in events] == [1, 1]
    assert {e.organisation_id for e in events} == {made}


def test_words() -> None:
    assert words.action("payouts:payout:bank_details_changed") == "Payout bank details changed"
    changes = words.changes({"state": ["a", "b"], "name": [None, "Ada"], "roles": [[], ["x", "y"]],
                             "is_on": [True, False], "left": ["x", None], "alone": 7,
                             "facts": [None, {"b": 1}]})  # fmt: skip
    assert [(c.field, c.before, c.after) for c in changes] == [
        ("State", "a", "b"), ("Name", None, "Ada"), ("Roles", None, "x, y"), ("Is on", "yes", "no"),
        ("Left", "x", None), ("Alone", None, "7"), ("Facts", None, '{"b":1}'),
    ]  # fmt: skip


@pytest.fixture
def admin(client: FlaskClient) -> FlaskClient:
    """A browser with an admin, and a trail of five events on three days and one of another organisation."""
    made = organisation()
    for n in range(1, 6):
        write(made.id, n, now=NOW + timedelta(days=n // 2), note="=cmd|calc" if n == 3 else "")
    write(made.id, 9, tag="people:payee:changed", subject_type="payee", subject_label="<Ada>",
          changes={"email": ["a@b.example", "<script>"]}, now=datetime(2026, 11, 26, 3, 0, tzinfo=UTC))  # fmt: skip
    write(factories.organisation(slug="other").id, 7, subject_label="PO-SECRET")
    user = factories.user(organisation=made, role="admin")
    factories.sign_in(client, user, made)
    return client


def test_the_page_shows_who_did_what_and_what_changed(admin: FlaskClient) -> None:
    page = admin.get("/admin/activity").text
    for expected in (
        "Payout approved",
        "ada@solaria.example",
        "192.0.2.7",
        "pending_approval",
        "&lt;script&gt;",
        "PO-5",
    ):
        assert expected in page
    assert "PO-SECRET" not in page
    assert "<script>alert" not in page


@pytest.mark.parametrize(
    ("filter", "labels"),
    [
        ("subject_type=payout&subject_id=2", {"PO-2"}),
        ("tag=payee:changed", {"<Ada>"}),
        ("actor=ADA&subject=po-4", {"PO-4"}),
        ("from=2026-11-21&to=2026-11-21", {"PO-2", "PO-3"}),
        # 03:00 UTC is still the evening before in New York.
        ("from=2026-11-25&to=2026-11-25", {"<Ada>"}),
        ("actor=nobody", set()),
        ("subject=100%25", set()),
    ],
)
def test_the_file_holds_exactly_the_filter(admin: FlaskClient, filter: str, labels: set[str]) -> None:
    rows = list(
        csv.DictReader(
            io.StringIO(admin.get(f"/admin/activity/export?{filter}").get_data().decode("utf-8-sig"))
        )
    )
    assert {row["subject"] for row in rows} == labels
    page = admin.get(f"/admin/activity?{filter}", headers={"HX-Request": "true"}).text
    for n in range(1, 6):
        assert (f">PO-{n}<" in page) == (f"PO-{n}" in labels)


def test_the_file_has_no_formulas(admin: FlaskClient) -> None:
    text_of = admin.get("/admin/activity/export?subject=PO-3").get_data().decode("utf-8-sig")
    row = next(csv.DictReader(io.StringIO(text_of)))
    assert row["note"] == "'=cmd|calc"
    assert row["changes"] == "State: pending_approval → approved; Approvals: 0 → 3"
    assert len(row["hash"]) == 64


def test_a_filter_that_cannot_be_read_says_so(admin: FlaskClient) -> None:
    response = admin.get("/admin/activity?from=yesterday")
    assert response.status_code == 422
    assert "The filter cannot be read" in response.text
    assert "From: “yesterday” is not a day. Example: 2026-11-20" in response.text
    assert admin.get("/admin/activity/export?subject_id=x").status_code == 422


def test_the_page_verifies_the_chain(admin: FlaskClient) -> None:
    assert "The chain is unbroken" in admin.get("/admin/activity?verify=1").text
    with behind_its_back() as connection:
        connection.execute(text("UPDATE audit_events SET note = 'x' WHERE subject_label = 'PO-2'"))
    page = admin.get("/admin/activity?verify=1").text
    assert "The chain is broken" in page
    assert "PO-2" in page
    assert "The chain" not in admin.get("/admin/activity").text.replace("Verify the chain", "")
