"""Deals on admins' pages: the list, one deal with who earned what and why, entering, winning, losing, touches."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from tests.factories import partners
from tests.factories.pages import counted_queries
from tests.factories.partners import CLOSED, OPENED, TODAY, commissions
from tests.factories.people import stored
from tests.programs.partners.views.conftest import Partnerbase
from tests.programs.partners.views.hands import cells, count
from webapp.audit.models import AuditEvent
from webapp.database import db
from webapp.programs.partners import calculating
from webapp.programs.partners.models import Deal, Touchpoint

ROOT = "/admin/partners/deals"


def typed(base: Partnerbase, **values: Any) -> dict[str, Any]:
    """The form of a deal as somebody filled it in."""
    return {
        "name": "Acme: 20 seats", "program": base.program.reference, "customer": "Acme", "product": "Seats",
        "code": "USD", "amount": "5,000.00", "opened_on": "2026-01-15", "registered_by": "", **values,
    }  # fmt: skip


def act(browser: FlaskClient, deal: Deal, name: str, **data: str) -> Any:
    """Send the form of an act of a deal."""
    return browser.post(f"{ROOT}/{deal.reference}/{name}", data=data)


def touch_of(deal: Deal) -> Touchpoint:
    """The first touch of a deal."""
    query = select(Touchpoint).where(Touchpoint.deal_id == deal.id).order_by(Touchpoint.id).limit(1)
    return db.session.scalars(query).one()


# ---- The list ------------------------------------------------------------------------------------------------


def test_the_list_shows_shares_and_commissions(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    deal = partners.won(
        partnerbase.program, [partnerbase.ada, partnerbase.ben], name="Acme", customer="Acme Ltd"
    )
    found = cells(admin.get(ROOT).text)
    at = found.index("Acme Acme Ltd")
    assert found[at + 1 : at + 5] == [
        f"{deal.reference} Referrals", "Ada &lt;b&gt;Ray&lt;/b&gt; 50 % Ben Ortiz 50 %", "$1,000.00", "$50.00",
    ]  # fmt: skip
    assert found[at + 6] == "Won"


@pytest.mark.parametrize(
    ("query", "is_found"),
    [
        ("state=won", True), ("state=open", False), ("q=acme", True), ("q=nobody", False), ("product=seat", True),
        ("product=hat", False), ("partner=Ben", True), ("partner=PY-0001", True), ("partner=py-0099", False),
        ("program=PP-0001", True), ("program=", True), ("closed_from=2026-02-10", True),
        ("closed_from=2026-02-11", False),
        ("closed_to=2026-02-10", True), ("closed_to=2026-02-09", False), ("code=USD", True), ("code=eur", False),
        ("amount_from=1000&amount_to=1000.00", True), ("amount_from=1,000.01", False),
        ("amount_from=1&code=EUR", False),
        ("closed_to=9999-12-31", True), ("closed_from=0001-01-01", True), ("closed_to=0001-01-01", False),
    ],
)  # fmt: skip
def test_the_list_is_narrowed(
    partnerbase: Partnerbase, admin: FlaskClient, query: str, is_found: bool
) -> None:
    partners.won(partnerbase.program, [partnerbase.ada, partnerbase.ben], name="Acme: seats", product="Seats")
    page = admin.get(f"{ROOT}?{query}")
    assert page.status_code == 200
    assert ("Acme: seats" in page.text) is is_found


@pytest.mark.parametrize(
    "query", ["closed_from=2026-02-02&closed_to=2026-02-01", "amount_from=abc", "code=ZZZ", "amount_from=5&amount_to=4",
              "program=PP-9999"],
)  # fmt: skip
def test_a_filter_that_cannot_be_read_shows_no_rows(
    partnerbase: Partnerbase, admin: FlaskClient, query: str
) -> None:
    deal = partners.deal(partnerbase.program, [])
    for address in (ROOT, f"{ROOT}/totals", f"{ROOT}/export.csv"):
        page = admin.get(f"{address}?{query}")
        assert page.status_code == 422
        assert deal.reference not in page.text


@pytest.mark.parametrize("sort", ["amount", "-amount", "name", "closed", "-closed", "created"])
def test_the_list_keeps_its_order_over_pages(partnerbase: Partnerbase, admin: FlaskClient, sort: str) -> None:
    make = {0: partners.deal, 1: partners.won}
    made = [make[n % 2](partnerbase.program, [], 300_00 + n, name=f"Deal {n:02d}") for n in range(27)]
    pages = [admin.get(f"{ROOT}?sort={sort}&size=25").text]
    following = re.search(r'rel="next" href="([^"]+)"', pages[0])
    assert following
    pages.append(admin.get(following[1].replace("&amp;", "&")).text)
    shown = [text for page in pages for text in cells(page) if re.fullmatch(r"Deal \d\d", text)]
    key = {
        "amount": lambda deal: deal.amount_minor, "name": lambda deal: deal.name, "created": lambda deal: deal.id,
        "closed": lambda deal: (deal.closed_at is not None, deal.id),
    }[sort.removeprefix("-")]  # fmt: skip
    fresh = [partnerbase.again(deal) for deal in made]
    assert shown == [deal.name for deal in sorted(fresh, key=key, reverse=sort.startswith("-"))]


def test_the_totals_and_the_file_are_those_of_the_filter(
    partnerbase: Partnerbase, admin: FlaskClient
) -> None:
    partners.won(partnerbase.program, [partnerbase.ada], 1_000_00)
    partners.deal(partnerbase.program, [partnerbase.ada], 500_00)
    partners.deal(partnerbase.program, [], 70_00, currency="EUR", name="=1+1")
    fragment = admin.get(f"{ROOT}/totals", headers={"HX-Request": "true"}).text
    assert cells(fragment)[-10:] == [
        "EUR", "1", "€70.00 EUR", "€0.00 EUR", "€0.00 EUR", "USD", "2", "$1,500.00", "$1,000.00", "$50.00",
    ]  # fmt: skip
    lines = admin.get(f"{ROOT}/export.csv?state=open").text.splitlines()
    assert len(lines) == 3
    assert "'=1+1" in lines[1]
    assert admin.get(f"{ROOT}/export.json?state=won").json["totals"] == [
        {"currency": "USD", "count": 1, "amount": "1000.00", "won": "1000.00", "earned": "50.00"}
    ]
    events = db.session.scalars(
        select(AuditEvent.note).where(AuditEvent.tag == "partners:deals:exported")
    ).all()
    assert len(events) == 2


def test_touches_and_shares_are_lists_of_their_own(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    deal = partners.won(partnerbase.program, [partnerbase.ada, partnerbase.ben], 100_00, name="Acme")
    page = cells(admin.get("/admin/partners/touches?partner=Ben&kind=referral").text)
    assert f"Acme {deal.reference} Won" in page
    assert "Ada &lt;b&gt;Ray&lt;/b&gt; PY-0001" not in page
    page = cells(
        admin.get("/admin/partners/shares?deal=acme&model=equal&state=won&frozen=no&sort=amount").text
    )
    assert page.count("50 %") == 2
    assert page.count("$50.00") == 2
    assert "Nothing matches" in admin.get("/admin/partners/shares?frozen=yes").text
    assert len(admin.get("/admin/partners/touches/export.csv").text.splitlines()) == 3
    shares = admin.get("/admin/partners/shares/export.json").json
    assert [row["share"] for row in shares["rows"]] == ["50", "50"]
    assert shares["totals"] == [{"currency": "USD", "count": 2, "amount": "100.00"}]
    assert admin.get("/admin/partners/touches?date_from=2026-02-02&date_to=2026-02-01").status_code == 422


def test_an_accountant_sees_deals_without_acts(partnerbase: Partnerbase) -> None:
    deal = partners.deal(partnerbase.program, [partnerbase.ada])
    browser = partnerbase.as_(partnerbase.books)
    assert "New deal" not in browser.get(ROOT).text
    page = browser.get(f"{ROOT}/{deal.reference}").text
    assert "It is won" not in page
    assert "Remove" not in page


def test_the_pages_ask_few_questions_however_many_rows(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    deals = [partners.won(partnerbase.program, [partnerbase.ada, partnerbase.ben]) for _ in range(8)]
    for n in range(6):
        partners.touch(deals[0], partnerbase.ada, happened_at=OPENED + timedelta(days=n))
    admin.get(ROOT)
    with counted_queries() as of_list:
        admin.get(ROOT)
    assert len(of_list) <= 14
    with counted_queries() as of_one:
        admin.get(f"{ROOT}/{deals[0].reference}")
    assert len(of_one) <= 20


# ---- One deal ------------------------------------------------------------------------------------------------


def test_the_page_says_which_touch_earned_what_and_why(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    deal = partners.won(partnerbase.program, [partnerbase.ada, partnerbase.ben], 100_01)
    partners.touch(deal, partnerbase.ben, type="demo", happened_at=CLOSED + timedelta(days=1))
    page = admin.get(f"{ROOT}/{deal.reference}").text
    assert "Equal parts." in page
    told = cells(page)
    assert (
        "One of 2 partners, each with the same part. Remove this touch of Ada &lt;b&gt;Ray&lt;/b&gt; …"
        in told
    )
    assert any(text.startswith("It came after the close.") for text in told)
    assert "<b>Ray" not in page
    # The commission, its rule and when it is due.
    [first, _] = commissions(deal)
    at = told.index(f"{first.reference} Ada &lt;b&gt;Ray&lt;/b&gt;")
    assert told[at + 1 : at + 3] == ["Sale: 5 % of $50.01 by the partner's own rate", "$2.50"]
    assert "Together, without what is cancelled" in page


def test_the_history_tells_what_happened(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    deal = partners.deal(partnerbase.program, [partnerbase.ben])
    act(admin, deal, f"touches/{touch_of(deal).id}/remove")
    page = admin.get(f"{ROOT}/{deal.reference}").text
    assert re.findall(r'event-title">([^<]+)<', page) == ["Entered", "Touch removed"]
    assert "Referral: Ben Ortiz" in page
    assert "Nobody took part in this deal yet" in page


def test_a_deal_of_another_organisation_is_not_there(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    deal = partners.deal(partners.program(partners.partnerbase()), [])
    for page in ("", "/edit", "/win", "/lose", "/touches/new"):
        assert admin.get(f"{ROOT}/{deal.reference}x{page}").status_code == 404
    there = partners.deal(partners.program(partners.partnerbase(slug="other")), [], name="Not ours")
    assert "Not ours" not in admin.get(ROOT).text
    assert partnerbase.again(there).state == "open"


# ---- Entering and changing -----------------------------------------------------------------------------------


def test_a_deal_is_entered(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    assert admin.get(f"{ROOT}/new").status_code == 200
    sent = admin.post(f"{ROOT}/new", data=typed(partnerbase, code="eur", registered_by="py-0001"))
    deal = partnerbase.newest(Deal)
    assert sent.location == f"{ROOT}/{deal.reference}"
    assert (deal.name, deal.currency, deal.amount_minor, deal.state) == (
        "Acme: 20 seats",
        "EUR",
        5_000_00,
        "open",
    )
    assert deal.registered_by.reference == "PY-0001"
    # The beginning of the organisation's day, in New York.
    assert deal.opened_at.isoformat() == "2026-01-15T05:00:00+00:00"


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": " "}, "name"), ({"amount": "0"}, "amount"), ({"amount": "-1"}, "amount"), ({"amount": "x"}, "amount"),
        ({"code": "ZZZ"}, "code"), ({"code": "dollars"}, "code"), ({"opened_on": "2999-01-01"}, "opened_on"),
        ({"opened_on": "0001-01-01"}, "opened_on"), ({"opened_on": "soon"}, "opened_on"),
        ({"registered_by": "PY-9999"}, "registered_by"), ({"program": "PP-9999"}, "program"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_said_at_its_field(
    partnerbase: Partnerbase, admin: FlaskClient, values: dict[str, str], field: str
) -> None:
    page = admin.post(f"{ROOT}/new", data=typed(partnerbase, **values))
    assert page.status_code == 422
    assert f'id="{field}-error"' in page.text
    assert count(Deal) == 0


def test_a_won_deal_is_changed_with_a_reason(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    deal = partners.won(partnerbase.program, [partnerbase.ada])
    address = f"{ROOT}/{deal.reference}/edit"
    assert 'value="1000.00"' in admin.get(address).text
    data = typed(partnerbase, amount="800.00", version=str(deal.version))
    refused = admin.post(address, data=data)
    assert refused.status_code == 422
    assert 'id="reason-error"' in refused.text
    other = admin.post(address, data={**data, "code": "EUR", "reason": "Typing error."})
    assert other.status_code == 422
    assert 'id="code-error"' in other.text
    done = admin.post(address, data={**data, "reason": "Two seats came back."})
    assert done.status_code == 303
    assert [row.amount_minor for row in commissions(partnerbase.again(deal))] == [40_00]
    # Somebody who saw the older version is told so.
    late = admin.post(address, data={**data, "amount": "900.00", "reason": "Later."})
    assert late.status_code == 409
    assert "changed since you opened this page" in late.text


def test_the_instant_of_the_beginning_stays_when_its_day_does(
    partnerbase: Partnerbase, admin: FlaskClient
) -> None:
    deal = partners.deal(partnerbase.program, [])
    admin.post(f"{ROOT}/{deal.reference}/edit", data=typed(partnerbase, version=str(deal.version)))
    found = partnerbase.again(deal)
    assert (found.name, found.opened_at) == ("Acme: 20 seats", OPENED)


# ---- Won, lost, opened again ---------------------------------------------------------------------------------


def test_a_deal_is_won_on_a_day(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    deal = partners.deal(partnerbase.program, [partnerbase.ada])
    assert "Touches after the day of the close do not count" in admin.get(f"{ROOT}/{deal.reference}/win").text
    sent = act(admin, deal, "win", closed_on="2026-02-10", version=str(deal.version))
    assert sent.status_code == 303
    found = partnerbase.again(deal)
    # The end of that day in New York.
    assert (found.state, found.closed_at.isoformat()) == ("won", "2026-02-11T04:59:59+00:00")
    assert [(row.amount_minor, row.earned_on.isoformat()) for row in commissions(found)] == [
        (50_00, "2026-02-10")
    ]
    again = act(admin, found, "win", closed_on="2026-02-09", version="")
    assert again.status_code == 409


@pytest.mark.parametrize("day", ["2026-01-14", "2999-12-31", "9999-12-31", "0001-01-01", "x", ""])
def test_the_day_of_the_close_must_be_possible(
    partnerbase: Partnerbase, admin: FlaskClient, day: str
) -> None:
    deal = partners.deal(partnerbase.program, [partnerbase.ada])
    page = act(admin, deal, "win", closed_on=day)
    assert page.status_code == 422
    assert 'id="closed_on-error"' in page.text
    assert partnerbase.again(deal).state == "open"


def test_losing_needs_a_reason(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    deal = partners.deal(partnerbase.program, [partnerbase.ada])
    assert act(admin, deal, "lose", closed_on="2026-02-10").status_code == 422
    assert act(admin, deal, "lose", closed_on="2026-02-10", reason="Another offer").status_code == 303
    page = admin.get(f"{ROOT}/{deal.reference}").text
    assert "Another offer" in page
    assert "Open again" in page
    assert act(admin, deal, "reopen").status_code == 303
    assert partnerbase.again(deal).state == "open"
    assert admin.get(f"{ROOT}/{deal.reference}/reopen").status_code == 409


def _pay(base: Partnerbase, *deals: Deal) -> None:
    partners.calculate(base.organisation)
    for deal in deals:
        for row in commissions(deal):
            with stored():
                calculating.mark_paid(base.organisation.id, row.payout_id or 0, TODAY)


def test_losing_a_paid_deal_says_what_is_taken_back(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    deal = partners.won(partnerbase.program, [partnerbase.ada, partnerbase.ben], 1_000_00)
    _pay(partnerbase, deal)
    shown = cells(admin.get(f"{ROOT}/{deal.reference}/lose").text)
    at = shown.index("Ben Ortiz")
    assert shown[at : at + 4] == ["Ben Ortiz", "$0.00", "$25.00", "$0.00"]
    assert act(admin, deal, "lose").status_code == 422
    assert act(admin, deal, "lose", reason="Refunded").status_code == 303
    told = [(row.kind, row.amount_minor) for row in commissions(partnerbase.again(deal))]
    assert told == [("sale", 25_00), ("sale", 25_00), ("clawback", -25_00), ("clawback", -25_00)]


def test_what_is_final_stays_and_is_said(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    program = partners.program(partnerbase.organisation, final_days=0)
    deal = partners.won(program, [partnerbase.ben], 1_000_00)
    _pay(partnerbase, deal)
    shown = cells(admin.get(f"{ROOT}/{deal.reference}/lose").text)
    at = shown.index("Ben Ortiz")
    assert shown[at : at + 4] == ["Ben Ortiz", "$0.00", "$0.00", "$50.00"]
    act(admin, deal, "lose", reason="Refunded")
    assert [(row.kind, row.amount_minor) for row in commissions(partnerbase.again(deal))] == [("sale", 50_00)]


def test_what_is_in_no_payout_is_cancelled_and_said(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    deal = partners.won(partnerbase.program, [partnerbase.ben], 1_000_00)
    shown = cells(admin.get(f"{ROOT}/{deal.reference}/lose", headers={"HX-Target": "dialog"}).text)
    assert shown[shown.index("Ben Ortiz") + 1] == "$50.00"


# ---- Touches -------------------------------------------------------------------------------------------------


def test_a_touch_is_added_and_removed(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    deal = partners.deal(partnerbase.program, [])
    assert 'id="offered-partners"' in admin.get(f"{ROOT}/{deal.reference}/touches/new").text
    data = {"partner": "py-0002", "kind": "demo", "happened_on": "2026-01-20", "at": "14:30", "weight": ""}
    assert act(admin, deal, "touches/new", **data).status_code == 303
    touch = touch_of(deal)
    assert (touch.payee_id, touch.type, touch.weight) == (partnerbase.ben.id, "demo", 1)
    assert touch.happened_at.isoformat() == "2026-01-20T19:30:00+00:00"
    address = f"{ROOT}/{deal.reference}/touches/{touch.id}/remove"
    assert "Ben Ortiz" in admin.get(address).text
    assert admin.post(address).status_code == 303
    assert count(Touchpoint) == 0
    assert admin.get(address).status_code == 404


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"partner": "PY-9999"}, "partner"), ({"partner": ""}, "partner"), ({"kind": "song"}, "kind"),
        ({"happened_on": "2999-01-01"}, "happened_on"), ({"happened_on": "0001-01-01"}, "happened_on"),
        ({"at": "25:00"}, "at"), ({"weight": "-1"}, "weight"), ({"weight": "1000001"}, "weight"),
        ({"weight": "x"}, "weight"),
    ],
)  # fmt: skip
def test_what_a_touch_cannot_be_is_said_at_its_field(
    partnerbase: Partnerbase, admin: FlaskClient, values: dict[str, str], field: str
) -> None:
    deal = partners.deal(partnerbase.program, [])
    data = {"partner": "PY-0002", "kind": "demo", "happened_on": "2026-01-20", **values}
    page = act(admin, deal, "touches/new", **data)
    assert page.status_code == 422
    assert f'id="{field}-error"' in page.text
    assert count(Touchpoint) == 0


def test_a_deal_that_is_paid_for_takes_no_touch(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    deal = partners.won(partnerbase.program, [partnerbase.ben])
    touch_id = touch_of(deal).id
    partners.calculate(partnerbase.organisation)
    page = admin.get(f"{ROOT}/{deal.reference}").text
    assert "its shares do not change any more" in page
    assert "Add a touch" not in page
    for address in ("touches/new", f"touches/{touch_id}/remove"):
        assert admin.get(f"{ROOT}/{deal.reference}/{address}").status_code == 409
    data = {"partner": "PY-0001", "kind": "demo", "happened_on": "2026-01-20"}
    assert act(admin, deal, "touches/new", **data).status_code == 409
    assert act(admin, deal, f"touches/{touch_id}/remove").status_code == 409
    assert count(Touchpoint) == 1
