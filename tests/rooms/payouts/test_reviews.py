"""Two people settle a transfer whose answers contradict one another."""

from __future__ import annotations

from datetime import datetime
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
from webapp.payouts import policies, service
from webapp.payouts.policy import default_rules
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
