"""A run works in the name of the person who confirmed it, and stops when that person may not act any more."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from flask import Flask

from tests import factories
from tests.factories.payouts import payout
from webapp.database import db, transaction
from webapp.outbox.models import OutboxMessage
from webapp.payouts import bulk
from webapp.payouts.models import Payout
from webapp.people import users
from webapp.people.models import Organisation, User
from webapp.runs import service
from webapp.runs.models import Run
from webapp.runs.service import RowDraft


@pytest.fixture
def house(database: Flask) -> Organisation:
    """An organisation."""
    return factories.organisation()


def confirmed(house: Organisation, person: User, now: datetime) -> int:
    """A confirmed run that approves two payouts."""
    payee = factories.payee(house)
    factories.method(payee)
    made = [payout(house, payee), payout(house, payee)]
    with transaction():
        run = service.create_draft(
            organisation_id=house.id, kind=bulk.APPROVE, title="Approve two",
            rows=[RowDraft("payout", p.id, p.reference, p.version) for p in made],
            actor=factories.actor_of(person), now=now,
        )  # fmt: skip
        service.confirm(
            organisation_id=house.id, reference=run.reference, actor=factories.actor_of(person), now=now
        )
        return run.id


def states() -> set[str]:
    db.session.rollback()
    return {state for (state,) in db.session.query(Payout.state)}


@pytest.mark.parametrize("what", ["disable", "remove", "demote"])
def test_a_run_stops_when_its_person_may_not_act_any_more(
    house: Organisation, now: datetime, what: str
) -> None:
    person, other = (factories.user(organisation=house, role="admin") for _ in range(2))
    run_id = confirmed(house, person, now)
    arguments = {
        "organisation_id": house.id, "user_id": person.id, "actor": factories.actor_of(other), "now": now,
    }  # fmt: skip
    with transaction():
        if what == "demote":
            users.change_roles(roles=["accountant"], **arguments)
        else:
            getattr(users, what)(**arguments)
    assert service.step(run_id=run_id, clock=lambda: now) is True
    assert states() == {"pending_approval"}
    run = db.session.get_one(Run, run_id, populate_existing=True)
    assert run.state == "stopped"
    assert run.stop_reason == f"{person.email} is not an active admin of this organisation any more."


def test_a_run_of_a_person_who_still_is_an_admin_goes_on(house: Organisation, now: datetime) -> None:
    run_id = confirmed(house, factories.user(organisation=house, role="admin"), now)
    assert service.step(run_id=run_id, clock=lambda: now) is True
    assert states() == {"approved"}


def test_a_run_that_failed_every_time_waits_for_a_person(house: Organisation, now: datetime) -> None:
    run_id = confirmed(house, factories.user(organisation=house, role="admin"), now)
    late = now + timedelta(days=1)
    with transaction() as session:
        message = session.query(OutboxMessage).filter_by(kind="run.step", reference_id=run_id).one()
        message.gave_up_at, message.last_error = now, "RuntimeError: broken"
    assert service.recover(clock=lambda: late) == 0
    with transaction() as session:
        message = session.query(OutboxMessage).filter_by(kind="run.step", reference_id=run_id).one()
        message.gave_up_at, message.done_at = None, now
    assert service.recover(clock=lambda: late) == 1
