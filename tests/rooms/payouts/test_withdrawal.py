"""Taking back what is being sent: exactly while it can be proved that nothing of it is with the bank."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from flask import Flask

from tests import factories
from tests.rooms.payouts.rails import Reply
from tests.rooms.payouts.test_batches import _send, _states
from tests.rooms.payouts.test_brakes import _more
from tests.rooms.payouts.test_execution import Scene, scene
from webapp.audit.models import AuditEvent
from webapp.database import db, transaction
from webapp.kernel.errors import Conflict, Invalid, NotAllowed
from webapp.outbox.models import OutboxMessage
from webapp.payouts import execution, records, recovery, service
from webapp.payouts.models import Payout, Transfer, TransferEvent
from webapp.providers.ports import CREDENTIALS, Answer, Outcome

_O = Outcome


def _withdraw(found: Scene, reason: str = "The rent went back.") -> service.Result:
    reference = found.payout.reference
    db.session.rollback()
    with transaction():
        return service.withdraw(
            organisation_id=found.organisation_id, reference=reference, reason=reason, actor=factories.FACTORY,
            now=found.now,
        )  # fmt: skip


def _is_gone_for_good(found: Scene) -> None:
    assert found.states() == ("cancelled", "failed")
    assert found.transfer.error_code == "WITHDRAWN"
    posts = len(found.rail.sent)
    found.wait(minutes=30)
    assert found.send() is None
    assert recovery.sweep(clock=found.clock) == 0
    assert len(found.rail.sent) == posts


def _stands(found: Scene) -> tuple[Any, ...]:
    db.session.rollback()
    payout, transfer = found.payout, found.transfer
    counts = [db.session.query(model).count() for model in (AuditEvent, OutboxMessage, TransferEvent)]
    state = (payout.state, payout.version, payout.reason, transfer.state, transfer.error_code, *counts)
    db.session.rollback()
    return state


@pytest.mark.parametrize(
    "answer",
    [_O.NOT_SENT, Answer(_O.NOT_SENT, code=CREDENTIALS), Answer(_O.NOT_SENT, code="BENEFICIARY_DIFFERS")],
)
def test_what_the_bank_did_not_take_can_be_taken_back(database: Flask, now: datetime, answer: Reply) -> None:
    with scene(now, [answer]) as found:
        for _ in range(2):
            found.send()
            found.wait(minutes=6)
        assert found.transfer.sends >= 1
        assert found.transfer.state == "queued"
        _withdraw(found)
        _is_gone_for_good(found)


def test_what_a_worker_took_and_put_back_can_be_taken_back(database: Flask, now: datetime) -> None:
    def dawdle() -> Answer:
        found.wait(seconds=61)
        return Answer(_O.ACCEPTED)

    with scene(now, [dawdle]) as found:
        rows = _more(found, 1)
        found.payout_id = db.session.get_one(Transfer, rows[1]).payout_id
        _send(found, rows)
        assert _states(rows) == ["accepted", "queued"]
        assert found.transfer.sends == 1
        _withdraw(found)
        _is_gone_for_good(found)


def _lost_in_silence(found: Scene) -> None:
    """No answer, and the bank does not know it three times over: sent again, but it may still arrive."""
    found.send()
    _not_found(found)


def _lost_with_a_worker(found: Scene) -> None:
    """Not sent at first; then taken by a worker that died."""

    def die() -> Answer:
        raise KeyboardInterrupt

    found.rail.posts = [_O.NOT_SENT, die]
    found.send()
    found.wait(minutes=6)
    with contextlib.suppress(KeyboardInterrupt):
        found.send()
    found.wait(minutes=3)
    recovery.reap_leases(clock=found.clock)
    _not_found(found)
    assert found.transfer.sends == 2


def _restored(found: Scene) -> None:
    """What was queued in an older copy, asked for, and released by a person."""
    with transaction():
        recovery.ask_after_restore(found.now)
        recovery.hold_after_restore(found.now, "Restored.")
    _not_found(found)
    reference = found.payout.reference
    db.session.rollback()
    with transaction():
        service.release(
            organisation_id=found.organisation_id, reference=reference, actor=factories.FACTORY, now=found.now
        )
    assert found.transfer.sends == 0


def _not_found(found: Scene) -> None:
    for _ in range(4):
        found.ask()
        found.wait(minutes=8)


@pytest.mark.parametrize("way", [_lost_in_silence, _lost_with_a_worker, _restored])
def test_what_may_still_arrive_is_not_taken_back(database: Flask, now: datetime, way: Any) -> None:
    with scene(now, [_O.UNKNOWN], [_O.NOT_FOUND]) as found:
        way(found)
        assert found.states() == ("processing", "queued")
        before = _stands(found)
        with pytest.raises(Conflict, match="may have left already"):
            _withdraw(found)
        assert _stands(found) == before


@pytest.mark.parametrize("post", [_O.UNKNOWN, _O.ACCEPTED])
def test_what_the_bank_has_or_may_have_is_not_taken_back(
    database: Flask, now: datetime, post: Outcome
) -> None:
    with scene(now, [post]) as found:
        found.send()
        with pytest.raises(Conflict, match="may have left already"):
            _withdraw(found)


# ------------------------------------------------------------------ all of it, or nothing


@contextlib.contextmanager
def _listening(word: str) -> Iterator[None]:
    class Refuses:
        def __getattr__(self, name: str) -> Any:
            def hear(payout: Payout, now: datetime) -> None:
                if name == word:
                    raise Conflict("The program needs it.")

            return hear

    before = dict(records._subscribers)
    records._subscribers["installations"] = Refuses()  # type: ignore[assignment]
    try:
        yield
    finally:
        records._subscribers.clear()
        records._subscribers.update(before)


def _try_in_a_larger_turn(found: Scene, reason: str = "The rent went back.") -> type[Exception] | None:
    """As a program does that goes on when it cannot have the payout back."""
    reference, refused = found.payout.reference, None
    db.session.rollback()
    with transaction():
        try:
            service.withdraw(
                organisation_id=found.organisation_id, reference=reference, reason=reason,
                actor=factories.FACTORY, now=found.now,
            )  # fmt: skip
        except (Conflict, NotAllowed, Invalid) as error:
            refused = type(error)
    return refused


def test_a_program_that_refuses_leaves_nothing_behind(database: Flask, now: datetime) -> None:
    with scene(now, [_O.ACCEPTED]) as found, _listening("on_cancelled"):
        before = _stands(found)
        assert _try_in_a_larger_turn(found) is Conflict
        assert _stands(found) == before
        found.send()
        assert found.states() == ("processing", "accepted")


def test_a_review_of_another_try_leaves_nothing_behind(database: Flask, now: datetime) -> None:
    refused = Answer(_O.FAILED, code="ACCOUNT_CLOSED", message="The account is closed.")
    with scene(now, [refused], [refused, Answer(_O.SUCCEEDED)]) as found:
        found.send()
        first, reference = found.transfer.id, found.payout.reference
        db.session.rollback()
        with transaction():
            service.retry(
                organisation_id=found.organisation_id, reference=reference, actor=factories.FACTORY, now=now
            )
        execution.check(transfer_row_id=first, clock=found.clock)
        assert found.states() == ("processing", "queued")
        before = _stands(found)
        assert _try_in_a_larger_turn(found) is NotAllowed
        assert _stands(found) == before


def test_no_reason_leaves_nothing_behind(database: Flask, now: datetime) -> None:
    with scene(now, [_O.ACCEPTED]) as found:
        before = _stands(found)
        assert _try_in_a_larger_turn(found, " ") is Invalid
        assert _stands(found) == before
