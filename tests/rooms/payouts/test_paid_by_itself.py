"""Programs whose payouts need nobody to send them: what goes by itself, when, and what must not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from tests import factories
from tests.factories.payouts import payout_ready
from tests.factories.people import FACTORY
from webapp.database import db, transaction
from webapp.outbox.models import OutboxMessage
from webapp.outbox.service import Later
from webapp.payouts import execution, policies, service
from webapp.payouts.models import Payout, Transfer
from webapp.payouts.policy import default_rules
from webapp.people.models import Organisation

pytestmark = pytest.mark.usefixtures("database")
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def _organisation(**rules: Any) -> Organisation:
    organisation = factories.organisation()
    wanted = {**default_rules(organisation.currency), "paid_by_itself": ["installations"], **rules}
    with transaction():
        service.change_policy(organisation_id=organisation.id, rules=wanted, actor=FACTORY, now=NOW)
    return organisation


def _asked(payout: Payout) -> list[datetime]:
    query = select(OutboxMessage.not_before).where(
        OutboxMessage.kind == "payout.pay", OutboxMessage.reference_id == payout.id
    )
    return list(db.session.scalars(query))


def _pay(payout_id: int, now: datetime = NOW) -> tuple[Later | None, int]:
    answer = execution.pay_due(payout_id=payout_id, clock=lambda: now)
    return answer, len(db.session.scalars(select(Transfer).where(Transfer.payout_id == payout_id)).all())


def test_an_approved_payout_is_sent_once() -> None:
    payout = payout_ready(_organisation(), now=NOW)
    assert _asked(payout) == [NOW]
    payout_id = payout.id
    assert _pay(payout_id) == (None, 1)
    assert _pay(payout_id) == (None, 1)
    assert db.session.get_one(Payout, payout_id).state == "processing"


def test_other_programs_wait_for_a_person() -> None:
    payout = payout_ready(_organisation(paid_by_itself=["rentals"]), now=NOW)
    assert _asked(payout) == []
    assert _pay(payout.id) == (None, 0)


def test_it_waits_for_the_cut_off() -> None:
    organisation = _organisation(cut_off={"installations": "23:30"})
    payout = payout_ready(organisation, now=NOW)
    (at,) = _asked(payout)
    assert at > NOW + timedelta(hours=1)


def test_a_passed_cut_off_does_not_hold_it() -> None:
    payout = payout_ready(_organisation(cut_off={"installations": "00:05"}), now=NOW)
    assert _asked(payout) == [NOW]


def test_a_halt_keeps_it_waiting() -> None:
    organisation = _organisation()
    payout_id = payout_ready(organisation, now=NOW).id
    with transaction():
        policies.halt(
            organisation_id=organisation.id, rail="*", reason="The bank asked us to.", actor=FACTORY, now=NOW
        )
    answer, transfers = _pay(payout_id)
    assert isinstance(answer, Later)
    assert (answer.at, transfers) == (NOW + timedelta(minutes=5), 0)
    assert "The bank asked us to." in answer.reason


def test_a_held_payout_waits() -> None:
    payout = payout_ready(_organisation(), now=NOW)
    organisation_id, payout_id, reference = payout.organisation_id, payout.id, payout.reference
    with transaction():
        service.hold(
            organisation_id=organisation_id, reference=reference, reason="Look at it.", actor=FACTORY, now=NOW
        )
    answer, transfers = _pay(payout_id)
    assert isinstance(answer, Later)
    assert transfers == 0


def test_rules_that_changed_meanwhile_stop_it() -> None:
    organisation = _organisation()
    payout_id = payout_ready(organisation, now=NOW).id
    with transaction():
        service.change_policy(
            organisation_id=organisation.id,
            rules=default_rules(organisation.currency),
            actor=FACTORY,
            now=NOW,
        )
    assert _pay(payout_id) == (None, 0)


def test_what_is_paid_by_hand_waits_for_a_person() -> None:
    payout = payout_ready(_organisation(rails=["manual"]), now=NOW)
    assert _pay(payout.id) == (None, 0)
