"""Changes of payment details: asked for by one, decided by another, and never half."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from tests import factories
from tests.factories import actor_of, destination
from tests.rooms.payouts.test_races import together
from webapp.audit.models import AuditEvent
from webapp.database import db, transaction
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict, Invalid, NotAllowed, NotFound, StaleVersion
from webapp.notices import recipients
from webapp.outbox.models import OutboxMessage
from webapp.people import accounts, methods
from webapp.people import queries as people
from webapp.people import service as people_service
from webapp.people.accounts import Destination
from webapp.people.changes import cool_off, queries, reveal, service
from webapp.people.changes.models import CoolOffRelease, MethodChange
from webapp.people.models import Organisation, Payee, PayoutMethod, User

OLD, NEW, NEWER = "111122224821", "333344449055", "555566667788"
NOTE = "Called Maya on the number on file; she confirmed it."


@dataclass
class Scene:
    """An organisation with two admins and a payee who has details and a login."""

    organisation: Organisation
    asker: User
    second: User
    login: User
    payee: Payee
    first: PayoutMethod
    now: datetime

    def ask(self, number: str = NEW, by: User | None = None, **values: Any) -> Any:
        defaults: dict[str, Any] = {
            "organisation_id": self.organisation.id,
            "payee_id": self.payee.id,
            "destination": destination(number),
            "source": "admin",
            "actor": actor_of(by or self.asker),
            "now": self.now,
        }
        with transaction():
            return service.ask(**{**defaults, **values})

    def verify(self, by: User | None = None, reference: str = "BC-0001", **values: Any) -> service.Decision:
        defaults: dict[str, Any] = {"note": NOTE, "actor": actor_of(by or self.second), "now": self.now}
        with transaction():
            return service.verify(
                organisation_id=self.organisation.id, reference=reference, **{**defaults, **values}
            )


@pytest.fixture
def scene(database: Flask, now: datetime) -> Scene:
    organisation = factories.organisation("solaria")
    login = factories.user("maya@example.com")
    payee = factories.payee(
        organisation, name="Maya Fernandez", user=login, email="maya@example.com", phone="+1 203 555 0142"
    )
    first = factories.method(payee, destination(OLD))
    return Scene(
        organisation,
        factories.user("asker@example.com", organisation=organisation, role="admin"),
        factories.user("second@example.com", organisation=organisation, role="admin"),
        login,
        payee,
        first,
        now,
    )


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A one-person company whose policy waits twelve hours."""
    monkeypatch.setattr(methods, "_single_operator", [lambda organisation_id: 12])


def current(payee: Payee) -> PayoutMethod:
    method = people.current_method(payee.id)
    assert method is not None
    return method


def told(kind: str) -> int:
    return db.session.scalar(select(func.count()).where(OutboxMessage.kind == kind)) or 0


def test_first_details_are_applied_at_once(scene: Scene) -> None:
    newcomer = factories.payee(scene.organisation, name="New Starter")
    made = scene.ask(payee_id=newcomer.id, expected_version=0)
    assert isinstance(made, PayoutMethod)
    assert (made.version, made.cool_off_until, made.created_by_id) == (1, None, scene.asker.id)
    assert told("notice.details.changed") == 1
    assert db.session.scalar(select(func.count()).select_from(MethodChange)) == 0


def test_change_waits_for_a_second_person_then_for_its_cool_off(scene: Scene) -> None:
    change = scene.ask(expected_version=1)
    assert isinstance(change, MethodChange)
    assert (change.reference, change.state, change.masked, change.source) == (
        "BC-0001", "pending", "••9055", "admin",
    )  # fmt: skip
    assert current(scene.payee).masked == "••4821"
    assert scene.payee.pending_change is change
    decision = scene.verify()
    assert not decision.is_repeat
    method = current(scene.payee)
    assert (method.masked, method.version) == ("••9055", 2)
    assert method.created_by_id == scene.asker.id, "who asked is the editor, not who verified"
    assert method.cool_off_until == scene.now + timedelta(hours=48)
    assert people.details_of(method).reveal()["account_number"] == NEW
    assert (change.state, change.decided_by_id, change.method_id, change.note) == (
        "verified", scene.second.id, method.id, NOTE,
    )  # fmt: skip
    assert scene.payee.pending_change is None
    assert (told("notice.details.asked"), told("notice.details.verified")) == (1, 1)


def test_details_on_file_already_change_nothing(scene: Scene) -> None:
    assert scene.ask(OLD) == scene.first
    assert told("notice.details.asked") == 0


def test_the_page_must_be_of_the_present_version(scene: Scene) -> None:
    with pytest.raises(StaleVersion):
        scene.ask(expected_version=0)


def test_the_same_person_asking_again_replaces_or_repeats(scene: Scene) -> None:
    first = scene.ask()
    assert scene.ask() is first, "the same ask twice is one"
    second = scene.ask(NEWER)
    assert (first.state, second.state, second.reference) == ("withdrawn", "pending", "BC-0002")
    assert first.note == "Replaced by a newer one of the same person."


def test_another_persons_ask_is_a_conflict_that_says_whose(scene: Scene) -> None:
    scene.ask()
    with pytest.raises(Conflict) as caught:
        scene.ask(NEWER, by=scene.second)
    assert "asker@example.com asked for new payment details on 20 Nov 2026, 07:00 EST" in caught.value.message
    assert "BC-0001" in caught.value.message
    with pytest.raises(Conflict) as caught:
        scene.ask(NEWER, by=scene.login, source="payee")
    assert "An admin asked" in caught.value.message
    assert "asker@" not in caught.value.message


def test_files_replace_their_own_ask_only(scene: Scene) -> None:
    importer = Actor(None, "import of payees.csv")
    first = scene.ask(source="import", actor=importer)
    assert scene.ask(NEWER, source="import", actor=importer).state == "pending"
    assert first.state == "withdrawn"
    with pytest.raises(Conflict):
        scene.ask(source="api", actor=Actor(None, "token"))
    scene.verify(reference="BC-0002")
    assert current(scene.payee).created_by_id is None


@pytest.mark.parametrize("who", ["asker", "login"])
def test_neither_asker_nor_payee_verifies(scene: Scene, who: str) -> None:
    person = getattr(scene, who)
    factories.membership(scene.login, scene.organisation, "admin")
    scene.ask()
    with pytest.raises(NotAllowed) as caught:
        scene.verify(by=person)
    assert "a different admin must decide" in caught.value.message
    assert current(scene.payee) == scene.first


def test_payee_who_asked_does_not_verify_as_an_admin(scene: Scene) -> None:
    factories.membership(scene.login, scene.organisation, "admin")
    scene.ask(by=scene.login, source="payee")
    with pytest.raises(NotAllowed):
        scene.verify(by=scene.login)
    assert scene.verify(by=scene.asker).change.state == "verified"


@pytest.mark.parametrize("role", ["accountant", "technician", None])
def test_only_admins_verify(scene: Scene, role: str | None) -> None:
    scene.ask()
    person = factories.user(organisation=scene.organisation if role else None, role=role)
    for decide in (scene.verify, lambda by: _refuse(scene, by)):
        with pytest.raises(NotAllowed, match="Only an admin"):
            decide(by=person)


def test_disabled_admin_does_not_verify(scene: Scene) -> None:
    scene.ask()
    with transaction():
        scene.second.is_active = False
    with pytest.raises(NotAllowed, match="Only an admin"):
        scene.verify()


def test_admin_of_another_organisation_finds_nothing(scene: Scene) -> None:
    scene.ask()
    other = factories.organisation("other")
    stranger = actor_of(factories.user(organisation=other, role="admin"))
    common: dict[str, Any] = {
        "organisation_id": other.id, "reference": "BC-0001", "actor": stranger, "now": scene.now,
    }  # fmt: skip
    calls: list[Callable[[], Any]] = [
        lambda: service.verify(note=NOTE, **common),
        lambda: service.refuse(reason=NOTE, **common),
        lambda: service.withdraw(**common),
        lambda: service.ask(
            organisation_id=other.id, payee_id=scene.payee.id, destination=destination(), source="admin",
            actor=stranger, now=scene.now,
        ),
        lambda: service.release_cool_off(
            organisation_id=other.id, method_id=scene.first.id, reason=NOTE, actor=stranger, now=scene.now
        ),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(NotFound), transaction():
            call()


@pytest.mark.parametrize("note", ["", "   ", "ok"])
def test_verifying_needs_a_call_that_is_named(scene: Scene, note: str) -> None:
    scene.ask()
    with pytest.raises(Invalid) as caught:
        scene.verify(note=note)
    assert caught.value.field == "note"
    assert "which number on file" in caught.value.message


def _refuse(scene: Scene, by: User, reason: str = "The payee did not ask for it.") -> service.Decision:
    with transaction():
        return service.refuse(
            organisation_id=scene.organisation.id, reference="BC-0001", reason=reason, actor=actor_of(by),
            now=scene.now,
        )  # fmt: skip


def test_refused_details_leave_those_on_file(scene: Scene) -> None:
    change = scene.ask()
    with pytest.raises(Invalid):
        _refuse(scene, scene.second, "")
    assert _refuse(scene, scene.second).change.state == "refused"
    assert current(scene.payee) == scene.first
    assert scene.payee.pending_change is None
    assert told("notice.details.refused") == 1
    assert change.note == "The payee did not ask for it."
    assert _refuse(scene, scene.second).is_repeat


def test_a_decision_twice_is_one_and_too_late_says_who(scene: Scene) -> None:
    scene.ask()
    scene.verify()
    assert scene.verify().is_repeat
    assert scene.verify().message == "You have verified BC-0001 already, on 20 Nov 2026, 07:00 EST."
    third = factories.user(organisation=scene.organisation, role="admin")
    for late in (lambda: scene.verify(by=third), lambda: _refuse(scene, third)):
        with pytest.raises(Conflict) as caught:
            late()
        assert "second@example.com has verified BC-0001 on 20 Nov 2026, 07:00 EST" in caught.value.message
    assert current(scene.payee).version == 2


def _withdraw(scene: Scene, by: User) -> service.Decision:
    with transaction():
        return service.withdraw(
            organisation_id=scene.organisation.id, reference="BC-0001", actor=actor_of(by), now=scene.now
        )


@pytest.mark.parametrize("who", ["asker", "login"])
def test_asker_and_payee_can_withdraw(scene: Scene, who: str) -> None:
    change = scene.ask()
    _withdraw(scene, getattr(scene, who))
    assert change.state == "withdrawn"
    assert _withdraw(scene, getattr(scene, who)).is_repeat


def test_another_admin_cannot_withdraw(scene: Scene) -> None:
    scene.ask()
    with pytest.raises(NotAllowed, match="You can refuse it"):
        _withdraw(scene, scene.second)


def test_details_that_changed_meanwhile_stop_the_verification(scene: Scene) -> None:
    scene.ask()
    factories.method(scene.payee, destination(NEWER))
    with pytest.raises(StaleVersion, match="Refuse it"):
        scene.verify()


def test_single_operator_waits_and_is_marked(scene: Scene, alone: None) -> None:
    change = scene.ask()
    with pytest.raises(NotAllowed, match="One person runs this organisation"):
        scene.verify(by=scene.asker)
    scene.verify(by=scene.asker, now=scene.now + timedelta(hours=12))
    assert (change.state, change.is_single_operator) == ("verified", True)


def test_second_person_of_a_single_operator_need_not_wait(scene: Scene, alone: None) -> None:
    change = scene.ask()
    scene.verify()
    assert (change.state, change.is_single_operator) == ("verified", False)


def test_of_many_who_decide_at_once_one_wins(database: Flask, scene: Scene) -> None:
    scene.ask()
    organisation_id, now = scene.organisation.id, scene.now
    with transaction():
        admins = [actor_of(factories.user(organisation=scene.organisation, role="admin")) for _ in range(12)]
    calls: list[Callable[[], Any]] = []

    def decide(function: Callable[..., Any], **values: Any) -> Callable[[], Any]:
        def call() -> Any:
            with transaction():
                return function(
                    organisation_id=organisation_id, reference="BC-0001", now=now, **values
                ).is_repeat

        return call

    for n, actor in enumerate(admins):
        if n % 3 == 2:
            calls.append(decide(service.refuse, actor=actor, reason=NOTE))
        else:
            calls.append(decide(service.verify, actor=actor, note=NOTE))
    results = together(database, calls)
    assert results.count(False) == 1, results
    winner = admins[results.index(False)].label
    losers = [result for result in results if result is not False]
    assert all(isinstance(loser, Conflict) and winner in loser.message for loser in losers), losers
    db.session.rollback()
    assert db.session.scalar(select(func.count()).select_from(PayoutMethod)) in (1, 2)
    notices = told("notice.details.verified") + told("notice.details.refused")
    assert notices == 1


def test_of_many_who_ask_at_once_one_waits(database: Flask, scene: Scene) -> None:
    organisation_id, payee_id, now = scene.organisation.id, scene.payee.id, scene.now
    with transaction():
        admins = [actor_of(factories.user(organisation=scene.organisation, role="admin")) for _ in range(8)]
    places = [destination() for _ in admins]

    def ask(actor: Actor, where: Destination) -> Callable[[], Any]:
        def call() -> Any:
            with transaction():
                return service.ask(
                    organisation_id=organisation_id, payee_id=payee_id, destination=where, source="admin",
                    actor=actor, now=now,
                ).id  # fmt: skip

        return call

    results = together(database, [ask(a, w) for a, w in zip(admins, places, strict=True)])
    assert len([r for r in results if isinstance(r, int)]) == 1, results
    assert all(isinstance(r, Conflict | int) for r in results)


def _release(scene: Scene, by: User, **values: Any) -> cool_off.Release:
    defaults: dict[str, Any] = {
        "method_id": current(scene.payee).id, "reason": "The old account is closed.", "now": scene.now,
    }  # fmt: skip
    with transaction():
        return service.release_cool_off(
            organisation_id=scene.organisation.id, actor=actor_of(by), **{**defaults, **values}
        )


def test_two_other_admins_release_a_cool_off(scene: Scene) -> None:
    third = factories.user(organisation=scene.organisation, role="admin")
    scene.ask()
    scene.verify()
    with pytest.raises(NotAllowed, match="You asked for these payment details"):
        _release(scene, scene.asker)
    with pytest.raises(Invalid):
        _release(scene, scene.second, reason="")
    assert not _release(scene, scene.second).is_over
    assert _release(scene, scene.second).is_repeat
    assert current(scene.payee).cool_off_until == scene.now + timedelta(hours=48)
    done = _release(scene, third)
    assert done.is_over
    assert current(scene.payee).cool_off_until == scene.now
    assert told("notice.cool_off.released") == 1
    assert _release(scene, third).is_repeat
    with pytest.raises(Conflict):
        _release(scene, factories.user(organisation=scene.organisation, role="admin"))


def test_releases_at_once_end_one_cool_off(database: Flask, scene: Scene) -> None:
    scene.ask()
    scene.verify()
    organisation_id, method_id, now = scene.organisation.id, current(scene.payee).id, scene.now
    with transaction():
        admins = [actor_of(factories.user(organisation=scene.organisation, role="admin")) for _ in range(6)]

    def release(actor: Actor) -> Callable[[], Any]:
        def call() -> Any:
            with transaction():
                return service.release_cool_off(
                    organisation_id=organisation_id, method_id=method_id, reason=NOTE, actor=actor, now=now
                ).is_over

        return call

    results = together(database, [release(actor) for actor in admins])
    assert (results.count(False), results.count(True)) == (1, 1), results
    db.session.rollback()
    assert db.session.scalar(select(func.count()).select_from(CoolOffRelease)) == 2
    assert told("notice.cool_off.released") == 1


def test_single_operator_releases_alone_after_the_delay(scene: Scene, alone: None) -> None:
    scene.ask()
    scene.verify()
    with pytest.raises(NotAllowed):
        _release(scene, scene.asker)
    assert _release(scene, scene.asker, now=scene.now + timedelta(hours=12)).is_over


def test_nothing_to_release(scene: Scene) -> None:
    with pytest.raises(Conflict, match="do not wait"):
        _release(scene, scene.second)


def test_a_new_address_starts_the_cool_off_and_the_old_one_is_told(scene: Scene) -> None:
    for address in ("former@example.com", "new@example.com"):
        with transaction():
            people_service.update_payee(
                organisation_id=scene.organisation.id, payee_id=scene.payee.id,
                changes={"email": address}, actor=actor_of(scene.asker), now=scene.now,
            )  # fmt: skip
    assert current(scene.payee).cool_off_until == scene.now + timedelta(hours=48)

    def told(now: datetime) -> list[str]:
        return [to.address for to in recipients.all_of_payee(scene.payee, now)]

    present = ["new@example.com", "maya@example.com"]
    assert told(scene.now) == [*present, "former@example.com"]
    assert told(scene.now + timedelta(days=recipients.OLD_ADDRESS_DAYS + 1)) == present


def test_contact_change_lets_the_present_details_wait_and_asks_releasers_again(scene: Scene) -> None:
    with transaction():
        service.contact_changed(payee=scene.payee, actor=actor_of(scene.asker), now=scene.now)
    assert current(scene.payee).cool_off_until == scene.now + timedelta(hours=48)
    _release(scene, scene.second)
    later = scene.now + timedelta(hours=1)
    with transaction():
        service.contact_changed(payee=scene.payee, actor=actor_of(scene.asker), now=later)
    assert current(scene.payee).cool_off_until == later + timedelta(hours=48)
    assert not queries.releases_of(current(scene.payee).id)


def test_same_account_elsewhere_and_own_earlier_use_are_found(scene: Scene) -> None:
    twin = factories.payee(scene.organisation, name="Twin")
    factories.method(twin, destination(NEW))
    unseen = factories.payee(factories.organisation("other"), name="Unseen")
    factories.method(unseen, destination(NEW))
    change = scene.ask()
    assert change.findings["same_account"] == [{"reference": twin.reference, "name": "Twin"}]
    assert change.findings["used_in_version"] is None
    assert change.findings["name"]["verdict"] == "same"
    scene.verify()
    back = scene.ask(OLD, by=scene.second)
    assert back.findings["used_in_version"] == 1


def test_same_account_asked_for_by_another_payee_is_found(scene: Scene) -> None:
    other = factories.payee(scene.organisation, name="Other")
    factories.method(other)
    scene.ask(payee_id=other.id)
    assert scene.ask().findings["same_account"] == [{"reference": other.reference, "name": "Other"}]


def test_details_that_went_around_the_checks_are_refused(scene: Scene) -> None:
    good = destination(NEW)
    for bad in (
        Destination(
            "bank_account", "aba", "Maya", "", {"account_number": "1", "routing_number": "021000021"}
        ),
        Destination(
            "bank_account", "aba", "Maya", "", {"account_number": "12 34", "routing_number": "021000021"}
        ),
        Destination("bank_account", "aba", "Maya", "", {"iban": "DE89370400440532013000"}),
        Destination("bank_account", "swift", "Maya", "", dict(good.details)),
        Destination("upi", "", "", "", {"vpa": "ravi@okbank"}),
    ):
        with pytest.raises(Invalid):
            scene.ask(destination=bad)
    assert scene.ask(destination=accounts.by_hand()).masked == "By hand"


def test_revealing_leaves_an_event_and_never_the_number(scene: Scene) -> None:
    change = scene.ask()
    with pytest.raises(Invalid), transaction():
        reveal.reveal_method(method=scene.first, reason="", actor=actor_of(scene.second), now=scene.now)
    with transaction():
        shown = reveal.reveal_method(
            method=scene.first, reason="Maya is on the phone.", actor=actor_of(scene.second), now=scene.now
        )
        asked = reveal.reveal_change(
            change=change, reason="Maya is on the phone.", actor=actor_of(scene.second), now=scene.now
        )
    assert shown == [("Account number", OLD), ("Routing number", "021000021")]
    assert asked[0] == ("Account number", NEW)
    events = db.session.scalars(
        select(AuditEvent).where(AuditEvent.tag == "people:payout_method:revealed").order_by(AuditEvent.id)
    ).all()
    assert [(e.actor_id, e.note, e.changes) for e in events] == [
        (scene.second.id, "Maya is on the phone.", {"shown": [None, "••4821"]}),
        (scene.second.id, "Maya is on the phone.", {"shown": [None, "••9055"]}),
    ]


def test_no_number_is_in_the_trail_the_outbox_or_the_row(scene: Scene) -> None:
    scene.ask()
    scene.verify()
    for table in (AuditEvent, OutboxMessage, MethodChange, PayoutMethod):
        for row in db.session.execute(select(table.__table__)).mappings():
            text = json.dumps(dict(row), default=str)
            assert OLD not in text
            assert NEW not in text
