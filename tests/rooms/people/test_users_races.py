"""Admins and link holders who act at the same instant."""

from __future__ import annotations

from collections.abc import Callable
from threading import Barrier, Thread, local
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, select

from tests.factories import PASSWORD, actor_of, organisation, sign_in, user
from tests.factories.factors import app_of
from tests.rooms.payouts.test_races import together
from webapp.database import db, transaction
from webapp.kernel.actor import COMMAND, Actor
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, NotFound
from webapp.people import members, passwords, queries, users
from webapp.people.access import links, second_factor
from webapp.people.access.models import AccountLink, TotpSecret
from webapp.people.models import Organisation, User


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


def _invite_together(app: Flask, places: list[Organisation], monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The admins of two organisations invite one unknown address; where the engine lets both, both look first."""
    both_looked, look = Barrier(2), queries.find_user
    looked = local()

    def find(address: str) -> User | None:
        found = look(address)
        # SQLite lets one writer in at a time, so that the second one looks when the first one is done.
        if db.engine.dialect.name == "postgresql" and not getattr(looked, "once", False):
            looked.once = True
            both_looked.wait(20)
        return found

    clients = []
    for place in places:
        admin = user(f"admin@{place.slug}.example", organisation=place, role="admin")
        clients.append(app.test_client())
        sign_in(clients[-1], admin, place)
    monkeypatch.setattr(queries, "find_user", find)
    form = {"email": "noor@example.com", "name": "Noor Ali", "roles": "accountant"}
    calls = [lambda c=client: c.post("/admin/users/invite", data=form) for client in clients]
    answers = together(app, calls)
    monkeypatch.setattr(queries, "find_user", look)
    return [
        (a.status_code, a.location, c.get("/admin/users").text) for a, c in zip(answers, clients, strict=True)
    ]


def test_two_organisations_that_invite_an_address_at_once_learn_nothing_of_each_other(
    database: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = [organisation("solaria"), organisation("lunaria")]
    answers = _invite_together(database, places, monkeypatch)
    assert [(status, location) for status, location, _ in answers] == [(303, "/admin/users")] * 2
    for _, _, page in answers:
        assert "An invitation to noor@example.com is on its way." in page
        assert "already" not in page
    db.session.rollback()
    invited = db.session.scalars(select(User).where(User.email == "noor@example.com")).one()
    assert {m.organisation_id for m in invited.memberships} == {place.id for place in places}
    invitations = db.session.scalars(select(AccountLink).where(AccountLink.user_id == invited.id)).all()
    assert {link.organisation_id for link in invitations} == {place.id for place in places}
    assert all(link.revoked_at is None for link in invitations)


def test_inviting_costs_the_same_whether_or_not_the_address_has_an_account(
    database: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, elsewhere = organisation("solaria"), organisation("lunaria")
    user("known@example.com", organisation=elsewhere, role="accountant", password=PASSWORD)
    # Nothing that takes long (a hash of a password, a mail) happens while the admin waits.
    for name in ("hash_of", "verify", "check"):
        monkeypatch.setattr(passwords, name, lambda *_, **__: pytest.fail("a password was looked at"))
    counts = {}
    for address in ("known@example.com", "unknown@example.com"):
        seen: list[str] = []

        def note(*values: Any, into: list[str] = seen) -> None:
            into.append(values[2])

        event.listen(db.engine, "before_cursor_execute", note)
        with transaction():
            users.invite(
                organisation_id=here.id, email=address, name="Noor Ali", roles=["accountant"],
                actor=COMMAND, now=utc_now(),
            )  # fmt: skip
        event.remove(db.engine, "before_cursor_execute", note)
        counts[address] = len(seen)
        db.session.rollback()
    # A new address costs its row, the savepoint around it and its line in the trail.
    assert abs(counts["unknown@example.com"] - counts["known@example.com"]) <= 5, counts
