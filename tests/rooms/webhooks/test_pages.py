"""The pages as admins see them: endpoints, secrets shown once, deliveries, sending again."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from jobs import webhooks_out
from tests import factories
from tests.factories import payouts as made
from tests.factories.payouts import WHEN
from tests.rooms.webhooks.made import ALL, URL, all_deliveries, answering, endpoint, send, waiting
from tests.rooms.webhooks.receiver import receiver
from webapp.audit.models import AuditEvent
from webapp.database import db, transaction
from webapp.people.models import Organisation
from webapp.webhooks.models import WebhookDelivery, WebhookEndpoint

BASE = "/admin/settings/webhooks"


@pytest.fixture
def organisation(database: Flask) -> Organisation:
    return factories.organisation("solaria")


@pytest.fixture
def admin(client: FlaskClient, organisation: Organisation) -> FlaskClient:
    factories.sign_in(client, factories.user(organisation=organisation, role="admin"), organisation)
    return client


def the_only() -> WebhookEndpoint:
    db.session.expire_all()
    return db.session.query(WebhookEndpoint).one()


def secret_in(page: str) -> str:
    found = re.search(r'value="(whsec_[^"]+)"', page)
    assert found is not None
    return found[1]


def test_without_endpoints_the_page_says_what_to_do(admin: FlaskClient) -> None:
    page = admin.get(BASE)
    assert "No endpoints yet" in page.text
    assert f"{BASE}/new" in page.text
    assert "Nothing was sent yet" in admin.get(f"{BASE}/deliveries").text


def test_a_new_endpoint_shows_its_secret_this_once(admin: FlaskClient) -> None:
    form = admin.get(f"{BASE}/new").text
    assert form.count("checked") == len(ALL)
    answer = admin.post(
        f"{BASE}/new", data={"url": URL, "name": "Books", "events": ["payout.paid", "payout.failed"]}
    )
    assert answer.status_code == 200
    secret = secret_in(answer.text)
    row = the_only()
    assert (row.url, row.name, row.events) == (URL, "Books", ["payout.paid", "payout.failed"])
    for page in (BASE, f"{BASE}/{row.id}", f"{BASE}/{row.id}/edit"):
        assert secret not in admin.get(page).text
    trail = db.session.query(AuditEvent).filter_by(tag="webhooks:endpoint:added").one()
    assert secret not in str(trail.changes)


@pytest.mark.parametrize(
    ("data", "field", "said"),
    [
        ({"url": "", "events": ["payout.paid"]}, "url", "Enter the address"),
        ({"url": "http://example.com/", "events": ["payout.paid"]}, "url", "https://"),
        ({"url": "https://10.0.0.8/", "events": ["payout.paid"]}, "url", "private network"),
        ({"url": URL, "events": []}, "events", "at least one event"),
        ({"url": URL, "name": "x" * 121, "events": ["payout.paid"]}, "name", "120 characters"),
    ],
)
def test_what_cannot_be_is_said_at_its_field(
    admin: FlaskClient, data: dict[str, object], field: str, said: str
) -> None:
    answer = admin.post(f"{BASE}/new", data=data)
    assert answer.status_code == 422
    assert said in answer.text
    assert f'id="{field}-error"' in answer.text
    assert db.session.query(WebhookEndpoint).count() == 0


def test_an_endpoint_is_changed_and_a_stale_page_refused(
    admin: FlaskClient, organisation: Organisation
) -> None:
    row, _ = endpoint(organisation)
    page = f"{BASE}/{row.id}/edit"
    data = {"url": "https://example.org/new", "name": "New", "events": ["payout.paid"], "version": "1"}
    assert admin.post(page, data=data).status_code == 303
    assert (the_only().url, the_only().version) == ("https://example.org/new", 2)
    answer = admin.post(page, data={**data, "url": URL})
    assert answer.status_code == 409
    assert the_only().url == "https://example.org/new"


def test_a_new_secret_takes_a_check_step(admin: FlaskClient, organisation: Organisation) -> None:
    row, old = endpoint(organisation)
    page = f"{BASE}/{row.id}/secret"
    assert 'name="version" value="1"' in admin.get(page).text
    answer = admin.post(page, data={"version": "1"})
    assert secret_in(answer.text) != old
    assert "signs too until" in admin.get(f"{BASE}/{row.id}").text
    assert admin.post(page, data={"version": "1"}).status_code == 409


def test_a_test_is_sent_and_its_answer_shown(admin: FlaskClient, organisation: Organisation) -> None:
    with receiver() as there:
        there.answers = [(500, {}, b"<b>our database is away</b>")]
        row, _ = endpoint(organisation, there.url)
        answer = admin.post(f"{BASE}/{row.id}/test")
        assert answer.status_code == 303
        webhooks_out.deliver(waiting())
    page = admin.get(answer.location).text
    assert "HTTP 500" in page
    assert "&lt;b&gt;our database is away&lt;/b&gt;" in page
    assert "webhook.test" in page


def test_off_on_and_away(admin: FlaskClient, organisation: Organisation) -> None:
    row, _ = endpoint(organisation, name="Books")
    assert admin.post(f"{BASE}/{row.id}/switch/off").status_code == 303
    assert "Switched off by an admin" in admin.get(f"{BASE}/{row.id}").text
    admin.post(f"{BASE}/{row.id}/switch/on")
    assert the_only().state == "on"
    assert URL in admin.get(f"{BASE}/{row.id}/remove").text
    assert admin.post(f"{BASE}/{row.id}/remove").status_code == 303
    assert admin.get(f"{BASE}/{row.id}").status_code == 404
    assert "No endpoints yet" in admin.get(BASE).text


def test_deliveries_are_filtered_and_one_is_shown(admin: FlaskClient, organisation: Organisation) -> None:
    first, _ = endpoint(organisation, name="Books")
    endpoint(organisation, "https://example.org/other", name="Other", events=["payout.approved"])
    payout = made.payout_ready(organisation)
    ids = [row.id for row in all_deliveries() if row.endpoint_id == first.id]
    send(WHEN, ids[:1], answering(200))

    def count(**query: str) -> int:
        page = admin.get(f"{BASE}/deliveries", query_string=query, headers={"HX-Request": "true"}).text
        return page.count('<th scope="row">')

    assert count() == 3
    assert count(state="delivered") == 1
    assert count(event="payout.approved") == 2
    assert count(place=str(first.id)) == 2
    assert count(q=payout.reference[:6]) == 3
    assert count(q="PO-1999") == 0
    assert count(state="nonsense", place="x", event="y") == 3
    page = admin.get(f"{BASE}/deliveries/{ids[0]}").text
    assert payout.reference in page
    assert "Delivered" in page


def test_one_is_sent_again_from_its_page(admin: FlaskClient, organisation: Organisation) -> None:
    row, _ = endpoint(organisation)
    made.payout(organisation, factories.payee(organisation))
    (one,) = all_deliveries()
    send(WHEN, [one.id], answering(410))
    page = f"{BASE}/deliveries/{one.id}"
    answer = admin.post(f"{page}/again")
    assert answer.status_code == 409
    assert "Switch it on first" in answer.text
    admin.post(f"{BASE}/{row.id}/switch/on")
    assert admin.post(f"{page}/again").status_code == 303
    assert db.session.get_one(WebhookDelivery, one.id).state == "waiting"


def test_everything_since_a_day_is_sent_again(admin: FlaskClient, organisation: Organisation) -> None:
    row, _ = endpoint(organisation)
    made.payout_ready(organisation)
    with transaction():
        for one in all_deliveries():
            one.state = "failed"
    page = f"{BASE}/{row.id}/replay"
    for since in ("", "yesterday", "0000-00-00"):
        assert admin.post(page, data={"since": since}).status_code == 422
    after = (WHEN + timedelta(days=2)).date().isoformat()
    assert "nothing to send again" in admin.post(page, data={"since": after}, follow_redirects=True).text
    before = (WHEN - timedelta(days=2)).date().isoformat()
    assert "2 events are sent again" in admin.post(page, data={"since": before}, follow_redirects=True).text
    assert {one.state for one in all_deliveries()} == {"waiting"}
    assert admin.post(page, data={"since": "0001-01-01"}).status_code in (303, 422)


def test_another_organisation_s_admin_sees_nothing(admin: FlaskClient, organisation: Organisation) -> None:
    other = factories.organisation("lumina")
    row, _ = endpoint(other, name="Theirs")
    made.payout(other, factories.payee(other))
    (one,) = all_deliveries()
    assert "Theirs" not in admin.get(BASE).text
    assert "Payout created" not in admin.get(f"{BASE}/deliveries", headers={"HX-Request": "true"}).text
    assert (
        admin.get(f"{BASE}/deliveries?place={row.id}", headers={"HX-Request": "true"}).text.count("<th") == 0
    )
    for page in (f"{BASE}/{row.id}", f"{BASE}/{row.id}/edit", f"{BASE}/deliveries/{one.id}"):
        assert admin.get(page).status_code == 404
    for page in (f"{BASE}/{row.id}/test", f"{BASE}/deliveries/{one.id}/again", f"{BASE}/{row.id}/switch/off"):
        assert admin.post(page).status_code == 404


def test_an_accountant_looks_and_changes_nothing(client: FlaskClient, organisation: Organisation) -> None:
    row, _ = endpoint(organisation)
    factories.sign_in(client, factories.user(organisation=organisation, role="accountant"), organisation)
    page = client.get(f"{BASE}/{row.id}").text
    assert "<form" not in page.partition("<main")[2].partition("</main")[0]
    assert client.post(f"{BASE}/{row.id}/test").status_code == 403
