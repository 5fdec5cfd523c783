"""Payouts by API: lists, cursors, one, sums, and every action with the rules of the pages."""

from __future__ import annotations

from typing import Any

import pytest

from tests import factories
from tests.api.conftest import World
from tests.factories import installations
from tests.factories.payouts import payout_ready
from webapp.database import transaction
from webapp.people import methods


def _references(answer: Any) -> list[str]:
    return [item["reference"] for item in answer.json["items"]]


def test_pages_follow_each_other_though_new_ones_come(world: World) -> None:
    made = [world.payout() for _ in range(5)]
    api = world.api("accountant")
    first = api.get("/payouts?limit=2")
    assert _references(first) == [made[4], made[3]]
    world.payout()
    second = api.get(f"/payouts?limit=2&cursor={first.json['next_cursor']}")
    assert _references(second) == [made[2], made[1]]
    third = api.get(f"/payouts?limit=2&cursor={second.json['next_cursor']}")
    assert _references(third) == [made[0]]
    assert third.json["next_cursor"] is None


def test_filters(world: World) -> None:
    small, large = world.payout(amount=10_000), world.payout(world.noor, amount=90_000)
    api = world.api("admin")
    cases = {
        "state=pending_approval": [large, small],
        "state=paid": [],
        f"payee={world.noor.reference}": [large],
        "payee=PY-999": [],
        "amount_from=100.00&amount_to=100.00": [small],
        "amount_from=100.005": [large],
        "amount_to=899.99": [small],
        "currency=EUR": [],
        "currency=USD&amount_from=500.00": [large],
        "held=true": [],
        "held=false": [large, small],
        "method=bank_account": [large, small],
        "method=upi": [],
        "program=installations": [large, small],
        "period_from=2026-12-01": [],
        "created_from=2026-01-01&created_to=2999-12-31": [large, small],
        "created_to=2025-12-31": [],
        f"search={small}": [small],
        "search=Noor": [large],
    }
    for query, expected in cases.items():
        assert _references(api.get(f"/payouts?{query}")) == expected, query


def test_one_payout_shows_exact_amounts_and_reasons(world: World) -> None:
    reference = world.payout(amount=49_950)
    body = world.api("admin").get(f"/payouts/{reference}").json
    assert body["net"] == {"amount_minor": 49950, "currency": "USD", "amount": "499.50"}
    assert body["state"] == "pending_approval"
    assert body["created_at"].endswith("Z")
    assert body["payment_details"]["masked"].startswith("••")
    assert "account_number" not in str(body)
    assert body["why_not_paid"]
    assert body["why_you_cannot_approve"] == []
    assert [line["amount"]["amount_minor"] for line in body["lines"]] == [49950]


def test_sums_by_state_and_payee(world: World) -> None:
    world.payout(amount=100)
    world.payout(amount=250)
    world.payout(world.noor, amount=1)
    api = world.api("accountant")
    stats = api.get("/payouts/stats").json["items"]
    assert [(s["state"], s["count"], s["net"]["amount"]) for s in stats] == [("pending_approval", 3, "3.51")]
    first = api.get("/payouts/by-payee?limit=1").json
    assert first["items"][0]["payee"]["reference"] == world.maya.reference
    assert first["items"][0]["items"][0]["net"]["amount_minor"] == 350
    second = api.get(f"/payouts/by-payee?limit=1&cursor={first['next_cursor']}").json
    assert second["items"][0]["payee"]["reference"] == world.noor.reference
    assert second["next_cursor"] is None


def test_from_creation_to_paid_by_hand(world: World) -> None:
    with transaction():
        installations.rate(world.organisation)
    due = world.installation()
    admin, approver = world.api("admin"), world.api("approver")
    made = admin.post("/payouts", {"payee": world.maya.reference, "installations": [due], "note": "November"})
    assert made.status_code == 201
    reference = made.json["reference"]
    assert made.json["net"]["amount"] == "250.00"
    assert made.json["note"] == "November"
    again = admin.post("/payouts", {"payee": world.maya.reference, "installations": [due]})
    assert again.status_code == 409
    assert reference in again.json["detail"]
    seen = world.approval(reference)
    own = admin.post(f"/payouts/{reference}/approve", seen)
    assert own.status_code == 409
    assert any("created" in reason for reason in own.json["reasons"])
    assert _references(approver.get("/payouts/pending")) == [reference]
    done = approver.post(f"/payouts/{reference}/approve", {**seen, "note": "Looked at."})
    assert (done.status_code, done.json["payout"]["state"], done.json["is_repeat"]) == (
        200,
        "approved",
        False,
    )
    assert approver.post(f"/payouts/{reference}/approve", seen).json["is_repeat"] is True
    late = admin.post(f"/payouts/{reference}/approve", seen)
    assert late.status_code == 409
    assert "approver@home.example" in late.json["detail"]
    paid = {"payment_reference": "CHQ-1", "paid_on": "2026-01-05"}
    answer = admin.post(f"/payouts/{reference}/mark-paid", paid)
    assert answer.status_code == 200, answer.text
    assert answer.json["payout"]["payment_reference"] == "CHQ-1"
    assert _references(admin.get("/payouts/history")) == [reference]
    events = admin.get(f"/payouts/{reference}/history?limit=2").json
    assert [event["event"] for event in events["items"]] == ["marked_paid", "approved"]
    assert events["items"][1]["by"] == "approver@home.example"
    rest = admin.get(f"/payouts/{reference}/history?cursor={events['next_cursor']}").json
    assert rest["items"][-1]["event"] == "created"


def test_reject_hold_release_cancel(world: World) -> None:
    api = world.api("approver")
    first = world.payout()
    assert api.post(f"/payouts/{first}/reject", {}).json["errors"][0]["field"] == "reason"
    assert api.post(f"/payouts/{first}/reject", {"reason": "   "}).status_code == 422
    assert api.post(f"/payouts/{first}/reject", {"reason": "Wrong."}).json["payout"]["state"] == "rejected"
    ready = payout_ready(world.organisation, world.maya).reference
    held = api.post(f"/payouts/{ready}/hold", {"reason": "Complaint."})
    assert held.json["payout"]["is_held"] is True
    assert api.post(f"/payouts/{ready}/pay", {}).status_code == 409
    assert api.post(f"/payouts/{ready}/release", {}).json["payout"]["is_held"] is False
    assert api.post(f"/payouts/{ready}/cancel", {"reason": "Twice."}).json["payout"]["state"] == "cancelled"


def test_pay_and_ask(world: World) -> None:
    ready = payout_ready(world.organisation, world.maya)
    reference, version = ready.reference, ready.version
    api = world.api("admin")
    stale = api.post(f"/payouts/{reference}/pay", {"version": version - 1})
    assert (stale.status_code, stale.json["code"]) == (409, "stale")
    sent = api.post(f"/payouts/{reference}/pay", {"version": version})
    assert sent.json["payout"]["state"] == "processing"
    assert api.get(f"/payouts/{reference}").json["transfers"][0]["state"] == "queued"
    assert api.post(f"/payouts/{reference}/check-status").status_code == 409
    assert api.post(f"/payouts/{reference}/retry", {}).status_code == 409
    assert api.post(f"/payouts/{reference}/pay", {"rail": "carrier_pigeon"}).status_code in (200, 409)


def test_changed_details_are_confirmed_by_their_version(world: World) -> None:
    reference = payout_ready(world.organisation, world.maya).reference
    with transaction():
        method = methods.set_payout_method(
            organisation_id=world.organisation.id, payee_id=world.maya.id,
            destination=factories.destination(), actor=factories.FACTORY, now=installations.WHEN,
        )  # fmt: skip
        version = method.version
    api = world.api("admin")
    assert api.post(f"/payouts/{reference}/pay", {}).status_code == 409
    wrong = api.post(f"/payouts/{reference}/pay", {"confirm_details_version": version + 1})
    assert (wrong.status_code, wrong.json["code"]) == (409, "stale")
    assert api.get(f"/payouts/{reference}").json["state"] == "approved"
    right = api.post(f"/payouts/{reference}/pay", {"confirm_details_version": version})
    assert right.json["payout"]["state"] == "processing"


def test_a_technician_sees_their_own_and_nothing_internal(world: World) -> None:
    mine, theirs = world.payout(note="be careful"), world.payout(world.noor)
    seen = world.approval(mine)
    api = world.api("maya")
    assert _references(api.get("/payouts")) == [mine]
    assert _references(api.get(f"/payouts?payee={world.noor.reference}")) == []
    body = api.get(f"/payouts/{mine}").json
    assert (body["note"], body["created_by"], body["hold_reason"]) == (None, None, None)
    assert (body["approvals"], body["transfers"], body["why_you_cannot_approve"]) == ([], [], [])
    assert "be careful" not in str(body)
    events = api.get(f"/payouts/{mine}/history").json["items"]
    assert {(event["by"], event["note"], str(event["changes"])) for event in events} == {(None, "", "{}")}
    for address in (f"/payouts/{theirs}", f"/payouts/{theirs}/history"):
        assert api.get(address).status_code == 404
    assert api.get("/payouts/stats").json["items"][0]["count"] == 1
    assert [i["payee"]["name"] for i in api.get("/payouts/by-payee").json["items"]] == ["Maya Fernandez"]
    assert api.post(f"/payouts/{mine}/approve", seen).json["scope"] == "payouts:approve"


@pytest.mark.parametrize("path", ["/payouts", "/payouts/pending", "/payouts/by-payee", "/payouts/stats"])
def test_another_organisation_is_not_there(world: World, path: str) -> None:
    world.payout()
    other = factories.organisation("elsewhere")
    stranger = factories.user("a@elsewhere.example", organisation=other, role="admin")
    from tests.factories.tokens import Api, token

    assert Api(world.app, token(stranger, other)).get(path).json["items"] == []


def test_texts_come_out_as_they_went_in(world: World) -> None:
    nasty = '<script>alert(1)</script> =cmd|"/c calc"!A1 \u202edrow\u202c'
    reference = world.payout()
    done = world.api("approver").post(f"/payouts/{reference}/reject", {"reason": nasty})
    assert done.json["payout"]["reason"] == nasty
    assert done.mimetype == "application/json"
    assert done.headers["X-Content-Type-Options"] == "nosniff"


def test_a_list_asks_the_database_a_fixed_number_of_times(world: World) -> None:
    from sqlalchemy import event

    from webapp.database import db

    api, seen = world.api("admin"), []
    world.payout()

    def count(*_: Any) -> None:
        seen.append(1)

    event.listen(db.engine, "before_cursor_execute", count)
    try:
        api.get("/payouts")
        few = len(seen)
        for _ in range(6):
            world.payout(world.noor)
        seen.clear()
        api.get("/payouts")
    finally:
        event.remove(db.engine, "before_cursor_execute", count)
    assert len(seen) == few <= 12
