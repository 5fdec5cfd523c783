"""The first page and the trail: cards, the banner, what needs somebody, what comes next."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from tests.factories import partners as factory
from tests.factories.partners import commissions
from tests.programs.partners.views.conftest import Partnerbase
from tests.programs.partners.views.words import text_of
from webapp.database import db, transaction
from webapp.kernel.clock import utc_now
from webapp.payouts.models import Payout

ROOT = "/admin/partners"


def waiting(base: Partnerbase) -> Payout:
    """A payout that waits for approval."""
    factory.won(base.program, [base.ada])
    [payout_id] = factory.calculate(base.organisation).payout_ids
    with transaction():
        payout = db.session.get_one(Payout, payout_id)
        payout.state = "pending_approval"
    return payout


def test_cards_count_and_sum_each_currency_by_itself(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    payout = waiting(partnerbase)
    with transaction():
        payout.state, payout.paid_on = "paid", utc_now().date()
    factory.won(partnerbase.program, [partnerbase.ben], 700_00, currency="EUR")
    [payout_id] = factory.calculate(partnerbase.organisation).payout_ids
    with transaction():
        db.session.get_one(Payout, payout_id).state = "pending_approval"
    words = text_of(admin.get(ROOT).text)
    assert "To approve 1 €35.00 EUR" in words
    assert "Paid 1 $50.00" in words
    assert "All 2 €35.00 EUR $50.00" in words


@pytest.mark.parametrize(("days", "said"), [(0, "since today"), (1, "for 1 day"), (4, "for 4 days")])
def test_the_banner_says_how_many_wait_and_how_long(
    partnerbase: Partnerbase, admin: FlaskClient, days: int, said: str
) -> None:
    payout = waiting(partnerbase)
    with transaction():
        payout.created_at = utc_now() - timedelta(days=days)
    page = admin.get(ROOT).text
    assert f"1 payout waits for approval {said}." in page
    assert "/admin/approvals?program=partners" in page


def test_no_banner_when_nothing_waits(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    assert "for approval" not in admin.get(ROOT).text


def test_what_needs_somebody_leads_to_it(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    assert "Nothing needs you." in admin.get(ROOT).text
    row = commissions(factory.won(partnerbase.program, [partnerbase.ada]))[0]
    page = admin.get(ROOT).text
    assert "1 commission is due and in no payout" in page
    with transaction():
        row.offer, row.offer_reason = "blocked", "Rejected."
    page = admin.get(ROOT).text
    assert "1 commission waits for a decision" in page
    assert "/admin/partners/commissions?state=rejected" in page


def test_without_a_program_it_says_what_to_do_first(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    with transaction():
        db.session.delete(partnerbase.program)
    page = admin.get(ROOT).text
    assert "No programs yet" in page
    assert "Calculate commissions" not in page


def test_it_says_when_the_next_calculation_comes(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    assert "Next calculation 1 " in text_of(admin.get(ROOT).text)
    with transaction():
        db.session.merge(partnerbase.program).is_automatic = False
    assert "the programs are calculated by hand" in admin.get(ROOT).text


def test_nothing_of_another_organisation_is_counted(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    other = factory.partnerbase()
    factory.won(factory.program(other), [factory.partner(other, name="Zoltan")])
    factory.calculate(other)
    words = text_of(admin.get(ROOT).text)
    assert "All 0 None" in words
    assert "Zoltan" not in words


def test_activity_is_this_programs_trail_alone(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    payout = waiting(partnerbase)
    other = factory.partnerbase()
    factory.program(other, name="Zoltan's program")
    page = text_of(admin.get(f"{ROOT}/activity").text)
    assert payout.reference in page
    assert "PP-0001" in page
    assert "Zoltan" not in page
    assert "Partnerbase" not in text_of(admin.get(f"{ROOT}/activity", headers={"HX-Request": "true"}).text)
    narrowed = text_of(admin.get(f"{ROOT}/activity?tag=calculation").text)
    assert "2026-Q1" in narrowed
    assert payout.reference not in narrowed
    assert admin.get(f"{ROOT}/activity?from=yesterday").status_code == 422
