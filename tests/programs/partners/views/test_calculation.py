"""Calculating on the page: what it would make and who waits, the run, a second time nothing new."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from tests.factories import partners as factory
from tests.programs.partners.views.conftest import Partnerbase
from tests.programs.partners.views.words import text_of
from webapp.database import db
from webapp.payouts.models import Payout
from webapp.runs import service as runs
from webapp.runs.models import Run

ROOT = "/admin/partners/calculate"


def payouts() -> int:
    """How many payouts there are."""
    db.session.rollback()
    return int(db.session.scalar(select(func.count()).select_from(Payout)) or 0)


def expected(page: str) -> str:
    """What the page promises to make."""
    found = re.search(r'name="expected" value="([^"]*)"', page)
    assert found is not None
    return found[1]


def work(base: Partnerbase) -> Run:
    """The newest run after a worker was at it."""
    found: Run = base.newest(Run)
    assert found.state == "queued"
    assert runs.step(run_id=found.id) is True
    again: Run = base.newest(Run)
    return again


def test_the_page_says_what_it_would_make_and_who_waits_and_why(
    partnerbase: Partnerbase, admin: FlaskClient
) -> None:
    least = factory.program(partnerbase.organisation, minimums={"EUR": 100_00})
    factory.won(partnerbase.program, [partnerbase.ada])
    factory.won(partnerbase.program, [partnerbase.ben], 3_000_00)
    factory.won(least, [partnerbase.ben], 700_00, currency="EUR")
    words = text_of(admin.get(f"{ROOT}?period=2026-02").text)
    for each in (
        "USD 2 $200.00", "Make 2 payouts", "Ada <b>Ray</b>", "$150.00", "Less than the smallest payout, €100.00",
    ):  # fmt: skip
        assert each in words, each
    assert payouts() == 0


def test_the_run_makes_them_and_a_second_time_nothing_new(
    partnerbase: Partnerbase, admin: FlaskClient
) -> None:
    factory.won(partnerbase.program, [partnerbase.ada])
    promised = expected(admin.get(f"{ROOT}?period=2026-02").text)
    answer = admin.post(ROOT, data={"period": "2026-02", "expected": promised})
    assert answer.status_code == 303
    run = work(partnerbase)
    assert answer.location.endswith(run.reference)
    assert (run.done, payouts()) == (1, 1)
    page = admin.get(answer.location).text
    assert "Approve or reject them" in page
    again = admin.post(ROOT, data={"period": "2026-02"}, follow_redirects=True)
    assert "Nothing new is due up to 2026-02. No payout was made." in text_of(again.text)
    assert payouts() == 1


def test_the_same_press_twice_makes_one_payout(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    factory.won(partnerbase.program, [partnerbase.ada])
    for _ in range(2):
        assert admin.post(ROOT, data={"period": "2026-02"}).status_code == 303
    work(partnerbase)
    assert payouts() == 1


def test_what_changed_since_it_was_seen_is_409_and_makes_nothing(
    partnerbase: Partnerbase, admin: FlaskClient
) -> None:
    factory.won(partnerbase.program, [partnerbase.ada])
    promised = expected(admin.get(f"{ROOT}?period=2026-02").text)
    factory.won(partnerbase.program, [partnerbase.ben])
    answer = admin.post(ROOT, data={"period": "2026-02", "expected": promised})
    assert answer.status_code == 409
    assert "now it would make 2 payouts" in answer.text
    assert (payouts(), expected(answer.text)) == (0, "USD:2:10000")


@pytest.mark.parametrize("period", ["2026-13", "2026-Q5", "soon", "", "2099-01"])
def test_wrong_periods_are_422_with_the_field(
    partnerbase: Partnerbase, admin: FlaskClient, period: str
) -> None:
    for answer in (
        admin.get(ROOT, query_string={"period": period}),
        admin.post(ROOT, data={"period": period}),
    ):
        assert answer.status_code == 422
        assert 'href="#period"' in answer.text
        assert 'aria-invalid="true"' in answer.text


def test_accountants_look_and_start_nothing(partnerbase: Partnerbase) -> None:
    factory.won(partnerbase.program, [partnerbase.ada])
    browser = partnerbase.as_(partnerbase.books)
    page = browser.get(f"{ROOT}?period=2026-02")
    assert page.status_code == 200
    assert "Make 1 payout" not in page.text
    assert browser.post(ROOT, data={"period": "2026-02"}).status_code == 403


def test_another_organisations_partners_are_not_paid(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    other = factory.partnerbase()
    factory.won(factory.program(other), [factory.partner(other, name="Zoltan")])
    assert "Zoltan" not in admin.get(f"{ROOT}?period=2026-02").text
    admin.post(ROOT, data={"period": "2026-02"})
    assert (payouts(), db.session.scalar(select(func.count()).select_from(Run))) == (0, 0)
