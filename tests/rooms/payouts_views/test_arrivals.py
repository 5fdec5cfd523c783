"""What comes in while somebody looks at the queue: said once, shown when they ask for it."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest
import time_machine
from flask.testing import FlaskClient

from tests.factories import people
from tests.factories.pages import Place, counted_queries
from tests.rooms.payouts_views.conftest import HOUR
from webapp.database import db
from webapp.payouts import arrivals

HTMX = {"HX-Request": "true", "HX-Target": "arrivals"}


def _address(client: FlaskClient, html: str) -> str:
    """What the page asks every half minute: it comes with the counts, after the rows."""
    counts = re.search(r'data-hx-get="(/admin/approvals/counts[^"]*)" data-hx-trigger="load"', html)
    assert counts is not None
    html = client.get(unescape(counts[1]), headers={"HX-Request": "true"}).text
    found = re.search(r'id="arrivals" [^>]*data-hx-get="([^"]+)" data-hx-trigger="every 30s"', html)
    assert found is not None
    return unescape(found[1])


def test_what_came_in_is_counted_once_and_shown_newest_first(place: Place) -> None:
    place.payout(place.other, 1_000)
    client = place.client(place.approver)
    address = _address(client, client.get("/admin/approvals").text)
    assert client.get(address, headers=HTMX).status_code == 204
    newest = [place.payout(place.other, 2_000 + n).reference for n in range(2)][-1]
    said = client.get(address, headers=HTMX)
    assert said.status_code == 200
    assert ">2 new payouts. Show</a>" in said.text
    assert 'name="said" value="2"' in said.text
    assert client.get(f"{address}&said=2", headers=HTMX).status_code == 204
    place.payout(place.other, 9_000)
    assert ">3 new payouts. Show</a>" in client.get(f"{address}&said=2", headers=HTMX).text
    link = re.search(r'<a href="([^"]+)"', said.text)
    assert link is not None
    shown = client.get(unescape(link[1])).text
    order = re.findall(r'<th scope="row"><a href="/admin/payouts/(PO-2026-\d{6})"', shown)
    assert order == sorted(order, reverse=True)
    assert newest in order
    assert client.get(_address(client, shown), headers=HTMX).status_code == 204


def test_only_what_belongs_to_the_view_and_the_filter_counts(place: Place) -> None:
    client = place.client(place.approver)
    ready = _address(client, client.get("/admin/approvals?payee=ana").text)
    blocked = _address(client, client.get("/admin/approvals?view=blocked").text)
    place.payout(place.payee, 1_000)
    place.payout(place.other, 1_000, actor=people.actor_of(place.approver))
    assert client.get(ready, headers=HTMX).status_code == 204
    assert ">1 new payout. Show</a>" in client.get(blocked, headers=HTMX).text
    place.payout(place.other, 2_000)
    assert ">1 new payout. Show</a>" in client.get(ready, headers=HTMX).text


def test_empty_queue_hears_of_arrivals_too(place: Place) -> None:
    client = place.client(place.approver)
    html = client.get("/admin/approvals").text
    assert "All done" in html
    address = _address(client, html)
    place.payout()
    assert "1 new payout. Show" in client.get(address, headers=HTMX).text


def test_many_are_not_counted_to_the_end(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrivals, "MOST", 2)
    client = place.client(place.approver)
    address = _address(client, client.get("/admin/approvals").text)
    for n in range(4):
        place.payout(place.other, 1_000 + n)
    with counted_queries() as asked:
        assert "2+ new payouts. Show" in client.get(address, headers=HTMX).text
    assert [s for s in asked if "LIMIT" in s and "payouts.id >" in s]


@pytest.mark.parametrize(
    "query", ["", "since=", "since=x", "since=" + "9" * 30, "since=-4", "since=0&amount_from=lots"]
)
def test_question_that_cannot_be_read_has_no_answer(place: Place, query: str) -> None:
    place.payout()
    answer = place.client(place.approver).get(f"/admin/approvals/arrived?{query}")
    assert (answer.status_code, answer.data) == (204, b"")


def test_others_see_nothing_of_it(place: Place) -> None:
    place.payout()
    nova = people.organisation("nova")
    stranger = people.user(organisation=nova, role="admin")
    assert place.client(stranger, nova).get("/admin/approvals/arrived?since=0").status_code == 204
    assert place.client(place.technician).get("/admin/approvals/arrived?since=0").status_code in (403, 404)


def test_asking_is_no_sign_of_a_person(place: Place) -> None:
    client = place.client(place.approver)
    address = _address(client, client.get("/admin/approvals").text)
    seen = "SELECT max(last_seen_at) FROM user_sessions"
    before = db.session.execute(db.text(seen)).scalar()
    db.session.rollback()
    with time_machine.travel(HOUR + timedelta(minutes=5), tick=False):
        client.get(address, headers=HTMX)
        assert db.session.execute(db.text(seen)).scalar() == before
        db.session.rollback()
        client.get("/admin/approvals")
        assert db.session.execute(db.text(seen)).scalar() != before
