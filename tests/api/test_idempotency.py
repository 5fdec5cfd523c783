"""A call that is sent twice happens once: by its key, through crashes, and from many threads at the same time."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from flask import Response
from sqlalchemy import func, select, update

from tests.api.conftest import World
from tests.rooms.payouts.test_races import together
from webapp.api import idempotency
from webapp.api.models import IdempotentRequest
from webapp.audit.models import AuditEvent
from webapp.database import db, transaction
from webapp.kernel.clock import utc_now
from webapp.payouts import service
from webapp.payouts.models import Payout
from webapp.people.models import Payee

NEW = {"kind": "technician", "name": "Ana Souza"}


def _count(model: Any) -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(model)) or 0


def _row() -> IdempotentRequest:
    db.session.rollback()
    return db.session.scalars(select(IdempotentRequest)).one()


def test_the_same_call_gets_the_first_answer(world: World) -> None:
    api, before = world.api("admin"), _count(Payee)
    first = api.post("/payees", NEW, key="k-1")
    again = api.post("/payees", NEW, key="k-1")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.data == again.data
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert _count(Payee) == before + 1


def test_spaces_and_order_do_not_make_another_body(world: World) -> None:
    api = world.api("admin")
    api.post("/payees", NEW, key="k-1")
    headers = {"Authorization": f"Bearer {api.text}", "Idempotency-Key": "k-1"}
    raw = ' { "name" : "Ana Souza",\n"kind":"technician"} '
    again = api.client.post("/api/v1/payees", data=raw, headers=headers, content_type="application/json")
    assert again.headers["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize(
    ("address", "body"),
    [("/payees", {**NEW, "name": "Somebody else"}), ("/payouts", {"payee": "PY-0001", "installations": ["x"]})],
)  # fmt: skip
def test_a_key_belongs_to_one_call(world: World, address: str, body: dict[str, Any]) -> None:
    api = world.api("admin")
    api.post("/payees", NEW, key="k-1")
    before = _count(Payee)
    other = api.post(address, body, key="k-1")
    assert other.status_code == 422
    assert other.json["code"] == "key-reused"
    assert _count(Payee) == before


def test_keys_of_two_people_are_apart(world: World) -> None:
    assert world.api("admin").post("/payees", NEW, key="k-1").status_code == 201
    other = world.api("approver").post("/payees", {**NEW, "name": "Another"}, key="k-1")
    assert other.status_code == 201


@pytest.mark.parametrize("key", ["", "  ", "x" * 201, "schlüssel"])
def test_a_key_is_needed(world: World, key: str) -> None:
    api, before = world.api("admin"), _count(Payee)
    headers = {"Authorization": f"Bearer {api.text}", "Idempotency-Key": key}
    response = api.client.post("/api/v1/payees", json=NEW, headers=headers)
    assert response.status_code == 400
    assert response.json["code"] in ("key-missing", "unreadable")
    assert _count(Payee) == before
    assert _count(IdempotentRequest) == 0


def test_a_refusal_is_the_answer_too(world: World) -> None:
    api, payout = world.api("admin"), world.payout()
    first = api.post(f"/payouts/{payout}/pay", {}, key="k-1")
    assert first.status_code == 409
    with transaction():
        db.session.execute(update(Payout).values(version=Payout.version + 1))
    again = api.post(f"/payouts/{payout}/pay", {}, key="k-1")
    assert (again.status_code, again.data, again.mimetype) == (409, first.data, "application/problem+json")
    assert again.headers["Idempotency-Replayed"] == "true"


def test_what_cannot_be_read_keeps_no_key(world: World) -> None:
    api = world.api("admin")
    assert api.post("/payees", {"kind": "technician"}, key="k-1").status_code == 422
    assert api.post("/payees", NEW, key="k-1").status_code == 201


def _running(world: World, until: timedelta, body: Any = None) -> None:
    """A call with key k-1 that began and has not ended."""
    with transaction():
        db.session.add(
            IdempotentRequest(
                organisation_id=world.organisation.id,
                user_id=world.users["admin"].id,
                key="k-1",
                request_digest=idempotency.digest_of("POST", "/api/v1/payees", "", body or NEW),
                state="running",
                created_at=utc_now(),
                lease_until=utc_now() + until,
            )
        )


def test_while_the_first_call_runs_the_second_waits(world: World) -> None:
    _running(world, timedelta(seconds=60))
    response = world.api("admin").post("/payees", NEW, key="k-1")
    assert response.status_code == 409
    assert response.json["code"] == "running"
    assert 1 <= int(response.headers["Retry-After"]) <= 60


def test_the_key_of_a_dead_call_is_free_after_its_lease(world: World) -> None:
    before = _count(Payee)
    _running(world, timedelta(seconds=-1))
    assert world.api("admin").post("/payees", NEW, key="k-1").status_code == 201
    assert _row().state == "done"
    assert _count(Payee) == before + 1


def test_a_dead_call_with_another_body_keeps_its_key(world: World) -> None:
    _running(world, timedelta(seconds=-1), body={"kind": "owner", "name": "Other"})
    assert world.api("admin").post("/payees", NEW, key="k-1").json["code"] == "key-reused"


def test_a_crash_in_the_work_undoes_all_and_frees_the_key(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    api, payout = world.api("approver"), world.payout()
    real = service.reject

    def crash(**values: Any) -> Any:
        real(**values)
        raise RuntimeError("the power went")

    monkeypatch.setitem(world.app.config, "PROPAGATE_EXCEPTIONS", False)
    monkeypatch.setattr(service, "reject", crash)
    response = api.post(f"/payouts/{payout}/reject", {"reason": "Wrong size."}, key="k-1")
    assert response.status_code == 500
    assert response.json["code"] == "failed"
    assert "power" not in response.text
    assert _count(IdempotentRequest) == 0
    assert db.session.scalar(select(Payout.state)) == "pending_approval"
    monkeypatch.setattr(service, "reject", real)
    assert api.post(f"/payouts/{payout}/reject", {"reason": "Wrong size."}, key="k-1").status_code == 200


def test_a_crash_after_the_commit_is_answered_by_the_row(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    api, before = world.api("admin"), _count(Payee)

    class Away(Response):
        def __init__(self, *arguments: Any, **values: Any) -> None:
            raise OSError("the line is cut")

    monkeypatch.setitem(world.app.config, "PROPAGATE_EXCEPTIONS", False)
    monkeypatch.setattr(idempotency, "Response", Away)
    assert api.post("/payees", NEW, key="k-1").status_code == 500
    monkeypatch.setattr(idempotency, "Response", Response)
    again = api.post("/payees", NEW, key="k-1")
    assert again.status_code == 201
    assert again.headers["Idempotency-Replayed"] == "true"
    assert _count(Payee) == before + 1


def test_a_call_that_lost_its_lease_keeps_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    api, payout = world.api("approver"), world.payout()
    real = service.reject

    def slow(**values: Any) -> Any:
        result = real(**values)
        later = utc_now() + timedelta(minutes=5)
        db.session.execute(update(IdempotentRequest).values(lease_until=later))
        return result

    monkeypatch.setattr(service, "reject", slow)
    response = api.post(f"/payouts/{payout}/reject", {"reason": "Wrong size."}, key="k-1")
    assert response.status_code == 409
    assert response.json["code"] == "running"
    db.session.rollback()
    assert db.session.scalar(select(Payout.state)) == "pending_approval"
    assert _count(AuditEvent) > 0
    assert not db.session.scalars(select(AuditEvent).where(AuditEvent.tag == "payouts:payout:rejected")).all()


def test_of_ten_threads_with_one_key_one_does_it(world: World) -> None:
    api, before = world.api("admin"), _count(Payee)
    calls = [lambda: world.app.test_client().post(
        "/api/v1/payees", json=NEW,
        headers={"Authorization": f"Bearer {api.text}", "Idempotency-Key": "k-1"}) for _ in range(10)]  # fmt: skip
    answers = together(world.app, calls)
    assert {type(answer).__name__ for answer in answers} == {"WrapperTestResponse"}
    seen = Counter(answer.status_code for answer in answers)
    assert set(seen) <= {201, 409}, seen
    bodies = {answer.data for answer in answers if answer.status_code == 201}
    assert len(bodies) == 1
    assert sum("Idempotency-Replayed" not in a.headers for a in answers if a.status_code == 201) == 1
    assert _count(Payee) == before + 1


def test_of_eight_threads_with_their_own_keys_one_approves(world: World) -> None:
    payout = world.payout()
    text, seen = world.api("approver").text, world.approval(payout)
    calls = [
        lambda n=n: world.app.test_client().post(
            f"/api/v1/payouts/{payout}/approve", json=seen,
            headers={"Authorization": f"Bearer {text}", "Idempotency-Key": f"k-{n}"})
        for n in range(8)
    ]  # fmt: skip
    answers = together(world.app, calls)
    assert Counter(a.status_code for a in answers) == {200: 8}
    assert sum(not a.json["is_repeat"] for a in answers) == 1


def test_answers_are_kept_for_a_week(world: World) -> None:
    api = world.api("admin")
    api.post("/payees", NEW, key="k-1")
    now = utc_now()
    idempotency.forget_old(0, now, now + timedelta(hours=72))
    assert _count(IdempotentRequest) == 1
    idempotency.forget_old(0, now, now + timedelta(days=8))
    assert _count(IdempotentRequest) == 0
