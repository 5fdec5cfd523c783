"""What the page of an approved payout says that nobody has to send: when it leaves, what stops it, who must act."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

from tests.factories import people
from tests.factories.pages import Place
from tests.factories.people import FACTORY
from tests.rooms.payouts_views.conftest import HOUR
from webapp.database import db, transaction
from webapp.outbox import service as outbox
from webapp.payouts import execution, policies, service
from webapp.payouts.models import Payout
from webapp.payouts.policy import default_rules


def _rules(place: Place, **rules: Any) -> None:
    organisation = place.organisation
    wanted = {**default_rules(organisation.currency), "paid_by_itself": ["installations"], **rules}
    with transaction():
        service.change_policy(organisation_id=organisation.id, rules=wanted, actor=FACTORY, now=HOUR)


def _approved(place: Place) -> Payout:
    return place.approved(amount=10_000, now=HOUR)


def _status(place: Place, payout: Payout) -> str:
    reference = payout.reference
    db.session.rollback()
    html = place.client(place.approver).get(f"/admin/payouts/{reference}/status").text
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)))


def test_what_is_due_leaves_within_a_minute_and_nobody_must_act(place: Place) -> None:
    _rules(place)
    words = _status(place, _approved(place))
    assert "It leaves by itself within a minute." in words
    assert "Who must act" not in words
    assert "It can be paid now" not in words


def test_what_waits_for_its_cut_off_says_when(place: Place) -> None:
    _rules(place, cut_off={"installations": "23:30"})
    words = _status(place, _approved(place))
    assert re.search(r"It leaves by itself on 21 Nov 2026, 23:30 \w+; until then it can be stopped\.", words)
    assert "Who must act" not in words


def test_what_is_stopped_says_by_what_and_asks_for_an_admin(place: Place) -> None:
    _rules(place)
    payout = _approved(place)
    payout_id = payout.id
    with transaction():
        policies.halt(
            organisation_id=place.organisation.id,
            rail="*",
            reason="The bank asked us to.",
            actor=FACTORY,
            now=HOUR,
        )
    with transaction():
        (message,) = outbox.claim_some(queue_name="money", worker="w", now=HOUR, sizes={})
    later = execution.pay_due(payout_id=payout_id, clock=lambda: HOUR)
    assert later is not None
    with transaction():
        outbox.postpone(claimed=message, later=later)
    words = _status(place, db.session.get_one(Payout, payout_id))
    assert "It leaves by itself once nothing stops it any more:" in words
    assert "The bank asked us to." in words
    assert "Who must act: An admin" in words


def test_what_people_send_still_says_so(place: Place) -> None:
    for rules in ({"paid_by_itself": []}, {"rails": ["manual"]}):
        _rules(place, **rules)
        words = _status(place, _approved(place))
        assert "It can be paid now." in words
        assert "Who must act: An admin" in words


def test_what_is_held_says_only_that(place: Place) -> None:
    _rules(place)
    payout = _approved(place)
    reference = payout.reference
    same: dict[str, Any] = {
        "organisation_id": place.organisation.id, "reference": reference,
        "actor": people.actor_of(place.approver), "now": HOUR,
    }  # fmt: skip
    db.session.rollback()
    with transaction():
        service.hold(reason="Look at it.", **same)
    assert "On hold: Look at it." in _status(place, payout)
    with transaction():
        assert service.release(**same).message == f"{reference} is released. It leaves by itself."
    assert execution.pay_due(payout_id=payout.id, clock=lambda: HOUR) is None


def test_whoever_approves_is_told_that_it_leaves_by_itself(place: Place) -> None:
    _rules(place)
    payout = place.payout(amount=10_000)
    with transaction():
        result = service.approve(
            organisation_id=place.organisation.id, reference=payout.reference,
            actor=people.actor_of(place.approver), now=HOUR,
        )  # fmt: skip
        assert result.message.endswith("is approved. It leaves by itself.")
