"""The headers of every answer, errors too, and the flags of the cookie."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.house.headers import check_headers
from tests.house.town import Town
from webapp.app import create_app
from webapp.config import Settings
from webapp.database import db
from webapp.people.throttle import limiter


def _boom() -> str:
    raise RuntimeError("a secret of the inside")


def test_error_pages_have_the_headers_and_no_secrets(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, app: Flask
) -> None:
    seen = {}
    monkeypatch.setitem(app.config, "WTF_CSRF_ENABLED", True)
    seen[400] = client.post("/sign-in")
    monkeypatch.setitem(app.config, "WTF_CSRF_ENABLED", False)
    seen[401] = client.post("/organisations/switch")
    seen[403] = client.post("/sign-in", headers={"Sec-Fetch-Site": "cross-site"})
    seen[404] = client.get("/nothing/here?<script>")
    seen[405] = client.post("/healthz")
    seen[413] = client.post("/sign-in", data={"email": "x" * (13 * 1024 * 1024)})
    seen[422] = client.post("/sign-in")
    monkeypatch.setattr(limiter, "enabled", True)
    for _ in range(11):
        seen[429] = client.post("/sign-in", data={"email": "a@b.example", "password": "x"})
    limiter.reset()
    _boom.is_public = True  # type: ignore[attr-defined]
    monkeypatch.setitem(app.view_functions, "public.health.show", _boom)
    monkeypatch.setitem(app.config, "PROPAGATE_EXCEPTIONS", False)
    seen[500] = client.get("/healthz")
    for code, response in seen.items():
        assert response.status_code == code
        check_headers(response)
        assert "<script>" not in response.text
        assert "secret" not in response.text
        assert "Traceback" not in response.text


@pytest.fixture
def production(settings: Settings, database: Flask, tmp_path: Path) -> Flask:
    """The application as in production, on the same database."""
    values = {"environment": "production", "base_url": "https://pay.example.org", "home": tmp_path}
    return create_app(settings.model_copy(update=values))


def test_in_production_cookies_are_bound_to_the_host(production: Flask) -> None:
    with production.app_context():
        response = production.test_client().get("/sign-in", base_url="https://pay.example.org")
        db.session.remove()
        db.engine.dispose()
    assert response.status_code == 200
    assert response.headers["Strict-Transport-Security"].startswith("max-age=31536000")
    cookie = response.headers["Set-Cookie"]
    assert cookie.startswith("__Host-paydesk=")
    flags = {flag.strip() for flag in cookie.split(";")[1:]}
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= flags
    assert not any(flag.startswith(("Domain", "Expires", "Max-Age")) for flag in flags)


def test_production_has_no_demo_pages(production: Flask) -> None:
    assert not [rule for rule in production.url_map.iter_rules() if rule.endpoint.startswith("demo.")]


def test_outside_production_the_cookie_is_plain_but_closed(client: FlaskClient, town: Town) -> None:
    cookie = client.post("/sign-out").headers["Set-Cookie"]
    assert cookie.startswith("paydesk=")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


def test_the_cookie_holds_nothing_but_a_token(town: Town) -> None:
    client = town.client("admin")
    client.get("/account")
    with client.session_transaction() as cookie:
        assert set(cookie) <= {"session", "csrf_token", "_flashes"}
