"""The pages: connecting by consent, choosing, the list with trying again, the part of a payout's own page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests import factories
from tests.factories import accounting, payouts
from tests.factories.people import sign_in
from tests.rooms.accounting.conftest import World, simulator
from webapp.accounting import pace, setups
from webapp.connections import queries as connections
from webapp.database import db, transaction
from webapp.people.models import Organisation
from webapp.simulator.server import Running

BASE = "/admin/accounting"


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """Zoho."""
    monkeypatch.setattr(pace, "BURST", 10**9)
    found = simulator()
    yield found
    found.close()


@pytest.fixture
def organisation(database: Flask) -> Organisation:
    """An organisation without books."""
    return factories.organisation()


def browser(app: Flask, organisation: Organisation, role: str = "admin") -> FlaskClient:
    """Somebody who is signed in."""
    client = app.test_client()
    sign_in(client, factories.user(organisation=organisation, role=role), organisation)
    return client


@pytest.fixture
def admin(database: Flask, organisation: Organisation) -> FlaskClient:
    """An admin."""
    return browser(database, organisation)


def consent(admin: FlaskClient, running: Running, action: str = "accept") -> str:
    """From the button to Zoho, a click there, and the address that leads back."""
    leaves = admin.get(f"{BASE}/connect")
    assert leaves.status_code == 303
    there = urlsplit(leaves.location)
    assert leaves.location.startswith(running.url)
    given = {name: values[0] for name, values in parse_qs(there.query).items()}
    assert (given["access_type"], given["response_type"]) == ("offline", "code")
    back = httpx.post(f"{running.url}{there.path}", data={**given, "action": action})
    assert back.status_code == 303
    found = urlsplit(back.headers["location"])
    return f"{found.path}?{found.query}"


def hidden(page: str) -> dict[str, str]:
    """The hidden fields of a page's form."""
    pairs = re.findall(r'<input[^>]*name="(code|state|location)"[^>]*value="([^"]*)"', page)
    return dict(pairs)


def connect(admin: FlaskClient, running: Running) -> Any:
    """The whole way; the last answer."""
    page = admin.get(consent(admin, running)).text
    return admin.post(f"{BASE}/connected", data=hidden(page), follow_redirects=True)


def test_from_nothing_to_a_bill(admin: FlaskClient, organisation: Organisation, running: Running) -> None:
    number = organisation.id
    assert "The books are not connected" in admin.get(BASE).text
    page = admin.get(f"{BASE}/settings").text
    assert "/admin/accounting/connected" in page
    assert admin.get(f"{BASE}/connect").status_code == 409
    keys = {"client_id": "SIM_ZOHO", "client_secret": "sim-zoho-secret", "data_centre": "eu", "version": "0",
            "accounts_url": f"{running.url}/zoho", "books_url": f"{running.url}/zoho"}  # fmt: skip
    assert admin.post("/admin/settings/connections/zoho", data=keys).status_code == 303
    assert "Connect Zoho Books" in admin.get(f"{BASE}/settings").text
    page = connect(admin, running).text
    assert "Choose among its 2 organisations" in page
    account = connections.find(number, "zoho")
    assert account is not None
    # Zoho says where the account lives.
    assert connections.opened(account)["data_centre"] == "in"
    page = admin.post(f"{BASE}/settings/books", data={"books": "60000000002"}, follow_redirects=True).text
    assert "Installer payouts" in page
    setup = setups.find(number)
    assert setup is not None
    form = {"version": str(setup.version), "bill_account": "60000000002001", "paid_through": "60000000002011",
            "programs": "installations", "starts_on": "2026-11-01", "due_days": "14",
            "calls_a_day": "5000"}  # fmt: skip
    assert admin.post(f"{BASE}/settings", data={**form, "due_days": "91"}).status_code == 422
    assert admin.post(f"{BASE}/settings", data={**form, "version": "1"}).status_code == 409
    for wrong in ({"programs": ""}, {"bill_account": "1"}, {"starts_on": "x"}, {"calls_a_day": "7"}):
        answer = admin.post(f"{BASE}/settings", data={**form, **wrong})
        assert answer.status_code == 422, wrong
    assert admin.post(f"{BASE}/settings", data=form).status_code == 303
    db.session.rollback()
    setup = setups.find(number)
    assert setup is not None
    assert (setup.is_on, setup.programs, setup.bill_account_name) == (
        True,
        ["installations"],
        "Installer payouts",
    )
    db.session.rollback()
    world = World(running, db.session.get_one(Organisation, number))
    reference = world.payout()
    assert "Queued" in admin.get(f"/admin/payouts/{reference}").text
    assert world.sync(reference) is None
    assert "The books say what Paydesk says." in admin.get(f"/admin/payouts/{reference}").text
    assert world.bills() == [(reference, "open", 49_950)]


def test_a_no_at_zoho_changes_nothing(
    admin: FlaskClient, organisation: Organisation, running: Running
) -> None:
    accounting.keys(organisation, running.url, consents=False)
    page = admin.get(consent(admin, running, "reject"))
    assert (page.status_code, "gave no consent" in page.text) == (409, True)
    assert not setups.has_consent(organisation.id)


def test_a_consent_of_another_session_is_not_taken(
    database: Flask, admin: FlaskClient, organisation: Organisation, running: Running
) -> None:
    accounting.keys(organisation, running.url, consents=False)
    address = consent(admin, running)
    other = browser(database, organisation)
    assert other.get(address).status_code == 409
    form = hidden(admin.get(address).text)
    assert other.post(f"{BASE}/connected", data=form).status_code == 409
    assert admin.post(f"{BASE}/connected", data={**form, "state": form["state"][:-2]}).status_code == 409
    assert admin.post(f"{BASE}/connected", data=form).status_code == 303
    # A code is good once.
    assert admin.post(f"{BASE}/connected", data=form).status_code == 409


def test_connected_though_zoho_tells_no_more_at_the_moment(
    admin: FlaskClient, organisation: Organisation, running: Running
) -> None:
    accounting.keys(organisation, running.url, consents=False)
    form = hidden(admin.get(consent(admin, running)).text)
    running.sim.plan.add("F6", provider="zoho", endpoint="books/organizations")
    page = admin.post(f"{BASE}/connected", data=form, follow_redirects=True)
    assert (page.status_code, "not read yet" in page.text) == (200, True)
    assert setups.has_consent(organisation.id)
    page = admin.post(f"{BASE}/settings/read", follow_redirects=True)
    assert "Choose among its 2 organisations" in page.text


def test_keys_that_changed_meanwhile(
    admin: FlaskClient, organisation: Organisation, running: Running
) -> None:
    accounting.keys(organisation, running.url, consents=False)
    form = hidden(admin.get(consent(admin, running)).text)
    accounting.keys(organisation, running.url, consents=False)
    answer = admin.post(f"{BASE}/connected", data=form)
    assert (answer.status_code, "changed meanwhile" in answer.text) == (409, True)


def test_other_books_are_refused_once_bills_stand(
    admin: FlaskClient, organisation: Organisation, running: Running
) -> None:
    accounting.kept(organisation, running.url)
    world = World(running, organisation)
    world.sync(world.payout())
    assert admin.post(f"{BASE}/settings/read", follow_redirects=True).status_code == 200
    answer = admin.post(f"{BASE}/settings/books", data={"books": "60000000001"})
    assert (answer.status_code, "1 bills stand" in answer.text) == (409, True)


def test_the_list_and_trying_again(admin: FlaskClient, organisation: Organisation, running: Running) -> None:
    accounting.kept(organisation, running.url)
    world = World(running, organisation)
    references = [world.payout() for _ in range(3)]
    running.sim.plan.add("F10", provider="zoho", endpoint="books/bills", skip=1, times=1)
    running.sim.plan.add(
        "F10", provider="zoho", endpoint="books/bills", subject=references[1], skip=1, times=1
    )
    for reference in references:
        world.sync(reference)
    states = [world.row(reference).state for reference in references]
    assert states == ["failed", "failed", "synced"]
    page = admin.get(f"{BASE}?state=failed").text
    assert references[0] in page
    assert references[2] not in page
    assert "Invalid value passed (code 2, HTTP 400)" in page
    assert "Try all of this filter again" in page
    assert references[0] in admin.get(f"{BASE}?q={references[0].lower()}").text
    assert "2 payouts that the books refused" in admin.get("/admin/").text
    csv = admin.get(f"{BASE}/export.csv?state=failed").text
    assert csv.count("Invalid value passed") == 2
    assert "499.50" in csv
    number = world.row(references[0]).payout_id
    assert admin.post(f"{BASE}/retry", data={"ids": [str(number)]}).status_code == 303
    assert [world.row(reference).state for reference in references] == ["queued", "failed", "synced"]
    assert admin.post(f"{BASE}/retry", data={"is_all": "1", "state": "failed"}).status_code == 303
    assert world.row(references[1]).state == "queued"
    assert admin.post(f"{BASE}/retry", data={}).status_code == 409
    assert admin.post(f"{BASE}/retry", data={"ids": ["x", "-1", str(10**30)]}).status_code == 409
    for reference in references:
        world.sync(reference)
    assert len(world.bills()) == 3


def test_one_payout_is_tried_again_from_its_page(
    admin: FlaskClient, organisation: Organisation, running: Running
) -> None:
    accounting.kept(organisation, running.url)
    world = World(running, organisation)
    running.sim.plan.add("F10", provider="zoho", endpoint="books/bills", skip=1, times=1)
    reference = world.payout()
    world.sync(reference)
    page = admin.get(f"/admin/payouts/{reference}").text
    assert "The books said: Invalid value passed (code 2, HTTP 400)" in page
    assert admin.post(f"{BASE}/payouts/{reference}/sync").status_code == 303
    world.sync(reference)
    assert world.row(reference).state == "synced"
    assert "Try again" not in admin.get(f"/admin/payouts/{reference}").text
    assert admin.post(f"{BASE}/payouts/PO-2026-999999/sync").status_code == 404


def test_accountants_look_and_change_nothing(
    database: Flask, organisation: Organisation, running: Running
) -> None:
    accounting.kept(organisation, running.url)
    reference = payouts.payout_ready(organisation).reference
    client = browser(database, organisation, "accountant")
    page = client.get(BASE)
    assert (page.status_code, reference in page.text, "Try" in page.text) == (200, True, False)
    assert client.get(f"{BASE}/settings").status_code == 200
    for path in ("retry", "settings", "settings/off", f"payouts/{reference}/sync", "connected"):
        assert client.post(f"{BASE}/{path}").status_code == 403
    assert client.get(f"{BASE}/connect").status_code == 403


def test_two_organisations_see_nothing_of_one_another(
    database: Flask, organisation: Organisation, running: Running
) -> None:
    other = factories.organisation(currency="INR")
    other_id = other.id
    accounting.kept(organisation, running.url)
    accounting.kept(other, running.url)
    world = World(running, db.session.get_one(Organisation, organisation.id))
    reference = world.payout()
    number = world.row(reference).payout_id
    theirs = browser(database, db.session.get_one(Organisation, other_id))
    assert reference not in theirs.get(BASE).text
    assert reference not in theirs.get(f"{BASE}/export.csv").text
    assert theirs.post(f"{BASE}/payouts/{reference}/sync").status_code in (404, 409)
    with transaction():
        world_row = db.session.get_one(type(world.row(reference)), world.row(reference).id)
        world_row.state = "failed"
    assert theirs.post(f"{BASE}/retry", data={"ids": [str(number)]}).status_code == 409
    assert theirs.post(f"{BASE}/retry", data={"is_all": "1"}).status_code == 409
    assert world.row(reference).state == "failed"
