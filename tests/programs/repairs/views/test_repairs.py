"""Repairs on admins' pages: the list, one repair, the overview."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from tests.factories import people, repairs
from tests.factories.pages import counted_queries
from tests.programs.repairs.views.conftest import Metrocab
from tests.programs.repairs.views.hands import ROOT, act, cells, this_day, typed
from webapp.programs.repairs.rules import week_of

# ---- The list ------------------------------------------------------------------------------------------------


def test_the_list_shows_what_is_paid_and_left(metrocab: Metrocab, admin: FlaskClient) -> None:
    made = repairs.repair(metrocab.lease)
    repairs.earn(metrocab.ada, 300_00, repairs.sunday(0))
    repairs.run(metrocab.organisation, repairs.sunday(0))
    repairs.run(metrocab.organisation, repairs.sunday(1))
    found = cells(admin.get(ROOT).text)
    at = found.index(made.reference)
    assert found[at + 1] == "Ada &lt;b&gt;Ray&lt;/b&gt; PY-0001"
    assert found[at + 4] == "$500.50 $200.00 a week"
    assert found[at + 5] == "$300.50 1 of 3 paid"
    assert found[at + 6] == "Open"


@pytest.mark.parametrize(
    ("query", "is_found"),
    [
        ("state=open", True), ("state=draft", False), ("driver=PY-0001", True), ("driver=py-0099", False),
        ("workshop=external", True), ("workshop=in_house", False), ("date_from=2025-10-01", True),
        ("date_to=2025-09-30", False), ("amount_from=500.50&amount_to=500.50", True), ("amount_from=500.51", False),
        ("lease=LS-0001", True), ("lease=LS-0002", False), ("q=W-", True), ("medallion=9Z", False),
    ],
)  # fmt: skip
def test_the_list_is_narrowed(metrocab: Metrocab, admin: FlaskClient, query: str, is_found: bool) -> None:
    made = repairs.repair(metrocab.lease)
    page = admin.get(f"{ROOT}?{query}")
    assert page.status_code == 200
    assert (f">{made.reference}</a>" in page.text) is is_found


def test_the_list_is_put_in_order_and_keeps_it_over_pages(metrocab: Metrocab, admin: FlaskClient) -> None:
    made = [repairs.draft(metrocab.lease, 300_00 + n) for n in range(27)]
    first = admin.get(f"{ROOT}?sort=amount&size=25").text
    assert [text for text in cells(first) if text.startswith("RPR-")] == [r.reference for r in made[:25]]
    following = re.search(r'rel="next" href="([^"]+)"', first)
    assert following
    second = admin.get(following[1].replace("&amp;", "&")).text
    assert [text for text in cells(second) if text.startswith("RPR-")] == [r.reference for r in made[25:]]
    assert 'aria-sort="ascending"' in second
    assert 'name="sort" value="amount"' in second


def test_a_filter_that_cannot_be_read_shows_no_rows(metrocab: Metrocab, admin: FlaskClient) -> None:
    made = repairs.repair(metrocab.lease)
    page = admin.get(f"{ROOT}?date_from=2025-10-02&date_to=2025-10-01")
    assert page.status_code == 422
    assert made.reference not in page.text
    assert admin.get(f"{ROOT}/totals?amount_from=abc").status_code == 422


def test_the_totals_are_those_of_the_filter(metrocab: Metrocab, admin: FlaskClient) -> None:
    repairs.repair(metrocab.lease, 500_50)
    repairs.draft(metrocab.lease, 300_00)
    page = admin.get(f"{ROOT}/totals?state=open", headers={"HX-Request": "true"}).text
    assert cells(page)[-6:] == ["USD", "1", "$500.50", "$0.00", "$0.00", "$500.50"]
    assert "<html" not in page


def test_an_accountant_sees_the_list_without_acts(metrocab: Metrocab) -> None:
    made = repairs.draft(metrocab.lease)
    browser = metrocab.as_(metrocab.books)
    page = browser.get(ROOT).text
    assert made.reference in page
    assert "New repair" not in page
    assert "Confirm" not in page
    assert "Cancel it" not in browser.get(f"{ROOT}/{made.reference}").text


def test_the_pages_ask_few_questions_however_many_rows(metrocab: Metrocab, admin: FlaskClient) -> None:
    made = [repairs.repair(metrocab.lease, 3_000_50) for _ in range(12)]
    admin.get(ROOT)
    with counted_queries() as of_list:
        admin.get(ROOT)
    assert len(of_list) <= 12
    with counted_queries() as of_one:
        admin.get(f"{ROOT}/{made[0].reference}")
    assert len(of_one) <= 20
    with counted_queries() as of_overview:
        admin.get("/admin/repairs")
    assert len(of_overview) <= 15


# ---- One repair ----------------------------------------------------------------------------------------------


def test_the_money_of_a_repair_adds_up(metrocab: Metrocab, admin: FlaskClient) -> None:
    made = repairs.repair(metrocab.lease)
    repairs.earn(metrocab.ada, 150_00, repairs.sunday(0))
    repairs.run(metrocab.organisation, repairs.sunday(0))
    repairs.run(metrocab.organisation, repairs.sunday(1))
    page = admin.get(f"{ROOT}/{made.reference}").text
    facts = dict(re.findall(r"<dt>([^<]+)</dt><dd>.*?([$][\d.,]+)<", page))
    assert facts["Amount"] == "$500.50"
    assert facts["Paid"] == "$150.00"
    assert facts["Charged, not paid yet"] == "$250.00"
    assert facts["Still to be charged"] == "$100.50"
    assert "0 of 3 instalments are paid." in page
    assert "Charged $50.00 is not paid" in cells(page)
    assert "Confirmed" in page


def test_names_are_shown_as_text(metrocab: Metrocab, admin: FlaskClient) -> None:
    made = repairs.draft(metrocab.lease, description="<script>alert(1)</script>")
    page = admin.get(f"{ROOT}/{made.reference}").text
    assert "<script>alert" not in page
    assert "Ada &lt;b&gt;Ray&lt;/b&gt;" in page


@pytest.mark.parametrize(
    "path",
    ["", "/edit", "/confirm", "/hold", "/release", "/cancel", "/settle", "/plan", "/plan/1", "/invoice"],
)
def test_another_fleet_s_repair_is_not_there(metrocab: Metrocab, admin: FlaskClient, path: str) -> None:
    other = repairs.metrocab(slug="other")
    made = repairs.draft(repairs.lease(repairs.driver(other)))
    assert people.user("x@other.example", organisation=other, role="admin")
    # Numbers are given by each fleet itself: this one has none yet.
    assert admin.get(f"{ROOT}/{made.reference}{path}").status_code == 404
    assert admin.post(f"{ROOT}/{made.reference}{path}", data=typed()).status_code in (404, 405)


# ---- The overview --------------------------------------------------------------------------------------------


def test_the_overview_says_what_needs_somebody(metrocab: Metrocab, admin: FlaskClient) -> None:
    assert "No repairs yet" in admin.get("/admin/repairs").text
    repairs.draft(metrocab.lease)
    made = repairs.repair(metrocab.lease)
    act(metrocab.as_(metrocab.sam), made.reference, "plan", weekly="50", reason="Less work")
    page = metrocab.as_(metrocab.dana).get("/admin/repairs").text
    assert "1 repair is a draft" in page
    assert "3 instalments are due and not charged" in page
    assert "1 new plan waits for a second person" in page
    assert "$500.50" in page


def test_the_plots_tell_how_debts_run_off_and_what_was_deducted(
    metrocab: Metrocab, admin: FlaskClient
) -> None:
    sunday = week_of(this_day(metrocab), 6).start
    made = repairs.draft(metrocab.lease)
    # Entered in the week before the last one, as it would be by now.
    day = sunday - timedelta(days=8)
    values = typed(invoice_number="W-9", invoice_date=day.isoformat())
    assert act(admin, made.reference, "edit", **values).status_code == 303
    assert act(admin, made.reference, "confirm").status_code == 303
    repairs.earn(metrocab.ada, 300_00, sunday - timedelta(days=6))
    repairs.run(metrocab.organisation, sunday - timedelta(days=7))
    repairs.run(metrocab.organisation, sunday)
    page = admin.get("/admin/repairs").text
    assert "$300.50 is outstanding. When every instalment is paid in its week, it is paid by" in page
    assert "Of $300.00 that drivers earned" in page
    assert "$200.00 was deducted and $100.00 was left to them." in page
    assert "100% of what was due in 2 weeks is charged: 2 of 2." in page
