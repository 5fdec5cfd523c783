"""Moving the money: every class of answer, retries, halts, sweeps, with a rail that answers as told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from tests import factories
from tests.factories.payouts import payout_sent
from tests.rooms.payouts.rails import Reply, ScriptedRail
from webapp.database import db, transaction
from webapp.kernel.actor import Actor
from webapp.ledger import check as ledger_check
from webapp.outbox.models import OutboxMessage
from webapp.outbox.service import Later
from webapp.payouts import execution, policies, recovery, service
from webapp.payouts.models import Payout, RailSwitch, Transfer, TransferEvent
from webapp.people import service as people
from webapp.providers import registry
from webapp.providers.ports import CREDENTIALS, CREDITED, DUPLICATE, Answer, Outcome

_O = Outcome
FAILED = Answer(_O.FAILED, code="ACCOUNT_CLOSED", message="The account is closed.")
AWAY = Answer(_O.FAILED, code="BANK_UNAVAILABLE", message="The bank is away.")


class Scene:
    """One submitted payout, a rail, and a clock that the test moves."""

    def __init__(self, now: datetime, posts: list[Reply], gets: list[Reply] | None) -> None:
        self.now = now
        self.organisation_id = factories.organisation().id
        self.rail = ScriptedRail(posts, gets)
        from webapp.people.models import Organisation

        organisation = db.session.get_one(Organisation, self.organisation_id)
        self.payout_id = payout_sent(organisation, now=now).id

    def clock(self) -> datetime:
        return self.now

    def wait(self, **duration: float) -> None:
        self.now += timedelta(**duration)

    @property
    def payout(self) -> Payout:
        db.session.rollback()
        return db.session.get_one(Payout, self.payout_id, populate_existing=True)

    @property
    def transfer(self) -> Transfer:
        db.session.rollback()
        query = db.session.query(Transfer).filter_by(payout_id=self.payout_id)
        return query.populate_existing().order_by(Transfer.n.desc()).first()

    def send(self) -> Later | None:
        row_id = self.transfer.id
        return execution.send(transfer_row_id=row_id, clock=self.clock)

    def ask(self, **values: Any) -> Later | None:
        row_id = self.transfer.id
        return execution.check(transfer_row_id=row_id, clock=self.clock, **values)

    def states(self) -> tuple[str, str]:
        return self.payout.state, self.transfer.state

    def prove(self) -> None:
        db.session.rollback()
        assert ledger_check.run(self.organisation_id).findings == []
        db.session.rollback()

    def is_halted(self) -> bool:
        db.session.rollback()
        return bool(db.session.query(RailSwitch).filter_by(is_halted=True).count())


@contextmanager
def scene(now: datetime, posts: list[Reply], gets: list[Reply] | None = None) -> Iterator[Scene]:
    made = Scene(now, posts, gets)
    with registry.using("sandbox", made.rail):
        yield made
    made.prove()


# ------------------------------------------------------------------ every class of answer to the POST


@pytest.mark.parametrize(
    ("post", "get", "payout", "transfer"),
    [
        (_O.ACCEPTED, _O.ACCEPTED, "processing", "accepted"),
        (_O.SUCCEEDED, _O.SUCCEEDED, "paid", "succeeded"),
        (_O.SUCCEEDED, _O.ACCEPTED, "processing", "accepted"),
        (FAILED, FAILED, "failed", "failed"),
        (FAILED, _O.NOT_FOUND, "failed", "failed"),
        (FAILED, _O.SUCCEEDED, "paid", "succeeded"),
        (FAILED, _O.UNKNOWN, "processing", "unknown"),
        (_O.UNKNOWN, _O.SUCCEEDED, "processing", "unknown"),
        (_O.NOT_FOUND, _O.SUCCEEDED, "processing", "unknown"),
        (_O.REVERSED, _O.SUCCEEDED, "processing", "unknown"),
        (TimeoutError("slow"), _O.SUCCEEDED, "processing", "unknown"),
        (ValueError("not JSON"), _O.SUCCEEDED, "processing", "unknown"),
        (Answer(_O.UNKNOWN, code=DUPLICATE), _O.SUCCEEDED, "paid", "succeeded"),
        (Answer(_O.UNKNOWN, code=DUPLICATE), _O.ACCEPTED, "processing", "accepted"),
        (_O.NOT_SENT, _O.SUCCEEDED, "processing", "queued"),
    ],
)
def test_what_the_post_answers(
    database: Flask, now: datetime, post: Reply, get: Reply, payout: str, transfer: str
) -> None:
    with scene(now, [post], [get]) as found:
        found.send()
        assert found.states() == (payout, transfer)
        assert len(found.rail.sent) == 1


def test_paid_is_only_said_after_our_own_question(database: Flask, now: datetime) -> None:
    with scene(
        now, [Answer(_O.ACCEPTED, utr="U0")], [Answer(_O.SUCCEEDED, utr="U1", code=CREDITED)]
    ) as found:
        found.send()
        assert found.payout.state == "processing"
        found.wait(seconds=6)
        found.ask(is_scheduled=True)
        assert found.states() == ("paid", "succeeded")
        assert (found.payout.payment_reference, found.transfer.utr) == ("U1", "U1")
        assert found.transfer.credited_at is not None
        kinds = [m.kind for m in db.session.query(OutboxMessage)]
        assert kinds.count("notice.payout.paid") == kinds.count("document.remittance") == 1


def test_a_transfer_is_sent_once_however_often_it_is_asked_for(database: Flask, now: datetime) -> None:
    with scene(now, [_O.UNKNOWN], [_O.UNKNOWN]) as found:
        for _ in range(5):
            found.send()
        assert len(found.rail.sent) == 1
        assert found.transfer.sends == 1


def test_an_unknown_transfer_is_asked_for_at_growing_distances(database: Flask, now: datetime) -> None:
    with scene(now, [_O.UNKNOWN], [_O.UNKNOWN]) as found:
        found.send()
        waits = []
        for _ in range(8):
            at = found.transfer.next_check_at
            assert at is not None
            waits.append((at - found.now).total_seconds())
            found.now = at
            found.ask(is_scheduled=True)
        assert waits == [40, 120, 300, 900, 1800, 3600, 3600, 3600]
        found.wait(hours=24)
        found.ask()
        assert found.transfer.next_check_at == found.now + timedelta(days=1)
        assert found.states() == ("processing", "unknown")
        assert len(found.rail.sent) == 1


def test_a_question_that_the_plan_has_moved_on_from_is_not_asked(database: Flask, now: datetime) -> None:
    with scene(now, [_O.ACCEPTED], [_O.ACCEPTED]) as found:
        found.send()
        found.ask(is_scheduled=True)
        assert found.rail.asked == []
        found.ask(source="operator")
        assert len(found.rail.asked) == 1


def test_not_found_three_times_over_a_quarter_of_an_hour_sends_the_same_id_again(
    database: Flask, now: datetime
) -> None:
    with scene(now, [_O.UNKNOWN, _O.ACCEPTED], [_O.NOT_FOUND]) as found:
        found.send()
        first = found.transfer.transfer_id
        for _ in range(4):
            found.wait(minutes=4)
            found.ask()
            assert found.transfer.state == "unknown"
        found.wait(minutes=4)
        found.ask()
        assert found.transfer.state == "queued"
        found.send()
        assert [order.transfer_id for order in found.rail.sent] == [first, first]
        assert found.transfer.n == 1


def test_other_answers_in_between_do_not_count_as_not_found(database: Flask, now: datetime) -> None:
    with scene(now, [_O.UNKNOWN], [_O.NOT_FOUND, _O.UNKNOWN, _O.ACCEPTED, _O.NOT_FOUND]) as found:
        found.send()
        for _ in range(6):
            found.wait(minutes=10)
            found.ask()
        assert found.states() == ("processing", "accepted")
        assert len(found.rail.sent) == 1


def test_not_found_after_a_day_is_for_people(database: Flask, now: datetime) -> None:
    with scene(now, [_O.UNKNOWN], [_O.NOT_FOUND]) as found:
        found.send()
        found.wait(hours=25)
        found.ask()
        assert found.states() == ("processing", "review")
        assert found.is_halted()


def test_nothing_sent_backs_off_and_is_no_try(database: Flask, now: datetime) -> None:
    with scene(now, [_O.NOT_SENT, _O.NOT_SENT, _O.ACCEPTED]) as found:
        for _ in range(3):
            found.send()
        ids = {order.transfer_id for order in found.rail.sent}
        assert len(found.rail.sent) == 3
        assert len(ids) == 1
        assert (found.transfer.n, found.payout.automatic_retries) == (1, 0)
        waiting = db.session.query(OutboxMessage).filter_by(kind="transfer.send").order_by(OutboxMessage.id)
        assert [m.not_before > now for m in waiting] == [False, True, True]


def test_wrong_credentials_halt_the_rail(database: Flask, now: datetime) -> None:
    with scene(now, [Answer(_O.NOT_SENT, code=CREDENTIALS)]) as found:
        found.send()
        assert found.is_halted()
        assert isinstance(found.send(), Later)
        assert len(found.rail.sent) == 1


# ------------------------------------------------------------------ contradictions


@pytest.mark.parametrize(
    "wrong",
    [
        Answer(_O.SUCCEEDED, amount_minor=1, currency="USD"),
        Answer(_O.SUCCEEDED, amount_minor=49_950, currency="EUR"),
    ],
)
def test_another_amount_or_currency_halts_and_books_nothing(
    database: Flask, now: datetime, wrong: Answer
) -> None:
    with scene(now, [_O.ACCEPTED], [wrong]) as found:
        found.send()
        found.wait(seconds=6)
        found.ask()
        assert found.states() == ("processing", "review")
        assert found.is_halted()


@pytest.mark.parametrize(("first", "then"), [(FAILED, _O.SUCCEEDED), (_O.SUCCEEDED, FAILED)])
def test_a_bank_that_changes_its_word_halts_the_rail(
    database: Flask, now: datetime, first: Reply, then: Reply
) -> None:
    with scene(now, [_O.ACCEPTED], [first, then]) as found:
        found.send()
        found.ask()
        before = found.payout.state
        found.wait(days=1)
        found.ask()
        assert found.states() == (before, "review")
        assert found.is_halted()
        assert found.payout.state == before


def test_a_bank_that_knows_a_confirmed_transfer_no_more_is_asked_three_times(
    database: Flask, now: datetime
) -> None:
    with scene(now, [_O.ACCEPTED], [_O.SUCCEEDED, _O.NOT_FOUND]) as found:
        found.send()
        found.ask()
        found.wait(days=1)
        for _ in range(2):
            found.ask(is_scheduled=True)
            assert found.states() == ("paid", "succeeded")
            assert not found.is_halted()
            next_check_at = found.transfer.next_check_at
            assert next_check_at is not None
            assert next_check_at <= found.now + timedelta(minutes=8)
            found.now = next_check_at
        found.ask(is_scheduled=True)
        assert found.states() == ("paid", "review")
        assert found.is_halted()


def test_not_found_once_between_two_confirmations_is_nothing(database: Flask, now: datetime) -> None:
    answers: list[Reply] = [_O.SUCCEEDED, _O.NOT_FOUND, _O.NOT_FOUND, _O.SUCCEEDED, _O.NOT_FOUND]
    with scene(now, [_O.ACCEPTED], answers) as found:
        found.send()
        for _ in answers:
            found.ask()
            found.wait(minutes=10)
        assert found.states() == ("paid", "succeeded")
        assert found.transfer.not_found_count == 1
        assert not found.is_halted()


def test_not_found_before_a_success_does_not_count_after_it(database: Flask, now: datetime) -> None:
    answers: list[Reply] = [_O.NOT_FOUND, _O.NOT_FOUND, _O.SUCCEEDED, _O.NOT_FOUND]
    with scene(now, [_O.UNKNOWN], answers) as found:
        found.send()
        for _ in answers:
            found.ask()
            found.wait(minutes=7)
        assert found.states() == ("paid", "succeeded")


def test_a_payout_under_review_cannot_be_tried_again_or_cancelled(
    database: Flask, now: datetime, someone: Actor
) -> None:
    with scene(now, [_O.ACCEPTED], [FAILED, _O.SUCCEEDED]) as found:
        found.send()
        found.ask()
        found.ask()
        reference = found.payout.reference
        common: dict[str, Any] = {"organisation_id": found.organisation_id, "actor": someone, "now": now}
        with transaction():
            service.lift_halt(rail="sandbox", reason="looked into", **common)
        from webapp.kernel.errors import NotAllowed

        with pytest.raises(NotAllowed, match="under review"), transaction():
            service.retry(reference=reference, **common)
        with pytest.raises(NotAllowed, match="under review"), transaction():
            service.cancel(reference=reference, reason="x", **common)


def test_money_that_comes_back_is_owed_again(database: Flask, now: datetime) -> None:
    with scene(now, [_O.ACCEPTED], [_O.SUCCEEDED, _O.SUCCEEDED, _O.REVERSED]) as found:
        found.send()
        found.ask()
        paid_at = found.now
        assert found.transfer.next_check_at == paid_at + timedelta(days=1)
        found.wait(days=1)
        found.ask(is_scheduled=True)
        found.wait(days=1)
        found.ask(is_scheduled=True)
        assert found.states() == ("reversed", "reversed")
        assert found.transfer.next_check_at is None


def test_a_return_that_comes_before_the_success_is_booked_as_both(database: Flask, now: datetime) -> None:
    with scene(now, [_O.UNKNOWN], [_O.REVERSED]) as found:
        found.send()
        found.ask()
        assert found.states() == ("reversed", "reversed")


def test_a_settled_transfer_is_watched_for_a_week(database: Flask, now: datetime) -> None:
    with scene(now, [_O.ACCEPTED], [_O.SUCCEEDED]) as found:
        found.send()
        found.ask()
        days = 0
        while (at := found.transfer.next_check_at) is not None:
            found.now = at
            found.ask(is_scheduled=True)
            days += 1
        assert days == 7


# ------------------------------------------------------------------ retries


def test_a_passing_cause_is_retried_with_a_new_id_three_times_then_waits_for_a_person(
    database: Flask, now: datetime
) -> None:
    with scene(now, [_O.ACCEPTED], [AWAY]) as found:
        waits = []
        for n in (1, 2, 3):
            found.send()
            found.ask()
            assert (found.payout.state, found.transfer.n) == ("retry_scheduled", n)
            retry_at = found.payout.retry_at
            assert retry_at is not None
            waits.append((retry_at - found.now).total_seconds() / 60)
            early = execution.retry_due(payout_id=found.payout_id, clock=found.clock)
            assert isinstance(early, Later)
            found.now = retry_at
            assert execution.retry_due(payout_id=found.payout_id, clock=found.clock) is None
            assert execution.retry_due(payout_id=found.payout_id, clock=found.clock) is None
        for wait, wanted in zip(waits, (5, 15, 45), strict=True):
            assert wanted * 0.9 <= wait <= wanted * 1.1
        found.send()
        found.ask()
        assert found.states() == ("failed", "failed")
        assert len({order.transfer_id for order in found.rail.sent}) == 4
        kinds = [m.kind for m in db.session.query(OutboxMessage)]
        assert kinds.count("notice.payout.failed") == 1


def test_any_other_failure_waits_for_a_person_at_once(database: Flask, now: datetime, someone: Actor) -> None:
    with scene(now, [_O.ACCEPTED], [FAILED, _O.SUCCEEDED]) as found:
        found.send()
        found.ask()
        assert found.payout.state == "failed"
        assert found.payout.reason == "The account is closed."
        reference = found.payout.reference
        with transaction():
            service.retry(
                organisation_id=found.organisation_id, reference=reference, actor=someone, now=found.now
            )
        found.send()
        found.ask()
        assert (found.payout.state, found.transfer.n) == ("paid", 2)


def test_a_retry_waits_while_something_stops_it(database: Flask, now: datetime, someone: Actor) -> None:
    with scene(now, [_O.ACCEPTED], [AWAY]) as found:
        found.send()
        found.ask()
        with transaction():
            policies.halt(
                organisation_id=found.organisation_id, rail="*", reason="Audit.", actor=someone, now=found.now
            )
        found.wait(minutes=10)
        later = execution.retry_due(payout_id=found.payout_id, clock=found.clock)
        assert isinstance(later, Later)
        assert "Audit." in later.reason
        assert found.payout.state == "retry_scheduled"


# ------------------------------------------------------------------ gates just before the POST


def test_a_halt_keeps_transfers_waiting_and_lifting_it_hastens_them(
    database: Flask, now: datetime, someone: Actor
) -> None:
    with scene(now, [_O.ACCEPTED]) as found:
        common: dict[str, Any] = {"organisation_id": found.organisation_id, "actor": someone, "now": now}
        with transaction():
            policies.halt(rail="sandbox", reason="Odd answers.", **common)
        later = found.send()
        assert isinstance(later, Later)
        assert found.rail.sent == []
        message = db.session.query(OutboxMessage).filter_by(kind="transfer.send").one()
        db.session.rollback()
        with transaction() as session:
            session.get_one(OutboxMessage, message.id).not_before = later.at
        with transaction():
            policies.lift_halt(rail="sandbox", reason="Settled.", **common)
        assert db.session.get_one(OutboxMessage, message.id).not_before == now
        found.send()
        assert len(found.rail.sent) == 1


def test_an_empty_account_halts_instead_of_failing(database: Flask, now: datetime) -> None:
    with scene(now, [_O.ACCEPTED]) as found:
        found.rail.available = 49_949
        assert isinstance(found.send(), Later)
        assert found.states() == ("processing", "queued")
        assert found.is_halted()
        assert found.rail.sent == []


def test_what_was_not_approved_is_not_sent(database: Flask, now: datetime) -> None:
    with scene(now, [_O.ACCEPTED]) as found:
        transfer_row_id = found.transfer.id
        with transaction() as session:
            session.get_one(Transfer, transfer_row_id).amount_minor = 99_950
        found.send()
        assert found.rail.sent == []
        assert found.transfer.state == "review"
        assert found.is_halted()
        with transaction() as session:  # put right again, so that the proof at the end looks at the rest
            session.get_one(Transfer, transfer_row_id).amount_minor = 49_950


def test_details_that_changed_meanwhile_are_not_paid_to(database: Flask, now: datetime) -> None:
    with scene(now, [_O.ACCEPTED]) as found:
        factories.method(found.payout.payee)
        found.send()
        assert found.rail.sent == []
        assert found.states() == ("failed", "failed")
        assert found.transfer.error_code == "METHOD_CHANGED"


def test_a_queued_transfer_waits_out_the_cool_off_that_a_changed_contact_began(
    database: Flask, now: datetime
) -> None:
    with scene(now, [_O.ACCEPTED]) as found:
        with transaction():
            payee = db.session.get_one(Payout, found.payout_id).payee
            for phone in ("+1 203 555 0142", "+1 203 555 0199"):
                people.update_payee(
                    organisation_id=found.organisation_id, payee_id=payee.id, actor=factories.FACTORY, now=now,
                    changes={"phone": phone},
                )  # fmt: skip
        later = found.send()
        assert found.rail.sent == []
        assert isinstance(later, Later)
        assert "nothing is paid before" in later.reason
        found.wait(hours=48)
        assert found.send() is None
        assert len(found.rail.sent) == 1


# ------------------------------------------------------------------ dead workers


def test_a_worker_that_died_while_sending_is_found_out_by_asking(database: Flask, now: datetime) -> None:
    class Died(BaseException):
        """As sudden as kill -9."""

    def die() -> Answer:
        raise Died

    with scene(now, [die], [_O.SUCCEEDED]) as found:
        with pytest.raises(Died):
            found.send()
        assert found.transfer.state == "submitting"
        assert isinstance(found.ask(), Later)
        assert recovery.reap_leases(clock=found.clock) == 0
        found.wait(seconds=121)
        assert recovery.reap_leases(clock=found.clock) == 1
        assert recovery.reap_leases(clock=found.clock) == 0
        found.ask(is_scheduled=True)
        assert found.states() == ("paid", "succeeded")
        assert len(found.rail.sent) == 1


def test_the_sweep_puts_back_what_the_outbox_lost(database: Flask, now: datetime) -> None:
    with scene(now, [_O.ACCEPTED], [AWAY]) as found:

        def lose() -> None:
            db.session.rollback()
            with transaction() as session:
                session.query(OutboxMessage).delete()

        def open_kinds() -> list[str]:
            return sorted(m.kind for m in db.session.query(OutboxMessage) if m.done_at is None)

        lose()
        found.wait(minutes=3)
        assert recovery.sweep(clock=found.clock) == 1
        assert recovery.sweep(clock=found.clock) == 0
        assert open_kinds() == ["transfer.send"]
        found.send()
        lose()
        found.wait(minutes=3)
        recovery.sweep(clock=found.clock)
        assert open_kinds() == ["transfer.check"]
        found.ask()
        lose()
        found.wait(minutes=10)
        recovery.sweep(clock=found.clock)
        assert "payout.retry" in open_kinds()


def test_every_step_is_kept_with_masked_answers(database: Flask, now: datetime) -> None:
    raw = {"account": "123456789012", "status": "OK"}
    with scene(now, [Answer(_O.ACCEPTED, raw=raw)], [Answer(_O.SUCCEEDED, utr="U1", raw=raw)]) as found:
        found.send()
        found.ask()
        events = db.session.query(TransferEvent).order_by(TransferEvent.seq).all()
        assert [(e.source, e.from_state, e.to_state) for e in events] == [
            ("worker", "queued", "submitting"),
            ("send", "submitting", "accepted"),
            ("status", "accepted", "succeeded"),
        ]
        assert "123456789012" not in str([(e.request, e.answer) for e in events])
        assert events[1].answer["raw"]["account"] == "••9012"
        assert events[1].request["amount_minor"] == 49_950
