"""Disputes on admins' pages: the list by state, and the decision with its answer."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from tests.factories import partners
from tests.factories.partners import TODAY, commissions
from tests.factories.people import FACTORY, actor_of, stored
from tests.programs.partners.views.conftest import Partnerbase
from webapp.kernel.actor import Actor
from webapp.programs.partners import disputing
from webapp.programs.partners.models import Commission, CommissionDispute

ROOT = "/admin/partners/disputes"
ANSWER = "The deal was over 1,000.00, as the order says."


def raised(base: Partnerbase, by: Actor = FACTORY) -> CommissionDispute:
    """An objection of a partner to a commission."""
    deal = partners.won(base.program, [base.ada])
    [row] = commissions(deal)
    with stored():
        return disputing.raise_dispute(
            organisation_id=base.organisation.id, payee_id=base.ada.id, reference=row.reference,
            reason="It was <b>12,000</b>.", actor=by, now=TODAY,
        )  # fmt: skip


def test_the_list_shows_those_that_wait(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    assert "No dispute waits" in admin.get(ROOT).text
    raised(partnerbase)
    page = admin.get(ROOT).text
    assert "&lt;b&gt;12,000" in page
    assert "Ada &lt;b&gt;Ray&lt;/b&gt;" in page
    assert "Decide" in page
    assert "None of this state" in admin.get(f"{ROOT}?state=refused").text
    assert "&lt;b&gt;12,000" in admin.get(f"{ROOT}?state=all").text


@pytest.mark.parametrize(("choice", "state"), [("accept", "accepted"), ("refuse", "refused")])
def test_a_decision_lets_the_commission_go_on(
    partnerbase: Partnerbase, admin: FlaskClient, choice: str, state: str
) -> None:
    made = raised(partnerbase)
    shown = admin.get(f"{ROOT}/{made.id}").text
    assert "this commission alone waits" in shown
    assert "5 % by the own rate of the partner" in shown
    sent = admin.post(f"{ROOT}/{made.id}", data={"choice": choice, "answer": ANSWER})
    assert sent.status_code == 303
    done = partnerbase.again(made)
    assert (done.state, done.answer, done.decided_by_label) == (state, ANSWER, "dana@partnerbase.example")
    assert not partnerbase.newest(Commission).is_disputed
    assert ANSWER in admin.get(f"{ROOT}?state={state}").text
    assert admin.get(f"{ROOT}/{made.id}").status_code == 409
    assert admin.post(f"{ROOT}/{made.id}", data={"choice": choice, "answer": ANSWER}).status_code == 409


def test_only_the_disputed_commission_waits(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    made = raised(partnerbase)
    partners.won(partnerbase.program, [partnerbase.ada], 500_00)
    [payout_id] = partners.calculate(partnerbase.organisation).payout_ids
    assert partnerbase.again(made).commission.payout_id is None
    assert partnerbase.newest(Commission).payout_id == payout_id


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"choice": "accept"}, "answer"), ({"choice": "accept", "answer": "  "}, "answer"),
        ({"answer": ANSWER}, "choice"), ({"choice": "maybe", "answer": ANSWER}, "choice"),
        ({"choice": "accept", "answer": "x" * 2001}, "answer"),
    ],
)  # fmt: skip
def test_a_decision_without_an_answer_is_none(
    partnerbase: Partnerbase, admin: FlaskClient, data: dict[str, str], field: str
) -> None:
    made = raised(partnerbase)
    page = admin.post(f"{ROOT}/{made.id}", data=data)
    assert page.status_code == 422
    assert f'id="{field}-error"' in page.text
    assert partnerbase.again(made).state == "open"


def test_nobody_decides_about_their_own(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    made = raised(partnerbase, actor_of(partnerbase.dana))
    assert "Decide" not in admin.get(ROOT).text
    assert admin.post(f"{ROOT}/{made.id}", data={"choice": "accept", "answer": ANSWER}).status_code == 409
    assert partnerbase.again(made).state == "open"


def test_an_accountant_and_strangers_decide_nothing(partnerbase: Partnerbase) -> None:
    made = raised(partnerbase)
    browser = partnerbase.as_(partnerbase.books)
    assert "Decide" not in browser.get(ROOT).text
    assert browser.get(f"{ROOT}/{made.id}").status_code == 403
    browser = partnerbase.as_(partnerbase.sam)
    assert browser.get(f"{ROOT}/{made.id + 1}").status_code == 404
