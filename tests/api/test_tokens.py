"""Who comes in: living tokens only, never a cookie; how often; and what every error looks like."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from tests import factories
from tests.api.conftest import World
from tests.factories.tokens import Api, headers, token
from webapp.api import limits
from webapp.audit.models import AuditEvent
from webapp.database import db, transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, Invalid, NotFound
from webapp.kernel.ids import token_hash
from webapp.people.access import tokens
from webapp.people.access.models import ApiToken
from webapp.people.access.tokens import Scope
from webapp.people.models import Membership, User
from webapp.people.throttle import limiter


def _row() -> ApiToken:
    return db.session.scalars(select(ApiToken).order_by(ApiToken.id.desc())).first()


def test_only_the_hash_is_kept(world: World) -> None:
    text = world.api("admin").text
    row = _row()
    assert text.startswith("pd_")
    assert len(text) >= 46
    assert row.token_hash == token_hash(text)
    assert text not in repr({column.name: getattr(row, column.name) for column in ApiToken.__table__.columns})
    assert text.startswith(row.hint)
    event = db.session.scalars(select(AuditEvent).where(AuditEvent.tag == "people:api_token:created")).one()
    assert text not in f"{event.subject_label} {event.changes} {event.note}"


@pytest.mark.parametrize("authorization", [
    None, "", "Bearer", "Bearer ", "Bearer pd_wrong", "Basic YTpi", "Token {0}", "Bearer x{0}", "Bearer {0}x",
    "Bearer pd_" + "x" * 5000,
])  # fmt: skip
def test_whatever_is_no_living_token_is_refused(world: World, authorization: str | None) -> None:
    text = world.api("admin").text
    sent = {} if authorization is None else {"Authorization": authorization.format(text)}
    response = world.app.test_client().get("/api/v1/payouts", headers=sent)
    assert response.status_code == 401
    assert response.mimetype == "application/problem+json"
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="Paydesk API"'
    assert response.json["code"] == "unauthenticated"


def test_tokens_end(world: World) -> None:
    api = world.api("admin")
    assert api.get("/me").status_code == 200

    def ends(change: object, back: object) -> None:
        with transaction():
            change()  # type: ignore[operator]
        assert api.get("/me").status_code == 401
        with transaction():
            back()  # type: ignore[operator]
        assert api.get("/me").status_code == 200

    user_id, token_id = world.users["admin"].id, _row().id
    row = lambda: db.session.get_one(ApiToken, token_id)  # noqa: E731
    user = lambda: db.session.get_one(User, user_id)  # noqa: E731
    ends(lambda: setattr(user(), "is_active", False), lambda: setattr(user(), "is_active", True))
    ends(
        lambda: setattr(row(), "expires_at", utc_now()),
        lambda: setattr(row(), "expires_at", utc_now() + timedelta(days=1)),
    )
    with transaction():
        tokens.revoke(
            token_id=token_id, organisation_id=world.organisation.id, actor=factories.FACTORY, now=utc_now()
        )
    assert api.get("/me").status_code == 401


def test_a_role_that_is_taken_away_narrows_the_token_at_once(world: World) -> None:
    both = factories.user("both@home.example", organisation=world.organisation, role=("admin", "accountant"))
    api = Api(world.app, token(both, world.organisation))
    payout = world.payout()
    with transaction():
        db.session.delete(
            db.session.scalars(
                select(Membership).where(Membership.user_id == both.id, Membership.role == "admin")
            ).one()
        )
    response = api.post(f"/payouts/{payout}/approve", world.approval(payout))
    assert response.status_code == 403
    assert response.json["scope"] == "payouts:approve"
    assert "roles of both@home.example" in response.json["detail"]
    assert api.get("/payouts").status_code == 200
    with transaction():
        db.session.delete(db.session.scalars(select(Membership).where(Membership.user_id == both.id)).one())
    assert api.get("/payouts").status_code == 401


def test_a_session_alone_opens_nothing(world: World) -> None:
    client = world.app.test_client()
    factories.sign_in(client, world.users["admin"], world.organisation)
    assert client.get("/admin/payouts").status_code == 200
    assert client.get("/api/v1/payouts").status_code == 401
    answer = client.post(
        "/api/v1/payees", json={"kind": "owner", "name": "X"}, headers={"Idempotency-Key": "k"}
    )
    assert answer.status_code == 401


def test_the_token_says_what_it_may(world: World) -> None:
    me = world.api("maya").get("/me").json
    assert me["roles"] == ["technician"]
    assert me["payees"][0]["reference"] == world.maya.reference
    assert set(me["scopes"]) == {"payouts:read", "installations:read", "payees:read", "statements:read"}
    me = world.api("accountant", "payouts:read").get("/me").json
    assert (me["scopes"], me["payees"]) == (["payouts:read"], [])


@pytest.mark.parametrize(("name", "scope"), [("maya", "payouts:approve"), ("maya", "rates:read"),
                                             ("accountant", "payouts:pay"),
                                             ("admin", "payouts:everything")])  # fmt: skip
def test_nobody_gets_more_than_their_roles_allow(world: World, name: str, scope: str) -> None:
    with pytest.raises(Invalid) as caught:
        world.api(name, scope)
    assert caught.value.field == "scopes"


@pytest.mark.parametrize("days", [0, -1, 366, True])
def test_a_token_has_an_end(world: World, days: int) -> None:
    with pytest.raises(Invalid, match="365 days"):
        token(world.users["admin"], world.organisation, days=days)


def test_there_is_an_end_to_how_many(world: World) -> None:
    for _ in range(tokens.MAXIMUM_TOKENS):
        token(world.users["admin"], world.organisation)
    with pytest.raises(Conflict, match="Revoke one"):
        token(world.users["admin"], world.organisation)


def test_nobody_revokes_another_organisations_token(world: World) -> None:
    world.api("admin")
    other = factories.organisation()
    with pytest.raises(NotFound), transaction():
        tokens.revoke(token_id=_row().id, organisation_id=other.id, actor=factories.FACTORY, now=utc_now())


def test_use_is_noted_rarely(world: World) -> None:
    api = world.api("admin")
    with transaction():
        _row().last_used_at = None
    api.get("/me")
    noted = _row().last_used_at
    assert noted is not None
    api.get("/me")
    db.session.rollback()
    assert _row().last_used_at == noted


def test_limits_are_told_and_kept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(world.app.config, "RATELIMIT_ENABLED", True)
    monkeypatch.setattr(limiter, "enabled", True)
    monkeypatch.setattr(limits, "WRITES", limits.parse("2/minute"))
    limiter.reset()
    api, payout = world.api("approver"), world.payout()
    seen = world.approval(payout)
    first = api.get("/payouts")
    assert first.headers["RateLimit-Limit"] == "600"
    assert first.headers["RateLimit-Remaining"] == "599"
    for _ in range(2):
        assert api.post(f"/payouts/{payout}/approve", seen).status_code == 200
    refused = api.post(f"/payouts/{payout}/approve", seen)
    assert refused.status_code == 429
    assert refused.json["code"] == "too-many"
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert refused.headers["RateLimit-Remaining"] == "0"
    assert api.get("/payouts").status_code == 200
    assert world.api("admin").post(f"/payouts/{payout}/hold", {"reason": "x"}).status_code != 429
    limiter.reset()


def test_wrong_tokens_are_counted_by_address(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(world.app.config, "RATELIMIT_ENABLED", True)
    monkeypatch.setattr(limiter, "enabled", True)
    monkeypatch.setattr(limits, "REFUSED", limits.parse("2/minute"))
    limiter.reset()
    answers = [
        world.app.test_client().get("/api/v1/me", headers=headers("pd_wrong")).status_code for _ in range(3)
    ]
    assert answers == [401, 401, 429]
    limiter.reset()


BODIES = {
    "no JSON": ("{", "application/json", 400),
    "not UTF-8": (b'{"kind": "\xff"}', "application/json", 400),
    "NaN": ('{"kind": NaN}', "application/json", 400),
    "half a sign": ('{"kind": "\\ud800"}', "application/json", 400),
    "a field twice": ('{"kind": "owner", "kind": "owner"}', "application/json", 400),
    "very deep": ("[" * 100_000, "application/json", 400),
    "a list": ("[]", "application/json", 422),
    "a form": ("kind=owner&name=x", "application/x-www-form-urlencoded", 415),
    "nothing": ("", "", 415),
    "too much": ('"' + "x" * 1_100_000 + '"', "application/json", 413),
    "an unknown field": ('{"kind": "owner", "name": "x", "is_admin": true}', "application/json", 422),
    "a number for a text": ('{"kind": "owner", "name": 1}', "application/json", 422),
    "a sign that cannot be stored": ('{"kind": "owner", "name": "a\\u0000b"}', "application/json", 422),
    "a name without end": ('{"kind": "owner", "name": "' + "x" * 10_000 + '"}', "application/json", 422),
}


@pytest.mark.parametrize("name", BODIES)
def test_bodies_that_cannot_be_read(world: World, name: str) -> None:
    data, kind, status = BODIES[name]
    api = world.api("admin")
    response = api.client.post("/api/v1/payees", data=data, headers=headers(api.text), content_type=kind)
    assert response.status_code == status, response.text
    assert response.mimetype == "application/problem+json"
    assert response.json["status"] == status
    if status == 422:
        assert response.json["errors"][0].keys() == {"field", "message", "example"}


def test_true_is_not_one(world: World) -> None:
    api, payout = world.api("approver"), world.payout()
    for version in (True, "1", 1.0, None.__class__.__name__):
        response = api.post(f"/payouts/{payout}/approve", {"version": version, "seen_details_version": 1})
        assert response.status_code == 422
        assert response.json["errors"][0]["field"] == "version"
    assert api.post(f"/payouts/{payout}/approve", world.approval(payout)).status_code == 200


@pytest.mark.parametrize(("query", "field"), [
    ("limit=0", "limit"), ("limit=201", "limit"), ("limit=1_0", "limit"), ("limit=x", "limit"), ("cursor=x", "cursor"),
    ("cursor=azE6MQ==", "cursor"), ("state=new", "state"), ("nothing=1", "nothing"), ("limit=1&limit=2", "limit"),
    ("created_from=0001-01-01", "created_from"), ("amount_from=1e5", "amount_from"), ("currency=usd", "currency"),
])  # fmt: skip
def test_queries_that_cannot_be_read(world: World, query: str, field: str) -> None:
    response = world.api("admin").get(f"/payouts?{query}")
    assert response.status_code == 422
    assert response.json["errors"][0]["field"] == field


def test_errors_of_the_server_itself_are_problems(world: World) -> None:
    api = world.api("admin")
    for method, address, status in (("GET", "/nothing", 404), ("DELETE", "/payouts", 405),
                                    ("GET", "/payouts/x%00", 400),
                                    ("GET", "/rate-configurations/99999999999999999999", 404)):  # fmt: skip
        response = api.send(method, address)
        assert response.status_code == status
        assert response.mimetype == "application/problem+json"
        assert "<" not in response.text
    assert "GET" in api.send("DELETE", "/payouts").headers["Allow"]
    for scope in Scope:
        assert scope.label
