"""Deals through their life: what each partner earns of them, and what is corrected or taken back."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from tests.factories import partners as factory
from tests.factories.partners import CLOSED, OPENED, TODAY, commissions
from tests.factories.people import FACTORY, actor_of, destination, method, user
from tests.support.books import clean
from webapp.database import db, transaction
from webapp.kernel.errors import Conflict, IllegalTransition, Invalid, NotFound, StaleVersion
from webapp.payouts import service as payouts
from webapp.payouts.models import Payout
from webapp.people.models import Organisation, Payee
from webapp.programs.partners import deals
from webapp.programs.partners.drafts import DealDraft, TouchDraft
from webapp.programs.partners.models import Attribution, Commission, Deal, PartnerProgram
from webapp.programs.partners.states import CommissionKind, CommissionState


@pytest.fixture
def ben(base: Organisation) -> Payee:
    """A partner who gets 10 %."""
    return factory.partner(base, 1_000, name="Ben")


def told(rows: list[Commission]) -> list[tuple[str, str, int]]:
    """Kind, state and amount of each."""
    return [(row.kind, row.state, row.amount_minor) for row in rows]


def shares(deal: Deal) -> dict[int, tuple[int, int]]:
    """Partner -> millionths and amount."""
    rows = db.session.query(Attribution).filter_by(deal_id=deal.id)
    return {row.payee_id: (row.millionths, row.amount_minor) for row in rows}


def paid(base: Organisation, payout_id: int) -> Payout:
    """The payout, approved by two strangers and paid by hand."""
    row = db.session.get_one(Payout, payout_id)
    with transaction():
        if row.payee.current_method is None:
            method(row.payee, destination(f"77{payout_id:08d}55"))
        while row.state == "pending_approval":
            approver = actor_of(user(organisation=base, role="admin"))
            payouts.approve(organisation_id=base.id, reference=row.reference, actor=approver, now=TODAY)
        payouts.mark_paid(
            organisation_id=base.id, reference=row.reference, paid_on=TODAY.date(), payment_reference=f"W{payout_id}",
            actor=actor_of(user(organisation=base, role="admin")), now=TODAY,
        )  # fmt: skip
    return row


def test_an_open_deal_is_attributed_and_earns_nothing(
    program: PartnerProgram, ann: Payee, ben: Payee
) -> None:
    deal = factory.deal(program, [ann, ben], 100_01)
    assert shares(deal) == {ann.id: (500_000, 50_01), ben.id: (500_000, 50_00)}
    assert commissions(deal) == []


def test_a_won_deal_earns_by_each_partners_rate(program: PartnerProgram, ann: Payee, ben: Payee) -> None:
    deal = factory.won(program, [ann, ben])
    assert told(commissions(deal)) == [("sale", "open", 25_00), ("sale", "open", 50_00)]
    assert [row.due_on for row in commissions(deal)] == [date(2026, 3, 12)] * 2


def test_winning_again_changes_nothing(base: Organisation, program: PartnerProgram, ann: Payee) -> None:
    deal = factory.won(program, [ann])
    version = deal.version
    with transaction():
        deals.win_deal(
            organisation_id=base.id, reference=deal.reference, closed_at=CLOSED, actor=FACTORY, now=TODAY
        )
    assert (deal.version, len(commissions(deal))) == (version, 1)


def test_a_touch_after_the_close_counts_for_nobody(program: PartnerProgram, ann: Payee, ben: Payee) -> None:
    deal = factory.won(program, [ann])
    factory.touch(deal, ben, happened_at=CLOSED + timedelta(days=1))
    assert list(shares(deal)) == [ann.id]


def test_a_touch_that_comes_later_changes_what_is_in_no_payout(
    program: PartnerProgram, ann: Payee, ben: Payee
) -> None:
    deal = factory.won(program, [ann])
    factory.touch(deal, ben, happened_at=OPENED)
    assert sorted(told(commissions(deal))) == [("sale", "open", 25_00), ("sale", "open", 50_00)]


def test_a_lost_deal_cancels_what_is_in_no_payout(program: PartnerProgram, ann: Payee) -> None:
    deal = factory.lost(factory.won(program, [ann]))
    assert [(row.state) for row in commissions(deal)] == ["cancelled"]


def test_a_payout_freezes_the_shares(
    base: Organisation, program: PartnerProgram, ann: Payee, ben: Payee
) -> None:
    deal = factory.won(program, [ann])
    factory.calculate(base)
    with pytest.raises(Conflict, match=deal.reference):
        factory.touch(deal, ben)
    assert shares(deal) == {ann.id: (1_000_000, 1_000_00)}


def test_lost_after_it_was_paid_is_taken_back_and_netted(
    base: Organisation, program: PartnerProgram, ann: Payee
) -> None:
    first = factory.won(program, [ann], 1_000_00)
    [payout_id] = factory.calculate(base).payout_ids
    paid(base, payout_id)
    factory.lost(first)
    assert told(commissions(first)) == [("sale", "paid", 50_00), ("clawback", "open", -50_00)]
    factory.won(program, [ann], 3_000_00)
    [second] = factory.calculate(base).payout_ids
    assert db.session.get_one(Payout, second).amount_minor == 100_00
    assert clean(base)


def test_below_zero_is_carried(base: Organisation, program: PartnerProgram, ann: Payee) -> None:
    first = factory.won(program, [ann], 1_000_00)
    paid(base, *factory.calculate(base).payout_ids)
    factory.lost(first)
    factory.won(program, [ann], 500_00)
    found = factory.calculate(base)
    assert (found.payout_ids, found.waiting[0].amount.amount) == ((), -25_00)
    assert {row.state for row in commissions(ann)[1:]} == {"open"}


def test_a_smaller_amount_after_the_payout_is_a_correction(
    base: Organisation, program: PartnerProgram, ann: Payee
) -> None:
    deal = factory.won(program, [ann], 1_000_00)
    factory.calculate(base)
    for amount, expected in (
        (1_400_00, ("correction", "open", 20_00)),
        (900_00, ("clawback", "open", -5_00)),
    ):
        change(deal, amount, "The invoice was changed.")
        assert told(commissions(deal)) == [("sale", "claimed", 50_00), expected]
    change(deal, 1_000_00, "It was right.")
    assert told(commissions(deal))[1][1] == "cancelled"


def change(deal: Deal, amount_minor: int, reason: str = "", **values: object) -> None:
    """The same deal over another amount."""
    draft = DealDraft(deal.program_id, deal.name, deal.currency, amount_minor, deal.opened_at)
    with transaction():
        deals.change_deal(
            organisation_id=deal.organisation_id, reference=deal.reference, draft=draft, reason=reason,
            actor=FACTORY, now=TODAY, **values,  # type: ignore[arg-type]
        )  # fmt: skip


def test_after_a_while_nothing_is_taken_back(base: Organisation, ann: Payee) -> None:
    deal = factory.won(factory.program(base, final_days=10), [ann])
    paid(base, *factory.calculate(base).payout_ids)
    factory.lost(deal, now=TODAY + timedelta(days=11))
    assert told(commissions(deal)) == [("sale", "paid", 50_00)]


def test_a_won_deal_changes_with_a_reason_only(program: PartnerProgram, ann: Payee) -> None:
    deal = factory.won(program, [ann])
    with pytest.raises(Invalid, match="reason"):
        change(deal, 5_00)


def test_somebody_else_was_quicker(program: PartnerProgram, ann: Payee) -> None:
    deal = factory.deal(program, [ann])
    with pytest.raises(StaleVersion):
        change(deal, 5_00, expected_version=deal.version - 1)


@pytest.mark.parametrize(("days", "field"), [(40, "closed_at"), (-60, "closed_at")])
def test_a_close_lies_between_the_beginning_and_now(
    base: Organisation, program: PartnerProgram, ann: Payee, days: int, field: str
) -> None:
    deal = factory.deal(program, [ann])
    closed_at = (TODAY if days > 0 else OPENED) + timedelta(days=days)
    with pytest.raises(Invalid) as refused, transaction():
        deals.win_deal(
            organisation_id=base.id, reference=deal.reference, closed_at=closed_at, actor=FACTORY, now=TODAY
        )
    assert refused.value.field == field


def test_an_open_deal_is_not_opened_again(base: Organisation, program: PartnerProgram, ann: Payee) -> None:
    deal = factory.deal(program, [ann])
    with pytest.raises(IllegalTransition, match=deal.reference), transaction():
        deals.reopen_deal(organisation_id=base.id, reference=deal.reference, actor=FACTORY, now=TODAY)


def test_a_lost_deal_that_opens_and_is_won_earns_again(
    base: Organisation, program: PartnerProgram, ann: Payee
) -> None:
    deal = factory.lost(factory.won(program, [ann]))
    with transaction():
        deals.reopen_deal(organisation_id=base.id, reference=deal.reference, actor=FACTORY, now=TODAY)
        deals.win_deal(
            organisation_id=base.id, reference=deal.reference, closed_at=CLOSED, actor=FACTORY, now=TODAY
        )
    assert told(commissions(deal)) == [("sale", "cancelled", 50_00), ("sale", "open", 50_00)]


def test_the_same_touch_of_another_system_is_stored_once(program: PartnerProgram, ann: Payee) -> None:
    deal = factory.deal(program, [])
    first = factory.touch(deal, ann, external_ref="T-1")
    assert factory.touch(deal, ann, external_ref="T-1").id == first.id
    with pytest.raises(Conflict, match="T-1"):
        factory.touch(deal, ann, external_ref="T-1", type="demo")


def test_other_organisations_see_nothing(program: PartnerProgram, ann: Payee) -> None:
    deal = factory.deal(program, [ann])
    other = factory.partnerbase()
    with pytest.raises(NotFound), transaction():
        deals.lose_deal(
            organisation_id=other.id, reference=deal.reference, reason="x", actor=FACTORY, now=TODAY
        )
    with pytest.raises(Invalid, match="program"), transaction():
        deals.create_deal(
            organisation_id=other.id,
            draft=DealDraft(program.id, "x", "USD", 1, OPENED),
            actor=FACTORY,
            now=TODAY,
        )


def test_another_organisations_partner_takes_part_in_nothing(program: PartnerProgram) -> None:
    stranger = factory.partner(factory.partnerbase())
    deal = factory.deal(program, [])
    with pytest.raises(NotFound), transaction():
        deals.add_touch(
            organisation_id=deal.organisation_id, reference=deal.reference,
            draft=TouchDraft(stranger.id, "referral", OPENED), actor=FACTORY, now=TODAY,
        )  # fmt: skip


def test_states_have_words() -> None:
    assert {str(each) for each in CommissionKind} == {"sale", "retainer", "clawback", "correction"}
    assert all(each.label for each in CommissionState)
