"""Where a request comes from: the site behind it, the proxy in front, and how long it may ask the database."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from werkzeug.middleware.proxy_fix import ProxyFix

from tests.factories import organisation, user
from tests.support.client import FreshClient
from webapp import database as database_module
from webapp.app import create_app
from webapp.config import Settings
from webapp.database import db, short_statements
from webapp.people.throttle import limiter

FIFTY = 50


@pytest.fixture
def another_app(settings: Settings, database: Flask) -> Iterator[Callable[..., Flask]]:
    """Builds the application with other settings, on the same database."""
    made: list[Flask] = []

    def build(*, for_web: bool = False, **values: object) -> Flask:
        app = create_app(settings.model_copy(update=values), for_web=for_web)
        app.config.update(WTF_CSRF_ENABLED=False)
        app.test_client_class = FreshClient
        made.append(app)
        return app

    yield build
    for app in made:
        with app.app_context():
            db.session.remove()
            db.engine.dispose()
    limiter.enabled = False


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost.evil.example", ""])
def test_a_browser_that_says_only_origin_is_believed_in_that(client: FlaskClient, origin: str) -> None:
    assert client.post("/sign-out", headers={"Origin": origin}).status_code == 403


@pytest.mark.parametrize("origin", ["http://localhost", "http://localhost:8000"])
def test_our_own_origin_is_let_through(client: FlaskClient, origin: str) -> None:
    assert client.post("/sign-out", headers={"Origin": origin}).status_code == 303


def test_what_the_browser_says_of_the_site_counts_before_the_origin(client: FlaskClient) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"}
    assert client.post("/sign-out", headers=headers).status_code == 403


def _tries(client: FlaskClient, forwarded: Callable[[int], str]) -> list[int]:
    """Sign in wrongly once more than a place may, each time with another address to sign in with."""
    limiter.enabled = True
    limiter.reset()
    try:
        return [
            client.post(
                "/sign-in",
                data={"email": f"p{n}@x.example", "password": ""},
                headers={"X-Forwarded-For": forwarded(n)},
            ).status_code
            for n in range(FIFTY + 1)
        ]
    finally:
        limiter.reset()
        limiter.enabled = False


def test_without_a_proxy_nobody_chooses_the_address_they_are_counted_by(client: FlaskClient) -> None:
    assert _tries(client, lambda n: f"198.51.100.{n}") == [422] * FIFTY + [429]


def test_behind_a_proxy_only_its_own_word_counts(
    another_app: Callable[..., Flask], app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    behind = another_app(trusted_proxies=1).wsgi_app
    assert isinstance(behind, ProxyFix)
    assert (behind.x_for, behind.x_proto, behind.x_host) == (1, 1, 1)
    # The limits are counted by one application in a process: this one, behind the same proxy.
    monkeypatch.setattr(behind, "app", app.wsgi_app)
    monkeypatch.setattr(app, "wsgi_app", behind)
    # What the client wrote stands before what the trusted proxy added.
    assert _tries(client, lambda n: f"198.51.100.{n}, 203.0.113.9") == [422] * FIFTY + [429]
    assert _tries(client, lambda n: f"203.0.113.{n}") == [422] * (FIFTY + 1)


def test_the_trail_names_the_address_of_the_connection(database: Flask, client: FlaskClient) -> None:
    from webapp.people.models import UserSession

    home = organisation()
    user("ana@x.example", organisation=home, role="admin", password="a quiet harbour in the north")
    sent = {"email": "ana@x.example", "password": "a quiet harbour in the north"}
    answer = client.post("/sign-in", data=sent, headers={"X-Forwarded-For": "198.51.100.7"})
    assert answer.status_code == 303
    assert set(db.session.scalars(db.select(UserSession.ip))) == {"127.0.0.1"}


def test_links_never_follow_the_host_header(client: FlaskClient, database: Flask) -> None:
    for address in ("/me", "/account", "/admin/", "/"):
        answer = client.get(address, headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"})
        assert "evil.example" not in answer.headers.get("Location", "")
        assert "evil.example" not in answer.text


def test_only_web_processes_on_postgresql_are_hurried() -> None:
    assert short_statements("sqlite:///x") == {}
    assert short_statements("postgresql+psycopg://x/y") == {
        "connect_args": {"options": "-c statement_timeout=5000 -c jit=off"}
    }
    kept = short_statements("postgresql+psycopg://x/y?options=-c%20search_path%3Dz")
    assert kept["connect_args"]["options"] == "-c search_path=z -c statement_timeout=5000 -c jit=off"


def test_a_page_that_asks_too_long_is_a_page_that_says_so(
    another_app: Callable[..., Flask], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not settings.sqlalchemy_url.startswith("postgresql"):
        pytest.skip("SQLite has no such limit; its writers wait for one another at most 15 seconds")
    monkeypatch.setattr(database_module, "STATEMENT_SECONDS", 0.2)
    app = another_app(for_web=True)

    def slow() -> str:
        db.session.execute(text("SELECT pg_sleep(20)"))
        return "never"

    slow.is_public = True  # type: ignore[attr-defined]
    monkeypatch.setitem(app.view_functions, "public.health.show", slow)
    answer = app.test_client().get("/healthz")
    assert answer.status_code == 503
    assert "The database is busy or away" in answer.text
    # Workers and commands are not hurried.
    with another_app().app_context():
        assert db.session.execute(text("SHOW statement_timeout")).scalar() == "0"
