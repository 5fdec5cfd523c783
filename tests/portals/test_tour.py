"""The demo's tour is ticked by what people did, not by what the seed did in their names."""

from datetime import datetime

from flask import Flask

from tests import factories
from webapp.audit import service as audit
from webapp.database import transaction
from webapp.kernel.actor import COMMAND, DEMO_AGENT, SCHEDULER, Actor
from webapp.portals.views import tour


def _done(organisation_id: int, app: Flask, slug: str = "solaria") -> list[bool]:
    with app.test_request_context():
        return [step["tone"] == "done" for step in tour.steps(organisation_id, slug)]


def _event(organisation_id: int, tag: str, actor: Actor, now: datetime) -> None:
    with transaction():
        audit.record(tag=tag, actor=actor, now=now, organisation_id=organisation_id, subject_type="payout")


def test_a_persons_approval_ticks_the_first_step(database: Flask, now: datetime) -> None:
    house = factories.organisation()
    person = factories.actor_of(factories.user(organisation=house, role="admin"))
    _event(house.id, "payouts:payout:approved", person, now)
    assert _done(house.id, database) == [True, False, False, False, False]


def test_the_seeds_approvals_tick_nothing(database: Flask, now: datetime) -> None:
    house = factories.organisation()
    user = factories.user(organisation=house, role="admin")
    _event(house.id, "payouts:payout:approved", Actor(user.id, user.email, "", DEMO_AGENT), now)
    assert not any(_done(house.id, database))


def test_an_import_by_command_ticks_the_last_step(database: Flask, now: datetime) -> None:
    house = factories.organisation()
    _event(house.id, "installations:installations:imported", COMMAND, now)
    assert _done(house.id, database)[-1]


def test_a_persons_import_ticks_the_last_step(database: Flask, now: datetime) -> None:
    house = factories.organisation()
    person = factories.actor_of(factories.user(organisation=house, role="admin"))
    _event(house.id, "imports:import:finished", person, now)
    assert _done(house.id, database)[-1]


def test_the_tour_goes_when_all_is_done(database: Flask, now: datetime) -> None:
    house = factories.organisation()
    person = factories.actor_of(factories.user(organisation=house, role="admin"))
    for step in tour.INSTALLATIONS:
        _event(house.id, step.tags[0], person, now)
    assert _done(house.id, database) == []


def test_a_tenants_browser_ticks_the_first_step_of_the_rents(database: Flask, now: datetime) -> None:
    house = factories.organisation()
    _event(house.id, "rentals:rent_payment:begun", Actor(None, "the tenant's pay link", "192.0.2.7"), now)
    assert _done(house.id, database, "griha") == [True, False, False, False]


def test_other_organisations_have_no_tour(database: Flask) -> None:
    assert _done(factories.organisation().id, database, "elsewhere") == []


def test_a_persons_refund_ticks_its_step_of_the_clinic(database: Flask, now: datetime) -> None:
    house = factories.organisation()
    person = factories.actor_of(factories.user(organisation=house, role="admin"))
    _event(house.id, "clinic:invoice:refunded", person, now)
    assert _done(house.id, database, "carepoint") == [False] * 4 + [True, False]


def test_the_schedules_run_ticks_nothing_of_the_clinic(database: Flask, now: datetime) -> None:
    house = factories.organisation()
    _event(house.id, "clinic:payouts:made", SCHEDULER, now)
    assert not any(_done(house.id, database, "carepoint"))
