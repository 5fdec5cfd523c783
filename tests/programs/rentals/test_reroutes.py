"""Other owners, shares or terms of a property: its payouts need another person for a while, and owners are told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select, update

from jobs import rentals as jobs
from tests import factories
from tests.factories import rentals
from tests.factories.people import FACTORY
from tests.factories.rentals import WHEN
from tests.programs.rentals.gateway import ScriptedGateway
from tests.programs.rentals.test_flow import Scene
from webapp.database import db, transaction
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Invalid, NotAllowed
from webapp.notices.models import Email
from webapp.outbox.models import OutboxMessage
from webapp.payouts import policies, policy
from webapp.payouts import service as payouts
from webapp.payouts.models import Payout
from webapp.people.models import Payee
from webapp.programs.rentals import collecting, reroutes, service
from webapp.programs.rentals.drafts import OwnerShare, TermsDraft
from webapp.programs.rentals.models import Property, ShareChange
from webapp.providers import registry

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def scene(database: object) -> Iterator[Scene]:
    """A house whose owners can be paid, and whose payouts go by themselves."""
    gateway = ScriptedGateway()
    with registry.collecting_with("phonepe", gateway):
        made = Scene(gateway)
        with transaction():
            rules = policy.default_rules("INR", 500_000_00)
            policies.change_policy(organisation_id=made.organisation_id, rules=rules, actor=FACTORY, now=WHEN)
            for owner in made.owners:
                factories.method(db.session.get_one(Payee, owner.id))
        yield made


def _admin(scene: Scene) -> Actor:
    return factories.actor_of(factories.user(organisation=scene.organisation, role="admin"))


def _change(scene: Scene, actor: Actor, *weights: int, name: str = "") -> None:
    reference, known = scene.place.reference, scene.place.name
    owners = tuple(OwnerShare(o.id, w) for o, w in zip(scene.owners, weights, strict=False) if w)
    with transaction():
        service.change_property(
            organisation_id=scene.organisation_id, reference=reference, name=name or known, address="",
            reserve_target_minor=0, owners=owners, actor=actor, now=WHEN,
        )  # fmt: skip


def _approve(scene: Scene, payout: Payout, actor: Actor) -> None:
    reference = payout.reference
    with transaction():
        payouts.approve(organisation_id=scene.organisation_id, reference=reference, actor=actor, now=WHEN)


def test_payouts_go_by_themselves_where_nothing_was_changed(scene: Scene) -> None:
    scene.pay()
    assert [p.state for p in scene.payouts] == ["approved", "approved"]


def test_after_other_shares_another_person_approves(scene: Scene) -> None:
    editor, other = _admin(scene), _admin(scene)
    _change(scene, editor, 10, 90)
    scene.pay()
    assert [(p.state, p.is_automatic) for p in scene.payouts] == [("pending_approval", False)] * 2
    assert "a person approves it" in scene.payouts[0].note
    with pytest.raises(NotAllowed, match="changed the owners or terms"):
        _approve(scene, scene.payouts[0], editor)
    _approve(scene, scene.payouts[0], other)
    assert scene.payouts[0].state == "approved"


def test_somebody_who_edits_it_later_does_not_free_who_changed_the_owners(scene: Scene) -> None:
    editor, other = _admin(scene), _admin(scene)
    _change(scene, editor, 10, 90)
    _change(scene, other, 10, 90, name="Another name")
    scene.pay()
    for person in (editor, other):
        with pytest.raises(NotAllowed):
            _approve(scene, scene.payouts[0], person)


def _set_terms(scene: Scene, actor: Actor, day: int) -> None:
    place_id = scene.place.id
    with transaction():
        draft = TermsDraft(date(2026, 11, day), Decimal(0), Decimal(0), property_id=place_id)
        service.set_terms(organisation_id=scene.organisation_id, draft=draft, actor=actor, now=WHEN)


def test_somebody_who_sets_terms_later_does_not_free_who_changed_the_owners(scene: Scene) -> None:
    first, second, other = _admin(scene), _admin(scene), _admin(scene)
    _change(scene, first, 10, 90)
    _set_terms(scene, second, 1)
    scene.pay()
    for person in (first, second):
        with pytest.raises(NotAllowed, match="changed the owners or terms"):
            _approve(scene, scene.payouts[0], person)
    _approve(scene, scene.payouts[0], other)


def test_somebody_who_changes_it_later_does_not_free_who_set_terms(scene: Scene) -> None:
    first, second, other = _admin(scene), _admin(scene), _admin(scene)
    _set_terms(scene, first, 1)
    _set_terms(scene, second, 2)
    _change(scene, second, 10, 90)
    scene.pay()
    with pytest.raises(NotAllowed, match="changed the owners or terms"):
        _approve(scene, scene.payouts[0], first)
    _approve(scene, scene.payouts[0], other)


def test_who_changed_it_long_ago_may_approve_again(scene: Scene) -> None:
    first, second = _admin(scene), _admin(scene)
    _change(scene, first, 10, 90)
    long_ago = WHEN - timedelta(hours=49)
    with transaction():
        db.session.execute(update(ShareChange).values(changed_at=long_ago, waits_until=WHEN))
    _set_terms(scene, second, 1)
    scene.pay()
    _approve(scene, scene.payouts[0], first)
    assert scene.payouts[0].state == "approved"


@pytest.mark.parametrize(("hours", "state"), [(47, "pending_approval"), (48, "approved")])
def test_it_lasts_as_long_as_changed_details_wait(scene: Scene, hours: int, state: str) -> None:
    _change(scene, _admin(scene), 10, 90)
    with transaction():
        place = db.session.get_one(Property, scene.place.id)
        place.rerouted_at = WHEN - timedelta(hours=hours)
    scene.pay()
    assert {p.state for p in scene.payouts} == {state}


def test_other_terms_count_too_and_a_name_does_not(scene: Scene) -> None:
    _change(scene, _admin(scene), 60, 40, name="Only a name")
    place_id = scene.place.id
    assert not reroutes.is_waiting(db.session.get_one(Property, place_id), WHEN)
    db.session.rollback()
    with transaction():
        draft = TermsDraft(date(2026, 11, 1), Decimal(0), Decimal(0), property_id=place_id)
        service.set_terms(organisation_id=scene.organisation_id, draft=draft, actor=_admin(scene), now=WHEN)
    assert reroutes.is_waiting(db.session.get_one(Property, place_id), WHEN)
    db.session.rollback()
    scene.pay()
    assert {p.state for p in scene.payouts} == {"pending_approval"}


def _mails(scene: Scene) -> dict[str, str]:
    db.session.rollback()
    ids = db.session.scalars(
        select(OutboxMessage.reference_id).where(OutboxMessage.kind == "notice.owner.shares_changed")
    ).all()
    db.session.rollback()
    for change_id in ids:
        jobs.mail_shares_changed(change_id)
        jobs.mail_shares_changed(change_id)
    found = db.session.scalars(select(Email).where(Email.notice == "owner_shares_changed")).all()
    assert len(found) == len(ids)
    return {email.to_address: email.body_text for email in found}


def test_every_owner_whose_part_changed_is_told(scene: Scene) -> None:
    third = rentals.owner(scene.organisation, name="Third", email="third@example.com")
    for n, owner in enumerate(scene.owners):
        with transaction():
            db.session.get_one(Payee, owner.id).email = f"owner{n}@example.com"
    scene.owners.append(third)
    _change(scene, _admin(scene), 60, 0, 40)
    mails = _mails(scene)
    assert sorted(mails) == ["owner1@example.com", "third@example.com"]
    gone = mails["owner1@example.com"]
    assert "40 %" in gone
    assert "No part of it" in gone
    assert "another person than the one who changed it must approve it" in gone
    changes = db.session.scalars(select(ShareChange).order_by(ShareChange.payee_id)).all()
    assert [(c.weight_before, c.weight_after) for c in changes] == [(40, 0), (0, 40)]
    assert {c.waits_until for c in changes} == {WHEN + timedelta(hours=48)}


def test_owners_are_replaced_and_never_cleared(scene: Scene) -> None:
    editor = _admin(scene)
    with pytest.raises(Invalid, match="at least one owner") as refused:
        _change(scene, editor)
    assert refused.value.field == "owners"
    db.session.rollback()
    shares = db.session.get_one(Property, scene.place.id).shares
    assert [share.weight for share in shares] == [60, 40]


def test_the_first_owners_of_a_property_are_told(scene: Scene) -> None:
    for n, owner in enumerate(scene.owners):
        with transaction():
            db.session.get_one(Payee, owner.id).email = f"owner{n}@example.com"
    scene.place = rentals.property_of(scene.organisation, [])
    _change(scene, _admin(scene), 1, 3)
    mails = _mails(scene)
    assert sorted(mails) == ["owner0@example.com", "owner1@example.com"]
    assert "No part of it" in mails["owner0@example.com"]
    assert "25 %" in mails["owner0@example.com"]
    changes = db.session.scalars(select(ShareChange).order_by(ShareChange.payee_id)).all()
    assert [(c.weight_before, c.total_before, c.weight_after, c.total_after) for c in changes] == [
        (0, 0, 1, 4),
        (0, 0, 3, 4),
    ]


def test_weights_that_mean_the_same_shares_tell_nobody(scene: Scene) -> None:
    _change(scene, _admin(scene), 3, 2)
    assert _mails(scene) == {}
    collecting.recover(clock=lambda: WHEN)
