"""Tokens by page and by command: shown once, narrowed to what the roles allow, revoked."""

from __future__ import annotations

import json
import re
import sys
from datetime import timedelta

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from tests import factories
from tests.api.conftest import World
from tests.factories.tokens import Api, token
from webapp.cli import main
from webapp.database import db, transaction
from webapp.kernel.clock import utc_now
from webapp.people.access.models import ApiToken
from webapp.people.models import UserSession

FORM = {"name": "Accounting export", "scopes": ["payouts:read"], "days": "30"}


def _browser(world: World, name: str = "admin"):  # type: ignore[no-untyped-def]
    client = world.app.test_client()
    factories.sign_in(client, world.users[name], world.organisation)
    return client


def test_a_token_is_shown_once_and_works(world: World) -> None:
    client = _browser(world)
    page = client.post("/account/tokens", data=FORM)
    assert page.status_code == 200
    text = re.search(r'value="(pd_[^"]+)"', page.text)[1]  # type: ignore[index]
    assert page.headers["Cache-Control"] == "no-store"
    api = Api(world.app, text)
    assert api.get("/payouts").status_code == 200
    assert api.get("/payees").json["scope"] == "payees:read"
    again = client.get("/account/tokens").text
    assert text not in again
    assert text[:11] in again
    assert "Accounting export" in again


def test_it_asks_who_is_there(world: World) -> None:
    client = _browser(world)
    with transaction():
        for row in db.session.scalars(select(UserSession)):
            row.reauthenticated_at = utc_now() - timedelta(minutes=11)
    assert client.post("/account/tokens", data=FORM).status_code == 403
    assert not db.session.scalars(select(ApiToken)).all()


@pytest.mark.parametrize("change", [{"name": ""}, {"scopes": []}, {"scopes": ["payouts:everything"]},
                                    {"days": "5000"}, {"name": "x" * 200}])  # fmt: skip
def test_forms_that_cannot_be_taken(world: World, change: dict[str, object]) -> None:
    page = _browser(world).post("/account/tokens", data={**FORM, **change})
    assert page.status_code == 422
    assert "There is a problem" in page.text
    assert not db.session.scalars(select(ApiToken)).all()


def test_payees_are_offered_what_payees_may(world: World) -> None:
    client = _browser(world, "maya")
    page = client.get("/account/tokens").text
    assert "payouts:read" in page
    assert "payouts:approve" not in page
    assert client.post("/account/tokens", data={**FORM, "scopes": ["payouts:approve"]}).status_code == 422


def test_one_revokes_ones_own_and_admins_everybodys(world: World) -> None:
    api = world.api("maya")
    row = db.session.scalars(select(ApiToken)).one().id
    assert _browser(world, "noor").post(f"/account/tokens/{row}/revoke").status_code == 404
    assert api.get("/me").status_code == 200
    assert "maya@home.example" in _browser(world, "accountant").get("/admin/tokens").text
    assert _browser(world, "accountant").post(f"/admin/tokens/{row}/revoke").status_code == 403
    assert _browser(world).post(f"/admin/tokens/{row}/revoke").status_code == 303
    assert api.get("/me").status_code == 401
    api = world.api("maya")
    row = db.session.scalars(select(ApiToken).where(ApiToken.revoked_at.is_(None))).one().id
    assert _browser(world, "maya").post(f"/account/tokens/{row}/revoke").status_code == 303
    assert api.get("/me").status_code == 401


def test_names_come_out_inert(world: World) -> None:
    name = "<script>alert(1)</script>=1+1\u202e"
    _browser(world).post("/account/tokens", data={**FORM, "name": name})
    for address in ("/account/tokens", "/admin/tokens"):
        page = _browser(world).get(address).text
        assert "<script>alert" not in page
        assert "<bdi>&lt;script&gt;" in page


def _run(monkeypatch: pytest.MonkeyPatch, *arguments: str):  # type: ignore[no-untyped-def]
    """A command inside the test's own application."""
    monkeypatch.setattr(sys, "argv", ["paydesk", "token"])
    group = main.commands["token"]
    return CliRunner().invoke(group, list(arguments))


def test_the_command_prints_the_token_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    made = _run(monkeypatch, "create", "--email", "admin@home.example", "--organisation", "home",
                "--scope", "payouts:read", "--scope", "payees:read", "--days", "7")  # fmt: skip
    assert made.exit_code == 0, made.output
    assert re.fullmatch(r"pd_[\w-]{43}\n", made.stdout)
    me = Api(world.app, made.stdout.strip()).get("/me").json
    assert me["scopes"] == ["payouts:read", "payees:read"]
    listed = json.loads(_run(monkeypatch, "list", "--organisation", "home", "--json").stdout)
    assert listed[0]["email"] == "admin@home.example"
    assert made.stdout.strip() not in json.dumps(listed)
    assert _run(monkeypatch, "revoke", str(listed[0]["id"]), "--organisation", "home").exit_code == 0
    assert Api(world.app, made.stdout.strip()).get("/me").status_code == 401
    assert "There are no tokens." in _run(monkeypatch, "list", "--organisation", "home").stdout


def test_a_command_without_scopes_gives_all_that_the_roles_allow(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = _run(monkeypatch, "create", "--email", "maya@home.example", "--organisation", "home")
    assert len(Api(world.app, made.stdout.strip()).get("/me").json["scopes"]) == 4


@pytest.mark.parametrize("arguments", [
    ("create", "--email", "nobody@home.example", "--organisation", "home"),
    ("create", "--email", "admin@home.example", "--organisation", "nowhere"),
    ("create", "--email", "maya@home.example", "--organisation", "home", "--scope", "payouts:pay"),
    ("create", "--email", "admin@home.example", "--organisation", "home", "--days", "400"),
    ("revoke", "999", "--organisation", "home"),
])  # fmt: skip
def test_commands_that_are_refused(
    world: World, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    refused = _run(monkeypatch, *arguments)
    assert refused.exit_code == 1
    assert "pd_" not in refused.stdout
    assert not db.session.scalars(select(ApiToken)).all()


def test_tokens_of_two_organisations_are_apart(world: World) -> None:
    other = factories.organisation("elsewhere")
    owner = factories.user("owner@elsewhere.example", organisation=other, role="admin")
    token(owner, other)
    assert "owner@elsewhere.example" not in _browser(world).get("/admin/tokens").text
