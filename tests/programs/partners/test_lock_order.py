"""Acts that cross upon the same deals: one waits for the other, none goes in a circle, and what comes out adds up."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from tests.factories import partners as factory
from tests.factories.partners import CLOSED, OPENED, TODAY, commissions
from tests.factories.people import FACTORY, actor_of, user
from tests.programs.partners.acts import calculate, change, list_of
from tests.programs.partners.crossing import Act, Crossing
from tests.support.books import clean
from webapp.database import db, transaction
from webapp.imports.cells import BadCells
from webapp.kernel.errors import Conflict
from webapp.payouts import service as payouts
from webapp.payouts.models import Payout
from webapp.people.models import Organisation, Payee
from webapp.programs.partners import calculating, choosing, deals, earning, locking, partners, retainers
from webapp.programs.partners.drafts import ProgramDraft, TouchDraft
from webapp.programs.partners.importing.touchpoints import TouchImport
from webapp.programs.partners.models import Attribution, Commission, Deal, PartnerProgram, Touchpoint
from webapp.programs.partners.states import Model

Maker = Callable[[Organisation, Payee, Deal], Act]


def _calculate(base: Organisation, payee: Payee, deal: Deal) -> Act:
    return calculate(base, payee)


def _choose(base: Organisation, payee: Payee, deal: Deal) -> Act:
    here, whose = base.id, payee.reference
    named = [row.reference for row in commissions(deal) if row.payee_id == payee.id]

    def act() -> int:
        choosing.create(
            organisation_id=here, payee_reference=whose, references=named, actor=FACTORY, now=TODAY
        )
        return 1

    return act


#: Who makes payouts of commissions, and the function before which it has locked all that it takes.
MAKERS = pytest.mark.parametrize(
    ("maker", "before"),
    [
        (_calculate, (calculating.creation_many, "create_many")),
        (_choose, (choosing.payouts, "create")),
    ],
)


def _win(deal: Deal, closed_at: Any) -> Act:
    here, reference = deal.organisation_id, deal.reference
    return lambda: (
        deals.win_deal(
            organisation_id=here, reference=reference, closed_at=closed_at, actor=FACTORY, now=TODAY
        ).reference
    )


def _touch(deal: Deal, payee: Payee) -> Act:
    here, reference, draft = (
        deal.organisation_id,
        deal.reference,
        TouchDraft(payee.id, "demo", deal.opened_at),
    )
    return lambda: (
        deals.add_touch(organisation_id=here, reference=reference, draft=draft, actor=FACTORY, now=TODAY).id
    )


def _list_of_touches(deal: Deal, payee: Payee) -> Act:
    return list_of(
        deal.organisation_id, TouchImport, "touchpoints", "partner,deal,touch_type,happened_at,external_ref",
        f"{payee.reference},{deal.reference},demo,2026-01-20,T-1",
    )  # fmt: skip


def _amounts(of: Deal | Payee) -> list[tuple[int, str]]:
    return [(row.amount_minor, row.state) for row in commissions(of)]


@MAKERS
def test_a_payout_waits_for_a_deal_that_is_changed(
    base: Organisation, crossing: Crossing, maker: Maker, before: Any
) -> None:
    ann = factory.partner(base)
    deal = factory.won(factory.program(base), [ann])
    crossing.stop_at(earning, "settle")
    replies = crossing.meet(change(deal, 3_000_00), maker(base, ann, deal))
    assert replies == [deal.reference, 1]
    assert _amounts(deal) == [(150_00, "claimed")]
    assert clean(base)


@MAKERS
def test_a_change_waits_for_a_payout_that_is_made(
    base: Organisation, crossing: Crossing, maker: Maker, before: Any
) -> None:
    ann = factory.partner(base)
    deal = factory.won(factory.program(base), [ann])
    crossing.stop_at(*before)
    replies = crossing.meet(maker(base, ann, deal), change(deal, 3_000_00))
    assert replies == [1, deal.reference]
    assert _amounts(deal) == [(50_00, "claimed"), (100_00, "open")]
    assert clean(base)


def test_deals_are_locked_in_the_order_in_which_they_follow_one_another(
    base: Organisation, crossing: Crossing
) -> None:
    """The deal that closed last is the older record; what happens to the early one reaches it."""
    factory.rule(base, months=1)
    ann, program = factory.partner(base), factory.program(base)
    late = factory.won(program, [ann], closed_at=CLOSED + timedelta(days=5))
    early = factory.won(program, [ann], closed_at=CLOSED)
    crossing.stop_at(earning.firsts, "deals_that_follow")
    replies = crossing.meet(change(early, 3_000_00), calculate(base, ann))
    assert replies == [early.reference, 1]
    assert _amounts(early) + _amounts(late) == [(300_00, "claimed"), (100_00, "claimed")]


@MAKERS
@pytest.mark.parametrize(("touch", "refusal"), [(_touch, Conflict), (_list_of_touches, BadCells)])
def test_a_touch_that_comes_while_a_payout_is_made_is_refused(
    base: Organisation, crossing: Crossing, maker: Maker, before: Any, touch: Any, refusal: type[Exception]
) -> None:
    ann, ben = factory.partner(base), factory.partner(base)
    deal = factory.won(factory.program(base), [ann])
    crossing.stop_at(*before)
    made, refused = crossing.meet(maker(base, ann, deal), touch(deal, ben))
    assert (made, type(refused)) == (1, refusal)
    reason = str(refused.errors[0]) if isinstance(refused, BadCells) else str(refused)
    assert reason.startswith("A payout pays for")
    shares = db.session.scalars(select(Attribution)).all()
    assert [(row.payee_id, row.is_frozen) for row in shares] == [(ann.id, True)]
    assert db.session.query(Touchpoint).count() == 1
    assert _amounts(deal) == [(50_00, "claimed")]


@MAKERS
@pytest.mark.parametrize("touch", [_touch, _list_of_touches])
def test_a_payout_has_the_share_that_a_touch_has_just_left(
    base: Organisation, crossing: Crossing, maker: Maker, before: Any, touch: Any
) -> None:
    ann, ben = factory.partner(base), factory.partner(base)
    deal = factory.won(factory.program(base), [ann])
    crossing.stop_at(earning, "settle")
    _, made = crossing.meet(touch(deal, ben), maker(base, ann, deal))
    assert made == 1
    assert _amounts(deal) == [(25_00, "claimed"), (25_00, "open")]
    assert all(row.is_frozen for row in db.session.scalars(select(Attribution)))


def test_what_is_earned_is_counted_by_what_a_person_has_just_decided(
    base: Organisation, crossing: Crossing
) -> None:
    """A decision holds its commission alone, without the deal: the sum waits for it at the commissions."""
    ann = factory.partner(base)
    deal = factory.won(factory.program(base), [ann])
    [payout_id] = factory.calculate(base).payout_ids
    with transaction():
        payouts.reject(
            organisation_id=base.id, reference=db.session.get_one(Payout, payout_id).reference, reason="Not signed.",
            actor=actor_of(user(organisation=base, role="admin")), now=TODAY,
        )  # fmt: skip
    [row] = commissions(deal)
    here, reference = base.id, row.reference
    crossing.stop_at(calculating.trail, "record")
    replies = crossing.meet(
        lambda: calculating.decide_offer(
            organisation_id=here, reference=reference, is_offered=False, reason="It was agreed.", actor=FACTORY,
            now=TODAY,
        ).offer,
        change(deal, 3_000_00),
    )  # fmt: skip
    assert replies == ["dismissed", deal.reference]
    rows = [(row.amount_minor, row.offer) for row in commissions(deal)]
    assert rows == [(50_00, "dismissed"), (100_00, "open")]
    assert clean(base)


def test_a_deal_that_follows_is_locked_before_numbers_are_taken(
    base: Organisation, crossing: Crossing
) -> None:
    factory.rule(base, months=1)
    ann, program = factory.partner(base), factory.program(base, holding_days=0)
    late = factory.won(program, [ann], closed_at=CLOSED + timedelta(days=40))
    factory.calculate(base)
    early = factory.deal(program, [ann])
    crossing.stop_at(earning, "_remember")
    replies = crossing.meet(_win(early, CLOSED), change(late, 3_000_00))
    assert replies == [early.reference, late.reference]
    assert sum(minor for minor, _ in _amounts(late)) == 150_00


def test_retainers_wait_for_a_deal_that_is_won(base: Organisation, crossing: Crossing) -> None:
    program = factory.program(base)
    long_ago = date(2026, 1, 1)
    factory.rule(base, currency="USD", retainer_minor=200_00, valid_from=long_ago)
    ann = factory.partner(base)
    with transaction():
        for record in (ann, program):
            db.session.merge(record).created_at = OPENED - timedelta(days=30)
    deal, here = factory.deal(program, [ann]), base.id
    # It has the numbers of its commissions, which name their program next.
    crossing.stop_at(earning, "next_numbers", is_after=True)
    replies = crossing.meet(
        _win(deal, CLOSED),
        lambda: retainers.accrue(organisation_id=here, until="2026-03", actor=FACTORY, now=TODAY),
    )
    assert replies == [deal.reference, 3]
    assert sorted(row.kind for row in commissions(ann)) == ["retainer"] * 3 + ["sale"]


def test_another_model_waits_for_a_deal_that_is_won(base: Organisation, crossing: Crossing) -> None:
    program = factory.program(base)
    deal = factory.deal(program, [factory.partner(base)])
    here, reference, name = base.id, program.reference, program.name
    crossing.stop_at(earning, "settle")
    replies = crossing.meet(
        _win(deal, CLOSED),
        lambda: partners.change_program(
            organisation_id=here, reference=reference, draft=ProgramDraft(name, model=Model.LAST_TOUCH.value),
            actor=FACTORY, now=TODAY,
        ).reference,
    )  # fmt: skip
    assert replies == [deal.reference, reference]
    assert _amounts(deal) == [(50_00, "open")]
    assert db.session.query(PartnerProgram).one().model == Model.LAST_TOUCH.value
    assert db.session.query(Commission).count() == 1


def test_commissions_of_a_payout_are_locked_by_their_ids(base: Organisation, crossing: Crossing) -> None:
    """Whoever has the first of them is waited for before another one is taken, wherever the rows lie."""
    ann, program = factory.partner(base), factory.program(base)
    rows = [row.id for _ in range(3) for row in commissions(factory.won(program, [ann]))]
    with transaction():
        calculate(base, ann)()
    payout_id, here = db.session.scalars(select(Payout.id)).one(), base.id
    # By leaving the payout and coming back the first lies behind the others, in the index, too.
    for values in ({"state": "open", "payout_id": None}, {"state": "claimed", "payout_id": payout_id}):
        with transaction():
            db.session.execute(update(Commission).where(Commission.id == rows[0]).values(**values))
    crossing.stop_at(locking, "by_id", is_after=True)

    def first_and_last() -> list[int]:
        locking.by_id([Commission.id == rows[0]])
        last = select(Commission.id).where(Commission.id == rows[-1]).with_for_update(nowait=True)
        return list(db.session.scalars(last))

    taken, paid = crossing.meet(first_and_last, lambda: calculating.mark_paid(here, payout_id, TODAY))
    assert (taken, paid) == ([rows[-1]], None)
    assert _amounts(ann) == [(50_00, "paid")] * 3


def test_who_changes_a_deal_does_not_wait_for_payouts_that_are_paid_together(
    base: Organisation, crossing: Crossing
) -> None:
    """The last commission of the deal is paid first; whoever had the first and waited for it would close the circle."""
    ann, ben, program = factory.partner(base), factory.partner(base), factory.program(base)
    deal = factory.won(program, [ann, ben])
    with transaction():
        calculate(base, ann, ben)()
    payouts_of = {row.payee_id: row.payout_id or 0 for row in commissions(deal)}
    here, (first, last) = base.id, (payouts_of[ann.id], payouts_of[ben.id])
    crossing.stop_at(locking, "by_id", is_after=True)

    def a_batch() -> None:
        for payout_id in (last, first):
            calculating.mark_paid(here, payout_id, TODAY)

    replies = crossing.meet(a_batch, change(deal, 3_000_00))
    assert replies == [None, deal.reference]
    assert _amounts(deal) == [(25_00, "paid"), (25_00, "paid"), (50_00, "open"), (50_00, "open")]
    assert clean(base)
