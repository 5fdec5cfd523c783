"""Transfers that leave together: each once, none after a stop, one that is wrong stops nobody else."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, select
from sqlalchemy.exc import OperationalError

from tests import factories
from tests.factories.payouts import payout_sent
from tests.rooms.payouts.rails import Reply, ScriptedRail
from tests.rooms.payouts.test_brakes import CLOSED, _more
from tests.rooms.payouts.test_execution import Scene, scene
from webapp.audit.models import AuditEvent
from webapp.database import db, transaction
from webapp.ledger import service as ledger
from webapp.outbox.models import OutboxMessage
from webapp.outbox.service import Later
from webapp.payouts import execution, policies, recovery, settlement
from webapp.payouts.models import Payout, RailHealth, RailSwitch, Transfer, TransferEvent
from webapp.payouts.sending import claims, flight, watch
from webapp.payouts.sending.gate import Mark
from webapp.people.changes import service as changes
from webapp.people.models import Payee, PayoutMethod
from webapp.providers import registry
from webapp.providers.ports import CREDENTIALS, DUPLICATE, Answer, Outcome, TransferOrder
from webapp.secrets import SecretsError

_O = Outcome


def _send(found: Scene, rows: list[int]) -> dict[int, Later | Exception]:
    return execution.send_many(transfer_row_ids=rows, clock=found.clock)


def _states(rows: list[int]) -> list[str]:
    db.session.rollback()
    query = select(Transfer.state).where(Transfer.id.in_(rows)).order_by(Transfer.id)
    states = list(db.session.scalars(query))
    db.session.rollback()
    return states


def _statements(work: Callable[[], object]) -> int:
    seen: list[object] = []

    def see(*arguments: Any) -> None:
        seen.append(arguments[2])

    event.listen(db.engine, "before_cursor_execute", see)
    try:
        work()
    finally:
        event.remove(db.engine, "before_cursor_execute", see)
    return len(seen)


def test_a_batch_sends_each_once_and_costs_what_a_few_cost(
    database: Flask, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "BELIEVED_SECONDS", 3600.0)
    with scene(now, [_O.ACCEPTED]) as found:
        rows = _more(found, 23)
        few = _statements(lambda: _send(found, rows[:4]))
        many = _statements(lambda: _send(found, rows[4:]))
        assert _send(found, rows) == {}
        assert len({order.transfer_id for order in found.rail.sent}) == len(found.rail.sent) == 24
        assert set(_states(rows)) == {"accepted"}
        assert many <= few + 2
        assert db.session.query(OutboxMessage).filter_by(kind="transfer.check").count() == 24
        events = db.session.query(TransferEvent).order_by(TransferEvent.transfer_id, TransferEvent.seq).all()
        assert [(e.source, e.from_state, e.to_state, e.seq) for e in events] == [
            ("worker", "queued", "submitting", 1), ("send", "submitting", "accepted", 2),
        ] * 24  # fmt: skip


def test_what_the_bank_says_of_many_is_booked_together(database: Flask, now: datetime) -> None:
    with scene(now, [_O.ACCEPTED], [Answer(_O.SUCCEEDED, utr="U1")]) as found:
        rows = _more(found, 11)
        _send(found, rows)
        few = _statements(lambda: execution.check_many(transfer_row_ids=rows[:3], clock=found.clock))
        many = _statements(lambda: execution.check_many(transfer_row_ids=rows[3:], clock=found.clock))
        assert set(_states(rows)) == {"succeeded"}
        assert many <= few + 2
        kinds = [m.kind for m in db.session.query(OutboxMessage)]
        assert kinds.count("notice.payout.paid") == kinds.count("document.remittance") == 12
        # A number that the bank gave twice is the label of one payout only.
        references = [p.payment_reference for p in db.session.query(Payout)]
        assert sorted(r or "" for r in references) == [""] * 11 + ["U1"]
        paid = db.session.query(AuditEvent).filter_by(tag="payouts:payout:paid").count()
        assert paid == 12


def test_what_must_be_confirmed_is_asked_about_at_once(database: Flask, now: datetime) -> None:
    posts: list[Reply] = [_O.ACCEPTED, _O.SUCCEEDED, Answer(_O.UNKNOWN, code=DUPLICATE), _O.ACCEPTED]
    with scene(now, posts, [_O.SUCCEEDED]) as found:
        rows = _more(found, 3)
        _send(found, rows)
        assert _states(rows) == ["accepted", "succeeded", "succeeded", "accepted"]
        assert len(found.rail.asked) == 2


# ------------------------------------------------------------------ nothing leaves after a stop


@pytest.mark.parametrize(("answer", "leave"), [(CLOSED, 4), (Answer(_O.UNKNOWN), 4)])
def test_a_batch_stops_at_the_failure_at_which_single_ones_stop(
    database: Flask, now: datetime, answer: Answer, leave: int
) -> None:
    with scene(now, [answer], [_O.NOT_FOUND]) as found:
        rows = _more(found, 11)
        replies = _send(found, rows)
        assert len(found.rail.sent) == leave
        assert found.is_halted()
        assert _states(rows)[leave:] == ["queued"] * (12 - leave)
        assert all(isinstance(replies[row], Later) for row in rows[leave:])
        assert "8 that wait" in db.session.query(RailSwitch).one().reason
        db.session.rollback()
        assert all(isinstance(reply, Later) for reply in _send(found, rows[leave:]).values())
        assert len(found.rail.sent) == leave
        last = db.session.query(TransferEvent).filter_by(transfer_id=rows[-1]).all()
        assert [(e.from_state, e.to_state) for e in last] == [
            ("queued", "submitting"),
            ("submitting", "queued"),
        ]


def test_failures_of_the_batch_before_count(database: Flask, now: datetime) -> None:
    with scene(now, [CLOSED], [_O.NOT_FOUND]) as found:
        rows = _more(found, 11)
        _send(found, rows[:3])
        _send(found, rows[3:])
        assert len(found.rail.sent) == 4


def test_a_bank_that_is_away_gets_five_of_a_batch(database: Flask, now: datetime) -> None:
    with scene(now, [_O.NOT_SENT]) as found:
        rows = _more(found, 11)
        _send(found, rows)
        assert len(found.rail.sent) == 5
        assert set(_states(rows)) == {"queued"}
        replies = _send(found, rows)
        assert len(found.rail.sent) == 5
        assert all("does not answer" in r.reason for r in replies.values() if isinstance(r, Later))
        found.wait(seconds=31)
        # One tries whether it is back.
        _send(found, rows)
        assert len(found.rail.sent) == 6


@pytest.mark.parametrize(
    "answer",
    [
        Answer(_O.NOT_SENT, code=CREDENTIALS),
        Answer(_O.FAILED, code="INSUFFICIENT_BALANCE"),
        Answer(_O.ACCEPTED, amount_minor=1),
        Answer(_O.ACCEPTED, booked_to=("somebody else",)),
    ],
)
def test_an_answer_that_halts_the_rail_is_the_last_of_its_batch(
    database: Flask, now: datetime, answer: Answer
) -> None:
    with scene(now, [_O.ACCEPTED, answer], [Answer(_O.FAILED, code="INSUFFICIENT_BALANCE")]) as found:
        rows = _more(found, 5)
        _send(found, rows)
        assert len(found.rail.sent) == 2
        assert found.is_halted()
        assert _states(rows)[2:] == ["queued"] * 4


def test_a_person_who_halts_payments_stops_what_has_not_left(
    database: Flask, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "BELIEVED_SECONDS", 0.0)

    def halt() -> Answer:
        with transaction():
            policies.halt(
                organisation_id=found.organisation_id, rail="*", reason="Audit.", actor=factories.FACTORY,
                now=now,
            )  # fmt: skip
        return Answer(_O.ACCEPTED)

    with scene(now, [_O.ACCEPTED, halt]) as found:
        rows = _more(found, 5)
        replies = _send(found, rows)
        assert len(found.rail.sent) == 2
        assert _states(rows) == ["accepted"] * 2 + ["queued"] * 4
        assert sorted(replies) == rows[2:]


def test_a_worker_that_is_late_puts_the_rest_back(database: Flask, now: datetime) -> None:
    def dawdle() -> Answer:
        found.wait(seconds=61)
        return Answer(_O.ACCEPTED)

    with scene(now, [dawdle]) as found:
        rows = _more(found, 3)
        _send(found, rows)
        assert len(found.rail.sent) == 1
        assert _states(rows) == ["accepted"] + ["queued"] * 3


def test_a_bank_that_thinks_long_about_its_balance_does_not_keep_transfers_from_leaving(
    database: Flask, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def think(organisation_id: int, currency: str) -> None:
        asked.append(organisation_id)
        found.wait(seconds=100)

    with scene(now, [_O.ACCEPTED]) as found:
        monkeypatch.setattr(found.rail, "balance", think)
        rows = _more(found, 3)
        _send(found, rows[:2])
        assert _states(rows) == ["accepted"] * 2 + ["queued"] * 2
        _send(found, rows[2:])
        assert set(_states(rows)) == {"accepted"}
        assert len(asked) == 1


def test_what_the_account_covers_leaves_and_the_next_one_halts(database: Flask, now: datetime) -> None:
    with scene(now, [_O.ACCEPTED]) as found:
        rows = _more(found, 5)
        found.rail.available = 49_950 * 3
        replies = _send(found, rows)
        assert _states(rows) == ["accepted"] * 3 + ["queued"] * 3
        assert sorted(replies) == rows[3:]
        assert not found.is_halted()
        found.rail.available = 0
        assert sorted(_send(found, rows[3:])) == rows[3:]
        assert found.is_halted()
        assert len(found.rail.sent) == 3


# ------------------------------------------------------------------ several at once


class Slow(ScriptedRail):
    """Carries several at once; after the first it answers nobody before three are on their way."""

    at_once = 4

    def __init__(self, posts: list[Reply], gets: list[Reply]) -> None:
        super().__init__(posts, gets)
        self.here, self.most = 0, 0
        self.lock, self.are_three = threading.Lock(), threading.Event()

    def send(self, order: TransferOrder) -> Answer:
        with self.lock:
            self.here += 1
            self.most = max(self.most, self.here)
            if self.here == 3:
                self.are_three.set()
            is_first = not self.sent
        assert is_first or self.are_three.wait(timeout=60)
        with self.lock:
            self.here -= 1
            return super().send(order)


@pytest.mark.parametrize(("answer", "leave"), [(_O.ACCEPTED, 12), (CLOSED, 4)])
def test_a_slow_bank_gets_several_at_once_and_none_too_many(
    database: Flask, now: datetime, monkeypatch: pytest.MonkeyPatch, answer: Reply, leave: int
) -> None:
    monkeypatch.setattr(flight, "SLOW_MS", -1)
    rail = Slow([answer], [_O.NOT_FOUND])
    with scene(now, [_O.ACCEPTED]) as found, registry.using("sandbox", rail):
        rows = _more(found, 11)
        _send(found, rows)
        assert len(rail.sent) == len({order.transfer_id for order in rail.sent}) == leave
        assert 3 <= rail.most <= 4
        assert found.is_halted() is (leave == 4)


@pytest.mark.parametrize("at_once", [1, 4])
def test_what_was_answered_before_something_broke_is_written_down(
    database: Flask, now: datetime, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    real, marks = execution._mark, []

    def broken(answer: Answer) -> Mark:
        marks.append(answer)
        if len(marks) == 2:
            raise LookupError
        return real(answer)

    monkeypatch.setattr(flight, "SLOW_MS", -1)
    monkeypatch.setattr(execution, "_mark", broken)
    rail = ScriptedRail([_O.ACCEPTED]) if at_once == 1 else Slow([_O.ACCEPTED], [_O.ACCEPTED])
    with scene(now, [_O.ACCEPTED]) as found, registry.using("sandbox", rail):
        rows = _more(found, 7)
        replies = _send(found, rows)
        sent = len(rail.sent)
        assert (sent == 2) if at_once == 1 else (4 <= sent <= 5)
        assert _states(rows) == ["accepted"] * sent + ["queued"] * (8 - sent)
        assert sorted(replies) == rows[sent:]


def test_a_rail_that_stops_holds_up_the_others_until_that_is_written_down(
    database: Flask, now: datetime
) -> None:
    with scene(now, [Answer(_O.NOT_SENT, code=CREDENTIALS), _O.ACCEPTED]) as found:
        payout_sent(factories.organisation("other"), now=now)
        rows = _more(found, 1)
        replies = _send(found, rows)
        assert len(found.rail.sent) == 1
        assert set(_states(rows)) == {"queued"}
        reply = replies[rows[1]]
        assert isinstance(reply, Later)
        assert (reply.at, reply.reason) == (
            now, "Another rail has stopped; that is written down first.",
        )  # fmt: skip
        _send(found, rows)
        assert _states(rows) == ["queued", "accepted", "queued"]


# ------------------------------------------------------------------ one that is wrong


def test_changed_details_stop_that_one_only(database: Flask, now: datetime) -> None:
    with scene(now, [_O.ACCEPTED]) as found:
        rows = _more(found, 3)
        payees = [p.payee for p in db.session.query(Payout).order_by(Payout.id)]
        factories.method(payees[1])
        _send(found, rows)
        assert _states(rows) == ["accepted", "failed", "accepted", "accepted"]


def test_all_whose_details_changed_are_booked_at_once(
    database: Flask, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, written = ledger._write, []

    def write(organisation_id: int, entries: Any, *rest: Any) -> Any:
        written.append(len(entries))
        return real(organisation_id, entries, *rest)

    with scene(now, [_O.ACCEPTED]) as found:
        rows = _more(found, 3)
        for payout in db.session.query(Payout).order_by(Payout.id).limit(3).all():
            factories.method(payout.payee)
        monkeypatch.setattr(ledger, "_write", write)
        _send(found, rows)
        assert _states(rows) == ["failed"] * 3 + ["accepted"]
        assert written == [3]
        last = db.session.query(TransferEvent).filter_by(transfer_id=rows[0]).all()
        assert [(e.source, e.from_state, e.to_state) for e in last] == [("worker", "queued", "failed")]


def test_a_payee_who_is_switched_off_waits_alone(database: Flask, now: datetime) -> None:
    with scene(now, [_O.ACCEPTED]) as found:
        rows = _more(found, 2)
        payee_id = db.session.query(Payout).order_by(Payout.id).all()[1].payee_id

        def switch(is_on: bool) -> None:
            with transaction() as session:
                session.get_one(Payee, payee_id).is_active = is_on

        switch(False)
        (reply,) = _send(found, rows).values()
        assert isinstance(reply, Later)
        assert "is switched off as a payee" in reply.reason
        assert _states(rows) == ["accepted", "queued", "accepted"]
        switch(True)
        _send(found, rows)
        assert set(_states(rows)) == {"accepted"}


def test_details_that_changed_since_they_were_read_let_nothing_leave(
    database: Flask, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    with scene(now, [_O.ACCEPTED]) as found:
        rows = _more(found, 4)
        payees = [p.payee for p in db.session.query(Payout).order_by(Payout.id)]
        factories.method(payees[1])
        cooling = payees[2].current_method
        assert cooling is not None
        with transaction() as session:
            session.get_one(PayoutMethod, cooling.id).cool_off_until = now + timedelta(hours=1)
        with transaction():
            changes.ask(
                organisation_id=found.organisation_id, payee_id=payees[3].id, destination=factories.destination(),
                source="admin", actor=factories.FACTORY, now=now,
            )  # fmt: skip
        with monkeypatch.context() as patch:
            # As if they had been looked at a moment before.
            patch.setattr(claims, "_may_leave", lambda *_: True)
            replies = _send(found, rows)
        assert _states(rows) == ["accepted", "queued", "queued", "queued", "accepted"]
        assert [(row, getattr(replies[row], "reason", "")) for row in sorted(replies)] == [
            (row, "It changed meanwhile.") for row in rows[1:4]
        ]
        assert len(found.rail.sent) == 2
        _send(found, rows)
        assert _states(rows) == ["accepted", "failed", "queued", "queued", "accepted"]


def test_what_was_not_approved_halts_its_rail_before_anything_leaves(database: Flask, now: datetime) -> None:
    with scene(now, [_O.ACCEPTED]) as found:
        rows = _more(found, 3)
        with transaction() as session:
            session.get_one(Transfer, rows[1]).fingerprint = "f" * 64
        _send(found, rows)
        assert _states(rows) == ["queued", "review", "queued", "queued"]
        assert found.is_halted()
        assert found.rail.sent == []


def test_one_that_cannot_be_read_stops_nobody_else(
    database: Flask, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = claims.order_of

    def damaged(payout: Payout, transfer: Transfer) -> TransferOrder:
        if transfer.id == rows[1]:
            raise SecretsError("damaged")
        return real(payout, transfer)

    monkeypatch.setattr(claims, "order_of", damaged)
    with scene(now, [_O.ACCEPTED]) as found:
        rows = _more(found, 3)
        replies = _send(found, rows)
        assert _states(rows) == ["accepted", "queued", "accepted", "accepted"]
        assert [type(replies[row]) for row in replies] == [SecretsError]


def test_what_cannot_be_read_beforehand_stops_nobody(
    database: Flask, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(name: str, organisation_id: int, keys: object) -> None:
        db.session.scalar(select(Transfer.id).limit(1))
        raise SecretsError("damaged")

    monkeypatch.setattr(registry, "expect", unreadable)
    with scene(now, [_O.ACCEPTED], [_O.SUCCEEDED]) as found:
        rows = _more(found, 3)
        _send(found, rows)
        assert set(_states(rows)) == {"accepted"}
        execution.check_many(transfer_row_ids=rows, clock=found.clock)
        assert set(_states(rows)) == {"succeeded"}


def test_an_answer_that_cannot_be_written_stays_open_and_the_others_are_kept(
    database: Flask, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = settlement.apply_send

    def broken(payout: Payout, transfer: Transfer, *rest: Any) -> None:
        if transfer.id == rows[1]:
            raise LookupError
        real(payout, transfer, *rest)

    with scene(now, [_O.ACCEPTED], [_O.SUCCEEDED]) as found:
        rows = _more(found, 3)
        with monkeypatch.context() as patch:
            patch.setattr(settlement, "apply_send", broken)
            _send(found, rows)
        assert _states(rows) == ["accepted", "submitting", "accepted", "accepted"]
        found.wait(seconds=121)
        assert recovery.reap_leases(clock=found.clock) == 1
        execution.check_many(transfer_row_ids=rows, clock=found.clock)
        assert set(_states(rows)) == {"succeeded"}
        assert len(found.rail.sent) == 4


def test_answers_are_written_over_a_new_connection_where_the_first_one_is_gone(
    database: Flask, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = settlement.apply_send, []

    def hung_up(*values: Any) -> None:
        calls.append(values)
        if len(calls) == 2:
            raise OperationalError("UPDATE", {}, Exception("gone"), connection_invalidated=True)
        real(*values)

    monkeypatch.setattr(settlement, "apply_send", hung_up)
    with scene(now, [_O.ACCEPTED]) as found:
        rows = _more(found, 3)
        assert _send(found, rows) == {}
        assert set(_states(rows)) == {"accepted"}
        assert len(found.rail.sent) == 4


@pytest.mark.parametrize("answer", [_O.UNKNOWN, _O.ACCEPTED, _O.NOT_SENT])
def test_what_was_stored_before_the_connection_broke_is_written_down_once(
    database: Flask, now: datetime, monkeypatch: pytest.MonkeyPatch, answer: Outcome
) -> None:
    real, calls = execution._record, []

    def stored_and_not_heard(*values: Any) -> Any:
        calls.append(values)
        said = real(*values)
        if len(calls) == 1:
            raise OperationalError("COMMIT", {}, Exception("gone"), connection_invalidated=True)
        return said

    monkeypatch.setattr(execution, "_record", stored_and_not_heard)
    with scene(now, [answer]) as found:
        rows = _more(found, 1)
        _send(found, rows)
        assert len(calls) == 2
        events = db.session.query(TransferEvent).order_by(TransferEvent.transfer_id, TransferEvent.seq)
        assert [e.source for e in events] == ["worker", "send"] * 2
        assert {e.request.get("sending") for e in events if e.source == "send"} == {1}
        health = db.session.query(RailHealth).one_or_none()
        assert (health.failures_in_row if health else 0) == (0 if answer is _O.ACCEPTED else 2)
        db.session.rollback()
        if answer is _O.NOT_SENT:
            # Another sending has an answer of its own.
            found.wait(minutes=6)
            _send(found, rows)
            kept = db.session.query(TransferEvent).filter_by(transfer_id=rows[0], source="send")
            assert [e.request["sending"] for e in kept.order_by(TransferEvent.seq)] == [1, 2]


def test_answers_written_one_by_one_count_those_that_wait(
    database: Flask, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = settlement.count_answers, []

    def broken(*values: Any) -> None:
        calls.append(values)
        if len(calls) == 1:
            raise LookupError
        real(*values)

    monkeypatch.setattr(settlement, "count_answers", broken)
    with scene(now, [CLOSED], [_O.NOT_FOUND]) as found:
        rows = _more(found, 11)
        _send(found, rows)
        assert _states(rows)[4:] == ["queued"] * 8
        assert "8 that wait" in db.session.query(RailSwitch).one().reason


def test_one_that_cannot_be_booked_keeps_nobody_else_from_being_paid(database: Flask, now: datetime) -> None:
    with scene(now, [_O.ACCEPTED], [_O.SUCCEEDED]) as found:
        rows = _more(found, 3)
        _send(found, rows)
        second = db.session.query(Payout).order_by(Payout.id).all()[1].id
        db.session.rollback()
        with transaction() as session:
            session.get_one(Payout, second).state = "cancelled"
        replies = execution.check_many(transfer_row_ids=rows, clock=found.clock)
        assert _states(rows) == ["succeeded", "accepted", "succeeded", "succeeded"]
        assert [isinstance(replies[row], Exception) for row in replies] == [True]
        with transaction() as session:  # put right again, so that the proof at the end looks at the rest
            session.get_one(Payout, second).state = "processing"


def test_a_worker_that_dies_in_a_batch_sends_nothing_twice(database: Flask, now: datetime) -> None:
    class Died(BaseException):
        """As sudden as kill -9."""

    def die() -> Answer:
        raise Died

    with scene(now, [_O.ACCEPTED, die, _O.ACCEPTED], [_O.SUCCEEDED, _O.SUCCEEDED, _O.NOT_FOUND]) as found:
        rows = _more(found, 3)
        with pytest.raises(Died):
            _send(found, rows)
        assert set(_states(rows)) == {"submitting"}
        assert _send(found, rows) == {}
        found.wait(seconds=121)
        assert recovery.reap_leases(clock=found.clock) == 4
        for _ in range(4):
            execution.check_many(transfer_row_ids=rows, clock=found.clock)
            found.wait(minutes=6)
        # Of two the bank had heard; the others leave after it has said three times that it does not know them.
        assert _states(rows) == ["succeeded", "succeeded", "queued", "queued"]
        _send(found, rows)
        assert sorted(_count(found).values()) == [1, 1, 1, 1]


def _count(found: Scene) -> dict[str, int]:
    sent = [order.transfer_id for order in found.rail.sent]
    return {transfer_id: sent.count(transfer_id) for transfer_id in sent}


def test_one_that_somebody_works_on_is_left_for_later(database: Flask, now: datetime) -> None:
    if db.engine.dialect.name != "postgresql":
        pytest.skip("SQLite has one writer")
    with scene(now, [_O.ACCEPTED]) as found:
        rows = _more(found, 3)
        with db.engine.connect() as other:
            other.execute(select(Payout.id).where(Payout.id == found.payout_id).with_for_update())
            replies = _send(found, rows)
            other.rollback()
        assert _states(rows) == ["queued", "accepted", "accepted", "accepted"]
        reply = replies[rows[0]]
        assert isinstance(reply, Later)
        assert reply.at - now <= timedelta(seconds=2)
