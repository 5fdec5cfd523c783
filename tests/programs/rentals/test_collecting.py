"""The gateway is asked as it wishes to be asked, and nothing that was lost stays lost."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta

import pytest
from sqlalchemy import delete, select

from tests.factories.people import FACTORY
from tests.factories.rentals import WHEN, charge, griha, owner, property_of
from tests.programs.rentals.gateway import ScriptedGateway
from webapp.database import db, transaction
from webapp.outbox.models import OutboxMessage
from webapp.programs.rentals import collecting, returns
from webapp.programs.rentals.models import RentPayment, RentReturn
from webapp.providers import registry
from webapp.providers.ports import CollectionAnswer, CollectionState

pytestmark = pytest.mark.usefixtures("database")
_C = CollectionState


def _begin(gateway: ScriptedGateway) -> int:
    organisation = griha()
    charge_id = charge(property_of(organisation, [(owner(organisation), 1)])).id
    with registry.collecting_with("phonepe", gateway):
        collecting.open_order(
            charge_id=charge_id, return_url="http://localhost/", actor=FACTORY, clock=lambda: WHEN
        )
    db.session.rollback()
    return int(db.session.scalars(select(RentPayment.id)).one())


def _questions() -> list[datetime]:
    db.session.rollback()
    query = select(OutboxMessage.not_before).where(
        OutboxMessage.kind.in_(("rent.check", "rent.return")), OutboxMessage.done_at.is_(None)
    )
    return list(db.session.scalars(query.order_by(OutboxMessage.id)))


def test_an_open_order_is_asked_about_on_the_gateways_schedule() -> None:
    gateway = ScriptedGateway()
    payment_id, asked = _begin(gateway), []
    with registry.collecting_with("phonepe", gateway):
        for _ in range(40):
            (at,) = _questions()[-1:]
            asked.append((at - WHEN).total_seconds())
            collecting.check(payment_id=payment_id, is_scheduled=True, clock=lambda at=at: at)  # type: ignore[misc]
    assert asked[0] == 20
    # 3 s for 30 s, 6 s for 60 s, 10 s for 60 s, 30 s for 60 s, then every minute.
    steps = [round(b - a) for a, b in itertools.pairwise(asked)]
    assert steps == [3] * 10 + [6] * 10 + [10] * 6 + [30] * 2 + [60] * 11


def test_after_the_last_word_is_overdue_it_is_asked_about_every_hour() -> None:
    gateway = ScriptedGateway([_C.UNKNOWN])
    payment_id, late = _begin(gateway), WHEN + timedelta(hours=2)
    with registry.collecting_with("phonepe", gateway):
        collecting.check(payment_id=payment_id, clock=lambda: late)
    assert _questions()[-1] == late + timedelta(hours=1)


def test_a_question_that_was_lost_is_put_back_once() -> None:
    _begin(ScriptedGateway())
    with transaction() as session:
        session.execute(delete(OutboxMessage))
    assert collecting.recover(clock=lambda: WHEN + timedelta(minutes=1)) == 0
    later = WHEN + timedelta(minutes=3)
    assert [collecting.recover(clock=lambda: later) for _ in range(2)] == [1, 0]
    assert _questions() == [later]


def test_a_refund_that_was_lost_is_put_back() -> None:
    gateway = ScriptedGateway([_C.COMPLETED])
    gateway.statuses = [CollectionAnswer(_C.COMPLETED, "OM1", amount_minor=10_200_00)]
    payment_id = _begin(gateway)
    with registry.collecting_with("phonepe", gateway):
        collecting.check(payment_id=payment_id, clock=lambda: WHEN)
        payment = db.session.get_one(RentPayment, payment_id)
        organisation_id, reference = payment.organisation_id, payment.reference
        db.session.rollback()
        with transaction():
            returns.order_refund(
                organisation_id=organisation_id, reference=reference, amount_minor=100_00,
                reason="Paid twice.", actor=FACTORY, now=WHEN,
            )  # fmt: skip
        with transaction() as session:
            session.execute(delete(OutboxMessage))
        later = WHEN + timedelta(minutes=3)
        assert collecting.recover(clock=lambda: later) == 1
        (row,) = db.session.scalars(select(RentReturn.id)).all()
        db.session.rollback()
        returns.work(return_id=row, clock=lambda: later)
    assert [amount for _, amount in gateway.refunded] == [100_00]
    assert _questions() == [later, later + timedelta(seconds=3)]
