"""The pages of the keys: what they show, what they never show, and what they answer."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests import factories
from tests.factories.connections import CASHFREE, PHONEPE, answering, connection, in_an_hour
from tests.factories.people import stored
from webapp.connections import queries
from webapp.database import db
from webapp.kernel.clock import utc_now
from webapp.people.models import Organisation, UserSession
from webapp.people.views.fresh import WINDOW
from webapp.providers.http import Reply

SECRETS = ("client_id", "client_secret", "webhook_password")


@pytest.fixture
def organisation(database: Flask) -> Organisation:
    return factories.organisation(currency="INR")


@pytest.fixture
def admin(client: FlaskClient, organisation: Organisation) -> FlaskClient:
    factories.sign_in(client, factories.user(organisation=organisation, role="admin"), organisation)
    return client


def _version(page: str) -> str:
    found = re.search(r'name="version"[^>]*value="(\d+)"|value="(\d+)"[^>]*name="version"', page)
    assert found
    return found[1] or found[2]


def test_from_no_keys_to_a_tested_connection(admin: FlaskClient, organisation: Organisation) -> None:
    page = admin.get("/admin/settings/connections").text
    assert page.count("Not connected") == 3
    form = admin.get("/admin/settings/connections/phonepe").text
    data = {"version": _version(form), "environment": "sandbox", **PHONEPE}
    data["webhook_word"] = data.pop("webhook_password")
    answer = admin.post("/admin/settings/connections/phonepe", data=data)
    assert (answer.status_code, answer.location) == (303, "/admin/settings/connections")
    account = queries.accounts(organisation.id)["phonepe"]
    assert queries.opened(account) == PHONEPE
    uid = account.uid
    page = admin.get("/admin/settings/connections").text
    assert f"/hooks/phonepe/{uid}" in page
    assert "Never, with these keys" in page
    with answering(Reply(200, {"access_token": "abc", "expires_at": in_an_hour()})):
        assert admin.post("/admin/settings/connections/phonepe/test").status_code == 303
    page = admin.get("/admin/settings/connections").text
    assert "PhonePe takes the keys." in page
    assert "Works" in page
    with answering(Reply(401, {"message": "bad keys"})):
        admin.post("/admin/settings/connections/phonepe/test")
    assert "does not take these keys" in admin.get("/admin/settings/connections").text


def test_no_page_ever_shows_a_secret(admin: FlaskClient, organisation: Organisation) -> None:
    connection(organisation)
    connection(organisation, "phonepe")
    clear = [values[name] for values in (CASHFREE, PHONEPE) for name in SECRETS if name in values]
    pages = [admin.get("/admin/settings/connections")]
    for name in ("cashfree", "phonepe"):
        pages.append(admin.get(f"/admin/settings/connections/{name}"))
        wrong = {
            "version": "1",
            "environment": "none",
            "client_id": "a b",
            "client_secret": "typed wrong secret",
        }
        pages.append(admin.post(f"/admin/settings/connections/{name}", data=wrong))
        assert pages[-1].status_code == 422
        late = {"version": "9", "environment": "sandbox", "client_secret": "new-secret-typed"}
        pages.append(admin.post(f"/admin/settings/connections/{name}", data=late))
        assert pages[-1].status_code == 409
    pages.append(admin.get("/admin/activity"))
    for answer in pages:
        assert not [
            value for value in (*clear, "typed wrong secret", "new-secret-typed") if value in answer.text
        ]
    assert "Stored. Leave it empty to keep it." in pages[1].text


def test_every_wrong_field_is_named_and_the_rest_stays_typed(
    admin: FlaskClient, organisation: Organisation
) -> None:
    data = {"version": "0", "environment": "sandbox", "client_id": "CF_CLIENT_1", "client_secret": "short",
            "fund_source": "CASHFREE_7", "payouts_url": "https://example.com/payout"}  # fmt: skip
    answer = admin.post("/admin/settings/connections/cashfree", data=data)
    assert answer.status_code == 422
    assert "The client secret has 8 to 200 signs and no blanks." in answer.text
    assert "a host under cashfree.com" in answer.text
    assert 'value="CASHFREE_7"' in answer.text
    assert 'value="https://example.com/payout"' in answer.text
    assert queries.find(organisation.id, "cashfree") is None


def test_somebody_who_was_slower_is_told(admin: FlaskClient, organisation: Organisation) -> None:
    connection(organisation)
    data = {
        "version": "0",
        "environment": "sandbox",
        "client_secret": "another-secret",
        "fund_source": "MINE",
    }
    answer = admin.post("/admin/settings/connections/cashfree", data=data)
    assert answer.status_code == 409
    assert "Somebody else changed this connection" in answer.text
    assert 'value="MINE"' in answer.text


def test_off_and_on_again(admin: FlaskClient, organisation: Organisation) -> None:
    connection(organisation)
    assert admin.post("/admin/settings/connections/cashfree/switch/off").status_code == 303
    assert not queries.is_usable(organisation.id, "cashfree")
    assert "Nothing is sent or asked through it" in admin.get("/admin/settings/connections").text
    assert admin.post("/admin/settings/connections/cashfree/switch/on").status_code == 303
    assert queries.is_usable(organisation.id, "cashfree")
    assert admin.post("/admin/settings/connections/phonepe/switch/on").status_code == 409
    assert admin.post("/admin/settings/connections/cashfree/switch/maybe").status_code == 404
    assert admin.post("/admin/settings/connections/stripe/switch/on").status_code == 404
    assert admin.get("/admin/settings/connections/stripe").status_code == 404


def test_an_accountant_looks_and_changes_nothing(client: FlaskClient, organisation: Organisation) -> None:
    connection(organisation)
    reader = factories.user(organisation=organisation, role="accountant")
    factories.sign_in(client, reader, organisation)
    page = client.get("/admin/settings/connections")
    assert page.status_code == 200
    assert "Test connection" not in page.text
    assert client.get("/admin/settings/connections/cashfree").status_code == 403
    for path in ("", "/test", "/switch/off"):
        assert client.post(f"/admin/settings/connections/cashfree{path}").status_code == 403


def test_keys_are_entered_by_somebody_who_has_just_proved_who_they_are(
    client: FlaskClient, organisation: Organisation
) -> None:
    boss = factories.user(organisation=organisation, role="admin", password=factories.PASSWORD)
    factories.sign_in(client, boss, organisation)
    connection(organisation, "phonepe")
    with stored():
        for row in db.session.query(UserSession):
            row.reauthenticated_at = utc_now() - WINDOW - timedelta(minutes=1)
    address = "/admin/settings/connections/phonepe"
    assert client.get("/admin/settings/connections").status_code == 200
    answer = client.get(address)
    assert answer.status_code in (302, 303)
    assert "/account/confirm" in answer.location
    typed = {"version": "1", "environment": "sandbox", "client_version": "1", "webhook_username": "paydesk_hooks",
             "client_secret": "typed-before-proof", "webhook_word": "typed2026"}  # fmt: skip
    for path in ("/test", "/switch/off", ""):
        answer = client.post(f"{address}{path}", data=typed)
        assert answer.status_code == 403
        assert "typed-before-proof" not in answer.text
    assert queries.opened(queries.accounts(organisation.id)["phonepe"]) == PHONEPE
    # What was typed comes back sealed, and counts once the person has proved who they are.
    found = re.search(r'name="held_form" value="([^"]+)"', answer.text)
    assert found
    answer = client.post(address, data={"held_form": found[1], "proof_password": factories.PASSWORD})
    assert answer.status_code == 303
    values = queries.opened(queries.accounts(organisation.id)["phonepe"])
    assert (values["client_secret"], values["webhook_password"]) == ("typed-before-proof", "typed2026")


@pytest.mark.parametrize(("environment", "is_offered"), [("production", False), ("demo", True)])
def test_addresses_for_trials_are_offered_in_trials_alone(
    admin: FlaskClient, database: Flask, monkeypatch: pytest.MonkeyPatch, environment: str, is_offered: bool
) -> None:
    changed = {"environment": environment, "second_factor": "optional"}
    settings = database.config["SETTINGS"].model_copy(update=changed)
    monkeypatch.setitem(database.config, "SETTINGS", settings)
    page = admin.get("/admin/settings/connections/zoho").text
    assert "Data centre" in page
    assert ("Other addresses" in page, 'name="accounts_url"' in page) == (is_offered, is_offered)
    # A provider's own domain has other addresses that are good anywhere.
    assert 'name="payouts_url"' in admin.get("/admin/settings/connections/cashfree").text
    keys = {"version": "0", "client_id": "1000.ABCD", "client_secret": "0a1b2c3d4e5f", "data_centre": "in"}
    assert admin.post("/admin/settings/connections/zoho", data=keys).status_code == 303
