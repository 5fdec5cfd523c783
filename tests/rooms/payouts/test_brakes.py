"""What stops sending by itself: a provider that is away, too many failures, an empty account, another destination."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import chain, repeat
from typing import Any

import pytest
from flask import Flask

from tests import factories
from tests.factories.payouts import payout_sent
from tests.rooms.payouts.rails import ScriptedRail
from tests.rooms.payouts.test_execution import Scene, scene
from webapp.audit.models import AuditEvent
from webapp.database import db, transaction
from webapp.outbox.service import Later
from webapp.payouts import breaker, execution, policies, recovery, settlement
from webapp.payouts.models import RailHealth, RailSwitch, Transfer, TransferEvent
from webapp.people.models import Organisation
from webapp.providers import registry
from webapp.providers.ports import Answer, Outcome, TransferOrder

_O = Outcome
CLOSED = Answer(_O.FAILED, code="ACCOUNT_CLOSED", message="The account is closed.")


def _more(found: Scene, count: int) -> list[int]:
    """More transfers that are queued in the same organisation."""
    organisation = db.session.get_one(Organisation, found.organisation_id)
    with transaction():
        for _ in range(count):
            payout_sent(organisation, now=found.now)
    rows = [t.id for t in db.session.query(Transfer).order_by(Transfer.id)]
    db.session.rollback()
    return rows


def _health() -> RailHealth | None:
    db.session.rollback()
    found = db.session.query(RailHealth).populate_existing().one_or_none()
    db.session.rollback()
    return found


def _tags() -> list[str]:
    return [
        e.tag
        for e in db.session.query(AuditEvent).order_by(AuditEvent.id)
        if e.tag.startswith("payouts:rail")
    ]


# ------------------------------------------------------------------ the breaker


def test_after_five_calls_without_an_answer_nothing_is_sent_for_a_while(
    database: Flask, now: datetime
) -> None:
    with scene(now, [_O.NOT_SENT]) as found:
        for _ in range(breaker.FAILURES):
            found.send()
        later = found.send()
        assert isinstance(later, Later)
        assert later.at == now + breaker.FIRST
        assert "does not answer" in later.reason
        assert len(found.rail.sent) == breaker.FAILURES
        assert not found.is_halted()
        assert _tags() == ["payouts:rail:paused"]


def test_one_tries_whether_it_is_back_and_the_others_wait_for_it(database: Flask, now: datetime) -> None:
    with scene(now, [_O.NOT_SENT] * breaker.FAILURES + [_O.NOT_SENT, _O.ACCEPTED]) as found:
        for _ in range(breaker.FAILURES):
            found.send()
        found.wait(seconds=31)
        with transaction():
            assert breaker.wait_until(found.organisation_id, "sandbox", found.now) is None
            assert (
                breaker.wait_until(found.organisation_id, "sandbox", found.now) == found.now + breaker.TRIAL
            )
        found.wait(seconds=121)  # the one that tried died
        found.send()
        health = _health()
        assert health is not None
        assert (health.times_opened, health.open_until) == (2, found.now + 2 * breaker.FIRST)
        found.wait(seconds=61)
        assert found.send() is None
        health = _health()
        assert health is not None
        assert (health.failures_in_row, health.open_until, health.times_opened) == (0, None, 0)
        assert _tags() == ["payouts:rail:paused", "payouts:rail:resumed"]


def test_a_pause_grows_to_ten_minutes_and_no_longer(database: Flask, now: datetime) -> None:
    with scene(now, [_O.NOT_SENT]) as found:
        pauses = []
        for _ in range(breaker.FAILURES + 8):
            found.send()
            health = _health()
            if health is not None and health.open_until is not None:
                pauses.append((health.open_until - found.now).total_seconds())
                found.now = health.open_until
        assert pauses[:3] == [30, 60, 120]
        assert pauses[-1] == 600


@pytest.mark.parametrize("answer", [CLOSED, Answer(_O.ACCEPTED), Answer(_O.UNKNOWN, code="DUPLICATE")])
def test_any_answer_begins_the_count_anew(database: Flask, now: datetime, answer: Answer) -> None:
    with scene(now, [_O.ACCEPTED]) as found, transaction():
        for _ in range(breaker.FAILURES - 1):
            breaker.record(found.organisation_id, "sandbox", Answer(_O.UNKNOWN), now)
        breaker.record(found.organisation_id, "sandbox", answer, now)
        breaker.record(found.organisation_id, "sandbox", Answer(_O.UNKNOWN), now)
        assert breaker.paused(found.organisation_id) == []


# ------------------------------------------------------------------ the stop-loss


def _send_all(found: Scene, rows: list[int]) -> int:
    for n, row_id in enumerate(rows):
        if isinstance(execution.send(transfer_row_id=row_id, clock=found.clock), Later):
            return n
    return len(rows)


def test_four_failures_in_a_row_stop_the_rest(database: Flask, now: datetime) -> None:
    with scene(now, [CLOSED], [_O.NOT_FOUND]) as found:
        rows = _more(found, 7)
        assert _send_all(found, rows) == 4
        assert found.is_halted()
        reason = db.session.query(RailSwitch).one().reason
        assert reason.startswith("4 transfers in a row failed or got no answer; 4 that wait")
        db.session.rollback()
        with transaction():
            policies.lift_halt(
                organisation_id=found.organisation_id, rail="sandbox", reason="Seen.", actor=factories.FACTORY,
                now=found.now + timedelta(seconds=1),
            )  # fmt: skip
        found.wait(seconds=2)
        # Those that failed before somebody looked do not count again.
        assert _send_all(found, rows) == len(rows)


def test_failures_stop_nothing_when_nothing_waits(database: Flask, now: datetime) -> None:
    with scene(now, [CLOSED], [_O.NOT_FOUND]) as found:
        rows = _more(found, 3)
        assert _send_all(found, rows) == 4
        assert not found.is_halted()


def test_a_success_in_between_lets_the_rest_go_on(database: Flask, now: datetime) -> None:
    with scene(now, [_O.ACCEPTED], [CLOSED, CLOSED, CLOSED, Answer(_O.SUCCEEDED)] * 3) as found:
        rows = _more(found, 8)
        for row_id in rows:
            execution.send(transfer_row_id=row_id, clock=found.clock)
            execution.check(transfer_row_id=row_id, clock=found.clock)
        assert not found.is_halted()


@pytest.mark.parametrize(("answers", "is_halted"), [("FFAFF", False), ("FFFFA", True), ("AFFFF", True)])
def test_what_the_bank_took_in_between_ends_a_row_of_failures(
    database: Flask, now: datetime, answers: str, is_halted: bool
) -> None:
    with scene(now, [_O.ACCEPTED]) as found:
        rows = _more(found, len(answers))
        for row_id in rows[: len(answers)]:
            execution.send(transfer_row_id=row_id, clock=found.clock)
        # Nothing is heard of those that the bank still has; the others are refused one by one.
        found.rail.gets = [CLOSED]
        for row_id, answer in zip(rows, answers, strict=False):
            if answer == "F":
                execution.check(transfer_row_id=row_id, clock=found.clock)
        assert found.is_halted() is is_halted


def test_no_answer_counts_from_when_it_was_sent_and_not_from_when_it_was_queued(
    database: Flask, now: datetime
) -> None:
    with scene(now, [_O.UNKNOWN]) as found:
        rows = _more(found, 4)
        found.wait(days=1)  # they waited that long, for a halt to be lifted or for details
        assert _send_all(found, rows) == 4
        assert found.is_halted()


def test_no_answer_of_long_ago_does_not_count(database: Flask, now: datetime) -> None:
    with scene(now, [_O.UNKNOWN]) as found:
        rows = _more(found, 5)
        for row_id in rows[:5]:
            execution.send(transfer_row_id=row_id, clock=found.clock)
            found.wait(minutes=30)
        assert not found.is_halted()


@pytest.mark.parametrize(("dead", "is_halted"), [(3, False), (0, True)])
def test_what_died_with_its_worker_is_no_failure_of_the_bank(
    database: Flask, now: datetime, dead: int, is_halted: bool
) -> None:
    class Died(BaseException):
        """As sudden as kill -9."""

    def die() -> Answer:
        raise Died

    with scene(now, [_O.UNKNOWN]) as found:
        rows = _more(found, 5)
        found.rail.posts = [die] if dead else [_O.UNKNOWN]
        taken = rows[:3]
        if dead:
            with pytest.raises(Died):
                execution.send_many(transfer_row_ids=taken, clock=found.clock)
        else:
            execution.send_many(transfer_row_ids=taken, clock=found.clock)
        found.wait(seconds=121)
        assert recovery.reap_leases(clock=found.clock) == dead
        found.rail.posts = [_O.UNKNOWN]
        posts = len(found.rail.sent)
        assert not isinstance(execution.send(transfer_row_id=rows[3], clock=found.clock), Later)
        # Of three that nobody sent and one that got no answer, one failed; of four without an answer, all did.
        assert found.is_halted() is is_halted
        execution.send_many(transfer_row_ids=rows[4:], clock=found.clock)
        assert len(found.rail.sent) - posts == (1 if is_halted else 3)


def test_what_died_with_its_worker_after_no_answer_counts_no_more(database: Flask, now: datetime) -> None:
    def die() -> Answer:
        raise KeyboardInterrupt

    with scene(now, [_O.UNKNOWN, _O.UNKNOWN, _O.UNKNOWN, die, _O.UNKNOWN], [_O.NOT_FOUND]) as found:
        rows = _more(found, 5)
        for row_id in rows[:3]:
            execution.send(transfer_row_id=row_id, clock=found.clock)
        for _ in range(3):
            found.wait(minutes=8)
            execution.check(transfer_row_id=rows[0], clock=found.clock)
        with pytest.raises(KeyboardInterrupt):
            execution.send(transfer_row_id=rows[0], clock=found.clock)
        found.wait(seconds=121)
        recovery.reap_leases(clock=found.clock)
        execution.send(transfer_row_id=rows[3], clock=found.clock)
        assert not found.is_halted()


# ------------------------------------------------------------------ the balance


def test_the_balance_is_not_asked_for_before_each_transfer(database: Flask, now: datetime) -> None:
    class Account(ScriptedRail):
        """An account that is debited by what it sends, and counts how often it is asked how much is left."""

        questions = 0

        def send(self, order: TransferOrder) -> Answer:
            self.available = (self.available or 0) - order.amount_minor
            return super().send(order)

        def balance(self, organisation_id: int, currency: str) -> int | None:
            self.questions += 1
            return super().balance(organisation_id, currency)

    rail = Account([_O.ACCEPTED])
    rail.available = 49_950 * 3
    with scene(now, [_O.ACCEPTED]) as found, registry.using("sandbox", rail):
        rows = _more(found, 3)
        # Asked once for three, and once more before the fourth is stopped for want of money.
        assert _send_all(found, rows) == 3
        assert (rail.questions, found.is_halted()) == (2, True)
        rail.available = 49_950
        with transaction():
            policies.lift_halt(
                organisation_id=found.organisation_id, rail="sandbox", reason="Funded.",
                actor=factories.FACTORY, now=found.now,
            )  # fmt: skip
        assert execution.send(transfer_row_id=rows[-1], clock=found.clock) is None
    assert len(rail.sent) == 4


# ------------------------------------------------------------------ the destination


@pytest.mark.parametrize("is_ours", [True, False])
def test_money_that_was_booked_to_another_account_is_a_review(
    database: Flask, now: datetime, is_ours: bool
) -> None:
    with scene(now, [_O.ACCEPTED]) as found:
        method = found.payout.method
        assert method is not None
        booked = ("somebody else", method.uid) if is_ours else ("somebody else",)
        found.rail.gets = [Answer(_O.SUCCEEDED, booked_to=booked)]
        found.send()
        found.ask()
        assert found.states() == (("paid", "succeeded") if is_ours else ("processing", "review"))
        assert found.is_halted() is not is_ours


# ------------------------------------------------------------------ workers that are late


def test_a_worker_that_was_held_up_does_not_send(
    database: Flask, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    with scene(now, [_O.ACCEPTED]) as found:
        # Twice while the balance is asked for, once when it is taken; then a minute is gone.
        instants = chain([now] * 3, repeat(now + timedelta(seconds=61)))
        row_id = found.transfer.id
        execution.send(transfer_row_id=row_id, clock=lambda: next(instants))
        assert found.rail.sent == []
        assert found.states() == ("processing", "queued")


def test_the_answer_to_an_older_sending_changes_nothing(database: Flask, now: datetime) -> None:
    with scene(now, [_O.ACCEPTED]) as found:
        found.send()
        row_id = found.transfer.id
        with transaction() as session:
            session.get_one(Transfer, row_id).state = "submitting"
            session.get_one(Transfer, row_id).sends = 2
        with transaction():
            payout, transfer = settlement.lock_transfer(row_id)
            settlement.apply_send(payout, transfer, 1, Answer(_O.NOT_SENT), now, now)
            assert transfer.state == "submitting"
            settlement.apply_send(payout, transfer, 2, Answer(_O.ACCEPTED), now, now)
            assert transfer.state == "accepted"


def test_a_not_found_that_is_older_than_a_success_is_asked_again(database: Flask, now: datetime) -> None:
    with scene(now, [_O.ACCEPTED]) as found:
        found.send()
        row_id = found.transfer.id

        def slow() -> Answer:
            """While this question is on its way, another one is asked and answered."""
            found.rail.gets = [Answer(_O.SUCCEEDED)]
            execution.check(transfer_row_id=row_id, clock=found.clock)
            return Answer(_O.NOT_FOUND)

        found.rail.gets = [slow]
        later = found.ask()
        assert isinstance(later, Later)
        assert found.states() == ("paid", "succeeded")
        assert not found.is_halted()


def test_days_in_the_queue_are_not_days_at_the_bank(database: Flask, now: datetime) -> None:
    with scene(now, [_O.UNKNOWN], [_O.NOT_FOUND]) as found:
        found.wait(days=3)
        found.send()
        found.wait(seconds=40)
        found.ask()
        assert found.states() == ("processing", "unknown")
        found.wait(hours=24)
        found.ask()
        assert found.transfer.state == "review"


def test_two_workers_may_be_the_first_to_halt(database: Flask, now: datetime) -> None:
    organisation_id = factories.organisation().id
    common: dict[str, Any] = {
        "organisation_id": organisation_id,
        "rail": "sandbox",
        "actor": factories.FACTORY,
    }
    with transaction():
        assert policies.halt(reason="One.", now=now, **common)
        assert not policies.halt(reason="Two.", now=now, **common)
    assert db.session.query(RailSwitch).one().reason == "One."
    assert db.session.query(TransferEvent).count() == 0
