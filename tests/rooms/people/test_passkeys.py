"""Passkeys: both ceremonies with a key in software, and every way in which an answer can be wrong."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update

from tests.factories import PASSWORD, organisation, sign_in, user
from tests.factories.factors import app_of
from tests.support.authenticator import Authenticator
from webapp.audit.models import AuditEvent
from webapp.database import db, transaction
from webapp.kernel.clock import utc_now
from webapp.outbox.models import OutboxMessage
from webapp.people.access import second_factor
from webapp.people.access.models import Passkey
from webapp.people.access.passkeys import site_of
from webapp.people.models import Organisation, User, UserSession

STEP = "/sign-in/second-factor"


@pytest.fixture
def house(database: Flask) -> Organisation:
    return organisation("solaria")


@pytest.fixture
def admin(house: Organisation) -> User:
    return user("maya@solaria.example", organisation=house, role="admin", password=PASSWORD)


def add(client: FlaskClient, key: Authenticator, name: str = "Work laptop") -> Any:
    options = client.post("/account/passkeys/challenge").json
    return client.post("/account/passkeys/new", data={"name": name, "answer": key.create(options)})


@pytest.fixture
def key(client: FlaskClient, admin: User, house: Organisation) -> Authenticator:
    """A key that the admin has added, signed in at `client`."""
    made = Authenticator()
    sign_in(client, admin, house)
    assert add(client, made).status_code == 200
    return made


def waiting(client: FlaskClient, person: User) -> FlaskClient:
    """Another browser in which the person gave their password."""
    browser = client.application.test_client()
    assert browser.post("/sign-in", data={"email": person.email, "password": PASSWORD}).location == STEP
    return browser


def challenge(browser: FlaskClient) -> dict[str, Any]:
    answer = browser.post(f"{STEP}/passkey")
    assert answer.status_code == 200
    assert isinstance(answer.json, dict)
    return answer.json


def prove(browser: FlaskClient, answer: str) -> int:
    return int(browser.post(STEP, data={"proof_passkey": answer}).status_code)


def tags() -> list[str]:
    return list(db.session.scalars(select(AuditEvent.tag).order_by(AuditEvent.id)))


def test_a_passkey_is_added_and_signs_in(client: FlaskClient, admin: User, key: Authenticator) -> None:
    assert second_factor.factors_of(admin.id).n_recovery_codes == 10
    assert list(db.session.scalars(select(OutboxMessage.kind))) == ["notice.security.factor_added"]
    browser = waiting(client, admin)
    page = browser.get(STEP).text
    assert 'data-passkey="get"' in page
    assert "Passkeys need JavaScript." in page
    assert "passkeys" in page.partition("</head>")[0]
    options = challenge(browser)
    assert options["userVerification"] == "required"
    assert options["rpId"] == "localhost"
    before = browser.get_cookie("paydesk")
    assert prove(browser, key.get(options)) == 303
    assert browser.get_cookie("paydesk") != before
    assert browser.get("/admin/").status_code == 200
    row = db.session.scalars(select(UserSession).order_by(UserSession.id.desc())).first()
    assert row is not None
    assert (row.factor, row.challenge) == ("passkey", "")
    assert db.session.scalars(select(Passkey.sign_count)).one() == key.count


def test_the_options_of_a_new_key(client: FlaskClient, admin: User, key: Authenticator) -> None:
    options = client.post("/account/passkeys/challenge").json
    assert options is not None
    assert options["rp"] == {"id": "localhost", "name": "Paydesk"}
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert len(options["excludeCredentials"]) == 1
    assert options["attestation"] == "none"


def test_several_keys_with_names_one_of_them_removed(
    client: FlaskClient, admin: User, house: Organisation, key: Authenticator
) -> None:
    phone = Authenticator()
    # No recovery codes this time: those of the first factor are still good.
    assert add(client, phone, "  Phone <b>of Maya</b>  ").status_code == 303
    page = client.get("/account/second-factor").text
    assert "Work laptop" in page
    assert "Phone &lt;b&gt;of Maya&lt;/b&gt;" in page
    first = db.session.scalars(select(Passkey.id).order_by(Passkey.id)).first()
    assert client.post(f"/account/passkeys/{first}/remove").status_code == 303
    browser = waiting(client, admin)
    assert prove(browser, key.get(challenge(browser))) == 422
    assert prove(browser, phone.get(challenge(browser))) == 303
    assert second_factor.factors_of(admin.id).n_recovery_codes == 10
    assert tags().count("people:passkey:removed") == 1


def test_the_last_key_takes_the_codes_along(client: FlaskClient, admin: User, key: Authenticator) -> None:
    row_id = db.session.scalars(select(Passkey.id)).one()
    client.post(f"/account/passkeys/{row_id}/remove")
    assert second_factor.factors_of(admin.id) == second_factor.Factors(None, 0, 0)
    answer = client.application.test_client().post(
        "/sign-in", data={"email": admin.email, "password": PASSWORD}
    )
    assert answer.location == "/me"


def test_somebody_elses_key_cannot_be_removed(
    client: FlaskClient, admin: User, house: Organisation, key: Authenticator
) -> None:
    row_id = db.session.scalars(select(Passkey.id)).one()
    sign_in(client, user(organisation=house, role="admin"), house)
    assert client.post(f"/account/passkeys/{row_id}/remove").status_code == 404
    assert db.session.scalars(select(Passkey.id)).one() == row_id


def test_one_key_is_one_persons(
    client: FlaskClient, admin: User, house: Organisation, key: Authenticator
) -> None:
    colleague = user(organisation=house, role="admin")
    sign_in(client, colleague, house)
    assert add(client, key).status_code == 422
    assert not second_factor.factors_of(colleague.id).has_any


@pytest.mark.parametrize(
    "key",
    [
        Authenticator(origin="https://paydesk.example"),
        Authenticator(origin="http://localhost:9"),
        Authenticator(is_verifying=False),
    ],
    ids=["other site", "other port", "nobody verified"],
)
def test_a_key_of_elsewhere_is_not_added(
    client: FlaskClient, admin: User, house: Organisation, key: Authenticator
) -> None:
    sign_in(client, admin, house)
    answer = add(client, key)
    assert answer.status_code == 422
    assert "The passkey was not added." in answer.text
    assert "Work laptop" in answer.text
    assert not second_factor.factors_of(admin.id).has_any


@pytest.mark.parametrize(
    "answer", ["", "{}", "[]", "null", "not json", '{"id": 1}', "{" * 30_000, '{"response": {}}', "\u202e"]
)
def test_an_unreadable_answer_is_refused(
    client: FlaskClient, admin: User, key: Authenticator, answer: str
) -> None:
    assert client.post("/account/passkeys/new", data={"name": "Key", "answer": answer}).status_code == 422
    browser = waiting(client, admin)
    challenge(browser)
    assert prove(browser, answer) == 422


@pytest.mark.parametrize("name", ["", "  ", "n" * 61])
def test_a_key_has_a_name(client: FlaskClient, admin: User, house: Organisation, name: str) -> None:
    sign_in(client, admin, house)
    assert add(client, Authenticator(), name).status_code == 422
    assert not second_factor.factors_of(admin.id).has_any


def test_a_challenge_is_good_once(client: FlaskClient, admin: User, key: Authenticator) -> None:
    browser = waiting(client, admin)
    options = challenge(browser)
    # A bad answer uses it up, too.
    assert prove(browser, Authenticator(credential_id=key.credential_id).get(options)) == 422
    assert prove(browser, key.get(options)) == 422
    fresh = challenge(browser)
    answer = key.get(fresh)
    assert prove(browser, answer) == 303
    thief = waiting(client, admin)
    challenge(thief)
    assert prove(thief, answer) == 422


def test_a_registration_is_good_once(client: FlaskClient, admin: User, key: Authenticator) -> None:
    options = client.post("/account/passkeys/challenge").json
    assert options is not None
    for expected in (303, 422):
        data = {"name": "Another", "answer": Authenticator().create(options)}
        assert client.post("/account/passkeys/new", data=data).status_code == expected


def test_a_challenge_is_good_for_five_minutes(client: FlaskClient, admin: User, key: Authenticator) -> None:
    start = utc_now()
    with time_machine.travel(start, tick=False) as clock:
        browser = waiting(client, admin)
        options = challenge(browser)
        clock.shift(timedelta(minutes=5))
        assert prove(browser, key.get(options)) == 422
        options = challenge(browser)
        clock.shift(timedelta(minutes=5) - timedelta(seconds=1))
        assert prove(browser, key.get(options)) == 303


def test_the_challenge_of_another_session_is_of_no_use(
    client: FlaskClient, admin: User, key: Authenticator
) -> None:
    one, two = waiting(client, admin), waiting(client, admin)
    options = challenge(one)
    challenge(two)
    assert prove(two, key.get(options)) == 422
    assert prove(one, key.get(options)) == 303


def test_a_registration_is_no_sign_in(client: FlaskClient, admin: User, key: Authenticator) -> None:
    browser = waiting(client, admin)
    options = challenge(browser)
    mixed = {**options, "rp": {"id": options["rpId"]}}
    assert prove(browser, key.create(mixed)) == 422


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"origin": "https://paydesk.example"}, "another site"),
        ({"is_verifying": False}, "nobody was verified"),
    ],
)
def test_an_answer_from_elsewhere_is_refused(
    client: FlaskClient, admin: User, key: Authenticator, changes: dict[str, Any], why: str
) -> None:
    browser = waiting(client, admin)
    for name, value in changes.items():
        setattr(key, name, value)
    assert prove(browser, key.get(challenge(browser))) == 422, why
    assert browser.get("/account").status_code == 302


def test_a_changed_answer_is_refused(client: FlaskClient, admin: User, key: Authenticator) -> None:
    browser = waiting(client, admin)
    answer = json.loads(key.get(challenge(browser)))
    answer["response"]["signature"] = answer["response"]["signature"][:-6] + "AAAAAA"
    assert prove(browser, json.dumps(answer)) == 422


def test_a_counter_that_goes_back_is_a_copied_key(
    client: FlaskClient, admin: User, key: Authenticator
) -> None:
    with transaction():
        db.session.execute(update(Passkey).values(sign_count=50))
    browser = waiting(client, admin)
    assert prove(browser, key.get(challenge(browser))) == 422
    assert "people:passkey:counter_went_back" in tags()
    key.count = 50
    assert prove(browser, key.get(challenge(browser))) == 303


def test_a_key_without_a_counter_works(client: FlaskClient, admin: User, house: Organisation) -> None:
    # Passkeys that are kept in the cloud always say nought.
    key = Authenticator(count=-1)
    sign_in(client, admin, house)
    assert add(client, key).status_code == 200
    for _ in range(2):
        key.count = -1
        browser = waiting(client, admin)
        assert prove(browser, key.get(challenge(browser))) == 303


def test_challenges_are_for_those_who_may_ask(client: FlaskClient, admin: User, house: Organisation) -> None:
    assert client.post(f"{STEP}/passkey").status_code == 401
    app_of(admin)
    browser = client.application.test_client()
    browser.post("/sign-in", data={"email": admin.email, "password": PASSWORD})
    # An app, and no passkey.
    assert browser.post(f"{STEP}/passkey").status_code == 404
    assert browser.post("/account/passkeys/challenge").status_code == 401


def test_wrong_keys_count_as_tries(
    client: FlaskClient, admin: User, key: Authenticator, limits: None
) -> None:
    browser = waiting(client, admin)
    for _ in range(5):
        assert prove(browser, Authenticator(credential_id=key.credential_id).get(challenge(browser))) == 422
    assert browser.post(f"{STEP}/passkey").status_code == 429
    assert prove(browser, "{}") == 429


@pytest.mark.parametrize(
    ("address", "host", "origin"),
    [
        ("https://pay.example.org", "pay.example.org", "https://pay.example.org"),
        ("https://pay.example.org:8443", "pay.example.org", "https://pay.example.org:8443"),
        ("http://localhost:8000", "localhost", "http://localhost:8000"),
    ],
)
def test_the_site_is_the_public_address(address: str, host: str, origin: str) -> None:
    site = site_of(address)
    assert (site.host, site.origin) == (host, origin)


def test_only_the_pages_that_need_it_load_the_script(
    client: FlaskClient, admin: User, house: Organisation
) -> None:
    sign_in(client, admin, house)
    for address in ("/account", "/account/second-factor", "/admin/"):
        assert "passkeys.js" not in client.get(address).text
    assert "passkeys.js" in client.get("/account/passkeys/new").text
