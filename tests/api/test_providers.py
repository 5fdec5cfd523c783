"""Connections, bank files and messages of providers by API: the same doors as the pages, and no secrets."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from tests import factories
from tests.api.conftest import World
from tests.factories import bankfiles
from tests.factories.connections import CASHFREE, connection, receiver, transfer_message
from webapp.audit.models import AuditEvent
from webapp.bankfiles.models import BankFile
from webapp.connections import service as connections
from webapp.connections import testing
from webapp.connections.testing import Verdict
from webapp.database import db, transaction
from webapp.inbox import service as inbox
from webapp.inbox.models import WebhookMessage
from webapp.kernel.clock import utc_now
from webapp.outbox.models import OutboxMessage
from webapp.payouts import policies


def _keys(world: World) -> None:
    connection(
        world.organisation, verification_client_id="VERIFYID", verification_client_secret="verifysecret"
    )


# ------------------------------------------------------------------ connections


def test_connections_are_listed_without_their_keys(world: World) -> None:
    _keys(world)
    api = world.api("accountant")
    found = {one["provider"]: one for one in api.get("/connections").json["items"]}
    assert set(found) == {"cashfree", "phonepe", "zoho"}
    assert (found["cashfree"]["is_connected"], found["cashfree"]["environment"]) == (True, "sandbox")
    assert (found["phonepe"]["is_connected"], found["phonepe"]["version"]) == (False, 0)
    one = api.get("/connections/cashfree")
    assert one.json == found["cashfree"]
    assert one.json["client_id"] == "••4f2a"
    for secret in (CASHFREE["client_id"], CASHFREE["client_secret"], "verifysecret", "VERIFYID"):
        assert secret not in one.text
    assert api.get("/connections/nobody").status_code == 404


def test_a_test_asks_once_per_key_and_keeps_how_it_went(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _keys(world)
    asked: list[bool] = []

    def answer(problem: str) -> Callable[[Any], Verdict]:
        def ask(access: Any) -> Verdict:
            # Nobody waits for a provider with a transaction open.
            asked.append(bool(db.session().info.get("is_writing")))
            return Verdict(problem, "" if problem else "₹1.00 can be spent.")

        return ask

    monkeypatch.setitem(testing.TESTS, "cashfree", answer(""))
    api = world.api("admin")
    for _ in range(2):
        told = api.post("/connections/cashfree/test", {}, key="t-1")
        assert (told.status_code, told.json["works"]) == (200, True)
        assert told.json["connection"]["tested_at"]
    assert asked == [False]
    monkeypatch.setitem(testing.TESTS, "cashfree", answer("Cashfree does not take these keys."))
    told = api.post("/connections/cashfree/test", {}, key="t-2")
    assert (told.json["works"], told.json["connection"]["test_problem"]) == (
        False, "Cashfree does not take these keys.",
    )  # fmt: skip
    refused = api.post("/connections/phonepe/test", {})
    assert (refused.status_code, refused.json["code"]) == (409, "conflict")


def test_keys_that_change_meanwhile_are_not_said_to_work(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _keys(world)

    def ask(access: Any) -> Verdict:
        with transaction():
            connections.save(
                organisation_id=world.organisation.id, provider="cashfree", environment="sandbox",
                credentials={"client_secret": "another-secret-9"}, actor=factories.FACTORY, now=utc_now(),
            )  # fmt: skip
        return Verdict("")

    monkeypatch.setitem(testing.TESTS, "cashfree", ask)
    assert world.api("admin").post("/connections/cashfree/test", {}).status_code == 409


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("POST", "/connections/cashfree/test", "connections:read"),
        ("GET", "/bank-files/draft?format=nacha", "bank_files:read"),
        ("POST", "/bank-files", "bank_files:read"),
        ("POST", "/provider-messages/1/replay", "messages:read"),
        ("GET", "/connections", "bank_files:read"),
        ("GET", "/bank-files", "messages:read"),
        ("GET", "/provider-messages", "connections:read"),
    ],
)
def test_a_scope_opens_its_own_calls_only(world: World, method: str, path: str, scope: str) -> None:
    api = world.api("admin", scope)
    answer = api.get(path) if method == "GET" else api.post(path, {})
    assert (answer.status_code, answer.mimetype) == (403, "application/problem+json")


# ------------------------------------------------------------------ bank files


@pytest.fixture
def files(world: World) -> World:
    bankfiles.switch_on(world.organisation)
    bankfiles.setup(world.organisation)
    for amount in (10_000, 20_000):
        bankfiles.waiting(world.organisation, amount)
    return world


def test_a_file_is_seen_made_and_approved_by_another_person(files: World) -> None:
    maker, approver = files.api("admin"), files.api("approver")
    seen = maker.get("/bank-files/draft?format=nacha").json
    assert (seen["payments"], seen["total"]["amount"], seen["left_out"]) == (2, "300.00", [])
    assert db.session.scalars(select(BankFile)).all() == []
    db.session.rollback()
    made = maker.post("/bank-files", {"format": "nacha", "seen": seen["seen"]})
    assert made.status_code == 201, made.text
    assert (made.json["sha256"], made.json["state"]) == (seen["sha256"], "made")
    assert "different person" in made.json["why_not_approve"][0]
    address, body = f"/bank-files/{made.json['reference']}", {"sha256": seen["sha256"], "version": 1}
    own = maker.post(f"{address}/approve", body)
    assert (own.status_code, own.json["reasons"]) == (409, made.json["why_not_approve"])
    wrong = approver.post(f"{address}/approve", {**body, "sha256": "0" * 64})
    assert wrong.status_code == 409
    done = approver.post(f"{address}/approve", body, key="a-1")
    assert (done.status_code, done.json["state"]) == (200, "approved")
    again = approver.post(f"{address}/approve", body, key="a-1")
    assert (again.json, again.headers["Idempotency-Replayed"]) == (done.json, "true")
    (listed,) = files.api("accountant").get("/bank-files").json["items"]
    assert (listed["reference"], listed["approved_by"]) == (made.json["reference"], "approver@home.example")
    db.session.rollback()
    tags = [e.tag for e in db.session.scalars(select(AuditEvent)) if e.tag.startswith("bankfiles:file")]
    assert tags == ["bankfiles:file:made", "bankfiles:file:approved"]


def test_the_same_draft_makes_one_file_and_another_person_cannot_use_it(files: World) -> None:
    maker = files.api("admin")
    seen = maker.get("/bank-files/draft?format=nacha").json["seen"]
    body = {"format": "nacha", "seen": seen}
    assert files.api("approver").post("/bank-files", body).status_code == 409
    first, second = (maker.post("/bank-files", body, key=key) for key in ("k-1", "k-2"))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json["reference"] == second.json["reference"]
    assert db.session.query(BankFile).count() == 1


def test_what_changed_since_or_is_halted_makes_nothing(files: World) -> None:
    maker = files.api("admin")
    seen = maker.get("/bank-files/draft?format=nacha").json["seen"]
    bankfiles.waiting(files.organisation, 500)
    refused = maker.post("/bank-files", {"format": "nacha", "seen": seen})
    assert (refused.status_code, "has changed" in refused.json["detail"]) == (409, True)
    with transaction():
        policies.halt(
            organisation_id=files.organisation.id, rail="bank_file", reason="Odd.", actor=factories.FACTORY,
            now=utc_now(),
        )  # fmt: skip
    halted = maker.get("/bank-files/draft?format=nacha")
    assert (halted.status_code, "halted" in halted.json["detail"]) == (409, True)
    assert maker.get("/bank-files/draft?format=doc").status_code == 422
    assert db.session.query(BankFile).count() == 0


# ------------------------------------------------------------------ messages


@pytest.fixture
def message_id(world: World) -> int:
    account = receiver(connection(world.organisation))
    with transaction():
        inbox.receive(account, transfer_message("PDABC"), {"content-type": "application/json"}, utc_now())
        row = db.session.scalars(select(WebhookMessage)).one()
        row.state, row.note = "unmatched", "Nobody's."
        db.session.flush()
        return row.id


def test_messages_are_listed_read_masked_and_looked_at_again_once(world: World, message_id: int) -> None:
    reader, api = world.api("accountant"), world.api("admin")
    (one,) = reader.get("/provider-messages?state=findings&search=PDA").json["items"]
    assert (one["id"], one["subject"], one["state"]) == (message_id, "PDABC", "unmatched")
    assert reader.get("/provider-messages?provider=phonepe").json["items"] == []
    shown = reader.get(f"/provider-messages/{message_id}")
    assert "7766671501729" not in shown.text
    assert json.loads(shown.json["body"])["type"] == "TRANSFER_SUCCESS"
    assert '"transfer_amount": 1.0' in shown.json["body"]
    before = _asked()
    for _ in range(2):
        done = api.post(f"/provider-messages/{message_id}/replay", {"note": "Entered by hand."}, key="r-1")
        assert (done.status_code, done.json["state"]) == (200, "new")
    assert _asked() == before + 1
    late = api.post(f"/provider-messages/{message_id}/replay", {"note": "Again."}, key="r-2")
    assert (late.status_code, late.json["code"]) == (409, "conflict")
    assert api.post(f"/provider-messages/{message_id}/replay", {}).status_code == 422


def _asked() -> int:
    db.session.rollback()
    return db.session.query(OutboxMessage).filter_by(kind=inbox.KIND).count()


def test_another_organisation_finds_nothing(world: World, message_id: int) -> None:
    elsewhere = factories.organisation("elsewhere")
    world.users["eve"] = factories.user("eve@elsewhere.example", organisation=elsewhere, role="admin")
    here, world.organisation = world.organisation, elsewhere
    eve = world.api("eve")
    world.organisation = here
    assert eve.get(f"/provider-messages/{message_id}").status_code == 404
    assert eve.post(f"/provider-messages/{message_id}/replay", {"note": "Mine."}).status_code == 404
    assert eve.get("/provider-messages").json["items"] == []
    assert eve.get("/connections/cashfree").json["is_connected"] is False
