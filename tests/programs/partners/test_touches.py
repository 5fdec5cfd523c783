"""Touches that are taken back, and what stays final after a payout."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from tests.factories import partners as factory
from tests.factories.partners import OPENED, TODAY, commissions
from tests.factories.people import FACTORY
from webapp.audit.models import AuditEvent
from webapp.database import db, transaction
from webapp.kernel.errors import Conflict, NotFound
from webapp.people.models import Organisation
from webapp.programs.partners import calculating, deals, explaining
from webapp.programs.partners.drafts import DealDraft
from webapp.programs.partners.models import Deal, Touchpoint


def _remove(deal: Deal, touch_id: int, organisation_id: int | None = None) -> None:
    with transaction():
        deals.remove_touch(
            organisation_id=organisation_id or deal.organisation_id, reference=deal.reference, touch_id=touch_id,
            actor=FACTORY, now=TODAY,
        )  # fmt: skip


def _told(deal: Deal) -> list[tuple[str, str, int]]:
    return [(row.kind, row.state, row.amount_minor) for row in commissions(deal)]


def test_a_touch_that_is_removed_leaves_its_share_to_the_others(base: Organisation) -> None:
    """Of a deal that is won, the commissions follow; the trail has who did it."""
    ann, ben = factory.partner(base), factory.partner(base)
    deal = factory.won(factory.program(base), [ann, ben])
    touch = db.session.scalars(select(Touchpoint).where(Touchpoint.payee_id == ben.id)).one()
    _remove(deal, touch.id)
    assert [each.payee_id for each in explaining.explain(base.id, deal.id)] == [ann.id]
    assert _told(deal) == [("sale", "open", 50_00), ("sale", "cancelled", 25_00)]
    assert db.session.scalars(select(AuditEvent.tag).order_by(AuditEvent.id.desc())).all()[1] == (
        "partners:deal:touch_removed"
    )


def test_a_touch_that_a_payout_pays_for_stays(base: Organisation) -> None:
    deal = factory.won(factory.program(base), [factory.partner(base)])
    factory.calculate(base)
    touch = db.session.scalars(select(Touchpoint)).one()
    with pytest.raises(Conflict, match=deal.reference):
        _remove(deal, touch.id)
    db.session.rollback()
    assert db.session.scalars(select(Touchpoint)).one().id == touch.id


def test_only_a_touch_of_this_deal_and_organisation_is_removed(base: Organisation) -> None:
    program, ann = factory.program(base), factory.partner(base)
    deal, other = factory.deal(program, [ann]), factory.deal(program, [])
    touch_id = db.session.scalars(select(Touchpoint.id)).one()
    with pytest.raises(NotFound):
        _remove(other, touch_id)
    db.session.rollback()
    with pytest.raises(NotFound):
        _remove(deal, touch_id, factory.partnerbase().id)


def _change(deal: Deal, amount_minor: int) -> None:
    with transaction():
        deals.change_deal(
            organisation_id=deal.organisation_id, reference=deal.reference,
            draft=DealDraft(deal.program_id, deal.name, "USD", amount_minor, OPENED), reason="The order changed.",
            actor=FACTORY, now=TODAY,
        )  # fmt: skip


def _pay(deal: Deal) -> None:
    factory.calculate(db.session.get_one(Organisation, deal.organisation_id))
    [row] = [row for row in commissions(deal) if row.payout_id]
    with transaction():
        calculating.mark_paid(deal.organisation_id, row.payout_id or 0, TODAY)


def test_what_was_to_come_on_top_of_a_final_commission_does_not_come(base: Organisation) -> None:
    """Paid and final stays; the correction that was not paid yet is cancelled when the deal is lost."""
    deal = factory.won(factory.program(base, final_days=10), [factory.partner(base)])
    _pay(deal)
    _change(deal, 1_200_00)
    assert _told(deal) == [("sale", "paid", 50_00), ("correction", "open", 10_00)]
    factory.lost(deal, now=TODAY + timedelta(days=11))
    assert _told(deal) == [("sale", "paid", 50_00), ("correction", "cancelled", 10_00)]


def test_what_was_taken_back_in_time_is_not_given_up_when_it_is_final(base: Organisation) -> None:
    """The clawback that waits stays as large as it was begun, and does not grow."""
    deal = factory.won(factory.program(base, final_days=10), [factory.partner(base)])
    _pay(deal)
    _change(deal, 800_00)
    assert _told(deal) == [("sale", "paid", 50_00), ("clawback", "open", -10_00)]
    factory.lost(deal, now=TODAY + timedelta(days=11))
    assert _told(deal) == [("sale", "paid", 50_00), ("clawback", "open", -10_00)]
