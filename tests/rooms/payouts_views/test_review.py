"""The page on which two people settle a transfer whose answers contradict one another."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import time_machine
from flask.testing import FlaskClient

from tests.factories import people
from tests.factories.pages import Place
from tests.factories.payouts import payout_sent
from tests.rooms.payouts.rails import Reply, ScriptedRail
from tests.rooms.payouts_views.conftest import HOUR
from webapp.database import db, transaction
from webapp.kernel.clock import utc_now
from webapp.payouts import execution, policies
from webapp.payouts.models import Payout, Transfer
from webapp.payouts.policy import default_rules
from webapp.payouts.views import plans
from webapp.people.models import User
from webapp.providers import registry
from webapp.providers.ports import Answer, Outcome

FAILED = Answer(Outcome.FAILED, code="ACCOUNT_CLOSED", message="The account is closed.")
SUCCEEDED = Answer(Outcome.SUCCEEDED, utr="UTR42")
NOTE = "The statement of 20 November shows it."


def _under_review(place: Place, *answers: Reply) -> Payout:
    """A payout whose bank said one thing first and another one later."""
    payout = payout_sent(place.organisation, payee=place.payee, approver=place.approver, now=HOUR)
    payout_id, row_id = payout.id, db.session.query(Transfer.id).filter_by(payout_id=payout.id).scalar()
    db.session.rollback()
    moments = (HOUR + timedelta(minutes=n) for n in range(20))
    with registry.using("sandbox", ScriptedRail([Outcome.ACCEPTED], list(answers))):
        execution.send(transfer_row_id=row_id, clock=lambda: next(moments))
        for _ in answers:
            execution.check(transfer_row_id=row_id, clock=lambda: next(moments))
    return _fresh(payout_id)


def _fresh(payout_id: int) -> Payout:
    db.session.rollback()
    return db.session.get_one(Payout, payout_id, populate_existing=True)


@pytest.fixture
def payout(place: Place) -> Payout:
    """The bank refused it, and said later that the money had left."""
    made = _under_review(place, FAILED, SUCCEEDED)
    assert (made.state, made.transfers[-1].state) == ("failed", "review")
    return made


def _address(payout: Payout, action: str = "/settle-review") -> str:
    return f"/admin/payouts/{payout.reference}{action}"


def _say(client: FlaskClient, payout: Payout, html: str, **data: str) -> tuple[int, str]:
    seen = re.search(r'name="version" value="(\d+)"', html)
    assert seen is not None
    answer = client.post(_address(payout), data={"version": seen[1], "note": NOTE, **data})
    return answer.status_code, answer.text


def test_detail_page_asks_for_the_review_first(place: Place, payout: Payout) -> None:
    html = place.client(place.approver).get(_address(payout, "")).text
    assert f'href="{_address(payout)}" class="btn btn-primary"' in html
    assert "Failed, under review" in html
    assert "Two people must settle what happened." in html
    assert "Put under review" in html
    for action in ("/pay", "/retry", "/mark-paid", "/cancel", "/check-status", "/reissue"):
        assert f'"{_address(payout, action)}"' not in html
    status = place.client(place.approver).get(_address(payout, "/status"))
    assert status.status_code == 286


def test_page_shows_both_statements_of_the_bank(place: Place, payout: Payout) -> None:
    html = place.client(place.approver).get(_address(payout)).text
    for text in (
        "The bank said failed first, and succeeded later.",
        "It refused; nothing has left",
        "The account is closed. ACCOUNT_CLOSED",
        "The money has left",
        "UTR42",
        payout.transfers[-1].transfer_id,
        "What was asked and answered (4)",
        "Nobody has given their word yet.",
        "The payout becomes paid.",
    ):
        assert text in html
    fragment = place.client(place.approver).get(
        _address(payout), headers={"HX-Request": "true", "HX-Target": "dialog"}
    )
    assert "<html" not in fragment.text


def test_another_amount_than_was_ordered_is_shown(place: Place) -> None:
    made = _under_review(place, Answer(Outcome.SUCCEEDED, amount_minor=1))
    html = place.client(place.approver).get(_address(made)).text
    for text in ("It has the order", "$499.50", "$0.01", "The payout becomes failed"):
        assert text in html


@pytest.mark.parametrize(("finding", "state"), [("moved", "paid"), ("not_moved", "failed")])
def test_two_people_settle_it(place: Place, payout: Payout, finding: str, state: str) -> None:
    first, second = place.client(place.maker), place.client(place.approver)
    html = first.get(_address(payout)).text
    assert _say(first, payout, html, finding=finding)[0] == 303
    mine = first.get(_address(payout)).text
    missing = re.search(r"The word of a second person is missing: <bdi>([^<]*)</bdi>", mine)
    assert missing is not None
    assert "ravi@example.com" in missing[1]
    assert "maya@example.com" not in missing[1]
    theirs = second.get(_address(payout)).text
    assert "<bdi>maya@example.com</bdi> found that" in theirs
    assert "Your word is missing." in theirs
    assert NOTE in theirs
    assert _fresh(payout.id).transfers[-1].state == "review"
    assert _say(second, payout, theirs, finding=finding)[0] == 303
    settled = _fresh(payout.id)
    assert (settled.state, settled.transfers[-1].state) == (state, {"paid": "succeeded"}.get(state, state))
    page = second.get(_address(payout, "")).text
    assert _address(payout) not in page
    assert "A finding about the review" in page


def test_one_person_twice_settles_nothing(place: Place, payout: Payout) -> None:
    client = place.client(place.maker)
    html = client.get(_address(payout)).text
    _say(client, payout, html, finding="moved")
    version = _fresh(payout.id).version
    # The same form sent twice is a repeat, and a new one of the same person is no second person.
    assert _say(client, payout, html, finding="moved")[0] == 303
    assert _fresh(payout.id).version == version
    again = client.get(_address(payout)).text
    assert _say(client, payout, again, finding="moved", note="I looked again.")[0] == 303
    assert _fresh(payout.id).transfers[-1].state == "review"


def test_second_word_is_not_given_on_a_page_from_before_the_first(place: Place, payout: Payout) -> None:
    first, second = place.client(place.maker), place.client(place.approver)
    old = second.get(_address(payout)).text
    _say(first, payout, first.get(_address(payout)).text, finding="moved")
    status, html = _say(second, payout, old, finding="moved", note="I saw the debit.")
    assert status == 409
    assert "changed since you opened this page" in html
    assert "I saw the debit." in html
    assert "<bdi>maya@example.com</bdi> found that" in html
    assert _fresh(payout.id).transfers[-1].state == "review"
    assert _say(second, payout, html, finding="moved", note="I saw the debit.")[0] == 303
    assert _fresh(payout.id).state == "paid"


def test_word_needs_a_finding_and_a_note(place: Place, payout: Payout) -> None:
    client = place.client(place.maker)
    html = client.get(_address(payout)).text
    for data, message, kept in (
        ({"note": "I looked."}, "Choose what you found.", "I looked."),
        ({"finding": "perhaps"}, "Say whether the money has left.", NOTE),
        ({"finding": "moved", "note": "  "}, "Write how you know", 'value="moved" checked'),
    ):
        status, text = _say(client, payout, html, **data)
        assert status == 422
        assert message in text
        assert kept in re.sub(r'checked (.*?)value="moved"', r'\1value="moved" checked', text)
    assert _fresh(payout.id).transfers[-1].state == "review"


def test_settled_review_is_a_conflict_that_keeps_the_text(place: Place, payout: Payout) -> None:
    first, second = place.client(place.maker), place.client(place.approver)
    for client in (first, second):
        _say(client, payout, client.get(_address(payout)).text, finding="moved")
    version = _fresh(payout.id).version
    answer = first.post(
        _address(payout), data={"version": version, "finding": "not_moved", "note": "Too late?"}
    )
    assert answer.status_code == 409
    assert "No transfer of" in answer.text
    assert "Too late?" in answer.text


def test_lonely_admin_is_told_that_a_second_one_is_needed(place: Place, payout: Payout) -> None:
    with transaction():
        for user in db.session.query(User).filter(User.email != "maya@example.com"):
            user.is_active = False
    html = place.client(place.maker).get(_address(payout)).text
    assert "one person cannot settle it" in html
    assert "choose single-operator mode in the <a href=" in html


def test_accountant_does_not_see_the_form(place: Place, payout: Payout) -> None:
    accountant = people.user(organisation=place.organisation, role="accountant")
    assert place.client(accountant).get(_address(payout)).status_code == 403


def test_without_a_review_there_is_nothing_to_settle(place: Place) -> None:
    made = place.approved()
    assert "settle-review" in plans.PLANS
    client = place.client(place.maker)
    html = client.get(_address(made)).text
    assert "there is nothing to settle" in html
    assert "Give your word" not in html
    sent = {"version": str(made.version), "note": NOTE, "finding": "moved"}
    assert client.post(_address(made), data=sent).status_code == 409


def _single_operator(place: Place) -> None:
    with transaction():
        policies.change_policy(
            organisation_id=place.organisation.id,
            rules={**default_rules("USD"), "single_operator": {"is_on": True}},
            actor=people.FACTORY,
            now=HOUR,
        )


def test_a_single_operator_is_told_when_and_settles_it_then(place: Place, payout: Payout) -> None:
    _single_operator(place)
    client = place.client(place.maker)
    html = client.get(_address(payout)).text
    assert "after your word you wait 12 hours, look again, and confirm it yourself" in html
    assert "Two different people must find the same" not in html
    _say(client, payout, html, finding="moved")
    waiting = client.get(_address(payout)).text
    assert "you can confirm your own word from" in waiting
    # The same words sent again too early are a repeat; the delay is not begun anew.
    assert _say(client, payout, waiting, finding="moved")[0] == 303
    assert _fresh(payout.id).transfers[-1].state == "review"
    with time_machine.travel(utc_now() + timedelta(hours=12, minutes=1), tick=False):
        client = place.client(place.maker)
        over = client.get(_address(payout)).text
        assert "the delay of 12 hours is over" in over
        assert _say(client, payout, over, finding="moved")[0] == 303
    assert _fresh(payout.id).state == "paid"
