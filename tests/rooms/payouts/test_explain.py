""" "Why not paid yet?" and what a person could do: the same words as the service's refusals."""

from __future__ import annotations

from datetime import datetime

import pytest
from flask import Flask

from tests import factories
from tests.factories.payouts import payout
from tests.rooms.payouts.test_life_cycle import bring_to
from webapp.database import db, transaction
from webapp.kernel.errors import NotAllowed
from webapp.payouts import explain, service
from webapp.payouts.states import PayoutAction, PayoutState

_S = PayoutState


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (_S.PENDING_APPROVAL, "It is not approved yet."),
        (_S.PROCESSING, "A worker sends it within seconds."),
        (_S.FAILED, "The last try failed: The bank refused the transfer."),
        (_S.RETRY_SCHEDULED, "Paydesk tries again on 20 Nov 2026, 07:0"),
        (_S.REVERSED, "The bank returned it"),
        (_S.REJECTED, "It was rejected: wrong"),
        (_S.CANCELLED, "It was cancelled: wrong"),
    ],
)
def test_why_it_is_not_paid_yet(database: Flask, now: datetime, state: PayoutState, words: str) -> None:
    found = bring_to(state, factories.organisation(), now)
    assert words in " ".join(explain.why_not_paid(found, now))


@pytest.mark.parametrize("state", [_S.PAID, _S.APPROVED])
def test_nothing_is_wrong_with_what_is_paid_or_can_be(
    database: Flask, now: datetime, state: PayoutState
) -> None:
    assert explain.why_not_paid(bring_to(state, factories.organisation(), now), now) == []


def test_offers_name_what_stops_this_person_as_the_service_does(database: Flask, now: datetime) -> None:
    organisation = factories.organisation()
    payee = factories.payee(organisation)
    factories.method(payee)
    me = factories.user(organisation=organisation, role="admin")
    actor = factories.actor_of(me)
    made = payout(organisation, payee, actor=actor)
    offers = {offer.action: offer for offer in explain.offers(made, me.id, now)}
    assert set(offers) == {PayoutAction.APPROVE, PayoutAction.REJECT, PayoutAction.EDIT, PayoutAction.CANCEL}
    assert offers[PayoutAction.REJECT].is_possible
    assert not offers[PayoutAction.APPROVE].is_possible
    organisation_id, reference = organisation.id, made.reference
    db.session.rollback()
    with pytest.raises(NotAllowed) as refused, transaction():
        service.approve(organisation_id=organisation_id, reference=reference, actor=actor, now=now)
    assert tuple(refused.value.reasons) == offers[PayoutAction.APPROVE].reasons


@pytest.mark.parametrize("state", list(PayoutState))
def test_only_what_the_table_allows_is_offered(database: Flask, now: datetime, state: PayoutState) -> None:
    from webapp.payouts.states import possible_actions

    found = bring_to(state, factories.organisation(), now)
    offered = [offer.action for offer in explain.offers(found, None, now)]
    assert set(offered) <= set(possible_actions(state))
    assert (PayoutAction.HOLD in offered) == (state in (_S.APPROVED, _S.FAILED))
    assert PayoutAction.RELEASE not in offered
