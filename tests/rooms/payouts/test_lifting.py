"""A halt that takes two people: asked by one, confirmed by another; alone after a delay."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.exc import IntegrityError

from tests import factories
from tests.factories import actor_of, sign_in
from webapp.audit.models import AuditEvent
from webapp.database import db, transaction
from webapp.kernel.errors import Conflict, Invalid, NotAllowed, NotFound
from webapp.outbox.models import OutboxMessage
from webapp.payouts import policies
from webapp.payouts.brakes import alerts, lifting
from webapp.payouts.brakes.models import HaltLift
from webapp.payouts.models import RailSwitch
from webapp.people.models import Organisation, User


@pytest.fixture
def place(database: Flask, now: datetime) -> Organisation:
    organisation = factories.organisation()
    _halt(organisation, now)
    return organisation


@pytest.fixture
def ana(place: Organisation) -> User:
    return factories.user("ana@x.example", organisation=place, role="admin")


@pytest.fixture
def ben(place: Organisation) -> User:
    return factories.user("ben@x.example", organisation=place, role="admin")


def _halt(place: Organisation, now: datetime, takes_two: bool = True) -> bool:
    with transaction():
        return policies.halt(
            organisation_id=place.id, rail="*", reason="Restored from a back-up.", actor=factories.FACTORY,
            now=now, takes_two=takes_two,
        )  # fmt: skip


def _ask(
    place: Organisation, who: User, now: datetime, reason: str = "The statement was compared."
) -> HaltLift:
    with transaction():
        row = lifting.resume(organisation_id=place.id, rail="*", reason=reason, actor=actor_of(who), now=now)
    assert row is not None
    return row


def _decide(call: Any, place: Organisation, row: HaltLift, who: User, now: datetime) -> Any:
    lift_id = row.id
    with transaction():
        return call(organisation_id=place.id, lift_id=lift_id, actor=actor_of(who), now=now)


def _is_halted(place: Organisation) -> bool:
    return bool(policies.halt_reasons(place.id, "sandbox"))


def _alone(place: Organisation, now: datetime) -> None:
    rules = policies.current_policy(place.id)[0].rules
    with transaction():
        policies.change_policy(
            organisation_id=place.id, actor=factories.FACTORY, now=now,
            rules={**rules, "single_operator": {"is_on": True, "delay_hours": 12}},
        )  # fmt: skip


def test_one_asks_and_another_confirms(place: Organisation, ana: User, ben: User, now: datetime) -> None:
    row = _ask(place, ana, now)
    assert _is_halted(place)
    assert db.session.query(OutboxMessage).filter_by(kind=lifting.ASKED, reference_id=row.id).count() == 1
    assert _decide(lifting.confirm, place, row, ben, now)
    assert not _is_halted(place)
    assert alerts.standing(place.id) == []
    tags = [e.tag for e in db.session.query(AuditEvent).order_by(AuditEvent.id) if "rail" in e.tag]
    assert tags == ["payouts:rail:halted", "payouts:rail:lift_asked", "payouts:rail:halt_lifted"]
    lifted = db.session.query(AuditEvent).filter_by(tag="payouts:rail:halt_lifted").one()
    assert (lifted.actor_id, "Asked by ana@x.example" in lifted.note) == (ben.id, True)
    # Asked again by the same person, it has had its effect.
    assert not _decide(lifting.confirm, place, row, ben, now)
    assert not db.session.query(RailSwitch).filter_by(takes_two=True).count()


def test_who_asked_cannot_confirm(place: Organisation, ana: User, ben: User, now: datetime) -> None:
    row = _ask(place, ana, now)
    for hours in (0, 13, 1_000):
        with pytest.raises(NotAllowed, match="a different admin must confirm"):
            _decide(lifting.confirm, place, row, ana, now + timedelta(hours=hours))
    assert _is_halted(place)


def test_the_database_refuses_it_too(place: Organisation, ana: User, now: datetime) -> None:
    row = _ask(place, ana, now)
    row_id = row.id
    with pytest.raises(IntegrityError, match="second_person_confirms"), transaction():
        found = db.session.get_one(HaltLift, row_id)
        found.state, found.decided_by_id = "confirmed", ana.id
        db.session.flush()


def test_one_person_cannot_lift_it_by_the_old_way(place: Organisation, ana: User, now: datetime) -> None:
    with pytest.raises(Conflict, match="Two people"), transaction():
        policies.lift_halt(organisation_id=place.id, rail="*", reason="Fine.", actor=actor_of(ana), now=now)
    with pytest.raises(NotAllowed, match="a program is none"), transaction():
        lifting.resume(organisation_id=place.id, rail="*", reason="Fine.", actor=factories.FACTORY, now=now)
    with pytest.raises(Invalid), transaction():
        lifting.resume(organisation_id=place.id, rail="*", reason=" ", actor=actor_of(ana), now=now)
    assert _is_halted(place)


def test_asking_twice_is_one_wish_and_another_person_is_sent_to_it(
    place: Organisation, ana: User, ben: User, now: datetime
) -> None:
    assert _ask(place, ana, now).id == _ask(place, ana, now, "Again.").id
    with pytest.raises(Conflict, match=r"ana@x.example has asked for it already"):
        _ask(place, ben, now)


def test_a_wish_is_refused_or_taken_back(place: Organisation, ana: User, ben: User, now: datetime) -> None:
    row = _ask(place, ana, now)
    _decide(lifting.withdraw, place, row, ben, now)
    with pytest.raises(Conflict, match=r"ben@x.example has withdrawn it already"):
        _decide(lifting.confirm, place, row, ana, now)
    row = _ask(place, ben, now)
    _decide(lifting.withdraw, place, row, ben, now)
    assert _is_halted(place)


def test_who_is_alone_waits_then_confirms(place: Organisation, ana: User, now: datetime) -> None:
    _alone(place, now)
    row = _ask(place, ana, now)
    with pytest.raises(NotAllowed, match="12 hours stand in"):
        _decide(lifting.confirm, place, row, ana, now + timedelta(hours=11, minutes=59))
    assert _decide(lifting.confirm, place, row, ana, now + timedelta(hours=12))
    assert not _is_halted(place)


def test_switching_to_one_person_afterwards_does_not_help(
    place: Organisation, ana: User, ben: User, now: datetime
) -> None:
    row = _ask(place, ana, now)
    _alone(place, now)
    with pytest.raises(NotAllowed, match="a different admin"):
        _decide(lifting.confirm, place, row, ana, now + timedelta(days=2))


def test_a_restore_over_a_halt_takes_two_and_ends_older_wishes(database: Flask, now: datetime) -> None:
    place = factories.organisation()
    ana = factories.user("ana@x.example", organisation=place, role="admin")
    ben = factories.user("ben@x.example", organisation=place, role="admin")
    assert _halt(place, now, takes_two=False)
    assert not _halt(place, now, takes_two=False)
    assert _halt(place, now)  # halted by hand before: from now on it takes two
    row = _ask(place, ana, now)
    assert _halt(place, now)  # restored once more
    with pytest.raises(Conflict, match="withdrawn it already"):
        _decide(lifting.confirm, place, row, ben, now)
    assert _is_halted(place)


def test_the_switch_is_locked_before_the_wish_as_by_whoever_halts(
    place: Organisation, ana: User, ben: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = _ask(place, ana, now)
    locked: list[type] = []
    lock = lifting.lock_row

    def spy(model: type, *conditions: Any, **how: Any) -> Any:
        locked.append(model)
        return lock(model, *conditions, **how)

    monkeypatch.setattr(lifting, "lock_row", spy)
    assert _decide(lifting.confirm, place, row, ben, now)
    assert locked == [RailSwitch, HaltLift]


def test_another_organisation_does_not_find_it(place: Organisation, ana: User, now: datetime) -> None:
    row = _ask(place, ana, now)
    other = factories.organisation("other")
    eve = factories.user("eve@y.example", organisation=other, role="admin")
    for call in (lifting.confirm, lifting.withdraw):
        with pytest.raises(NotFound):
            _decide(call, other, row, eve, now)


# ------------------------------------------------------------------ the page


def test_the_page_asks_then_confirms(
    place: Organisation, ana: User, ben: User, client: FlaskClient, database: Flask
) -> None:
    sign_in(client, ana, place)
    page = client.get("/admin/settings").text
    assert "Ask to resume: all payments" in page
    answer = client.post("/admin/settings/resume", data={"rail": "*", "every-reason": "Compared."})
    assert answer.status_code == 303
    page = client.get("/admin/settings").text
    assert "Payments stay halted until another admin confirms" in page
    assert "a different admin must confirm" in page
    assert "Confirm: resume" not in page
    (row,) = lifting.pending(place.id).values()
    lift_id = row.id
    db.session.rollback()
    assert client.post(f"/admin/settings/lifts/{lift_id}", data={"decision": "confirm"}).status_code == 409
    other = database.test_client()
    sign_in(other, ben, place)
    assert "Confirm: resume all payments" in other.get("/admin/settings").text
    answer = other.post(f"/admin/settings/lifts/{lift_id}", data={"decision": "confirm"})
    assert answer.status_code == 303
    assert not _is_halted(place)
