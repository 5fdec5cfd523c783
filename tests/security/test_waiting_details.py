"""Changed payment details and many payouts at once: nothing leaves, and every answer names the reason."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from tests.factories import pages, people
from tests.factories.pages import Place
from tests.factories.tokens import Api, token
from webapp.database import db, transaction
from webapp.kernel.clock import utc_now
from webapp.outbox.models import OutboxMessage
from webapp.payouts.models import Payout, Transfer
from webapp.people.changes import service as changes
from webapp.runs import service as runs
from webapp.runs.models import Run, RunRow

CHECK = "/admin/approvals/check"
WAITS = "New payment details of Tomas Ek wait for a second person (BC-0001"
CHANGED = "changed after the approval"


@pytest.fixture
def place(database: Flask) -> Place:
    return pages.place(database)


def _ask(place: Place) -> None:
    """The payee asks for another account; nobody has verified it."""
    with transaction():
        changes.ask(
            organisation_id=place.organisation.id, payee_id=place.payee.id, source="payee",
            destination=people.destination("333344449055"), actor=people.actor_of(place.technician), now=utc_now(),
        )  # fmt: skip


def _in_force(place: Place) -> None:
    """Other details are in force by now, without a cool-off; nobody has confirmed them."""
    people.method(place.payee, people.destination("333344449055"))


CASES = {"asked for": (_ask, WAITS), "in force, not confirmed": (_in_force, CHANGED)}


def _left() -> list[Any]:
    """What went out, or is about to."""
    db.session.rollback()
    sending = select(OutboxMessage).where(OutboxMessage.kind.in_(["transfer.send", "payout.retry"]))
    return [*db.session.scalars(select(Transfer)), *db.session.scalars(sending)]


def _state(reference: str) -> str:
    db.session.rollback()
    return db.session.scalars(select(Payout.state).where(Payout.reference == reference)).one()


def _everything(html: str) -> dict[str, str]:
    expected = re.search(r'name="expected" value="([^"]*)"', html)
    assert expected is not None
    return {"act": "pay", "everything": "1", "status": "approved", "expected": expected[1]}


@pytest.mark.parametrize("case", CASES)
def test_the_check_step_leaves_it_out_and_says_why(place: Place, case: str) -> None:
    change, reason = CASES[case]
    waiting, free = place.approved(amount=10_000), place.approved(place.other, 20_000)
    waits, goes = waiting.reference, free.reference
    change(place)
    client = place.client(place.maker)
    html = client.get("/admin/payouts?status=approved").text
    for data in (_everything(html), {"act": "pay", "ids": [waiting.id, free.id]}):
        answer = client.post(CHECK, data=data)
        assert answer.status_code == 303
        page = client.get(answer.headers["Location"]).text
        assert "Pay 1 payout ($200.00)" in page
        assert waits in page
        assert reason in page
    alone = client.post(CHECK, data={"act": "pay", "ids": [waiting.id]})
    assert alone.status_code == 422
    assert reason in alone.text
    assert _left() == []
    assert (_state(waits), _state(goes)) == ("approved", "approved")


@pytest.mark.parametrize("case", CASES)
def test_what_changes_between_check_and_confirmation_is_a_conflict(place: Place, case: str) -> None:
    change, reason = CASES[case]
    waiting, free = place.approved(amount=10_000), place.approved(place.other, 20_000)
    client = place.client(place.maker)
    draft = client.post(CHECK, data={"act": "pay", "ids": [waiting.id, free.id]}).headers["Location"]
    change(place)
    answer = client.post(draft)
    assert answer.status_code == 409
    assert "1 of 2 payouts changed since you checked." in answer.text
    assert _left() == []


@pytest.mark.parametrize("case", CASES)
def test_what_changes_after_the_confirmation_is_not_paid_by_the_run(place: Place, case: str) -> None:
    change, reason = CASES[case]
    waiting, free = place.approved(amount=10_000), place.approved(place.other, 20_000)
    waits, goes = waiting.reference, free.reference
    client = place.client(place.maker)
    draft = client.post(CHECK, data={"act": "pay", "ids": [waiting.id, free.id]}).headers["Location"]
    confirmed = client.post(draft)
    assert confirmed.status_code == 303
    change(place)
    run_id = db.session.scalars(select(Run.id)).one()
    db.session.rollback()
    runs.step(run_id=run_id, clock=utc_now)
    assert (_state(waits), _state(goes)) == ("approved", "processing")
    rows = {row.subject_label.split()[0]: row for row in db.session.scalars(select(RunRow))}
    assert rows[waits].outcome == "skipped"
    assert reason in rows[waits].message
    assert rows[goes].outcome == "done"
    assert [t.payout_id for t in db.session.scalars(select(Transfer))] == [free.id]
    page = client.get(confirmed.headers["Location"]).text
    assert reason in page


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("act", ["pay", "mark-paid"])
def test_by_api_the_answer_names_the_reason(place: Place, case: str, act: str) -> None:
    change, reason = CASES[case]
    references = [place.approved(amount=n).reference for n in (10_000, 20_000)]
    change(place)
    api = Api(place.app, token(place.maker, place.organisation))
    for n, reference in enumerate(references):
        body = {} if act == "pay" else {"payment_reference": f"CHQ-{n}", "paid_on": "2026-01-05"}
        answer = api.post(f"/payouts/{reference}/{act}", body)
        assert (answer.status_code, answer.json["code"]) == (409, "conflict")
        assert any(reason in said for said in answer.json["reasons"]), answer.json
        assert any(reason in said for said in api.get(f"/payouts/{reference}").json["why_not_paid"])
        assert _state(reference) == "approved"
    assert _left() == []
