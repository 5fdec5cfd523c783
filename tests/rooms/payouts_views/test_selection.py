"""What a person ticks stays ticked from page to page, and the bulk act is for exactly that."""

from __future__ import annotations

import re
from html import unescape

import pytest
from sqlalchemy import select

from tests.factories import people
from tests.factories.pages import Place
from webapp.database import db
from webapp.payouts.models import Payout
from webapp.runs.models import Run, RunRow
from webapp.web import selection

CHECK = "/admin/approvals/check"
LIST = "/admin/approvals?payee=ana&size=25"


def _many(place: Place, n: int) -> list[Payout]:
    return [place.payout(place.other, 1_000) for _ in range(n)]


def _button(html: str, name: str) -> str:
    found = re.search(rf'id="page-{name}" form="queue" formaction="([^"]+)"', html)
    assert found is not None, name
    return unescape(found[1])


def _ticked(html: str) -> list[int]:
    boxes = re.findall(r'name="ids" value="(\d+)"[^>]*?( checked)?>', html)
    return [int(value) for value, checked in boxes if checked]


def _elsewhere(html: str) -> dict[str, str]:
    found = re.search(r'name="elsewhere" value="([^"]+)"', html)
    return {"elsewhere": found[1]} if found else {}


def test_ticks_stay_while_pages_are_turned_without_javascript(place: Place) -> None:
    payouts = _many(place, 60)
    client = place.client(place.approver)
    first = client.get(LIST).text
    answer = client.post(_button(first, "next"), data={"ids": [payouts[0].id, payouts[24].id]})
    assert answer.status_code == 303
    address = answer.headers["Location"]
    assert "payee=ana" in address
    assert "size=25" in address
    second = client.get(address).text
    assert _ticked(second) == []
    assert 'data-elsewhere="2"' in second
    assert "2 on other pages." in second
    answer = client.post(_button(second, "next"), data={"ids": payouts[30].id, **_elsewhere(second)})
    third = client.get(answer.headers["Location"]).text
    assert 'data-elsewhere="3"' in third
    data = {"act": "approve", "ids": payouts[59].id, **_elsewhere(third)}
    client.post(CHECK, data=data)
    chosen = {row.subject_id for row in db.session.scalars(select(RunRow))}
    assert chosen == {payouts[n].id for n in (0, 24, 30, 59)}


def test_tick_that_is_taken_back_on_its_page_is_gone(place: Place) -> None:
    payouts = _many(place, 30)
    client = place.client(place.approver)
    there = client.post(_button(client.get(LIST).text, "next"), data={"ids": [payouts[1].id, payouts[2].id]})
    second = client.get(there.headers["Location"]).text
    back = client.post(_button(second, "previous"), data={"ids": payouts[29].id, **_elsewhere(second)})
    first = client.get(back.headers["Location"]).text
    assert _ticked(first) == [payouts[1].id, payouts[2].id]
    assert 'data-elsewhere="1"' in first
    answer = client.post(CHECK, data={"act": "reject", "ids": payouts[2].id, **_elsewhere(first)})
    assert answer.status_code == 303
    assert {row.subject_id for row in db.session.scalars(select(RunRow))} == {payouts[2].id, payouts[29].id}


def test_another_filter_or_view_begins_anew(place: Place) -> None:
    payouts = _many(place, 30)
    client = place.client(place.approver)
    turned = client.post(_button(client.get(LIST).text, "next"), data={"ids": payouts[0].id})
    html = client.get(turned.headers["Location"]).text
    address = turned.headers["Location"].partition("?")[2]
    assert selection.PARAMETER in address
    links = re.findall(r'href="(/admin/approvals\?[^"]*(?:view=|payee=)[^"]*)"', html)
    assert links
    assert [link for link in links if selection.PARAMETER in link] == []


def test_turning_for_htmx_loads_the_page(place: Place) -> None:
    payouts = _many(place, 30)
    client = place.client(place.approver)
    address = _button(client.get(LIST).text, "next")
    answer = client.post(
        address, data={"ids": payouts[0].id}, headers={"HX-Request": "true", "HX-Target": "dialog"}
    )
    assert answer.status_code == 200
    assert selection.PARAMETER in answer.headers["HX-Redirect"]


def test_more_than_can_be_carried_are_refused(place: Place) -> None:
    client = place.client(place.approver)
    carried = selection.written(range(1, selection.MAXIMUM + 1))
    assert client.post("/admin/approvals/turn?after=5", data={"elsewhere": carried}).status_code == 303
    answer = client.post("/admin/approvals/turn?after=5", data={"elsewhere": carried, "ids": 9_999})
    assert answer.status_code == 422
    assert "501 payouts are ticked; up to 500 can be carried" in answer.text


@pytest.mark.parametrize("text", ["%", "gA", "A" * 5_000, "AQAB", "AA", "_" * 40])
def test_selection_that_cannot_be_read_changes_nothing(place: Place, text: str) -> None:
    payout = place.payout()
    client = place.client(place.approver)
    for address in (CHECK, "/admin/approvals/turn"):
        answer = client.post(address, data={"act": "approve", "ids": payout.id, "elsewhere": text})
        assert answer.status_code == 422
        assert "The selection cannot be read. Tick the rows again." in answer.text
    assert db.session.scalars(select(Run)).all() == []
    listed = client.get("/admin/approvals", query_string={selection.PARAMETER: text})
    assert listed.status_code == 200
    assert _elsewhere(listed.text) == {}


def test_carried_payouts_of_another_organisation_are_not_there(place: Place) -> None:
    payout = place.payout()
    elsewhere = people.organisation("nova")
    stranger = people.user(organisation=elsewhere, role="admin")
    data = {"act": "approve", "elsewhere": selection.written([payout.id])}
    answer = place.client(stranger, elsewhere).post(CHECK, data=data)
    assert answer.status_code == 422
    assert payout.reference not in answer.text


def test_turn_leads_nowhere_but_to_its_list(place: Place) -> None:
    answer = place.client(place.approver).post(
        "/admin/approvals/turn?_scheme=ftp&_external=1&_anchor=x&after=7&view=mine&next=https://evil.example"
    )
    assert answer.headers["Location"] == "/admin/approvals?after=7&view=mine"


def test_ticks_of_the_list_to_pay_stay_too(place: Place) -> None:
    payouts = [place.approved(place.other, 1_000) for _ in range(30)]
    client = place.client(place.maker)
    html = client.get("/admin/payouts?status=approved&size=25").text
    found = re.search(r'id="page-next" form="acting" formaction="([^"]+)"', html)
    assert found is not None
    answer = client.post(unescape(found[1]), data={"ids": payouts[29].id})
    second = client.get(answer.headers["Location"]).text
    assert 'data-elsewhere="1"' in second
    client.post(CHECK, data={"act": "pay", "ids": payouts[0].id, **_elsewhere(second)})
    assert {row.subject_id for row in db.session.scalars(select(RunRow))} == {payouts[0].id, payouts[29].id}
