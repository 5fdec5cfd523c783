"""Organisations, users, roles, payees, payout methods and numbers, through their services."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime, timedelta
from typing import Any

import pytest
from argon2 import PasswordHasher
from flask import Flask
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from tests.factories import PASSWORD, destination, method, organisation, payee, user
from webapp.audit.models import AuditEvent
from webapp.database import db, transaction
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Invalid, NotFound, StaleVersion
from webapp.people import accounts, methods, numbers, passwords, queries, service, sessions
from webapp.people.models import Membership, Organisation, Payee, PayoutMethod, User, UserSession


@pytest.fixture
def house(database: Flask) -> Organisation:
    return organisation("solaria")


def events(tag: str) -> list[AuditEvent]:
    return list(db.session.scalars(select(AuditEvent).where(AuditEvent.tag == tag).order_by(AuditEvent.id)))


# ---------------------------------------------------------------- organisations and users


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"slug": "Solar House"}, "slug"),
        ({"slug": "a/b"}, "slug"),
        ({"slug": "solaria"}, "slug"),
        ({"currency": "usd"}, "currency"),
        ({"timezone": "Mars/Base"}, "timezone"),
        ({"timezone": "../etc"}, "timezone"),
        ({"locale": "xx_YY_zz"}, "locale"),
        ({"week_start": 7}, "week_start"),
        ({"name": "  "}, "name"),
        ({"contact_email": "nobody"}, "contact_email"),
    ],
)
def test_a_bad_organisation_is_refused(house: Organisation, values: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refusal:
        organisation(**{"slug": "other", **values})
    assert refusal.value.field == field
    assert [one.slug for one in db.session.scalars(select(Organisation))] == ["solaria"]


def test_an_organisation_has_its_programs(house: Organisation) -> None:
    made = organisation("rio", programs=["rentals", "installations", "rentals"])
    assert sorted(p.program for p in made.programs) == ["installations", "rentals"]
    assert events("people:organisation:created")[-1].organisation_id == made.id


def test_addresses_are_unique_in_any_case_of_letters(house: Organisation) -> None:
    made = user("Maya@Solaria.Example")
    assert made.email == "maya@solaria.example"
    with pytest.raises(Invalid) as refusal:
        user("MAYA@solaria.example")
    assert refusal.value.field == "email"
    assert queries.find_user(" MAYA@solaria.example") is made


@pytest.mark.parametrize(
    "password",
    ["short", "elevenchars", "maya.fernandez@solaria.example", "maya.fernandez", "aaaaaaaaaaaaaaa", "Password1234",
     "paydesk-demo", "x y" * 70, "PASSWORDPASSWORD"],
)  # fmt: skip
def test_weak_passwords_are_refused(house: Organisation, password: str) -> None:
    with pytest.raises(Invalid) as refusal:
        user("maya.fernandez@solaria.example", password=password)
    assert refusal.value.field == "password"
    assert password not in str(refusal.value)


@pytest.mark.parametrize("password", ["twelve signs", PASSWORD, "пароль из слов", "p" * 10 + "qrstu" * 10])
def test_long_passwords_of_any_signs_are_accepted(house: Organisation, password: str, now: datetime) -> None:
    made = user(password=password)
    assert made.password_hash is not None
    assert made.password_hash.startswith("$argon2id$")
    assert password not in made.password_hash
    assert service.authenticate(email=made.email, password=password, now=now) is made
    db.session.rollback()


def test_the_demo_password_is_for_demo_accounts(house: Organisation, now: datetime) -> None:
    made = user(password=passwords.DEMO_PASSWORD, is_demo=True)
    arguments: dict[str, Any] = {"email": made.email, "password": passwords.DEMO_PASSWORD, "now": now}
    assert service.authenticate(**arguments) is None
    assert service.authenticate(**arguments, demo_mode=True) is made
    db.session.rollback()


def test_an_old_hash_is_made_anew_at_sign_in(house: Organisation, now: datetime) -> None:
    made = user()
    old = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    with transaction():
        db.session.get_one(User, made.id).password_hash = old
    with transaction():
        assert service.authenticate(email=made.email, password="wrong", now=now) is None
    assert db.session.get_one(User, made.id).password_hash == old
    with transaction():
        assert service.authenticate(email=made.email, password=PASSWORD, now=now) is not None
    fresh = db.session.get_one(User, made.id).password_hash
    assert fresh is not None
    assert fresh != old
    assert not passwords.needs_rehash(fresh)


def test_installations_hash_with_what_rfc_9106_asks_for() -> None:
    """In a process of its own: the tests make their hashes with less work."""
    code = f"from webapp.people import passwords; print(passwords.hash_of({PASSWORD!r}))"
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert made.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert passwords.verify(PASSWORD, made.strip())
    assert passwords.needs_rehash(made.strip())  # with the settings of the tests


def test_unknown_addresses_cost_as_much_work(
    house: Organisation, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    user("maya@solaria.example", password=PASSWORD)
    user("new@solaria.example")
    verified: list[str] = []
    original = passwords._hasher

    def verify(stored: str, password: str) -> bool:
        verified.append(stored)
        return original.verify(stored, password)

    class Watched:
        def __getattr__(self, name: str) -> Any:
            return verify if name == "verify" else getattr(original, name)

    monkeypatch.setattr(passwords, "_hasher", Watched())
    for email in ("maya@solaria.example", "new@solaria.example", "nobody@solaria.example", ""):
        assert service.authenticate(email=email, password="not it at all", now=now) is None
    assert len(verified) == 4
    parameters = {stored.rsplit("$", 2)[0] for stored in verified}
    assert len(parameters) == 1


def test_a_new_password_ends_every_session(house: Organisation, now: datetime, someone: Actor) -> None:
    made = user(password=PASSWORD)
    with transaction():
        token, _ = sessions.start(user_id=made.id, organisation_id=None, ip="", user_agent="", now=now)
    with transaction():
        service.set_password(user_id=made.id, password="another long password", actor=someone, now=now)
    assert sessions.find_live(token=token, now=now) is None
    assert db.session.scalars(select(UserSession)).one().end_reason == "password changed"
    assert not passwords.verify(PASSWORD, db.session.get_one(User, made.id).password_hash)
    with pytest.raises(Invalid), transaction():
        service.set_password(user_id=made.id, password="short", actor=someone, now=now)


def test_a_role_is_given_once(house: Organisation, now: datetime, someone: Actor) -> None:
    made = user()
    arguments: dict[str, Any] = {
        "user_id": made.id,
        "organisation_id": house.id,
        "actor": someone,
        "now": now,
    }
    for _ in range(2):
        with transaction():
            service.add_membership(**arguments, role="admin")
    assert len(list(db.session.scalars(select(Membership)))) == 1
    assert len(events("people:membership:added")) == 1
    with pytest.raises(Invalid), transaction():
        service.add_membership(**arguments, role="king")


# ---------------------------------------------------------------- numbers


def test_numbers_count_up_by_organisation_and_prefix(house: Organisation) -> None:
    other = organisation("other")
    with transaction():
        assert numbers.next_number(house.id, "BA") == "BA-0001"
        assert numbers.next_number(house.id, "BA") == "BA-0002"
        assert numbers.next_number(other.id, "BA") == "BA-0001"
        assert numbers.next_number(house.id, "PO-2026", 6) == "PO-2026-000001"
        assert numbers.next_numbers(house.id, "PO-2026", 6, 3)[-1] == "PO-2026-000004"
        assert numbers.next_numbers(house.id, "PO-2026", 6, 0) == []
        assert numbers.next_number(house.id, "PO-2026", 6) == "PO-2026-000005"


def test_a_number_of_a_failed_transaction_is_given_again(house: Organisation) -> None:
    with pytest.raises(LookupError), transaction():
        numbers.next_number(house.id, "BA")
        raise LookupError
    with transaction():
        assert numbers.next_number(house.id, "BA") == "BA-0001"


# ---------------------------------------------------------------- payees


def test_an_external_reference_is_unique_within_a_kind(house: Organisation) -> None:
    one = payee(house, external_ref=" T-7 ")
    assert one.external_ref == "T-7"
    payee(house, "owner", external_ref="T-7")
    payee(organisation("other"), external_ref="T-7")
    with pytest.raises(Invalid) as refusal:
        payee(house, external_ref="T-7")
    assert refusal.value.field == "external_ref"
    same = select(Payee).where(
        Payee.organisation_id == house.id, Payee.kind == "technician", Payee.external_ref == "T-7"
    )
    assert db.session.scalars(same).all() == [one]
    assert payee(house, external_ref="").external_ref is None
    assert payee(house, external_ref="  ").external_ref is None


def test_an_unknown_kind_is_refused(house: Organisation) -> None:
    with pytest.raises(Invalid):
        payee(house, "admin")


def test_a_change_says_what_it_was_before(house: Organisation, now: datetime, someone: Actor) -> None:
    one = payee(house, name="Tara", email="tara@x.example")
    with transaction():
        service.update_payee(
            organisation_id=house.id,
            payee_id=one.id,
            changes={"name": "Tara O.", "email": "tara@x.example"},
            actor=someone,
            now=now,
            expected_version=1,
        )
    assert events("people:payee:changed")[-1].changes == {"name": ["Tara", "Tara O."]}
    assert queries.get_payee_by_id(house.id, one.id).version == 2


def test_a_change_of_nothing_is_none(house: Organisation, now: datetime, someone: Actor) -> None:
    one = payee(house, name="Tara")
    with transaction():
        service.update_payee(
            organisation_id=house.id, payee_id=one.id, changes={"name": " Tara "}, actor=someone, now=now
        )
    assert events("people:payee:changed") == []
    assert queries.get_payee_by_id(house.id, one.id).version == 1


@pytest.mark.parametrize(
    "changes", [{"kind": "owner"}, {"organisation_id": 1}, {"reference": "PY-9"}, {"user_id": 1}]
)
def test_only_named_fields_can_be_changed(
    house: Organisation, now: datetime, someone: Actor, changes: dict[str, Any]
) -> None:
    one = payee(house)
    with pytest.raises(ValueError), transaction():
        service.update_payee(
            organisation_id=house.id, payee_id=one.id, changes=changes, actor=someone, now=now
        )


def test_stale_foreign_and_taken_changes_are_refused(
    house: Organisation, now: datetime, someone: Actor
) -> None:
    one, two = payee(house, external_ref="A"), payee(house, external_ref="B")
    arguments: dict[str, Any] = {"payee_id": two.id, "actor": someone, "now": now}
    with pytest.raises(StaleVersion), transaction():
        service.update_payee(organisation_id=house.id, changes={"name": "X"}, expected_version=7, **arguments)
    with pytest.raises(NotFound), transaction():
        service.update_payee(organisation_id=organisation("other").id, changes={"name": "X"}, **arguments)
    with pytest.raises(Invalid), transaction():
        service.update_payee(organisation_id=house.id, changes={"external_ref": "A"}, **arguments)
    assert queries.get_payee_by_id(house.id, two.id).external_ref == "B"
    assert one.external_ref == "A"


def test_a_linked_user_gets_the_role_and_is_one_payee_of_a_kind(
    house: Organisation, now: datetime, someone: Actor
) -> None:
    person, another = user(), user()
    one = payee(house, "owner", user=person)
    assert queries.roles_in(person.id, house.id) == {"owner"}
    assert queries.payee_of_user(house.id, person.id, "owner") is one
    assert queries.payee_of_user(house.id, person.id, "driver") is None
    payee(house, "driver", user=person)
    arguments: dict[str, Any] = {"organisation_id": house.id, "actor": someone, "now": now}
    with transaction():
        service.link_user(payee_id=one.id, user_id=person.id, **arguments)
    for payee_id, user_id in ((one.id, another.id), (payee(house, "owner").id, person.id)):
        with pytest.raises(Invalid), transaction():
            service.link_user(payee_id=payee_id, user_id=user_id, **arguments)


# ---------------------------------------------------------------- payout methods


def test_a_first_method_is_good_at_once_a_change_waits(house: Organisation, now: datetime) -> None:
    one = payee(house)
    first = method(one, cool_off_hours=48, now=now)
    assert (first.version, first.is_current, first.cool_off_until) == (1, True, None)
    second = method(one, cool_off_hours=48, now=now)
    assert (second.version, second.is_current, second.cool_off_until) == (2, True, now + timedelta(hours=48))
    db.session.refresh(first)
    assert (first.is_current, first.replaced_at) == (False, now)
    assert [m.version for m in queries.method_history(house.id, one.id)] == [2, 1]
    assert queries.get_payee_by_id(house.id, one.id).current_method is second
    assert method(one, cool_off_hours=0).cool_off_until is None


def test_the_same_details_again_change_nothing(house: Organisation) -> None:
    one, where = payee(house), destination()
    first = method(one, where)
    assert method(one, where, cool_off_hours=48) is first
    assert len(list(db.session.scalars(select(PayoutMethod)))) == 1
    renamed = accounts.aba_account(
        **{k: where.details[k] for k in ("account_number", "routing_number")}, name_at_bank="Other Name"
    )
    assert method(one, renamed).version == 2


def test_the_trail_holds_masked_numbers_only(house: Organisation) -> None:
    one = payee(house)
    method(one, destination("111122223333"))
    method(one, destination("444455556666"))
    added, changed = events("people:payout_method:added")[0], events("people:payout_method:changed")[0]
    assert added.changes["payout method"] == [None, "••3333"]
    assert changed.changes["payout method"] == ["••3333", "••6666"]
    for event in db.session.scalars(select(AuditEvent)):
        assert "11112222" not in f"{event.changes} {event.note} {event.subject_label}"


def test_stale_and_foreign_methods_are_refused(house: Organisation) -> None:
    one = payee(house)
    method(one, expected_version=0)
    for seen in (0, 2, -1):
        with pytest.raises(StaleVersion):
            method(one, expected_version=seen)
    method(one, expected_version=1)
    stranger = Payee(id=one.id, organisation_id=organisation("other").id)
    with pytest.raises(NotFound):
        method(stranger)


def test_the_database_keeps_one_current_method(house: Organisation, now: datetime) -> None:
    one = payee(house)
    first = method(one)
    with pytest.raises(IntegrityError), transaction():
        db.session.add(
            PayoutMethod(
                uid="u", organisation_id=house.id, payee_id=one.id, version=9, kind="manual", created_at=now
            )
        )
    with pytest.raises(IntegrityError), transaction():
        first.details_encrypted = None


def test_twins_are_found_within_the_organisation(house: Organisation) -> None:
    where = destination()
    one, two, alone = payee(house), payee(house), payee(house)
    mine = method(one, where)
    method(two, where)
    method(alone)
    method(payee(organisation("other")), where)
    assert queries.payees_with_same_account(mine) == [two]
    method(two)
    assert queries.payees_with_same_account(mine) == []
    by_hand = [method(p, accounts.by_hand()) for p in (one, two)]
    assert queries.payees_with_same_account(by_hand[0]) == []


def test_the_policy_of_another_room_says_how_long_a_change_waits(house: Organisation) -> None:
    kept = list(methods._cool_off_policy)
    try:
        methods._cool_off_policy.clear()
        assert methods.cool_off_hours(house.id) == 48
        methods.register_cool_off(lambda organisation_id: 5 if organisation_id == house.id else 6)
        methods.register_cool_off(lambda organisation_id: 7)
        assert methods.cool_off_hours(house.id) == 7
    finally:
        methods._cool_off_policy[:] = kept


# ---------------------------------------------------------------- sessions


def test_a_session_is_known_by_its_token_alone(house: Organisation, now: datetime) -> None:
    made = user(organisation=house, role="owner")
    with transaction():
        token, row = sessions.start(
            user_id=made.id, organisation_id=house.id, ip="", user_agent="x" * 999, now=now
        )
    assert token not in (row.token_hash, "")
    assert sessions.find_live(token=token, now=now) is row
    assert sessions.find_live(token=row.token_hash, now=now) is None
    assert sessions.find_live(token="", now=now) is None


@pytest.mark.parametrize(("role", "minutes"), [("admin", 10), ("accountant", 10), ("driver", 30), (None, 30)])
def test_idle_limits(house: Organisation, now: datetime, role: str | None, minutes: int) -> None:
    made = user(organisation=house, role=role)
    with transaction():
        token, row = sessions.start(user_id=made.id, organisation_id=None, ip="", user_agent="", now=now)
    last = now + timedelta(minutes=minutes) - timedelta(microseconds=1)
    assert sessions.find_live(token=token, now=last) is row
    assert sessions.find_live(token=token, now=last + timedelta(microseconds=1)) is None
    with transaction():
        sessions.touch(session_id=row.id, now=last)
    assert sessions.find_live(token=token, now=last + timedelta(minutes=minutes - 1)) is row
    with transaction():
        sessions.touch(session_id=row.id, now=now + timedelta(hours=8))
    assert sessions.find_live(token=token, now=now + timedelta(hours=8)) is None
    assert queries.live_sessions(made.id, now + timedelta(hours=8)) == []


def test_an_ended_session_keeps_its_first_reason(house: Organisation, now: datetime) -> None:
    made = user()
    with transaction():
        _, row = sessions.start(user_id=made.id, organisation_id=None, ip="", user_agent="", now=now)
        sessions.end(session_id=row.id, reason="first", now=now)
        sessions.end(session_id=row.id, reason="second", now=now + timedelta(minutes=1))
        assert sessions.end_all(user_id=made.id, reason="third", now=now) == 0
    db.session.refresh(row)
    assert (row.end_reason, row.ended_at) == ("first", now)
