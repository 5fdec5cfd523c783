"""Paying many at once: the bar below the list, the check step, who is left out and why."""

from __future__ import annotations

import re

from sqlalchemy import select

from tests.factories import people
from tests.factories.pages import Place
from tests.rooms.payouts_views.conftest import HOUR
from webapp.database import db, transaction
from webapp.payouts import service
from webapp.payouts.models import Payout
from webapp.people import accounts
from webapp.runs import service as runs
from webapp.runs.models import Run

CHECK = "/admin/approvals/check"


def test_bar_is_there_only_for_what_can_be_sent(place: Place) -> None:
    place.approved()
    place.payout(place.other)
    client = place.client(place.maker)
    assert "Pay…" in client.get("/admin/payouts?status=approved").text
    for query in ("", "?status=pending_approval", "?status=paid"):
        assert "Pay…" not in client.get(f"/admin/payouts{query}").text
    accountant = people.user(organisation=place.organisation, role="accountant")
    assert "Pay…" not in place.client(accountant).get("/admin/payouts?status=approved").text


def test_all_approved_of_a_filter_are_paid_by_a_run(place: Place) -> None:
    first, second = place.approved(amount=10_000), place.approved(amount=20_000)
    held = place.approved(amount=5_000)
    place.approved(place.other, 99_900)
    with transaction():
        service.hold(
            organisation_id=place.organisation.id,
            reference=held.reference,
            reason="A complaint",
            actor=people.actor_of(place.maker),
            now=HOUR,
        )
    client = place.client(place.maker)
    html = client.get("/admin/payouts?status=approved&payee=tomas").text
    assert "All 3 that match ($350.00)" in html
    expected = re.search(r'name="expected" value="([^"]*)"', html)
    assert expected is not None
    data = {"act": "pay", "everything": "1", "status": "approved", "payee": "tomas", "expected": expected[1]}
    answer = client.post(CHECK, data=data)
    page = client.get(answer.headers["Location"]).text
    assert "Pay 2 payouts ($300.00)" in page
    assert "It is on hold: A complaint." in page
    client.post(answer.headers["Location"])
    run = db.session.scalars(select(Run)).one()
    assert run.kind == "payouts.pay"
    db.session.rollback()
    runs.step(run_id=run.id, clock=lambda: HOUR)
    states = {
        p.id: p.state for p in db.session.scalars(select(Payout).execution_options(populate_existing=True))
    }
    assert (states[first.id], states[second.id], states[held.id]) == ("processing", "processing", "approved")


def test_set_that_changed_is_asked_again(place: Place) -> None:
    place.approved()
    data = {"act": "pay", "everything": "1", "status": "approved", "expected": "USD:9:1"}
    answer = place.client(place.maker).post(CHECK, data=data)
    assert answer.status_code == 409
    assert "Now 1 payouts match" not in answer.text
    assert "Now 1 payout matches, $499.50." in answer.text


def test_payee_paid_by_hand_is_left_out_with_the_reason(place: Place) -> None:
    by_hand = people.payee(place.organisation, name="By hand")
    people.method(by_hand, accounts.by_hand())
    payout = place.approved(by_hand)
    answer = place.client(place.maker).post(CHECK, data={"act": "pay", "ids": payout.id})
    assert answer.status_code == 422
    assert "It is paid by hand." in answer.text
