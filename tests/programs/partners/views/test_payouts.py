"""Partners' payouts: the list with search, filters and files; a payout of chosen commissions by hand."""

from __future__ import annotations

import json
import re

import pytest
from flask.testing import FlaskClient

from tests.factories import partners as factory
from tests.factories.partners import commissions
from tests.programs.partners.views.conftest import Partnerbase
from tests.programs.partners.views.words import text_of
from tests.support.books import clean
from webapp.database import db, transaction
from webapp.payouts.models import Payout
from webapp.programs.partners.models import Commission

ROOT = "/admin/partners/payouts"


def made(base: Partnerbase) -> Payout:
    """Ada's payout of 50.00."""
    factory.won(base.program, [base.ada])
    [payout_id] = factory.calculate(base.organisation, "2026-02", payees=[base.ada]).payout_ids
    return db.session.get_one(Payout, payout_id)


def test_the_list_shows_each_with_its_status_and_totals(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    payout = made(partnerbase)
    words = text_of(admin.get(ROOT).text)
    for each in (payout.reference, "Ada <b>Ray</b>", "$50.00", "1 payout"):
        assert each in words, each
    assert "USD 1 $50.00 $50.00" in text_of(admin.get(f"{ROOT}/totals").text)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=ray", True), ("q=ben", False), ("q=50.00", True), ("q=50.01", False), ("q=2026-02", True),
        ("q=2026-05", False), ("q=2026-Q1", True), ("q=signed", True), ("q=unsigned", False),
        ("period=2026-02", True), ("period=2026-03", False), ("period=2026-q1", True),
        ("partner=PY-0001", True), ("partner=PY-0002", False), ("amount_from=50.00&amount_to=50.00", True),
        ("state=paid", False), ("state=held", False),
    ],
)  # fmt: skip
def test_search_and_filters(partnerbase: Partnerbase, admin: FlaskClient, query: str, found: bool) -> None:
    payout = made(partnerbase)
    with transaction():
        payout.note = "Signed by the customer"
    assert (payout.reference in admin.get(f"{ROOT}?{query}").text) is found


@pytest.mark.parametrize(
    ("query", "field"),
    [("period=2026", "period"), ("amount_to=x", "amount_to"), ("state=lovely", "state"),
     ("amount_from=5.00&amount_to=4.00", "amount_to")],
)  # fmt: skip
def test_a_filter_that_cannot_be_read_is_422_with_the_field(
    partnerbase: Partnerbase, admin: FlaskClient, query: str, field: str
) -> None:
    answer = admin.get(f"{ROOT}?{query}")
    assert answer.status_code == 422
    assert f'href="#{field}"' in answer.text


def test_sorted_by_amount_and_filed_in_that_order(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    made(partnerbase)
    factory.won(partnerbase.program, [partnerbase.ben], 3_000_00)
    factory.calculate(partnerbase.organisation)
    found = json.loads(admin.get(f"{ROOT}/file.json?sort=-amount").text)
    assert [row["amount"] for row in found["rows"]] == ["150.00", "50.00"]
    assert found["totals"] == [{"currency": "USD", "count": 2, "gross": "200.00", "amount": "200.00"}]
    page = admin.get(f"{ROOT}?sort=amount").text
    assert page.index("$50.00") < page.index("$150.00")


def test_nothing_of_another_organisation_or_program(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    other = factory.partnerbase()
    factory.won(factory.program(other), [factory.partner(other, name="Zoltan")])
    factory.calculate(other)
    assert "No payouts yet" in admin.get(ROOT).text
    assert json.loads(admin.get(f"{ROOT}/file.json").text)["rows"] == []


# ---- By hand -------------------------------------------------------------------------------------------------


def test_a_partner_is_found_by_number_or_name(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    for text in ("py-0001", "Ada"):
        answer = admin.post(f"{ROOT}/new", data={"partner": text})
        assert answer.status_code == 303
        assert answer.location.endswith("/payouts/new/PY-0001")
    both = admin.post(f"{ROOT}/new", data={"partner": "a"})
    assert "Which one?" in both.text or both.status_code == 303
    missing = admin.post(f"{ROOT}/new", data={"partner": "Nobody"})
    assert missing.status_code == 422
    assert 'href="#partner"' in missing.text
    assert admin.post(f"{ROOT}/new", data={"partner": ""}).status_code == 422


def numbers(base: Partnerbase) -> list[str]:
    """The numbers of Ada's commissions."""
    return [row.reference for row in commissions(base.ada)]


def test_chosen_ones_are_checked_then_created_once(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    for amount in (1_000_00, 400_00):
        factory.won(partnerbase.program, [partnerbase.ada], amount)
    first, second = numbers(partnerbase)
    address = f"{ROOT}/new/{partnerbase.ada.reference}"
    page = text_of(admin.get(address).text)
    assert first in page
    assert second in page
    check = admin.post(address, data={"ids": [first]})
    assert check.status_code == 200
    words = text_of(check.text)
    assert "1000.00 × 5 % → 50.00" in words
    assert "Create the payout ($50.00)" in words
    assert second not in words
    key = re.search(r'name="key"[^>]*value="([^"]+)"', check.text)
    assert key is not None
    data = {"ids": [first], "act": "create", "key": key[1], "note": "As agreed"}
    answers = [admin.post(address, data=data) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [303, 303]
    assert answers[0].location == answers[1].location
    payout = partnerbase.newest(Payout)
    assert (payout.amount_minor, payout.note, payout.state) == (50_00, "As agreed", "pending_approval")
    states = {row.reference: row.state for row in commissions(partnerbase.ada)}
    assert states == {first: "claimed", second: "open"}
    assert clean(partnerbase.organisation)


def test_what_stands_in_the_way_is_named_and_nothing_is_made(
    partnerbase: Partnerbase, admin: FlaskClient
) -> None:
    for _ in range(4):
        factory.won(partnerbase.program, [partnerbase.ada])
    rows = commissions(partnerbase.ada)
    with transaction():
        rows[0].is_disputed = True
        rows[1].offer, rows[1].offer_reason = "dismissed", "No order."
        rows[2].due_on = rows[2].due_on.replace(year=2199)
    address = f"{ROOT}/new/{partnerbase.ada.reference}"
    answer = admin.post(address, data={"ids": [*numbers(partnerbase), "CM-999999"], "act": "create"})
    assert answer.status_code == 409
    words = text_of(answer.text)
    for each in (
        "is disputed",
        "was dismissed: No order.",
        "holding period until 2199",
        "no commission CM-999999",
    ):
        assert each in words, each
    assert db.session.query(Payout).count() == 0
    none = admin.post(address, data={"act": "create"})
    assert none.status_code == 422
    assert "Choose at least one commission." in none.text


def test_what_is_taken_back_comes_along(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    deal = factory.won(partnerbase.program, [partnerbase.ada], 400_00)
    factory.calculate(partnerbase.organisation)
    factory.lost(deal)
    factory.won(partnerbase.program, [partnerbase.ada], 1_000_00)
    [sale] = [
        row.reference for row in commissions(partnerbase.ada) if row.state == "open" and row.amount_minor > 0
    ]
    address = f"{ROOT}/new/{partnerbase.ada.reference}"
    assert "Create the payout ($30.00)" in text_of(admin.post(address, data={"ids": [sale]}).text)
    assert admin.post(address, data={"ids": [sale], "act": "create"}).status_code == 303
    assert partnerbase.newest(Payout).amount_minor == 30_00
    assert db.session.query(Commission).filter_by(state="open").count() == 0
    assert clean(partnerbase.organisation)


def test_one_currency_in_each(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    factory.won(partnerbase.program, [partnerbase.ada])
    factory.won(partnerbase.program, [partnerbase.ada], 700_00, currency="EUR")
    answer = admin.post(f"{ROOT}/new/{partnerbase.ada.reference}", data={"ids": numbers(partnerbase)})
    assert answer.status_code == 409
    assert "One payout has one currency; these have EUR, USD." in answer.text


def test_another_organisations_partner_and_commissions_are_not_there(
    partnerbase: Partnerbase, admin: FlaskClient
) -> None:
    other = factory.partnerbase()
    theirs = commissions(factory.won(factory.program(other), [factory.partner(other)]))[0]
    with transaction():
        theirs.reference = "CM-777777"
    answer = admin.post(
        f"{ROOT}/new/{partnerbase.ada.reference}", data={"ids": ["CM-777777"], "act": "create"}
    )
    assert answer.status_code == 409
    assert "There is no commission CM-777777" in answer.text
    assert admin.get(f"{ROOT}/new/PY-0099").status_code == 404
