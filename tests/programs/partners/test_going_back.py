"""Payouts that end without being paid, and deals that change meanwhile: nobody loses what they never had."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from tests.factories import partners as factory
from tests.factories.partners import TODAY, commissions
from tests.factories.people import FACTORY, actor_of, user
from tests.programs.partners.test_deals import change, paid, shares, told
from tests.support.books import clean
from webapp.database import db, transaction
from webapp.kernel.errors import Conflict
from webapp.payouts import service as payouts
from webapp.payouts.models import Payout
from webapp.people.models import Organisation, Payee
from webapp.programs.partners import calculating, disputing, effects
from webapp.programs.partners.models import Commission, CommissionDispute, PartnerProgram


def ended(base: Organisation, payout_id: int, word: str = "reject", now: datetime = TODAY) -> None:
    """The payout, rejected or cancelled by a stranger."""
    row = db.session.get_one(Payout, payout_id)
    with transaction():
        getattr(payouts, word)(
            organisation_id=base.id, reference=row.reference, reason="The deal was lost.",
            actor=actor_of(user(organisation=base, role="admin")), now=now,
        )  # fmt: skip


def decide(row: Commission, *, is_offered: bool) -> None:
    """Offer a commission again, or dismiss it."""
    with transaction():
        calculating.decide_offer(
            organisation_id=row.organisation_id, reference=row.reference, is_offered=is_offered,
            reason="Settled on the phone.", actor=FACTORY, now=TODAY,
        )  # fmt: skip


@pytest.mark.parametrize("word", ["reject", "cancel"])
def test_lost_while_in_a_payout_that_ends_nothing_is_owed(
    base: Organisation, program: PartnerProgram, ann: Payee, word: str
) -> None:
    deal = factory.won(program, [ann])
    [payout_id] = factory.calculate(base).payout_ids
    factory.lost(deal)
    assert told(commissions(deal)) == [("sale", "claimed", 50_00), ("clawback", "open", -50_00)]
    ended(base, payout_id, word)
    assert [row.state for row in commissions(deal)] == ["cancelled", "cancelled"]
    assert clean(base)


def test_less_while_in_a_payout_that_ends_waits_as_one(
    base: Organisation, program: PartnerProgram, ann: Payee
) -> None:
    deal = factory.won(program, [ann])
    [payout_id] = factory.calculate(base).payout_ids
    change(deal, 600_00, "The invoice was changed.")
    ended(base, payout_id)
    sale, back = commissions(deal)
    assert (sale.kind, sale.offer, sale.amount_minor, back.state) == ("sale", "blocked", 30_00, "cancelled")


def test_what_another_payout_took_back_is_offered_again_not_dismissed(
    base: Organisation, program: PartnerProgram, ann: Payee
) -> None:
    deal = factory.won(program, [ann])
    [first] = factory.calculate(base).payout_ids
    factory.lost(deal)
    factory.won(program, [ann], 3_000_00)
    [second] = factory.calculate(base).payout_ids
    assert db.session.get_one(Payout, second).amount_minor == 100_00
    ended(base, first)
    [sale, _] = commissions(deal)
    assert (sale.state, sale.offer, sale.amount_minor) == ("open", "blocked", 50_00)
    with pytest.raises(Conflict, match=sale.reference):
        decide(sale, is_offered=False)
    decide(sale, is_offered=True)
    assert sale.offer == "open"


def test_what_was_dismissed_is_neither_taken_back_nor_paid_by_a_raise(
    base: Organisation, program: PartnerProgram, ann: Payee
) -> None:
    deal = factory.won(program, [ann])
    ended(base, factory.calculate(base).payout_ids[0])
    [sale] = commissions(deal)
    decide(sale, is_offered=False)
    change(deal, 1_400_00, "The invoice was changed.")
    assert told(commissions(deal)) == [("sale", "open", 50_00), ("correction", "open", 20_00)]
    factory.lost(deal)
    assert told(commissions(deal)) == [("sale", "open", 50_00), ("correction", "cancelled", 20_00)]
    assert sale.offer == "dismissed"


def test_what_was_forgiven_is_not_taken_back_again(
    base: Organisation, program: PartnerProgram, ann: Payee
) -> None:
    deal = factory.won(program, [ann])
    paid(base, *factory.calculate(base).payout_ids)
    factory.lost(deal)
    factory.won(program, [ann], 3_000_00)
    ended(base, factory.calculate(base).payout_ids[0], "cancel")
    back = commissions(deal)[1]
    decide(back, is_offered=False)
    change_nothing(deal.organisation_id, deal.id)
    assert told(commissions(deal)) == [("sale", "paid", 50_00), ("clawback", "open", -50_00)]


def change_nothing(organisation_id: int, deal_id: int, now: datetime = TODAY) -> None:
    """Bring the deal up to what it should be once more."""
    with transaction():
        calculating.earning.settle(
            organisation_id=organisation_id, deal_ids=[deal_id], reason="Again.", actor=FACTORY, now=now
        )


def test_a_payout_that_ends_frees_the_shares(base: Organisation, program: PartnerProgram, ann: Payee) -> None:
    ben = factory.partner(base, 1_000, name="Ben")
    deal = factory.won(program, [ann])
    ended(base, factory.calculate(base).payout_ids[0])
    factory.touch(deal, ben)
    assert shares(deal) == {ann.id: (500_000, 500_00), ben.id: (500_000, 500_00)}
    assert sorted(told(commissions(deal))) == [("sale", "open", 25_00), ("sale", "open", 50_00)]


def test_shares_stay_frozen_while_another_payout_pays_for_the_deal(
    base: Organisation, program: PartnerProgram, ann: Payee
) -> None:
    ben = factory.partner(base, 1_000, name="Ben")
    deal = factory.won(program, [ann, ben])
    _, second = factory.calculate(base).payout_ids
    ended(base, second)
    with pytest.raises(Conflict, match=deal.reference):
        factory.touch(deal, ben, type="demo")


def test_final_money_does_not_shield_what_is_still_on_its_way(base: Organisation, ann: Payee) -> None:
    deal = factory.won(factory.program(base, final_days=10), [ann])
    paid(base, *factory.calculate(base).payout_ids)
    later = TODAY + timedelta(days=11)
    change(deal, 5_000_00, "The customer bought more.")
    [payout_id] = factory.calculate(base, "2026-Q2", later).payout_ids
    [effect] = effects.of_losing(deal, later)
    factory.lost(deal, now=later)
    expected = [("sale", "paid", 50_00), ("correction", "claimed", 200_00), ("clawback", "open", -200_00)]
    assert told(commissions(deal)) == expected
    assert [m.amount for m in (effect.cancelled, effect.taken_back, effect.kept)] == [0, 200_00, 50_00]
    change_nothing(base.id, deal.id, later)
    assert told(commissions(deal)) == expected
    ended(base, payout_id, "cancel", later)
    assert [row.state for row in commissions(deal)] == ["paid", "cancelled", "cancelled"]


def objected(row: Commission) -> CommissionDispute:
    """The partner says that it is wrong."""
    with transaction():
        return disputing.raise_dispute(
            organisation_id=row.organisation_id, payee_id=row.payee_id, reference=row.reference, reason="It was right.",
            actor=FACTORY, now=TODAY,
        )  # fmt: skip


def test_an_objection_does_not_hold_what_is_taken_back(
    base: Organisation, program: PartnerProgram, ann: Payee
) -> None:
    deal = factory.won(program, [ann])
    paid(base, *factory.calculate(base).payout_ids)
    factory.lost(deal)
    back = commissions(deal)[1]
    assert objected(back).state == "open"
    with pytest.raises(Conflict, match="waits for an answer"):
        objected(back)
    factory.won(program, [ann], 3_000_00)
    [payout_id] = factory.calculate(base).payout_ids
    assert db.session.get_one(Payout, payout_id).amount_minor == 100_00


def test_what_is_objected_to_and_then_taken_back_is_not_held(
    base: Organisation, program: PartnerProgram, ann: Payee
) -> None:
    deal = factory.won(program, [ann])
    factory.calculate(base)
    change(deal, 1_400_00, "The invoice was changed.")
    objected(commissions(deal)[1])
    change(deal, 600_00, "The invoice was changed again.")
    back = commissions(deal)[1]
    assert (back.amount_minor, back.is_disputed) == (-20_00, False)


def test_a_commission_is_objected_to_once(program: PartnerProgram, ann: Payee) -> None:
    [row] = commissions(factory.won(program, [ann]))
    made = objected(row)
    with transaction():
        disputing.decide(
            organisation_id=made.organisation_id, dispute_id=made.id, is_accepted=False, answer="It is 5 %.",
            actor=FACTORY, now=TODAY,
        )  # fmt: skip
    with pytest.raises(Conflict, match="was answered"):
        objected(row)


def test_what_was_dismissed_does_not_cover_what_another_payout_took_back(
    base: Organisation, program: PartnerProgram, ann: Payee
) -> None:
    deal = factory.won(program, [ann])
    ended(base, factory.calculate(base).payout_ids[0])
    decide(commissions(deal)[0], is_offered=False)
    change(deal, 1_400_00, "The invoice was changed.")
    [second] = factory.calculate(base).payout_ids
    factory.lost(deal)
    factory.won(program, [ann], 3_000_00)
    factory.calculate(base)
    ended(base, second)
    expected = [("sale", "open", 50_00), ("correction", "open", 20_00), ("clawback", "claimed", -20_00)]
    assert told(commissions(deal)) == expected


def test_what_is_taken_back_comes_off_the_next_payout_whatever_its_period(
    base: Organisation, program: PartnerProgram, ann: Payee
) -> None:
    """The loss is found in March; the payout for February's earnings is made after it."""
    first = factory.won(program, [ann])
    factory.calculate(base)
    factory.lost(first)
    factory.won(program, [ann], 3_000_00)
    factory.calculate(base, until="2026-02")
    assert [row.state for row in commissions(first)][-1] == "claimed"
