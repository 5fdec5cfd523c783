"""Two people settle a transfer whose answers contradict one another."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from tests import factories
from tests.rooms.payouts.rails import Reply
from tests.rooms.payouts.test_execution import FAILED, Scene, scene
from webapp.audit.models import AuditEvent
from webapp.database import db, transaction
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict, Forbidden, Invalid
from webapp.ledger.models import JournalEntry
from webapp.outbox.service import Later
from webapp.payouts import execution, in_files, policies, service
from webapp.payouts.models import Transfer
from webapp.payouts.policy import default_rules
from webapp.payouts.views import review
from webapp.people.models import Organisation
from webapp.providers.ports import Answer, Outcome

_O = Outcome


def say(found: Scene, person: Actor, finding: str, note: str = "seen on the statement") -> service.Result:
    reference = found.payout.reference
    db.session.rollback()
    with transaction():
        return service.settle_review(
            organisation_id=found.organisation_id, reference=reference, finding=finding, note=note,
            actor=person, now=found.now,
        )  # fmt: skip


def people(found: Scene) -> tuple[Actor, Actor]:
    db.session.rollback()
    organisation = db.session.get_one(Organisation, found.organisation_id)
    first, second = (factories.user(organisation=organisation, role="admin") for _ in range(2))
    return factories.actor_of(first), factories.actor_of(second)


WRONG = Answer(_O.SUCCEEDED, amount_minor=1)


@pytest.mark.parametrize(
    ("answers", "finding", "states"),
    [
        ([WRONG], "moved", ("paid", "succeeded")),
        ([WRONG], "not_moved", ("failed", "failed")),
        ([FAILED, _O.SUCCEEDED], "moved", ("paid", "succeeded")),
        ([FAILED, _O.SUCCEEDED], "not_moved", ("failed", "failed")),
        ([_O.SUCCEEDED, FAILED], "moved", ("paid", "succeeded")),
        ([_O.SUCCEEDED, FAILED], "not_moved", ("reversed", "reversed")),
    ],
)
def test_what_two_people_agree_on_is_booked(
    database: Flask, now: datetime, answers: list[Reply], finding: str, states: tuple[str, str]
) -> None:
    with scene(now, [_O.ACCEPTED], list(answers)) as found:
        found.send()
        for _ in answers:
            found.ask()
        before = found.payout.state
        first, second = people(found)
        for _ in range(2):  # one person twice is still one person
            assert "A second person" in say(found, first, finding).message
            assert found.states() == (before, "review")
        found.prove()
        say(found, second, finding)
        assert found.states() == states
        with pytest.raises(Conflict):
            say(found, second, finding)


def test_two_people_who_disagree_settle_nothing(database: Flask, now: datetime) -> None:
    with scene(now, [_O.ACCEPTED], [WRONG]) as found:
        found.send()
        found.ask()
        first, second = people(found)
        say(found, first, "moved")
        say(found, second, "not_moved")
        assert found.states() == ("processing", "review")
        say(found, first, "not_moved")
        assert found.states() == ("failed", "failed")


def test_a_finding_needs_a_person_a_note_and_a_known_word(
    database: Flask, now: datetime, someone: Actor
) -> None:
    with scene(now, [_O.ACCEPTED], [WRONG]) as found:
        found.send()
        found.ask()
        first, _ = people(found)
        cases: list[tuple[Any, dict[str, str], type[Exception]]] = [
            (first, {"finding": "perhaps"}, Invalid),
            (first, {"finding": "moved", "note": " "}, Invalid),
            (someone, {"finding": "moved"}, Forbidden),
        ]
        for person, values, error in cases:
            with pytest.raises(error):
                say(found, person, **values)


def test_words_about_a_settled_review_do_not_count_in_the_next_one(database: Flask, now: datetime) -> None:
    with scene(now, [_O.ACCEPTED], [FAILED, _O.SUCCEEDED, _O.SUCCEEDED]) as found:
        found.send()
        found.ask()
        found.ask()
        first, second = people(found)
        say(found, first, "not_moved")
        say(found, second, "not_moved")
        assert found.states() == ("failed", "failed")
        found.ask()
        assert found.states() == ("failed", "review")
        assert "A second person" in say(found, first, "not_moved").message
        assert found.states() == ("failed", "review")


def _alone(found: Scene, hours: int = 12) -> Actor:
    """The only person there, in single-operator mode."""
    rules = {**default_rules("USD"), "single_operator": {"is_on": True, "delay_hours": hours}}
    with transaction():
        organisation = db.session.get_one(Organisation, found.organisation_id)
        person = factories.user(organisation=organisation, role="admin")
        policies.change_policy(
            organisation_id=found.organisation_id, rules=rules, actor=factories.FACTORY, now=found.now
        )
        return factories.actor_of(person)


@pytest.mark.parametrize(("finding", "state"), [("moved", "paid"), ("not_moved", "failed")])
def test_a_single_operator_confirms_their_own_word_after_the_delay(
    database: Flask, now: datetime, finding: str, state: str
) -> None:
    with scene(now, [_O.ACCEPTED], [WRONG]) as found:
        found.send()
        found.ask()
        person = _alone(found)
        first = say(found, person, finding)
        assert "or you yourself from" in first.message
        found.wait(hours=11, minutes=59)
        early = say(found, person, finding, "looked again")
        assert "or you yourself from" in early.message
        assert found.transfer.state == "review"
        found.wait(hours=11, minutes=59)
        assert found.transfer.state == "review", "another word begins the delay anew"
        found.wait(minutes=1)
        assert "is settled" in say(found, person, finding, "seen twice").message
        assert found.payout.state == state
        notes = db.session.scalars(
            select(AuditEvent.note)
            .where(AuditEvent.tag == "payouts:transfer:finding")
            .order_by(AuditEvent.id)
        ).all()
        assert notes == ["seen on the statement", "looked again", "seen twice (single operator)"]


def test_a_single_operator_who_finds_otherwise_begins_anew(database: Flask, now: datetime) -> None:
    with scene(now, [_O.ACCEPTED], [WRONG]) as found:
        found.send()
        found.ask()
        person = _alone(found)
        say(found, person, "moved")
        found.wait(hours=13)
        assert "is kept" in say(found, person, "not_moved").message
        found.wait(hours=1)
        assert "is kept" in say(found, person, "moved").message
        assert found.transfer.state == "review"


def test_in_single_operator_mode_a_second_person_need_not_wait(database: Flask, now: datetime) -> None:
    with scene(now, [_O.ACCEPTED], [WRONG]) as found:
        found.send()
        found.ask()
        person = _alone(found)
        _, other = people(found)
        say(found, person, "moved")
        assert "is settled" in say(found, other, "moved").message
        assert found.payout.state == "paid"


def test_without_the_mode_time_makes_nobody_two_people(database: Flask, now: datetime) -> None:
    with scene(now, [_O.ACCEPTED], [WRONG]) as found:
        found.send()
        found.ask()
        first, _ = people(found)
        say(found, first, "moved")
        found.wait(days=30)
        assert "A second person" in say(found, first, "moved").message
        assert found.transfer.state == "review"


# ------------------------------------------------------------------ after a review


@pytest.mark.parametrize("answers", [[WRONG], [FAILED, _O.SUCCEEDED], [_O.SUCCEEDED, FAILED]])
def test_what_was_found_to_have_left_is_watched_for_a_return(
    database: Flask, now: datetime, answers: list[Reply]
) -> None:
    with scene(now, [_O.ACCEPTED], list(answers)) as found:
        found.send()
        for _ in answers:
            found.ask()
        _settle(found, "moved")
        assert found.transfer.next_check_at == found.now + timedelta(days=1)
        with transaction():
            policies.lift_halt(
                organisation_id=found.organisation_id, rail="sandbox", reason="Seen.", actor=factories.FACTORY,
                now=found.now,
            )  # fmt: skip
        # The bank says again what people have judged already: that is no news, and the watch goes on.
        found.wait(days=1)
        found.ask(is_scheduled=True)
        assert found.states() == ("paid", "succeeded")
        assert not found.is_halted()
        assert found.transfer.next_check_at == found.now + timedelta(days=1)
        found.rail.gets = [_O.REVERSED]
        found.wait(days=1)
        found.ask(is_scheduled=True)
        assert found.states() == ("reversed", "reversed")


def test_what_people_found_to_have_left_is_not_put_under_review_again_by_not_found(
    database: Flask, now: datetime
) -> None:
    with scene(now, [_O.ACCEPTED], [_O.SUCCEEDED, _O.NOT_FOUND]) as found:
        found.send()
        for _ in range(4):
            found.ask()
            found.wait(minutes=8)
        assert found.states() == ("paid", "review")
        _settle(found, "moved")
        for _ in range(4):
            found.wait(minutes=8)
            found.ask()
        assert found.states() == ("paid", "succeeded")
        assert found.transfer.next_check_at == found.now + timedelta(days=1)
        # Another contradiction is another review.
        found.rail.gets = [FAILED]
        found.ask()
        assert found.states() == ("paid", "review")


# ------------------------------------------------------------------ a payout with two tries


def _hear(found: Scene, n: int, reply: Reply) -> None:
    """The bank answers so about the n-th try."""
    row_id = _try(found, n).id
    db.session.rollback()
    found.rail.gets = [reply]
    execution.check(transfer_row_id=row_id, clock=found.clock)


def _try(found: Scene, n: int) -> Transfer:
    db.session.rollback()
    query = db.session.query(Transfer).filter_by(payout_id=found.payout_id, n=n)
    return query.populate_existing().one()


def _all(found: Scene) -> tuple[str, ...]:
    db.session.rollback()
    query = db.session.query(Transfer).filter_by(payout_id=found.payout_id).order_by(Transfer.n)
    return (found.payout.state, *(t.state for t in query.populate_existing()))


def _two_tries(found: Scene, *second: Reply) -> None:
    """The first try failed and was tried again; then the bank says that the first one moved the money after all."""
    found.send()
    _hear(found, 1, FAILED)
    reference = found.payout.reference
    db.session.rollback()
    with transaction():
        service.retry(
            organisation_id=found.organisation_id, reference=reference, actor=factories.FACTORY, now=found.now
        )
    if second:
        found.send()
    for reply in second:
        _hear(found, 2, reply)
    _hear(found, 1, _O.SUCCEEDED)
    assert _try(found, 1).state == "review"


def _settle(found: Scene, finding: str) -> str:
    first, second = people(found)
    say(found, first, finding)
    return say(found, second, finding).message


def _entries(found: Scene) -> int:
    count = db.session.query(JournalEntry).filter_by(source_type="payout", source_id=found.payout_id).count()
    db.session.rollback()
    return count


def test_a_first_try_that_moved_nothing_leaves_the_payout_paid_by_the_second(
    database: Flask, now: datetime
) -> None:
    with scene(now, [_O.ACCEPTED]) as found:
        _two_tries(found, _O.SUCCEEDED)
        before = _entries(found)
        _settle(found, "not_moved")
        assert _all(found) == ("paid", "failed", "succeeded")
        assert _entries(found) == before


def test_a_payment_that_really_left_twice_is_settled_and_said(database: Flask, now: datetime) -> None:
    with scene(now, [_O.ACCEPTED]) as found:
        _two_tries(found, _O.SUCCEEDED)
        before = _entries(found)
        effects = dict(review.effects(found.payout, _try(found, 1)))
        assert "It was paid twice" in effects["The money has left"]
        assert "stays paid; only this try ends" in effects["No money has left"]
        message = _settle(found, "moved")
        assert "was paid twice: 499.50 USD left a second time" in message
        assert _all(found) == ("paid", "reversed", "succeeded")
        assert _entries(found) == before
        assert _try(found, 1).error_code == "PAID_TWICE"
        event = db.session.query(AuditEvent).filter_by(tag="payouts:transfer:paid_twice").one()
        assert "499.50 USD really left" in event.note
        # The bank saying so again is no news.
        _hear(found, 1, _O.SUCCEEDED)
        assert _all(found) == ("paid", "reversed", "succeeded")


@pytest.mark.parametrize("finding", ["moved", "not_moved"])
@pytest.mark.parametrize("state", ["queued", "submitting", "accepted", "unknown"])
def test_while_another_try_is_on_its_way_nobody_settles(
    database: Flask, now: datetime, finding: str, state: str
) -> None:
    with scene(now, [_O.ACCEPTED]) as found:
        _two_tries(found)
        with transaction():
            db.session.query(Transfer).filter_by(payout_id=found.payout_id, n=2).one().state = state
        first, _ = people(found)
        with pytest.raises(Conflict, match=r"^Try 2 is still on its way; settle this when it has ended\.$"):
            say(found, first, finding)
        assert _all(found) == ("processing", "review", state)


@pytest.mark.parametrize(
    ("second", "findings", "states"),
    [
        # The second one is settled first, whatever was heard first.
        (WRONG, ("moved", "moved"), ("paid", "reversed", "succeeded")),
        (WRONG, ("moved", "not_moved"), ("paid", "failed", "succeeded")),
        (WRONG, ("not_moved", "moved"), ("paid", "succeeded", "failed")),
        (WRONG, ("not_moved", "not_moved"), ("failed", "failed", "failed")),
    ],
)
def test_two_tries_under_review_are_settled_one_after_the_other(
    database: Flask, now: datetime, second: Reply, findings: tuple[str, str], states: tuple[str, ...]
) -> None:
    with scene(now, [_O.ACCEPTED]) as found:
        _two_tries(found, second)
        assert _all(found) == ("processing", "review", "review")
        for finding in findings:
            _settle(found, finding)
            found.prove()
        assert _all(found) == states


@pytest.mark.parametrize("is_reissued", [False, True])
@pytest.mark.parametrize("finding", ["moved", "not_moved"])
def test_a_first_try_is_settled_after_the_second_one_came_back(
    database: Flask, now: datetime, finding: str, is_reissued: bool
) -> None:
    with scene(now, [_O.ACCEPTED]) as found:
        found.send()
        _hear(found, 1, FAILED)
        reference = found.payout.reference
        common: dict[str, Any] = {
            "organisation_id": found.organisation_id, "reference": reference, "now": found.now,
        }  # fmt: skip
        db.session.rollback()
        with transaction():
            service.retry(actor=factories.FACTORY, **common)
        found.send()
        _hear(found, 2, _O.SUCCEEDED)
        _hear(found, 2, _O.REVERSED)
        if is_reissued:
            with transaction():
                service.reissue(actor=factories.FACTORY, **common)
        before = "approved" if is_reissued else "reversed"
        _hear(found, 1, _O.SUCCEEDED)
        assert _all(found) == (before, "review", "reversed")
        _settle(found, finding)
        first = ("paid", "succeeded") if finding == "moved" else (before, "failed")
        assert _all(found) == (*first, "reversed")
        found.prove()
        if finding == "moved":
            # The second return of the payout is another one than the first.
            _hear(found, 1, _O.REVERSED)
            assert _all(found) == ("reversed", "reversed", "reversed")


def test_money_that_left_for_a_cancelled_payout_is_for_the_correction_door(
    database: Flask, now: datetime
) -> None:
    with scene(now, [_O.ACCEPTED]) as found:
        found.send()
        found.rail.gets = [FAILED]
        found.ask()
        reference = found.payout.reference
        db.session.rollback()
        with transaction():
            service.cancel(
                organisation_id=found.organisation_id, reference=reference, reason="Not wanted.",
                actor=factories.FACTORY, now=found.now,
            )  # fmt: skip
        _hear(found, 1, _O.SUCCEEDED)
        first, _ = people(found)
        with pytest.raises(Conflict, match=r"was cancelled.*correction of the ledger"):
            say(found, first, "moved")
        assert found.states() == ("cancelled", "review")
        _settle(found, "not_moved")
        assert found.states() == ("cancelled", "failed")


def test_a_second_try_waits_while_the_first_one_is_under_review(database: Flask, now: datetime) -> None:
    with scene(now, [_O.ACCEPTED]) as found:
        _two_tries(found)
        with transaction():
            policies.lift_halt(
                organisation_id=found.organisation_id, rail="sandbox", reason="Seen.", actor=factories.FACTORY,
                now=found.now,
            )  # fmt: skip
        later = found.send()
        assert isinstance(later, Later)
        sentence = "A transfer of this payout is under review; two people must settle it first."
        assert later.reason == sentence
        assert in_files.why_it_waits(found.transfer, found.now) == sentence
        assert _all(found) == ("processing", "review", "queued")
        assert len(found.rail.sent) == 1
        with transaction():
            db.session.query(Transfer).filter_by(payout_id=found.payout_id, n=1).one().state = "failed"
        assert in_files.why_it_waits(found.transfer, found.now) == ""
        found.send()
        assert len(found.rail.sent) == 2
