"""Commissions become payouts: each once, whoever calculates and however often."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask

from tests.factories import partners as factory
from tests.factories.partners import TODAY, commissions
from tests.factories.people import FACTORY, actor_of, user
from tests.rooms.payouts.test_races import together
from tests.support.books import clean
from webapp.database import db, transaction
from webapp.kernel.errors import Invalid
from webapp.payouts import service as payouts
from webapp.payouts.models import Payout
from webapp.people.models import Organisation
from webapp.programs.partners import calculating
from webapp.programs.partners.drafts import PROGRAM


def made(organisation: Organisation) -> list[int]:
    """The amounts of all payouts of the program."""
    rows = db.session.query(Payout).filter_by(organisation_id=organisation.id, program=PROGRAM)
    return sorted(row.amount_minor for row in rows)


def test_one_payout_for_each_partner_and_currency(base: Organisation) -> None:
    ann, ben = factory.partner(base), factory.partner(base)
    program = factory.program(base)
    factory.won(program, [ann])
    factory.won(program, [ann, ben])
    factory.won(program, [ben], 700_00, currency="EUR")
    factory.calculate(base)
    assert made(base) == [25_00, 35_00, 75_00]
    assert clean(base)


def test_calculating_again_adds_nothing(base: Organisation) -> None:
    factory.won(factory.program(base), [factory.partner(base)])
    factory.calculate(base)
    assert factory.calculate(base) == calculating.Calculated((), ())
    assert made(base) == [50_00]


def test_nothing_is_paid_in_the_holding_period(base: Organisation) -> None:
    factory.won(factory.program(base, holding_days=90), [factory.partner(base)])
    assert calculating.partners_due(base.id, "2026-Q1", TODAY, 0, 10) == []


def test_nothing_of_a_later_period_is_paid(base: Organisation) -> None:
    factory.won(factory.program(base, holding_days=0), [factory.partner(base)])
    assert calculating.partners_due(base.id, "2026-01", TODAY, 0, 10) == []


def test_below_the_minimum_it_rolls_over(base: Organisation) -> None:
    ann, program = factory.partner(base), factory.program(base, minimums={"USD": 60_00})
    factory.won(program, [ann])
    [waits] = factory.calculate(base).waiting
    assert "rolls over" in waits.reason
    factory.won(program, [ann])
    factory.calculate(base)
    assert made(base) == [100_00]


def test_what_is_disputed_waits_alone(base: Organisation) -> None:
    ann, program = factory.partner(base), factory.program(base)
    first = factory.won(program, [ann])
    factory.won(program, [ann], 400_00)
    with transaction():
        commissions(first)[0].is_disputed = True
    factory.calculate(base)
    assert made(base) == [20_00]


def test_who_is_switched_off_waits(base: Organisation) -> None:
    ann = factory.partner(base, name="Ann")
    factory.won(factory.program(base), [ann])
    with transaction():
        ann.is_active = False
    [waits] = factory.calculate(base).waiting
    assert waits.reason == "Ann is not active."


def test_a_rejected_payout_frees_its_commissions_for_a_decision(base: Organisation) -> None:
    deal = factory.won(factory.program(base), [factory.partner(base)])
    [payout_id] = factory.calculate(base).payout_ids
    payout = db.session.get_one(Payout, payout_id)
    with transaction():
        payouts.reject(
            organisation_id=base.id, reference=payout.reference, reason="The deal is not signed.",
            actor=actor_of(user(organisation=base, role="admin")), now=TODAY,
        )  # fmt: skip
    [row] = commissions(deal)
    assert (row.state, row.offer, row.payout_id) == ("open", "blocked", None)
    assert payout.reference in row.offer_reason
    assert factory.calculate(base) == calculating.Calculated((), ())
    with transaction():
        row.offer = "open"
    factory.calculate(base)
    assert made(base) == [50_00, 50_00]
    assert clean(base)


def test_a_wrong_period_is_refused(base: Organisation) -> None:
    with pytest.raises(Invalid):
        calculating.partners_due(base.id, "2026-14", TODAY, 0, 10)


def test_who_set_the_rate_or_entered_the_deal_does_not_approve(base: Organisation) -> None:
    admin = user(organisation=base, role="admin")
    ann, program = factory.partner(base), factory.program(base)
    deal = factory.won(program, [ann])
    with transaction():
        deal.created_by_id = admin.id
    [payout_id] = factory.calculate(base).payout_ids
    reasons = {each.user_id: each.reason for each in db.session.get_one(Payout, payout_id).exclusions}
    assert reasons == {admin.id: "entered one of these deals"}


def test_two_calculations_at_once_claim_each_commission_once(database: Flask) -> None:
    base = factory.partnerbase()
    program = factory.program(base)
    for n in range(6):
        factory.won(program, [factory.partner(base)], 1_000_00 + n)
    base_id = base.id

    def call() -> str:
        with transaction():
            ids = calculating.partners_due(base_id, "2026-Q1", TODAY, 0, 100)
            found = calculating.calculate(
                organisation_id=base_id, payee_ids=ids, until="2026-Q1", actor=FACTORY, now=TODAY
            )
        return str(len(found.payout_ids))

    counts = together(database, [call] * 4)
    assert sum(int(count) for count in counts) == 6
    assert len(made(base)) == 6
    assert clean(base)


def test_one_that_dies_half_way_leaves_nothing(base: Organisation, monkeypatch: pytest.MonkeyPatch) -> None:
    factory.won(factory.program(base), [factory.partner(base)])
    with monkeypatch.context() as patch:
        patch.setattr(calculating.attributing, "freeze", lambda ids: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            factory.calculate(base)
    assert made(base) == []
    factory.calculate(base)
    assert made(base) == [50_00]


def test_two_organisations_do_not_meet(base: Organisation) -> None:
    other = factory.partnerbase()
    for organisation in (base, other):
        factory.won(factory.program(organisation), [factory.partner(organisation)])
    factory.calculate(base)
    assert (made(base), made(other)) == ([50_00], [])


def test_it_is_due_on_the_day_not_before(base: Organisation) -> None:
    factory.won(factory.program(base), [factory.partner(base)])
    due = TODAY.replace(month=3, day=12)
    assert calculating.partners_due(base.id, "2026-Q1", due - timedelta(days=1), 0, 10) == []
    assert len(calculating.partners_due(base.id, "2026-Q1", due, 0, 10)) == 1
