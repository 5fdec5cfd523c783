"""Browsers that are known, and the mail about one that is not."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from tests.factories import PASSWORD, organisation, user
from webapp.database import db
from webapp.kernel.ids import token_hash
from webapp.outbox.models import OutboxMessage
from webapp.people.access import devices
from webapp.people.access.models import KnownDevice
from webapp.people.models import Organisation, User, UserSession
from webapp.people.passwords import DEMO_PASSWORD

COOKIE = "paydesk-browser"


@pytest.fixture
def house(database: Flask) -> Organisation:
    return organisation("solaria")


@pytest.fixture
def ira(house: Organisation) -> User:
    return user("ira@solaria.example", organisation=house, role="technician", password=PASSWORD)


def enter(client: FlaskClient, email: str = "ira@solaria.example", password: str = PASSWORD) -> Any:
    return client.post("/sign-in", data={"email": email, "password": password})


def told() -> list[int]:
    query = select(OutboxMessage.reference_id).where(OutboxMessage.kind == devices.NOTICE)
    found = list(db.session.scalars(query.order_by(OutboxMessage.id)))
    db.session.rollback()
    return found


def newest_session() -> int:
    found = db.session.scalar(select(func.max(UserSession.id)))
    db.session.rollback()
    assert found is not None
    return found


def test_the_first_sign_in_is_no_surprise_and_another_browser_is(client: FlaskClient, ira: User) -> None:
    enter(client)
    assert told() == []
    client.post("/sign-out")
    enter(client)
    assert told() == [], "the same browser is known"
    other = client.application.test_client()
    enter(other)
    assert told() == [newest_session()]
    other.post("/sign-out")
    enter(other)
    enter(client)
    assert len(told()) == 1
    rows = db.session.scalars(select(KnownDevice)).all()
    assert len(rows) == 2
    assert all(row.last_seen_at >= row.first_seen_at for row in rows)


def test_the_cookie_opens_nothing_and_is_kept_hashed(client: FlaskClient, ira: User) -> None:
    response = enter(client)
    line = next(h for h in response.headers.getlist("Set-Cookie") if h.startswith(COOKIE))
    for part in ("HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=34560000"):
        assert part in line
    assert "Secure" not in line
    assert "Domain" not in line
    cookie = client.get_cookie(COOKIE)
    assert cookie is not None
    row = db.session.scalars(select(KnownDevice)).one()
    assert row.token_hash == token_hash(cookie.value)
    bare = client.application.test_client()
    bare.set_cookie(COOKIE, cookie.value)
    assert bare.get("/account").status_code == 302


def test_outside_the_demo_the_cookie_is_bound_to_the_host(client: FlaskClient, ira: User) -> None:
    client.application.config["SESSION_COOKIE_SECURE"] = True
    try:
        response = client.post(
            "/sign-in", data={"email": ira.email, "password": PASSWORD}, base_url="https://localhost"
        )
    finally:
        client.application.config["SESSION_COOKIE_SECURE"] = False
    line = next(h for h in response.headers.getlist("Set-Cookie") if "paydesk-browser" in h)
    assert line.startswith("__Host-paydesk-browser=")
    assert "Secure" in line
    assert "Path=/" in line
    assert "Domain" not in line


@pytest.mark.parametrize("value", ["", "short", "x" * 44, "x" * 5000, "a b", "'; DROP TABLE users", "é" * 43])
def test_a_cookie_that_is_not_ours_is_replaced(value: str) -> None:
    token = devices.token_from(value)
    assert token != value
    assert devices.token_from(token) == token
    assert devices.token_from(None) != token


def test_two_people_share_a_browser(client: FlaskClient, ira: User, house: Organisation) -> None:
    user("noor@solaria.example", organisation=house, role="technician", password=PASSWORD)
    enter(client)
    enter(client, "noor@solaria.example")
    assert told() == []
    assert len(db.session.scalars(select(KnownDevice.token_hash).distinct()).all()) == 1
    other = client.application.test_client()
    enter(other, "noor@solaria.example")
    assert len(told()) == 1
    enter(other)
    assert len(told()) == 2, "known to one person is not known to the other"


def test_a_failed_try_makes_no_browser_known(client: FlaskClient, ira: User) -> None:
    enter(client)
    stranger = client.application.test_client()
    assert enter(stranger, password="wrong").status_code == 422
    assert told() == []
    assert db.session.scalar(select(func.count()).select_from(KnownDevice)) == 1


def test_demo_accounts_are_not_noted(client: FlaskClient, house: Organisation, demo_mode: Flask) -> None:
    for name in ("one", "two"):
        user(
            f"{name}@solaria.example", organisation=house, role="admin", password=DEMO_PASSWORD, is_demo=True
        )
    for browser in (client, client.application.test_client()):
        enter(browser, "one@solaria.example", DEMO_PASSWORD)
        browser.post("/demo/switch", data={"email": "two@solaria.example"})
    assert told() == []
    assert db.session.scalar(select(func.count()).select_from(KnownDevice)) == 0
