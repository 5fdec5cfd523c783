"""Admins and link holders who act at the same instant."""

from __future__ import annotations

from collections.abc import Callable
from threading import Barrier, Thread

from flask import Flask
from sqlalchemy import select

from tests.factories import PASSWORD, actor_of, organisation, user
from tests.factories.factors import app_of
from webapp.database import db, transaction
from webapp.kernel.actor import COMMAND, Actor
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, NotFound
from webapp.people import members, users
from webapp.people.access import links, second_factor
from webapp.people.access.models import AccountLink, TotpSecret


def at_once(app: Flask, *works: Callable[[], None]) -> list[str]:
    """Run each in a thread and transaction of its own, all begun together; "done" or the name of what was raised."""
    gate, results = Barrier(len(works)), ["" for _ in works]

    def run(n: int) -> None:
        with app.app_context():
            gate.wait(10)
            try:
                with transaction():
                    works[n]()
                results[n] = "done"
            except (Conflict, NotFound) as error:
                results[n] = type(error).__name__
            finally:
                db.session.remove()

    threads = [Thread(target=run, args=(n,)) for n in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return sorted(results)


def test_two_admins_who_remove_each_other_leave_one(database: Flask) -> None:
    house = organisation("solaria")
    people = [user(f"{n}@solaria.example", organisation=house, role="admin") for n in ("one", "two")]
    ids, actors, house_id = [p.id for p in people], [actor_of(p) for p in people], house.id
    db.session.rollback()

    def removes(target: int, by: Actor) -> Callable[[], None]:
        return lambda: users.remove(organisation_id=house_id, user_id=target, actor=by, now=utc_now())

    assert at_once(database, removes(ids[0], actors[1]), removes(ids[1], actors[0])) == ["Conflict", "done"]
    assert len(members.active_admins(house_id)) == 1


def test_a_link_sent_twice_at_once_is_used_once(database: Flask) -> None:
    person = user("ira@solaria.example", password=PASSWORD)
    with transaction():
        links.create_reset(user_id=person.id, actor=COMMAND, now=utc_now())
    token = links.token_of(db.session.scalars(select(AccountLink)).one())
    db.session.rollback()

    def use(password: str) -> Callable[[], None]:
        return lambda: (
            links.use(token=token, kind=links.RESET, password=password, origin=COMMAND, now=utc_now())
            and None
        )

    answers = at_once(database, use("seven slow boats at dawn"), use("eleven green kites at noon"))
    assert answers == ["Spent", "done"]


def test_a_set_up_that_is_begun_twice_at_once_begins_once(database: Flask) -> None:
    person_id = user("ira@solaria.example", password=PASSWORD).id
    db.session.rollback()

    def begin() -> None:
        second_factor.begin_setup(user_id=person_id, now=utc_now())

    assert at_once(database, begin, begin, begin) == ["done"] * 3
    assert db.session.query(TotpSecret).filter_by(user_id=person_id).count() == 1


def test_a_code_of_either_kind_that_is_sent_many_times_at_once_opens_once(database: Flask) -> None:
    person = user("ira@solaria.example", password=PASSWORD)
    person_id, actor, now = person.id, actor_of(person), utc_now()
    app, codes = app_of(person, now=now)
    code = app.at(now)
    db.session.rollback()

    def by_app() -> None:
        if not second_factor.check_code(user_id=person_id, code=code, now=now):
            raise NotFound

    def by_recovery_code() -> None:
        if not second_factor.use_recovery_code(user_id=person_id, code=codes[0], actor=actor, now=now):
            raise NotFound

    for use in (by_app, by_recovery_code):
        assert at_once(database, *[use] * 6) == ["NotFound"] * 5 + ["done"]
