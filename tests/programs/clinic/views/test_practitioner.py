"""A practitioner's own pages: wallet, withdrawal, invoices; never another's, never a customer's name."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from tests.factories import clinic, people
from tests.programs.clinic.views.conftest import Carepoint
from webapp.database import db, transaction
from webapp.kernel.clock import utc_now
from webapp.payouts.models import Payout
from webapp.programs.clinic import paying

ROOT = "/practitioner"


@pytest.fixture
def mina(carepoint: Carepoint) -> FlaskClient:
    """Mina's browser; 90.00 are in her wallet."""
    user = people.user("mina@carepoint.example", organisation=carepoint.organisation, role="practitioner")
    with transaction():
        db.session.merge(carepoint.mina).user_id = user.id
    invoice = clinic.paid(carepoint.organisation, [carepoint.mina])
    with transaction():
        paying.create_payout(
            organisation_id=carepoint.organisation.id,
            number=invoice.number,
            actor=people.FACTORY,
            now=utc_now(),
        )
    return carepoint.as_(user)


def test_the_wallet_says_what_it_holds_and_why(mina: FlaskClient) -> None:
    page = mina.get(f"{ROOT}/wallet").text
    assert "Your part of an invoice" in page
    assert "90.00" in page


def test_the_home_page_shows_the_wallet(mina: FlaskClient) -> None:
    assert "In your wallet" in mina.get(ROOT, follow_redirects=True).text


def test_own_invoices_name_customers_by_initials_only(carepoint: Carepoint, mina: FlaskClient) -> None:
    clinic.paid(carepoint.organisation, [carepoint.theo])
    page = mina.get(f"{ROOT}/invoices").text
    assert "A. M." in page
    assert "Alex Morgan" not in page
    assert "INV-001" in page
    assert "INV-002" not in page


def test_the_picture_over_the_invoices_says_what_came_in_and_what_was_paid(
    carepoint: Carepoint, mina: FlaskClient
) -> None:
    clinic.paid(carepoint.organisation, [carepoint.theo], 777_00)
    page = mina.get(f"{ROOT}/invoices").text
    assert "Collected and paid to you, CAD" in page
    assert "100.00 for your invoices in six months; $90.00 of it was paid into your wallet" in page


def test_a_withdrawal_leaves_the_wallet_and_waits_for_approval(
    carepoint: Carepoint, mina: FlaskClient
) -> None:
    answer = mina.post(f"{ROOT}/wallet/withdraw", data={"amount": "50.00", "key": "k"}, follow_redirects=True)
    assert answer.status_code == 200
    assert carepoint.holds(carepoint.mina) == 40_00
    assert carepoint.newest(Payout).state == "pending_approval"


def test_the_same_form_twice_is_one_withdrawal(carepoint: Carepoint, mina: FlaskClient) -> None:
    for _ in range(2):
        mina.post(f"{ROOT}/wallet/withdraw", data={"amount": "90.00", "key": "k"})
    assert carepoint.holds(carepoint.mina) == 0
    assert db.session.scalar(select(func.count()).select_from(Payout)) == 2


def test_more_than_the_wallet_is_refused_with_what_it_holds(carepoint: Carepoint, mina: FlaskClient) -> None:
    answer = mina.post(f"{ROOT}/wallet/withdraw", data={"amount": "90.01", "key": "k"})
    assert answer.status_code == 422
    assert "90.00" in answer.text
    assert carepoint.holds(carepoint.mina) == 90_00


def test_somebody_without_a_practitioner_gets_an_empty_wallet_and_no_form(carepoint: Carepoint) -> None:
    user = people.user("x@carepoint.example", organisation=carepoint.organisation, role="practitioner")
    browser = carepoint.as_(user)
    assert "Nothing in your wallet yet" in browser.get(f"{ROOT}/wallet").text
    assert browser.get(f"{ROOT}/wallet/withdraw").status_code == 404
