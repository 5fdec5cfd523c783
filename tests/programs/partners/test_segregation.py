"""Whoever makes an amount does not approve it: each way in which a person changes a deal, its touches or its shares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from tests.factories import partners as factory
from tests.factories.partners import CLOSED, OPENED, TODAY
from tests.factories.people import FACTORY, actor_of, user
from webapp.database import db, transaction
from webapp.imports import kinds
from webapp.imports.perform import audit_tag, perform
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict
from webapp.payouts import service as payouts
from webapp.payouts.models import Payout
from webapp.people.models import Organisation, Payee
from webapp.programs.partners import choosing, deals, events, registering
from webapp.programs.partners.drafts import DealDraft, RegistrationDraft, TouchDraft
from webapp.programs.partners.events import EventDraft
from webapp.programs.partners.models import Deal, DealEditor, Touchpoint

#: The deal as it is entered, by nobody.
DRAFT = DealDraft(0, "Seats", "USD", 1_000_00, OPENED, "Acme", external_ref="crm-1")


@pytest.fixture
def admin(base: Organisation) -> Actor:
    """Somebody who would approve."""
    return actor_of(user(organisation=base, role="admin"))


@pytest.fixture
def deal(base: Organisation, ann: Payee) -> Deal:
    """An open deal of hers, entered and touched by nobody in particular."""
    return factory.deal(factory.program(base), [ann], name="Seats", customer="Acme", external_ref="crm-1")


def _change(deal: Deal, ann: Payee, actor: Actor) -> None:
    draft = replace(DRAFT, program_id=deal.program_id, amount_minor=100_000_00)
    deals.change_deal(organisation_id=deal.organisation_id, reference=deal.reference, draft=draft, actor=actor,
                      now=TODAY)  # fmt: skip


def _win(deal: Deal, ann: Payee, actor: Actor) -> None:
    deals.win_deal(organisation_id=deal.organisation_id, reference=deal.reference, closed_at=CLOSED, actor=actor,
                   now=TODAY)  # fmt: skip


def _lose_and_reopen(deal: Deal, ann: Payee, actor: Actor) -> None:
    here = {"organisation_id": deal.organisation_id, "reference": deal.reference}
    deals.lose_deal(**here, reason="Not now", actor=FACTORY, now=TODAY)  # type: ignore[arg-type]
    deals.reopen_deal(**here, actor=actor, now=TODAY)  # type: ignore[arg-type]


def _touch(deal: Deal, ann: Payee, actor: Actor) -> None:
    draft = TouchDraft(ann.id, "demo", OPENED + timedelta(days=3))
    deals.add_touch(organisation_id=deal.organisation_id, reference=deal.reference, draft=draft, actor=actor,
                    now=TODAY)  # fmt: skip


def _take_back(deal: Deal, ann: Payee, actor: Actor) -> None:
    ben = factory.partner(db.session.get_one(Organisation, deal.organisation_id))
    touch = factory.touch(deal, ben)
    deals.remove_touch(organisation_id=deal.organisation_id, reference=deal.reference, touch_id=touch.id,
                       actor=actor, now=TODAY)  # fmt: skip


def _accept(deal: Deal, ann: Payee, actor: Actor) -> None:
    draft = RegistrationDraft(deal.program_id, "Acme", "USD", 1_000_00)
    row = registering.register(organisation_id=deal.organisation_id, payee_id=ann.id, draft=draft, actor=FACTORY,
                               now=TODAY)  # fmt: skip
    registering.accept(organisation_id=deal.organisation_id, reference=row.reference, actor=actor, now=TODAY,
                       deal_reference=deal.reference)  # fmt: skip


def _tell(deal: Deal, ann: Payee, actor: Actor) -> None:
    draft = EventDraft("evt-1", "deal.updated", OPENED, "crm-1", {"amount": (9_000_00, "USD")})
    events.receive(organisation_id=deal.organisation_id, draft=draft, actor=actor, now=TODAY)


ACTS = [_change, _win, _lose_and_reopen, _touch, _take_back, _accept, _tell]


def excluded(base: Organisation, now: datetime = TODAY) -> dict[int, str]:
    """Who does not approve the payout of what is due, and why."""
    [payout_id] = factory.calculate(base, now=now).payout_ids
    return {each.user_id: each.reason for each in db.session.get_one(Payout, payout_id).exclusions}


@pytest.mark.parametrize("act", ACTS)
def test_who_changed_the_deal_does_not_approve_what_it_pays(
    base: Organisation, ann: Payee, admin: Actor, deal: Deal, act: Callable[[Deal, Payee, Actor], None]
) -> None:
    with transaction():
        act(deal, ann, admin)
    if act is not _win:
        with transaction():
            _win(deal, ann, FACTORY)
    assert excluded(base) == {admin.user_id: "changed one of these deals"}
    payout = db.session.scalars(select(Payout)).one()
    with pytest.raises(Conflict, match="changed one of these deals"), transaction():
        payouts.approve(organisation_id=base.id, reference=payout.reference, actor=admin, now=TODAY)


def test_who_accepts_what_the_deal_says_already_is_known_too(
    base: Organisation, ann: Payee, admin: Actor, deal: Deal
) -> None:
    with transaction():
        _accept(deal, ann, FACTORY)
        _accept(deal, ann, admin)
    with transaction():
        _win(deal, ann, FACTORY)
    assert list(excluded(base)) == [admin.user_id]


def test_who_brings_in_a_list_of_touches_does_not_approve(
    base: Organisation, ann: Payee, admin: Actor, deal: Deal
) -> None:
    kind = kinds.get_kind("touchpoints")
    text = f"id,deal,partner,type,date\nT-1,crm-1,{ann.reference},demo,2026-01-20\n"
    perform(kind=kind, data=text.encode(), organisation=base, audit_tag=audit_tag(kind), actor=admin,
            now=TODAY)  # fmt: skip
    with transaction():
        _win(deal, ann, FACTORY)
    assert len(db.session.scalars(select(Touchpoint)).all()) == 2
    assert list(excluded(base)) == [admin.user_id]


def test_a_payout_of_chosen_commissions_is_not_approved_by_them_either(
    base: Organisation, ann: Payee, admin: Actor, deal: Deal
) -> None:
    with transaction():
        _win(deal, ann, admin)
    [row] = factory.commissions(ann)
    with transaction():
        payout = choosing.create(
            organisation_id=base.id, payee_reference=ann.reference, references=[row.reference], actor=FACTORY,
            now=TODAY,
        )  # fmt: skip
    assert [each.user_id for each in payout.exclusions] == [admin.user_id]


def test_who_changed_another_deal_approves(base: Organisation, ann: Payee, admin: Actor, deal: Deal) -> None:
    with transaction():
        _win(deal, ann, FACTORY)
    other = factory.deal(factory.program(base), [ann], external_ref="crm-2")
    with transaction():
        _touch(other, ann, admin)
        _touch(other, ann, admin)
    assert excluded(base) == {}
    assert db.session.scalars(select(DealEditor.user_id)).all() == [admin.user_id]
