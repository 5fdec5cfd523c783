"""The weekly run and its receipts: to the cent, both signs, once, whatever happens to whoever makes them."""

from __future__ import annotations

from datetime import date, datetime

import pytest
from flask import Flask
from sqlalchemy import select, update

from tests import factories
from tests.factories import repairs
from tests.factories.people import actor_of
from tests.factories.repairs import at, sunday
from tests.support.books import clean
from webapp.database import db, transaction
from webapp.payouts import policies
from webapp.payouts import service as payouts
from webapp.payouts.models import Payout
from webapp.payouts.policy import Tier
from webapp.people.models import Organisation, Payee
from webapp.programs.repairs import fleet, queries
from webapp.programs.repairs.books import Adjustment, Receipt
from webapp.programs.repairs.rules import Week

#: The week that the first receipts are of, and two days in it.
FIRST, FRIDAY = Week(sunday(0)), date(2025, 10, 10)


@pytest.fixture
def metrocab(database: Flask) -> Organisation:
    """A taxi fleet."""
    return repairs.metrocab()


@pytest.fixture
def ann(metrocab: Organisation) -> Payee:
    """A driver whose lease began on 28 September."""
    found = repairs.driver(metrocab, name="Ann Lee")
    repairs.lease(found)
    return found


def last_receipt(payee: Payee) -> Receipt:
    """The newest receipt of a driver."""
    return db.session.scalars(
        select(Receipt).where(Receipt.payee_id == payee.id).order_by(Receipt.id.desc()).limit(1)
    ).one()


def example(payee: Payee, earnings: int) -> None:
    """The charges that receipts are explained by, and what was earned."""
    for category, amount in (("taxes", 60_00), ("tolls", 40_00), ("lease", 500_00), ("tickets", 25_00),
                             ("agency_fees", 100_00), ("advances", 105_50), ("miscellaneous", 10_00)):  # fmt: skip
        repairs.charge(payee, category, amount, FRIDAY)
    repairs.earn(payee, earnings, FRIDAY)


def test_a_driver_with_money_to_come_gets_a_payout(metrocab: Organisation, ann: Payee) -> None:
    example(ann, 1_000_00)
    run = repairs.run(metrocab, sunday(1))
    assert (run.receipts, run.payouts, run.problems) == (1, 1, 0)
    row = last_receipt(ann)
    assert row.number == "DTR-2025-000001"
    assert (row.opening_minor, row.earnings_minor, row.charges_minor) == (0, 1_000_00, 840_50)
    assert (row.net_minor, row.paid_minor, row.closing_minor) == (159_50, 159_50, 0)
    payout = db.session.get_one(Payout, row.payout_id)
    assert (payout.amount_minor, payout.state, payout.program) == (159_50, "pending_approval", "repairs")
    assert sum(line.amount_minor for line in payout.lines) == 159_50
    assert [line.category for line in row.lines if line.kind == "charge"][:3] == ["taxes", "tolls", "lease"]
    assert clean(metrocab)


def test_a_driver_who_owes_begins_the_next_week_with_it(metrocab: Organisation, ann: Payee) -> None:
    example(ann, 600_00)
    repairs.run(metrocab, sunday(1))
    row = last_receipt(ann)
    assert (row.net_minor, row.paid_minor, row.closing_minor, row.payout_id) == (-240_50, 0, -240_50, None)
    owed = queries.balance_of(metrocab.id, ann, "USD")
    assert owed.net.amount == -240_50
    assert {name: money.amount for name, money in owed.by_category.items()} == {
        "tickets": 25_00, "agency_fees": 100_00, "advances": 105_50, "miscellaneous": 10_00,
    }  # fmt: skip
    repairs.earn(ann, 300_00, date(2025, 10, 13))
    repairs.run(metrocab, sunday(2))
    row = last_receipt(ann)
    assert (row.opening_minor, row.charges_minor, row.net_minor, row.paid_minor) == (-240_50, 0, 59_50, 59_50)
    assert sorted(line.amount_minor for line in row.lines if line.kind == "carried") == [
        -105_50, -100_00, -25_00, -10_00,
    ]  # fmt: skip
    assert clean(metrocab)


def test_posted_is_not_paid_before_earnings_cover_it(metrocab: Organisation, ann: Payee) -> None:
    lease = fleet.lease_on(ann.id, repairs.DAY)
    assert lease is not None
    row = repairs.repair(lease)
    repairs.run(metrocab, sunday(0))
    repairs.earn(ann, 150_00, FRIDAY)
    repairs.run(metrocab, sunday(1))
    db.session.refresh(row)
    assert [each.state for each in row.instalments] == ["posted", "posted", "scheduled"]
    assert (row.paid_minor, row.outstanding_minor, row.state) == (150_00, 350_50, "open")
    repairs.earn(ann, 1_000_00, date(2025, 10, 14))
    for n in (2, 3):
        repairs.run(metrocab, sunday(n))
    repairs.earn(ann, 1_000_00, date(2025, 10, 27))
    repairs.run(metrocab, sunday(4))
    db.session.refresh(row)
    assert [each.state for each in row.instalments] == ["paid"] * 3
    assert (row.paid_minor, row.outstanding_minor, row.state) == (500_50, 0, "closed")
    assert clean(metrocab)


def test_a_loan_is_charged_with_its_interest(metrocab: Organisation, ann: Payee) -> None:
    row = repairs.loan(ann)
    assert row.reference == "LN-2025-001"
    assert [each.amount_minor for each in row.instalments] == [251_97, 251_82, 251_34, 250_86, 200_38]
    assert repairs.loan(ann, idempotency_key="a").id == repairs.loan(ann, idempotency_key="a").id
    assert repairs.run(metrocab, sunday(1)).posted == 2
    charge = queries.open_charges(metrocab.id, ann.id)[0]
    assert (charge.category, charge.amount_minor) == ("loans", 251_97)
    assert clean(metrocab)


@pytest.mark.parametrize(
    ("weekly", "starts", "ends", "amount"),
    [
        (700_00, date(2025, 10, 8), None, 400_00),
        (500_00, date(2025, 10, 1), date(2025, 10, 8), 285_71),
        (500_00, date(2025, 10, 1), None, 500_00),
    ],
)
def test_a_lease_is_charged_by_its_days(
    metrocab: Organisation, weekly: int, starts: date, ends: date | None, amount: int
) -> None:
    ben = repairs.driver(metrocab)
    repairs.lease(ben, weekly, starts, ends_on=ends)
    repairs.run(metrocab, sunday(1))
    row = last_receipt(ben)
    assert (row.week_start, row.charges_minor, row.is_final) == (sunday(0), amount, ends is not None)
    repairs.run(metrocab, sunday(2))
    assert last_receipt(ben).id == row.id if ends else last_receipt(ben).week_start == sunday(1)
    assert clean(metrocab)


def test_two_leases_in_a_week_are_two_receipts_one_after_the_other(metrocab: Organisation) -> None:
    ben = repairs.driver(metrocab)
    repairs.lease(ben, 700_00, ends_on=date(2025, 10, 7))
    second = repairs.lease(ben, 350_00, date(2025, 10, 8))
    repairs.earn(ben, 100_00, date(2025, 10, 6))
    repairs.earn(ben, 900_00, date(2025, 10, 9))
    repairs.run(metrocab, sunday(1))
    one, two = db.session.scalars(
        select(Receipt).where(Receipt.payee_id == ben.id).order_by(Receipt.id)
    ).all()
    assert (one.earnings_minor, one.charges_minor, one.closing_minor, one.is_final) == (
        100_00,
        300_00,
        -200_00,
        True,
    )
    assert (two.opening_minor, two.charges_minor, two.paid_minor, two.lease_id) == (
        -200_00,
        200_00,
        500_00,
        second.id,
    )
    assert clean(metrocab)


def test_what_comes_after_the_last_lease_has_a_receipt_of_its_own(metrocab: Organisation) -> None:
    ben = repairs.driver(metrocab)
    repairs.lease(ben, 700_00, ends_on=date(2025, 10, 4))
    repairs.run(metrocab, sunday(0))
    repairs.run(metrocab, sunday(1))
    assert last_receipt(ben).week_start == date(2025, 9, 28)
    repairs.earn(ben, 50_00, date(2025, 10, 15))
    repairs.run(metrocab, sunday(2))
    row = last_receipt(ben)
    assert (row.week_start, row.opening_minor, row.closing_minor, row.is_final) == (
        sunday(1),
        -700_00,
        -650_00,
        True,
    )
    assert clean(metrocab)


def test_protected_money_and_caps_leave_the_debt(metrocab: Organisation, ann: Payee) -> None:
    repairs.set_up(metrocab, protected_minor=100_00, weekly_caps={"lease": 300_00})
    example(ann, 1_000_00)
    repairs.run(metrocab, sunday(1))
    row = last_receipt(ann)
    assert (row.net_minor, row.paid_minor, row.closing_minor) == (159_50, 359_50, -200_00)
    assert clean(metrocab)


def test_too_little_to_pay_out_is_carried(metrocab: Organisation, ann: Payee) -> None:
    admin = actor_of(factories.user(organisation=metrocab, role="admin"))
    with transaction():
        policy, _ = policies.current_policy(metrocab.id)
        least = policy.model_copy(update={"minimum_minor": 20_00})
        policies.change_policy(organisation_id=metrocab.id, rules=least.rules, actor=admin, now=at(FRIDAY))
    repairs.earn(ann, 15_00, FRIDAY)
    repairs.run(metrocab, sunday(1))
    row = last_receipt(ann)
    assert (row.paid_minor, row.closing_minor) == (0, 15_00)


def test_who_is_switched_off_is_not_paid(metrocab: Organisation, ann: Payee) -> None:
    repairs.earn(ann, 15_00, FRIDAY)
    with transaction():
        db.session.execute(update(Payee).where(Payee.id == ann.id).values(is_active=False))
    repairs.run(metrocab, sunday(1))
    row = last_receipt(ann)
    assert (row.paid_minor, row.closing_minor, row.closing_credit_minor) == (0, 15_00, 15_00)
    assert clean(metrocab)


def _by_itself(metrocab: Organisation) -> None:
    """Have payouts that a program makes approved by the policy."""
    admin = actor_of(factories.user(organisation=metrocab, role="admin"))
    with transaction():
        policy, _ = policies.current_policy(metrocab.id)
        tiers = (Tier(up_to_minor=10_000_00, approvals=0, automatic_only=True), *policy.tiers)
        changed = policy.model_copy(update={"tiers": tiers})
        policies.change_policy(organisation_id=metrocab.id, rules=changed.rules, actor=admin, now=at(FRIDAY))


def test_who_charged_a_driver_does_not_approve_their_payout(metrocab: Organisation, ann: Payee) -> None:
    _by_itself(metrocab)
    ben, admin = repairs.driver(metrocab), factories.user(organisation=metrocab, role="admin")
    repairs.lease(ben)
    for payee in (ann, ben):
        factories.method(payee)
        repairs.earn(payee, 100_00, FRIDAY)
    repairs.charge(ben, "tolls", 5_00, FRIDAY, actor=actor_of(admin))
    repairs.run(metrocab, sunday(1))
    by_policy, by_hand = _payout(ann), _payout(ben)
    assert (by_policy.state, by_policy.amount_minor) == ("approved", 100_00)
    assert (by_hand.state, by_hand.amount_minor) == ("pending_approval", 95_00)
    assert [each.user_id for each in by_hand.exclusions] == [admin.id]
    assert clean(metrocab)


def _payout(payee: Payee) -> Payout:
    return db.session.get_one(Payout, last_receipt(payee).payout_id, populate_existing=True)


@pytest.mark.parametrize("word", ["reject", "cancel"])
def test_a_payout_that_is_not_made_is_in_the_next_receipt(
    metrocab: Organisation, ann: Payee, word: str
) -> None:
    repairs.earn(ann, 159_50, FRIDAY)
    repairs.run(metrocab, sunday(1))
    admin = actor_of(factories.user(organisation=metrocab, role="admin"))
    with transaction():
        getattr(payouts, word)(
            organisation_id=metrocab.id, reference=_payout(ann).reference, reason="Wrong.", actor=admin,
            now=at(date(2025, 10, 14)),
        )  # fmt: skip
    assert clean(metrocab)
    repairs.run(metrocab, sunday(2))
    row = last_receipt(ann)
    assert (row.week_start, row.adjustments_minor, row.paid_minor) == (sunday(1), 159_50, 159_50)
    assert clean(metrocab)


def _paid(metrocab: Organisation, ann: Payee, now: datetime) -> Payout:
    factories.method(ann)
    repairs.earn(ann, 159_50, FRIDAY)
    repairs.run(metrocab, sunday(1))
    payout = _payout(ann)
    n = 0
    while payout.state == "pending_approval":
        n += 1
        approver = actor_of(factories.user(organisation=metrocab, role="admin"))
        with transaction():
            payouts.approve(organisation_id=metrocab.id, reference=payout.reference, actor=approver, now=now)
        payout = _payout(ann)
    assert clean(metrocab)
    payer = actor_of(factories.user(organisation=metrocab, role="admin"))
    with transaction():
        payouts.mark_paid(
            organisation_id=metrocab.id, reference=payout.reference, payment_reference="Check 1042",
            paid_on=sunday(1), actor=payer, now=now,
        )  # fmt: skip
    return _payout(ann)


def test_a_payout_that_comes_back_is_in_the_next_receipt_once(metrocab: Organisation, ann: Payee) -> None:
    now = at(sunday(1), 20)
    payout = _paid(metrocab, ann, now)
    assert payout.state == "paid"
    admin = actor_of(factories.user(organisation=metrocab, role="admin"))
    with transaction():
        payouts.reverse(
            organisation_id=metrocab.id, reference=payout.reference, reason="Account closed.",
            on=date(2025, 10, 15), actor=admin,
            now=at(date(2025, 10, 15)),
        )  # fmt: skip
    assert clean(metrocab)
    repairs.run(metrocab, sunday(2))
    repairs.run(metrocab, sunday(2))
    row = last_receipt(ann)
    assert (row.week_start, row.adjustments_minor, row.net_minor, row.paid_minor) == (
        sunday(1),
        159_50,
        159_50,
        159_50,
    )
    assert db.session.get_one(Payout, payout.id, populate_existing=True).state == "cancelled"
    assert db.session.query(Adjustment).count() == 1
    assert clean(metrocab)
