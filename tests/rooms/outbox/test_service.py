"""The outbox: one row per effect, one worker per row, a growing delay, an end."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from webapp import queue
from webapp.database import db, transaction
from webapp.outbox import service as outbox
from webapp.outbox.models import OutboxMessage
from webapp.outbox.service import Claimed, Later


def add(now: datetime, key: str = "a", **values: Any) -> bool:
    defaults: dict[str, Any] = {"kind": "test.effect", "reference_id": 1, "to_queue": "mail", "now": now}
    with transaction():
        return outbox.add(dedupe_key=key, **{**defaults, **values})


def claim(now: datetime, worker: str = "w1") -> Claimed | None:
    with transaction():
        return outbox.claim_next(queue_name="mail", worker=worker, now=now)


def row() -> OutboxMessage:
    db.session.rollback()
    return db.session.query(OutboxMessage).populate_existing().one()


def test_the_same_effect_asked_for_twice_is_one_row(database: Flask, now: datetime) -> None:
    assert add(now)
    assert not add(now)
    assert row().queue == "mail"


def test_what_is_rolled_back_was_never_asked_for(database: Flask, now: datetime) -> None:
    try:
        with transaction():
            outbox.add(kind="x", reference_id=1, dedupe_key="a", to_queue="mail", now=now)
            raise LookupError
    except LookupError:
        pass
    assert db.session.query(OutboxMessage).count() == 0


def test_a_queue_is_rung_for_later_work_after_an_earlier_one_was_rolled_back(
    database: Flask, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    rung: list[str] = []
    monkeypatch.setattr(queue, "ring", rung.append)
    with pytest.raises(LookupError), transaction():
        outbox.add(kind="x", reference_id=1, dedupe_key="a", to_queue="mail", now=now)
        raise LookupError
    add(now, "b")
    assert rung == ["mail"]


def test_a_claimed_message_is_nobody_else_s_until_its_lease_ends(database: Flask, now: datetime) -> None:
    add(now)
    assert claim(now) is not None
    assert claim(now, "w2") is None
    late = now + outbox.LEASE + timedelta(seconds=1)
    taken = claim(late, "w2")
    assert taken is not None
    assert taken.attempts == 2


def test_messages_come_oldest_first_and_only_when_due(database: Flask, now: datetime) -> None:
    add(now, "later", not_before=now + timedelta(minutes=1), reference_id=3)
    add(now, "first", reference_id=1)
    add(now, "second", reference_id=2)
    add(now, "other queue", to_queue="bulk", reference_id=4)
    order = []
    while (taken := claim(now)) is not None:
        order.append(taken.reference_id)
    assert order == [1, 2]
    with transaction():
        assert sorted(outbox.due_queues(now=now)) == ["bulk"]
        assert sorted(outbox.due_queues(now=now + timedelta(minutes=2))) == ["bulk", "mail"]


def test_a_finished_message_is_never_looked_at_again(database: Flask, now: datetime) -> None:
    add(now)
    taken = claim(now)
    assert taken is not None
    with transaction():
        outbox.finish(message_id=taken.id, worker=taken.worker, now=now)
    assert claim(now + timedelta(days=1)) is None


def test_waiting_costs_no_attempt(database: Flask, now: datetime) -> None:
    add(now)
    for _ in range(outbox.MAXIMUM_ATTEMPTS + 5):
        taken = claim(now)
        assert taken is not None
        now += timedelta(minutes=5)
        with transaction():
            outbox.postpone(claimed=taken, later=Later(now, "halted"))
    assert (row().attempts, row().last_error, row().gave_up_at) == (0, "halted", None)


def test_failures_wait_longer_and_longer_and_end_in_sight_of_people(database: Flask, now: datetime) -> None:
    add(now)
    waits, gave_up = [], False
    for _ in range(outbox.MAXIMUM_ATTEMPTS):
        taken = claim(now)
        assert taken is not None
        assert not gave_up
        with transaction():
            gave_up = outbox.fail(claimed=taken, error="OSError: away", now=now)
        waits.append((row().not_before - now).total_seconds())
        now = row().not_before
    assert gave_up
    assert max(waits) <= 301
    assert all(wait <= 1 + 2.0 * 2 ** (n + 1) for n, wait in enumerate(waits))
    assert claim(now + timedelta(days=1)) is None
    assert row().last_error == "OSError: away"


def test_a_worker_that_lost_its_lease_does_not_disturb_the_next(database: Flask, now: datetime) -> None:
    add(now)
    slow = claim(now, "slow")
    late = now + outbox.LEASE + timedelta(seconds=1)
    fast = claim(late, "fast")
    assert slow is not None
    assert fast is not None
    with transaction():
        outbox.fail(claimed=slow, error="too late", now=late)
        outbox.finish(message_id=slow.id, worker=slow.worker, now=late)
        outbox.postpone(claimed=slow, later=Later(late, "too late"))
    assert (row().leased_by, row().last_error) == ("fast", "")
    assert row().done_at is None
    assert claim(late, "third") is None


def test_messages_of_a_kind_are_taken_together_oldest_first(database: Flask, now: datetime) -> None:
    with transaction():
        for n, kind in enumerate(("a", "b", "a", "a", "a")):
            outbox.add_at_commit(
                kind=kind,
                reference_id=n,
                dedupe_key=f"{kind}:{n}",
                to_queue="money",
                now=now + timedelta(seconds=n),
            )
        outbox.add_at_commit(kind="a", reference_id=0, dedupe_key="a:0", to_queue="money", now=now)

    def take(sizes: dict[str, int], worker: str = "one") -> list[tuple[str, int, int]]:
        at = now + timedelta(minutes=1)
        with transaction():
            found = outbox.claim_some(queue_name="money", worker=worker, now=at, sizes=sizes)
        return [(c.kind, c.reference_id, c.attempts) for c in found]

    assert take({"a": 3}) == [("a", 0, 1), ("a", 2, 1), ("a", 3, 1)]
    assert take({"a": 3}, "two") == [("b", 1, 1)]
    assert take({}, "two") == [("a", 4, 1)]
    assert take({"a": 3}) == []
    for worker, left in (("one", 2), ("two", 0)):
        with transaction():
            everything = [m.id for m in db.session.query(OutboxMessage)]
            outbox.finish_all(message_ids=everything, worker=worker, now=now)
        # Each finishes what it holds itself.
        assert db.session.query(OutboxMessage).filter(OutboxMessage.done_at.is_(None)).count() == left


def test_what_is_taken_together_is_held_for_longer(database: Flask, now: datetime) -> None:
    add(now)

    def take(at: datetime) -> int:
        with transaction():
            sizes = {"test.effect": 10}
            return len(outbox.claim_some(queue_name="mail", worker="w", now=at, sizes=sizes))

    assert take(now) == 1
    assert take(now + outbox.LEASE + timedelta(seconds=1)) == 0
    assert take(now + outbox.LEASE_OF_MANY + timedelta(seconds=1)) == 1


def test_what_was_collected_goes_with_its_transaction(database: Flask, now: datetime) -> None:
    with pytest.raises(LookupError), transaction():
        outbox.add_at_commit(kind="a", reference_id=1, dedupe_key="1", to_queue="money", now=now)
        raise LookupError
    with transaction():
        pass
    assert db.session.query(OutboxMessage).count() == 0
