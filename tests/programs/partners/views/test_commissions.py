"""Commissions: the list with its filters and files, one commission explained, what becomes of a rejected one."""

from __future__ import annotations

import csv
import io
import json
from datetime import date
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.factories import partners as factory
from tests.factories.partners import TODAY, commissions
from tests.factories.people import actor_of
from tests.programs.partners.views.conftest import Partnerbase
from tests.programs.partners.views.words import text_of
from webapp.audit.models import AuditEvent
from webapp.database import db, transaction
from webapp.payouts import service as payouts
from webapp.payouts.models import Payout
from webapp.people.models import Payee
from webapp.programs.partners.models import Commission
from webapp.programs.partners.standing import Standing, standing, stands

ROOT = "/admin/partners/commissions"


def of(base: Partnerbase, payee: Payee, amount: int = 1_000_00, **values: Any) -> Commission:
    """The commission of a deal that was won."""
    return commissions(factory.won(base.program, [payee], amount, **values))[0]


def rejected(base: Partnerbase, row: Commission) -> str:
    """The number of a commission after its payout was rejected."""
    [payout_id] = factory.calculate(base.organisation).payout_ids
    payout = db.session.get_one(Payout, payout_id)
    with transaction():
        payouts.reject(
            organisation_id=base.organisation.id, reference=payout.reference, reason="It is not signed.",
            actor=actor_of(base.sam), now=TODAY,
        )  # fmt: skip
    return str(base.again(row).reference)


def test_the_list_says_of_what_how_much_and_how_it_stands(
    partnerbase: Partnerbase, admin: FlaskClient
) -> None:
    row = of(partnerbase, partnerbase.ada)
    page = admin.get(ROOT)
    assert page.status_code == 200
    words = text_of(page.text)
    for each in (row.reference, "Ada <b>Ray</b>", "$1,000.00", "5 %", "$50.00", "Referrals", "1 commission"):
        assert each in words, each
    assert "<b>Ray</b>" not in page.text.replace("&lt;b&gt;Ray&lt;/b&gt;", "")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("partner=ben", False),
        ("partner=ada", True),
        ("q=Ray", True),
        ("kind=clawback", False),
        ("kind=sale", True),
        ("period=2026-02", True),
        ("period=2026-Q2", False),
        ("date_to=2026-02-09", False),
        ("amount_from=50.00", True),
        ("amount_from=50.01", False),
        ("state=open", True),
        ("state=paid", False),
    ],
)
def test_each_filter_narrows(partnerbase: Partnerbase, admin: FlaskClient, query: str, found: bool) -> None:
    row = of(partnerbase, partnerbase.ada)
    assert (row.reference in admin.get(f"{ROOT}?{query}").text) is found


@pytest.mark.parametrize(
    ("query", "field"),
    [("period=2026-13", "period"), ("amount_from=ten", "amount_from"), ("date_from=yesterday", "date_from"),
     ("date_from=2026-03-01&date_to=2026-02-01", "date_to"), ("state=lovely", "state")],
)  # fmt: skip
def test_a_filter_that_cannot_be_read_is_422_with_the_field(
    partnerbase: Partnerbase, admin: FlaskClient, query: str, field: str
) -> None:
    answer = admin.get(f"{ROOT}?{query}")
    assert answer.status_code == 422
    assert f'href="#{field}"' in answer.text
    assert admin.get(f"{ROOT}/totals?{query}").status_code == 422


def test_totals_are_by_currency_and_never_added(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    of(partnerbase, partnerbase.ada)
    of(partnerbase, partnerbase.ben, 700_00, currency="EUR")
    words = text_of(admin.get(f"{ROOT}/totals").text)
    assert "EUR 1 €35.00" in words
    assert "USD 1 $50.00" in words


def test_files_have_exactly_the_filter_and_their_sum(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    row = of(partnerbase, partnerbase.ada)
    of(partnerbase, partnerbase.ben, 3_000_00)
    text = admin.get(f"{ROOT}/file.csv?partner=ada").get_data(as_text=True).removeprefix("\ufeff")
    [found] = list(csv.DictReader(io.StringIO(text)))
    assert (found["Commission"], found["Rate, per cent"]) == (row.reference, "5")
    assert found["Attributed"] == "1000.00"
    sums = json.loads(admin.get(f"{ROOT}/file.json").text)["totals"]
    assert sums == [{"currency": "USD", "count": 2, "amount": "200.00"}]
    assert admin.get(f"{ROOT}/file.pdf").data.startswith(b"%PDF")
    assert admin.get(f"{ROOT}/file.csv?period=soon").status_code == 422
    event = partnerbase.newest(AuditEvent)
    assert event.tag == "partners:commissions:exported"


def test_the_page_of_one_says_how_it_was_worked_out(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    row = of(partnerbase, partnerbase.ada)
    words = text_of(admin.get(f"{ROOT}/{row.reference}").text)
    for each in (
        "Their part of the deal $1,000.00",
        "Rate 5 %",
        "the partner's own rate",
        "Commission $50.00",
    ):
        assert each in words, each
    assert admin.get(f"{ROOT}/CM-999999").status_code == 404


def test_what_is_paid_says_until_when_it_can_be_taken_back(
    partnerbase: Partnerbase, admin: FlaskClient
) -> None:
    row = of(partnerbase, partnerbase.ada)
    factory.calculate(partnerbase.organisation)
    with transaction():
        row.state, row.paid_at = "paid", TODAY
    assert "It can be taken back until 31 Mar 2027" in text_of(admin.get(f"{ROOT}/{row.reference}").text)


def test_a_rejected_one_is_offered_again_with_a_reason(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    reference = rejected(partnerbase, of(partnerbase, partnerbase.ada))
    page = text_of(admin.get(f"{ROOT}/{reference}").text)
    assert "It is not signed." in page
    assert "Offer it again…" in page
    assert reference in admin.get(f"{ROOT}?state=rejected").text
    address = f"{ROOT}/{reference}/offer"
    assert admin.post(address, data={"reason": ""}).status_code == 422
    assert admin.post(address, data={"reason": "It is signed now."}).status_code == 303
    assert partnerbase.newest(Commission).offer == "open"
    again = admin.post(address, data={"reason": "Once more."})
    assert again.status_code == 409
    assert "nothing to decide" in again.text


def test_a_rejected_one_is_dismissed_and_never_taken(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    reference = rejected(partnerbase, of(partnerbase, partnerbase.ada))
    assert admin.post(f"{ROOT}/{reference}/dismiss", data={"reason": "No order."}).status_code == 303
    assert "Dismissed" in text_of(admin.get(f"{ROOT}/{reference}").text)
    assert factory.calculate(partnerbase.organisation).payout_ids == ()


def test_another_organisations_are_not_there(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    other = factory.partnerbase()
    theirs = commissions(factory.won(factory.program(other), [factory.partner(other, name="Zoltan Quirk")]))[
        0
    ]
    mine = of(partnerbase, partnerbase.ada)
    page = admin.get(ROOT).text
    assert "Zoltan" not in page
    assert "Zoltan" not in admin.get(f"{ROOT}/file.json").text
    assert admin.get(f"{ROOT}/totals").text.count("$50.00") == 1
    with transaction():
        theirs.reference = "CM-777777"
    assert admin.get(f"{ROOT}/CM-777777").status_code == 404
    assert admin.post(f"{ROOT}/CM-777777/offer", data={"reason": "Mine."}).status_code == 404
    assert mine.reference in page


def test_accountants_look_and_change_nothing(partnerbase: Partnerbase) -> None:
    reference = rejected(partnerbase, of(partnerbase, partnerbase.ada))
    browser = partnerbase.as_(partnerbase.books)
    page = browser.get(f"{ROOT}/{reference}")
    assert page.status_code == 200
    assert "Offer it again" not in page.text
    assert browser.post(f"{ROOT}/{reference}/offer", data={"reason": "Please."}).status_code == 403


@pytest.mark.parametrize("today", [date(2026, 3, 11), date(2026, 3, 12)])
def test_the_query_and_the_words_agree_on_how_each_stands(partnerbase: Partnerbase, today: date) -> None:
    rows = [of(partnerbase, partnerbase.ada) for _ in range(6)]
    with transaction():
        rows[1].is_disputed = True
        rows[2].offer = "blocked"
        rows[3].offer = "dismissed"
        rows[4].state = "cancelled"
        rows[5].offer, rows[5].is_disputed = "blocked", True
    seen: list[str] = []
    for each in Standing:
        for row in db.session.query(Commission).filter(stands(each, today)):
            said = standing(
                state=row.state, offer=row.offer, is_disputed=row.is_disputed, due_on=row.due_on, today=today
            )
            assert said is each
            seen.append(row.reference)
    assert sorted(seen) == sorted(row.reference for row in rows)
