"""The lists in other orders: every row once whichever way, read from an index, and the address remembers it."""

from __future__ import annotations

import re
from html import unescape

import pytest
from sqlalchemy import event, text

from tests.factories import people
from tests.factories.pages import Place, counted_queries
from tests.rooms.payouts_views.conftest import HOUR
from webapp.database import db, transaction
from webapp.payouts import list_paths, ordering, service
from webapp.payouts.models import Payout
from webapp.web import pagination

LISTS = {"/admin/payouts": "maker", "/admin/approvals": "approver"}


def _shown(html: str) -> list[str]:
    found = re.findall(r'<th scope="row"><a href="/admin/payouts/(PO-2026-\d{6})"', html)
    assert len(found) == len(set(found))
    return found


def _many(place: Place) -> list[Payout]:
    """Payees whose names are not in the order of their making, amounts that come twice, two currencies."""
    names = ["Zed", "ana", "Bo", "Ävo", "Bo"]
    payees = [people.payee(place.organisation, name=name) for name in names]
    for payee in payees:
        people.method(payee)
    return [
        place.payout(payees[n % 5], 1_000 + (n * 7) % 11, currency="EUR" if n % 9 == 0 else "USD")
        for n in range(60)
    ]


def _facts(key: str) -> list[tuple[object, ...]]:
    columns = {
        "reference": "p.id",
        "payee": "y.name, y.id, p.id",
        "amount": "p.currency, p.amount_minor, p.id",
    }[key]
    query = f"SELECT p.reference FROM payouts p JOIN payees y ON y.id = p.payee_id ORDER BY {columns}"
    return [tuple(row) for row in db.session.execute(text(query))]


@pytest.mark.parametrize("few", [10_000, 5])
@pytest.mark.parametrize("sort", ["reference", "payee", "-payee", "amount", "-amount", "-reference"])
@pytest.mark.parametrize("address", LISTS)
def test_pages_of_every_order_hold_every_row_once_both_ways(
    place: Place, monkeypatch: pytest.MonkeyPatch, address: str, sort: str, few: int
) -> None:
    monkeypatch.setattr(pagination, "COUNT_LIMIT", few)
    _many(place)
    client = place.client(getattr(place, LISTS[address]))
    expected = [str(row[0]) for row in _facts(sort.removeprefix("-"))]
    if sort.startswith("-"):
        expected.reverse()
    client_address = f"{address}?sort={sort}&size=25"
    pages: list[list[str]] = []
    while True:
        html = client.get(client_address).text
        pages.append(_shown(html))
        found = re.search(r'(?:rel="next" href|id="page-next" form="\w+" formaction)="([^"]+)"', html)
        if found is None:
            break
        client_address = unescape(found[1]).replace("/turn?", "?")
    assert [reference for page in pages for reference in page] == expected
    back = re.search(r'(?:rel="prev" href|id="page-previous" form="\w+" formaction)="([^"]+)"', html)
    assert back is not None
    before = client.get(unescape(back[1]).replace("/turn?", "?")).text
    assert _shown(before) == pages[-2]


@pytest.mark.parametrize(
    ("sort", "direction", "label"),
    [("", "descending", "Reference"), ("payee", "ascending", "Payee"), ("-amount", "descending", "Net"),
     ("nonsense", "descending", "Reference"), ("amount;drop", "descending", "Reference")],
)  # fmt: skip
def test_one_header_says_the_order(place: Place, sort: str, direction: str, label: str) -> None:
    place.payout()
    html = place.client(place.maker).get("/admin/payouts", query_string={"sort": sort}).text
    heads = re.findall(r'<th scope="col"[^>]*aria-sort="(\w+)"[^>]*>\s*<a class="sort"[^>]*>(\w+)', html)
    assert heads == [(direction, label)]


def test_order_and_size_stay_with_the_filter_and_the_filter_with_them(place: Place) -> None:
    place.payout()
    html = place.client(place.maker).get("/admin/payouts?payee=tomas&sort=-amount&size=25").text
    form = re.search(r'<form class="filters".*?</form>', html, re.DOTALL)
    assert form is not None
    assert '<input type="hidden" name="sort" value="-amount">' in form[0]
    assert '<input type="hidden" name="size" value="25">' in form[0]
    links = [unescape(link) for link in re.findall(r'<a class="sort" href="([^"]+)"', html)]
    assert len(links) == 3
    assert all("payee=tomas" in link and "size=25" in link for link in links)
    sizes = re.search(r"Rows per page:.*?</p>", html, re.DOTALL)
    assert sizes is not None
    assert re.findall(r">(\d+)</a>", sizes[0]) == ["50", "100"]
    assert re.findall(r'<strong aria-current="true">(\d+)<', sizes[0]) == ["25"]
    assert sizes[0].count("sort=-amount") == 2
    assert "Rows per page:" not in place.client(place.maker).get("/admin/payouts").text


def test_ticks_come_along_when_the_queue_is_sorted(place: Place) -> None:
    payouts = [place.payout(place.other, 1_000 + n) for n in range(30)]
    client = place.client(place.approver)
    html = client.get("/admin/approvals?size=25").text
    found = re.search(r'class="sort" form="queue" formaction="([^"]*sort=-amount[^"]*)"', html)
    assert found is not None
    answer = client.post(unescape(found[1]), data={"ids": [payouts[0].id, payouts[20].id]})
    assert answer.status_code == 303
    assert "sort=-amount" in answer.headers["Location"]
    first = client.get(answer.headers["Location"]).text
    assert _shown(first)[0] == payouts[29].reference
    assert (
        f'value="{payouts[20].id}" data-select="payouts" aria-label="Select {payouts[20].reference}" checked'
        in first
    )
    assert 'data-elsewhere="1"' in first


def test_place_in_the_list_of_somebody_else_is_no_place(place: Place) -> None:
    mine = place.payout()
    nova = people.organisation("nova")
    payee = people.payee(nova, name="Far")
    people.method(payee)
    stranger = people.user(organisation=nova, role="admin")
    html = place.client(stranger, nova).get(f"/admin/payouts?sort=amount&after={mine.id}").text
    assert mine.reference not in html
    for bad in ("x", "99999999999999999999", "-1", "0"):
        assert place.client(place.maker).get(f"/admin/payouts?sort=payee&after={bad}").status_code == 200


def test_orders_ask_few_questions(place: Place) -> None:
    _many(place)
    client = place.client(place.maker)
    for address in ("/admin/payouts?sort=payee", "/admin/approvals?sort=-amount"):
        client.get(address)
        with counted_queries() as asked:
            client.get(address)
        assert len(asked) <= 12, asked


@pytest.mark.parametrize(
    ("sort", "index"), [("-amount", list_paths.BY_AMOUNT), ("payee", ordering.PAYEES_BY_NAME)]
)
def test_of_many_an_index_is_read_and_nothing_is_sorted(
    place: Place, monkeypatch: pytest.MonkeyPatch, sort: str, index: str
) -> None:
    if db.engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL counts its rows by itself")
    payouts = _many(place)
    monkeypatch.setattr(pagination, "COUNT_LIMIT", 5)
    asked: list[tuple[str, object]] = []

    def remember(c: object, cursor: object, statement: str, parameters: object, *rest: object) -> None:
        if "ORDER BY" in statement and "payouts" in statement and "steps" not in statement:
            asked.append((statement, parameters))

    client = place.client(place.maker)
    event.listen(db.engine, "before_cursor_execute", remember)
    try:
        client.get(f"/admin/payouts?sort={sort}&size=25&after={payouts[30].id}")
    finally:
        event.remove(db.engine, "before_cursor_execute", remember)
    narrow = [(s, p) for s, p in asked if index in s]
    assert len(narrow) == 1
    with db.engine.connect() as connection:
        cursor = connection.connection.cursor()
        cursor.execute(f"EXPLAIN QUERY PLAN {narrow[0][0]}", narrow[0][1])
        plan = [row[-1] for row in cursor.fetchall()]
    assert not [line for line in plan if "TEMP B-TREE" in line], plan


# ------------------------------------------------------------------ filters beyond the payout


def _filtered(place: Place, query: str, address: str = "/admin/payouts") -> set[str]:
    answer = place.client(place.maker if address == "/admin/payouts" else place.approver).get(
        f"{address}?{query}"
    )
    assert answer.status_code == 200
    return set(_shown(answer.text))


def test_filters_by_rail_approver_and_run(place: Place) -> None:
    ready, sent = place.approved(), place.approved(place.other, 1_000)
    waiting = place.payout(place.other, 2_000)
    with transaction():
        service.submit(
            organisation_id=place.organisation.id,
            reference=sent.reference,
            rail="sandbox",
            actor=people.actor_of(place.maker),
            now=HOUR,
        )
    both = {ready.reference, sent.reference}
    assert _filtered(place, "rail=sandbox") == {sent.reference}
    assert _filtered(place, "rail=cashfree") == set()
    assert _filtered(place, "approver=rav") == both
    assert _filtered(place, "approver=RAV&status=approved") == {ready.reference}
    assert _filtered(place, "approver=maya") == set()
    assert _filtered(place, "approver=policy") == set()
    client = place.client(place.approver)
    answer = client.post("/admin/approvals/check", data={"act": "approve", "ids": waiting.id})
    run = answer.headers["Location"].rpartition("/")[2]
    assert _filtered(place, f"run={run.lower()}") == {waiting.reference}
    assert _filtered(place, f"run={run}&sort=amount") == {waiting.reference}
    assert _filtered(place, f"run={run}&status=approved") == set()
    assert _filtered(place, "run=BA-9999") == set()


def test_approver_of_many_is_looked_for_along_the_history(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    from webapp.payouts import list_filters

    monkeypatch.setattr(list_filters, "FEW", 1)
    made = {place.approved(amount=1_000 + n).reference for n in range(3)}
    place.payout(place.other)
    assert _filtered(place, "approver=rav") == made


def test_queue_is_filtered_by_payment_details(place: Place) -> None:
    nobody = place.payout(people.payee(place.organisation, name="Nobody"))
    banked = place.payout()
    assert _filtered(place, "method=bank_account&view=ready", "/admin/approvals") == {banked.reference}
    assert _filtered(place, "method=none&view=blocked", "/admin/approvals") == {nobody.reference}
    assert _filtered(place, "method=upi", "/admin/approvals") == set()


def test_filters_that_cannot_be_read_are_refused_and_named_in_chips(place: Place) -> None:
    place.approved()
    client = place.client(place.maker)
    for query in ("rail=pigeon", "approver=" + "9" * 400):
        assert client.get(f"/admin/payouts?{query}").status_code == 422, query
    html = client.get("/admin/payouts?approver=Ravi&rail=manual").text
    assert "Approved by: Ravi" in html
    assert "Sent over: By hand" in html


def test_run_of_another_organisation_shows_nothing(place: Place) -> None:
    payout = place.payout()
    answer = place.client(place.approver).post(
        "/admin/approvals/check", data={"act": "approve", "ids": payout.id}
    )
    run = answer.headers["Location"].rpartition("/")[2]
    nova = people.organisation("nova")
    stranger = people.user(organisation=nova, role="admin")
    assert payout.reference not in place.client(stranger, nova).get(f"/admin/payouts?run={run}").text
