"""The list of payouts: filters, pages, totals, files."""

from __future__ import annotations

import csv
import io
from datetime import date

import openpyxl
import pytest

from tests.factories import people
from tests.factories.pages import Place, counted_queries
from tests.factories.payouts import line
from webapp.database import transaction
from webapp.payouts import service


def _references(html: str) -> set[str]:
    import re

    return set(re.findall(r'<a href="/admin/payouts/(PO-2026-\d{6})"', html))


def test_list_shows_what_a_person_looks_for(place: Place) -> None:
    payout = place.payout(place.other, 123_450)
    html = place.client(place.maker).get("/admin/payouts").text
    for text in (payout.reference, "Ana Souza", "1–30 Nov 2026", "$1,234.50", "To approve", "••"):
        assert text in html
    assert "1 payout<" in html


def test_each_filter_narrows_and_gets_a_chip(place: Place) -> None:
    small = place.payout(place.payee, 10_000)
    large = place.payout(place.other, 900_000, period_start=date(2026, 9, 1), period_end=date(2026, 9, 30))
    client = place.client(place.maker)
    cases = {
        f"q={large.reference[-6:]}": large,
        "q=souza": large,
        "payee=ana": large,
        f"payee={place.payee.reference}": small,
        "period_to=2026-09-30": large,
        "period_from=2026-10-01": small,
        "amount_from=5,000.00": large,
        "amount_to=100": small,
    }
    for query, expected in cases.items():
        html = client.get(f"/admin/payouts?{query}").text
        assert _references(html) == {expected.reference}, query
        assert "Remove filter" in html
    assert _references(client.get("/admin/payouts?status=paid").text) == set()
    assert "No payouts match" in client.get("/admin/payouts?status=paid").text
    assert len(_references(client.get("/admin/payouts?status=open").text)) == 2


def test_percent_sign_is_looked_for_as_it_is(place: Place) -> None:
    place.payout()
    assert "No payouts match" in place.client(place.maker).get("/admin/payouts?q=%25").text


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("amount_from=lots", "is not an amount"),
        ("period_from=yesterday", "Enter a day like 2026-10-31."),
        ("period_from=2026-10-01&period_to=2026-09-01", "ends before it begins"),
        ("amount_from=9&amount_to=5", "below the lower one"),
        ("status=lost", "Not a valid choice"),
    ],
)
def test_filter_that_cannot_be_read_shows_nothing(place: Place, query: str, message: str) -> None:
    payout = place.payout()
    for address in ("/admin/payouts", "/admin/payouts/export.csv", "/admin/approvals"):
        if "status" in query and address == "/admin/approvals":
            continue
        answer = place.client(place.maker).get(f"{address}?{query}")
        assert answer.status_code == 422, address
        assert message in answer.text
        assert payout.reference not in answer.text


def test_pages_follow_the_key_and_keep_the_filter(place: Place) -> None:
    for _ in range(30):
        place.payout(place.other)
    place.payout(place.payee)
    client = place.client(place.maker)
    first = client.get("/admin/payouts?payee=ana&size=25").text
    assert len(_references(first)) == 25
    assert "30 payouts" in first
    import re

    following = re.search(r'rel="next" href="([^"]+)"', first)
    assert following is not None
    second = client.get(following[1].replace("&amp;", "&")).text
    assert len(_references(second)) == 5
    assert not _references(first) & _references(second)
    assert 'rel="prev"' in second


def test_list_asks_the_same_few_questions_for_one_row_and_for_fifty(place: Place) -> None:
    client = place.client(place.maker)
    place.payout()
    with counted_queries() as few:
        client.get("/admin/payouts")
    for _ in range(49):
        place.payout(people.payee(place.organisation))
    with counted_queries() as many:
        html = client.get("/admin/payouts").text
    assert len(_references(html)) == 50
    assert len(many) == len(few)
    assert len(many) <= 12, many


def test_fragment_is_the_rows_alone(place: Place) -> None:
    payout = place.payout()
    html = place.client(place.maker).get("/admin/payouts", headers={"HX-Request": "true"}).text
    assert payout.reference in html
    assert "<html" not in html
    assert 'name="q"' not in html


def test_totals_never_add_currencies(place: Place) -> None:
    place.payout(amount=10_000)
    place.payout(amount=20_000)
    place.payout(amount=7_000, currency="INR")
    client = place.client(place.maker)
    page = client.get("/admin/payouts/totals")
    fragment = client.get("/admin/payouts/totals", headers={"HX-Request": "true"}).text
    assert "<html" in page.text
    assert "<html" not in fragment
    for html in (page.text, fragment):
        assert "$300.00" in html
        assert "₹70.00 INR" in html
        assert "370.00" not in html


def test_csv_is_exactly_the_filter_and_cannot_run(place: Place) -> None:
    evil = people.payee(place.organisation, name="=HYPERLINK(1)")
    place.payout(evil, 12_345, lines=[line(15_000), line(-2_655, kind="deduction")])
    place.payout(place.other, 99_900)
    answer = place.client(place.maker).get("/admin/payouts/export.csv?q=HYPERLINK")
    rows = list(csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig"))))
    assert len(rows) == 1
    row = rows[0]
    assert row["Payee"] == "'=HYPERLINK(1)"
    assert (row["Currency"], row["Gross"], row["Deductions"], row["Net"]) == (
        "USD",
        "150.00",
        "-26.55",
        "123.45",
    )
    assert row["Period from"] == "2026-11-01"
    assert "attachment" in answer.headers["Content-Disposition"]


def test_xlsx_holds_the_same_rows(place: Place) -> None:
    payout = place.payout(amount=12_345)
    place.payout(place.other)
    answer = place.client(place.maker).get("/admin/payouts/export.xlsx?payee=tomas")
    sheet = openpyxl.load_workbook(io.BytesIO(answer.data)).active
    cells = [[cell.value for cell in row] for row in sheet.iter_rows()]
    assert len(cells) == 2
    assert cells[1][0] == payout.reference
    assert cells[1][cells[0].index("Net")] == 123.45


def test_other_organisations_payouts_are_not_there(place: Place) -> None:
    elsewhere = people.organisation("nova")
    stranger = people.user(organisation=elsewhere, role="admin")
    payout = place.payout()
    client = place.client(stranger, elsewhere)
    assert payout.reference not in client.get("/admin/payouts").text
    for address in ("", "/status", "/approve"):
        assert client.get(f"/admin/payouts/{payout.reference}{address}").status_code == 404
    answer = client.post(f"/admin/payouts/{payout.reference}/reject", data={"reason": "Mine"})
    assert answer.status_code == 404


def test_list_names_who_approved_and_how_it_was_paid(place: Place) -> None:
    payout = place.approved()
    with transaction():
        service.mark_paid(
            organisation_id=place.organisation.id,
            reference=payout.reference,
            payment_reference="CHQ-1042",
            paid_on=date(2026, 11, 20),
            actor=people.actor_of(place.maker),
            now=payout.created_at,
        )
    html = place.client(place.maker).get("/admin/payouts?status=paid").text
    for text in ("Ravi", "CHQ-1042", "20 Nov 2026", "Paid"):
        assert text in html
