"""Signing in and out, limits on tries, the organisation one works in, one's own sessions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from redis import ConnectionError as StoreAway
from sqlalchemy import func, select

from tests.factories import PASSWORD, membership, organisation, payee, sign_in, user
from webapp.audit.models import AuditEvent
from webapp.database import db, transaction
from webapp.kernel.clock import utc_now
from webapp.people import sessions
from webapp.people.models import Membership, Organisation, User, UserSession
from webapp.people.passwords import DEMO_PASSWORD
from webapp.people.throttle import limiter
from webapp.people.views.paths import local_path

GENERIC = "The e-mail address or the password is not right."


def post(client: FlaskClient, email: str, password: str = PASSWORD, **values: Any) -> Any:
    return client.post("/sign-in", data={"email": email, "password": password, **values})


def token(client: FlaskClient) -> str | None:
    with client.session_transaction() as cookie:
        return cookie.get("session")


def tags() -> list[str]:
    return list(db.session.scalars(select(AuditEvent.tag).order_by(AuditEvent.id)))


@pytest.fixture
def house(database: Flask) -> Organisation:
    return organisation("solaria")


@pytest.fixture
def admin(house: Organisation) -> User:
    return user("maya@solaria.example", organisation=house, role="admin", password=PASSWORD)


def test_a_right_password_opens_a_session_and_leads_to_the_portal(client: FlaskClient, admin: User) -> None:
    response = post(client, " Maya@Solaria.EXAMPLE ")
    assert (response.status_code, response.location) == (303, "/me")
    assert client.get("/me").location == "/admin/"
    row = db.session.scalars(select(UserSession)).one()
    assert row.user_id == admin.id
    assert row.organisation.slug == "solaria"
    assert row.token_hash != token(client)
    assert "people:session:signed_in" in tags()
    assert db.session.get_one(User, admin.id).last_sign_in_at is not None


@pytest.mark.parametrize(
    ("email", "password"),
    [("maya@solaria.example", "not the password"), ("nobody@solaria.example", PASSWORD)],
)
def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(
    client: FlaskClient, admin: User, email: str, password: str
) -> None:
    response = post(client, email, password)
    assert response.status_code == 422
    assert GENERIC in response.text
    assert password not in response.text
    assert token(client) is None
    event = db.session.scalars(select(AuditEvent).order_by(AuditEvent.id.desc())).first()
    assert event is not None
    assert event.tag == "people:session:sign_in_failed"
    assert event.subject_label == email
    assert event.actor_id is None


def test_a_password_typed_into_the_address_box_is_not_kept(client: FlaskClient, admin: User) -> None:
    post(client, PASSWORD, "maya@solaria.example")
    labels = db.session.scalars(select(AuditEvent.subject_label)).all()
    assert PASSWORD not in labels
    assert "not an e-mail address" in labels


def test_disabled_people_and_people_without_password_are_refused(
    client: FlaskClient, house: Organisation
) -> None:
    user("away@solaria.example", organisation=house, role="admin", password=PASSWORD)
    user("new@solaria.example", organisation=house, role="admin")
    with transaction():
        db.session.scalars(select(User).where(User.email == "away@solaria.example")).one().is_active = False
    for email in ("away@solaria.example", "new@solaria.example"):
        assert post(client, email).status_code == 422
    assert post(client, "new@solaria.example", "").status_code == 422


def test_an_empty_form_names_both_fields(client: FlaskClient) -> None:
    response = post(client, "", "")
    assert response.status_code == 422
    assert "Enter your e-mail address." in response.text
    assert "Enter your password." in response.text
    assert "<title>Error: Sign in" in response.text


def test_a_planted_cookie_is_worth_nothing_after_sign_in(
    client: FlaskClient, admin: User, house: Organisation
) -> None:
    sign_in(client, user(organisation=house, role="technician"), house)
    planted = token(client)
    with client.session_transaction() as cookie:
        cookie["left_by_somebody"] = "yes"
    post(client, "maya@solaria.example")
    assert token(client) not in (None, planted)
    with client.session_transaction() as cookie:
        assert "left_by_somebody" not in cookie
    assert planted is not None
    assert sessions.find_live(token=planted, now=utc_now()) is None


def test_signing_out_ends_the_session_in_the_database(client: FlaskClient, admin: User) -> None:
    post(client, "maya@solaria.example")
    kept = token(client)
    assert kept is not None
    response = client.post("/sign-out")
    assert (response.status_code, response.location) == (303, "/sign-in")
    assert "You are signed out." in client.get("/sign-in").text
    with client.session_transaction() as cookie:
        cookie["session"] = kept
    assert client.get("/me").location.startswith("/sign-in")
    assert "people:session:ended" in tags()
    assert client.post("/sign-out").status_code == 303


@pytest.mark.parametrize(
    "address",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "/\t/evil.example", "javascript:alert(1)",
     "evil", "", None, "/\n/evil.example", "/sign-out", "/a\\b", "http:/x"],
)  # fmt: skip
def test_only_paths_of_this_site_are_led_back_to(address: str | None) -> None:
    assert local_path(address) is None


def test_a_local_path_is_led_back_to(client: FlaskClient, admin: User) -> None:
    assert local_path("/admin/payees?kind=owner") == "/admin/payees?kind=owner"
    first = client.get("/account")
    assert first.location == "/sign-in?next=/account"
    assert 'value="/account"' in client.get(first.location).text
    assert post(client, "maya@solaria.example", next="/account").location == "/account"


def test_another_site_is_never_led_to(client: FlaskClient, admin: User) -> None:
    assert post(client, "maya@solaria.example", next="//evil.example/").location == "/me"


def test_ten_failures_for_one_address_stop_the_eleventh_try(
    client: FlaskClient, admin: User, limits: None
) -> None:
    for _ in range(10):
        assert post(client, "maya@solaria.example", "wrong").status_code == 422
    response = post(client, "maya@solaria.example")
    assert response.status_code == 429
    assert "Too many tries" in response.text
    assert post(client, "other@solaria.example", "wrong").status_code == 422
    assert client.get("/sign-in").status_code == 200


def test_fifty_failures_from_one_place_stop_it(client: FlaskClient, limits: None) -> None:
    for number in range(50):
        assert post(client, f"nobody{number}@x.example", "").status_code == 422
    assert post(client, "nobody50@x.example", "").status_code == 429


def test_successes_are_not_counted(client: FlaskClient, admin: User, limits: None) -> None:
    for _ in range(12):
        assert post(client, "maya@solaria.example").status_code == 303


def test_sign_in_is_refused_while_the_store_is_away(
    client: FlaskClient, admin: User, limits: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*arguments: Any, **values: Any) -> bool:
        raise StoreAway

    monkeypatch.setattr(limiter.limiter, "test", away)
    assert post(client, "maya@solaria.example").status_code == 503
    assert token(client) is None


def test_me_offers_a_choice_of_several_portals(client: FlaskClient, admin: User, house: Organisation) -> None:
    membership(admin, house, "technician")
    membership(admin, house, "accountant")
    sign_in(client, admin, house)
    page = client.get("/me").text
    assert 'href="/admin/"' in page
    assert 'href="/technician/"' in page
    assert page.count('href="/admin/"') == 1


def test_me_without_any_role_says_whom_to_ask(client: FlaskClient, database: Flask) -> None:
    sign_in(client, user())
    assert "You do not belong to an organisation yet." in client.get("/me").text
    assert "You do not belong to an organisation yet." in client.get("/organisations").text


def test_a_role_taken_away_closes_the_portal_at_once(
    client: FlaskClient, admin: User, house: Organisation
) -> None:
    other = organisation("other")
    membership(admin, other, "owner")
    sign_in(client, admin, house)
    with transaction():
        row = db.session.scalars(select(Membership).where(Membership.organisation_id == house.id)).one()
        db.session.delete(row)
    assert client.get("/admin/payees").status_code == 403
    assert client.get("/me").location == "/organisations"


def test_switching_organisations(client: FlaskClient, admin: User, house: Organisation) -> None:
    other, foreign = organisation("other"), organisation("foreign")
    membership(admin, other, "owner")
    sign_in(client, admin, house)
    page = client.get("/organisations").text
    assert "Other" in page
    assert "Foreign" not in page
    data = {"organisation_id": other.id}
    assert client.post("/organisations/switch", data=data).status_code == 303
    assert client.get("/me").location == "/owner/"
    for bad in (foreign.id, 999999, "x", ""):
        assert client.post("/organisations/switch", data={"organisation_id": bad}).status_code == 404
    assert client.get("/me").location == "/owner/"


def test_the_next_sign_in_begins_where_the_last_one_worked(client: FlaskClient, admin: User) -> None:
    other = organisation("other")
    membership(admin, other, "owner")
    post(client, "maya@solaria.example")
    client.post("/organisations/switch", data={"organisation_id": other.id})
    client.post("/sign-out")
    post(client, "maya@solaria.example")
    assert client.get("/me").location == "/owner/"


def test_the_account_page_lists_only_own_live_sessions(
    client: FlaskClient, admin: User, house: Organisation
) -> None:
    stranger = client.application.test_client()
    sign_in(stranger, user(organisation=house, role="owner"), house)
    elsewhere = client.application.test_client()
    sign_in(elsewhere, admin, house)
    sign_in(client, admin, house)
    page = client.get("/account").text
    assert page.count('/end"') == 2
    assert "This one" in page
    theirs = db.session.scalars(select(UserSession).where(UserSession.user_id != admin.id)).one().id
    assert client.post(f"/account/sessions/{theirs}/end").status_code == 404
    assert client.post("/account/sessions/999999/end").status_code == 404
    assert stranger.get("/account").status_code == 200
    assert client.post("/account/sessions/end-others").status_code == 303
    assert "1 other session is ended." in client.get("/account").text
    assert elsewhere.get("/account").status_code == 302
    assert client.get("/account").status_code == 200


def test_one_session_is_ended_from_another_browser(
    client: FlaskClient, admin: User, house: Organisation
) -> None:
    elsewhere = client.application.test_client()
    sign_in(elsewhere, admin, house)
    lost = db.session.scalars(select(UserSession.id)).one()
    sign_in(client, admin, house)
    assert client.post(f"/account/sessions/{lost}/end").status_code == 303
    assert elsewhere.get("/account").status_code == 302


@pytest.mark.parametrize(
    ("role", "is_demo", "limit"),
    [("admin", False, 10), ("accountant", False, 10), ("technician", False, 30), ("admin", True, 30)],
)
def test_an_unused_session_ends(
    client: FlaskClient, house: Organisation, role: str, is_demo: bool, limit: int
) -> None:
    person = user(organisation=house, role=role, is_demo=is_demo)
    start = utc_now()
    with time_machine.travel(start, tick=False) as clock:
        sign_in(client, person, house)
        clock.move_to(start + timedelta(minutes=limit) - timedelta(seconds=1))
        assert client.get("/account").status_code == 200
        clock.shift(timedelta(minutes=limit))
        assert client.get("/account").status_code == 302


def test_a_session_ends_after_eight_hours_of_use(
    client: FlaskClient, admin: User, house: Organisation
) -> None:
    start = utc_now()
    with time_machine.travel(start, tick=False) as clock:
        sign_in(client, admin, house)
        while clock_minutes(start) < 8 * 60 - 5:
            clock.shift(timedelta(minutes=5))
            assert client.get("/account").status_code == 200
        clock.shift(timedelta(minutes=5))
        assert client.get("/account").status_code == 302


def clock_minutes(start: Any) -> float:
    return (utc_now() - start).total_seconds() / 60


def test_disabling_a_person_closes_their_sessions(
    client: FlaskClient, admin: User, house: Organisation
) -> None:
    sign_in(client, admin, house)
    with transaction():
        db.session.get_one(User, admin.id).is_active = False
    assert client.get("/account").status_code == 302


@pytest.fixture
def demo_people(house: Organisation) -> list[User]:
    return [
        user("admin@solaria.example", organisation=house, role="admin", password=DEMO_PASSWORD, is_demo=True),
        user("technician@solaria.example", organisation=house, role="technician", password=DEMO_PASSWORD,
             is_demo=True),
    ]  # fmt: skip


def test_demo_accounts_open_with_one_click_in_demo_mode_only(
    client: FlaskClient, demo_people: list[User], request: pytest.FixtureRequest
) -> None:
    assert "Demo accounts" not in client.get("/sign-in").text
    assert DEMO_PASSWORD not in client.get("/sign-in").text
    assert post(client, "admin@solaria.example", DEMO_PASSWORD).status_code == 422
    request.getfixturevalue("demo_mode")
    page = client.get("/sign-in").text
    assert 'value="admin@solaria.example"' in page
    assert post(client, "admin@solaria.example", DEMO_PASSWORD).status_code == 303


def test_the_role_switcher_is_for_demo_accounts_in_demo_mode(
    client: FlaskClient, demo_people: list[User], admin: User, demo_mode: Flask
) -> None:
    def switch(email: str) -> int:
        return int(client.post("/demo/switch", data={"email": email}).status_code)

    assert switch("admin@solaria.example") == 303
    before = token(client)
    assert switch("technician@solaria.example") == 303
    assert token(client) != before
    assert client.get("/me").location == "/technician/"
    for refused in (admin.email, "nobody@x.example", ""):
        assert switch(refused) == 404
    assert client.get("/me").location == "/technician/"
    demo_mode.config["SETTINGS"] = demo_mode.config["SETTINGS"].model_copy(update={"environment": "test"})
    assert switch("admin@solaria.example") == 404


def test_the_start_page_leads_on(client: FlaskClient, admin: User, house: Organisation) -> None:
    assert client.get("/").location == "/sign-in"
    sign_in(client, admin, house)
    assert client.get("/").location == "/me"
    assert client.get("/sign-in").location == "/me"


def test_health_says_what_works_and_nothing_else(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    response = client.get("/healthz")
    assert response.status_code == 200
    assert response.json == {"status": "ok", "database": "ok", "store": "not configured"}

    class Away:
        def ping(self) -> None:
            raise StoreAway

    monkeypatch.setitem(client.application.extensions, "paydesk_redis", Away())
    assert client.get("/healthz").json == {"status": "degraded", "database": "ok", "store": "away"}


def test_health_is_503_without_the_database(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    from sqlalchemy.exc import OperationalError

    def away(*arguments: Any) -> None:
        raise OperationalError("SELECT 1", {}, Exception("gone"))

    monkeypatch.setattr(db.session, "execute", away)
    response = client.get("/healthz")
    assert response.status_code == 503
    assert response.json is not None
    assert response.json["database"] == "away"


def test_reading_pages_writes_at_most_once_a_minute(
    client: FlaskClient, admin: User, house: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    touched: list[int] = []
    original: Callable[..., None] = sessions.touch
    monkeypatch.setattr(sessions, "touch", lambda **v: (touched.append(v["session_id"]), original(**v)))
    start = utc_now()
    with time_machine.travel(start, tick=False) as clock:
        sign_in(client, admin, house)
        for _ in range(4):
            client.get("/account")
            clock.shift(timedelta(seconds=40))
        assert len(touched) == 1
    assert db.session.scalar(select(func.count()).select_from(UserSession)) == 1


def test_a_payee_without_method_sees_whom_to_ask(client: FlaskClient, house: Organisation) -> None:
    person = user(email="tara@solaria.example")
    payee(house, user=person)
    sign_in(client, person, house)
    assert client.get("/me").location == "/technician/"
