"""The arithmetic of weekly receipts: the example to the cent in both signs, and many drivers through many weeks.

What each receipt must say is worked out here a second time, from what was entered alone. The whole proof takes 1,000
drivers: PAYDESK_SEQUENCES=500 ./paydesk test tests/programs/repairs/test_arithmetic.py.
"""

from __future__ import annotations

import os
import random
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from tests.factories import repairs
from tests.factories.people import FACTORY, stored
from tests.factories.repairs import at, sunday
from tests.support.books import clean
from webapp.database import db, transaction
from webapp.kernel.actor import SCHEDULER
from webapp.ledger.models import Account
from webapp.payouts import service as payouts
from webapp.payouts.models import Payout
from webapp.people.models import Organisation, Payee
from webapp.programs.repairs import charging, drafting, queries
from webapp.programs.repairs.books import Charge, Receipt
from webapp.programs.repairs.drafts import ChargeDraft, EarningDraft

WEEKS = 12
DRIVERS = 1_000 if int(os.environ.get("PAYDESK_SEQUENCES", "6")) >= 500 else 8
LEASE = 350_00
#: What a repair of 900.00 is charged by the week.
INSTALMENTS = (200_00, 200_00, 200_00, 200_00, 100_00)


def repaired(payee: Payee, weekly_minor: int, amount_minor: int) -> None:
    """A lease and an invoice of the first Sunday, charged from that day on."""
    common: Any = {"organisation_id": payee.organisation_id, "actor": FACTORY, "now": at(sunday(0), 8)}
    with stored():
        invoice = repairs.invoice(
            repairs.lease(payee, weekly_minor, sunday(0)), amount_minor, invoice_date=sunday(0)
        )
        row = drafting.create_repair(draft=invoice, **common)
        drafting.confirm_repair(reference=row.reference, **common)


def in_week(n: int) -> date:
    """A Tuesday of the week that begins on sunday(n)."""
    return sunday(n) + timedelta(days=2)


@pytest.mark.parametrize(
    ("earned", "net", "paid", "carried"), [(1_000_00, 159_50, 159_50, 0), (600_00, -240_50, 0, -240_50)]
)
def test_the_example_to_the_cent(database: Flask, earned: int, net: int, paid: int, carried: int) -> None:
    """Taxes 60, tolls 40, lease 500, tickets 25, a repair's 100, a loan's 105.50, miscellaneous 10: 840.50."""
    metrocab = repairs.metrocab()
    ann = repairs.driver(metrocab)
    repaired(ann, 500_00, 450_00)
    # 500.00 x 80.3 % x 5/365 = 5.50 of interest with the first 100.00.
    repairs.loan(ann, 500_00, "80.3", lent_on=date(2025, 9, 30))
    for category, amount in (
        ("taxes", 60_00),
        ("tolls", 40_00),
        ("tickets", 25_00),
        ("miscellaneous", 10_00),
    ):
        repairs.charge(ann, category, amount, in_week(0))
    repairs.earn(ann, earned, in_week(0))
    repairs.run(metrocab, sunday(0))
    assert repairs.run(metrocab, sunday(1)).receipts == 1
    row = db.session.scalars(select(Receipt)).one()
    lines = {line.category: -line.amount_minor for line in row.lines if line.kind == "charge"}
    assert lines == {
        "taxes": 60_00, "tolls": 40_00, "lease": 500_00, "tickets": 25_00, "repairs": 100_00, "loans": 105_50,
        "miscellaneous": 10_00,
    }  # fmt: skip
    assert (row.opening_minor, row.earnings_minor, row.charges_minor) == (0, earned, 840_50)
    assert (row.net_minor, row.paid_minor, row.closing_minor) == (net, paid, carried)
    amounts = db.session.scalars(select(Payout.amount_minor)).all()
    assert list(amounts) == ([paid] if paid else [])
    repairs.run(metrocab, sunday(2))
    following = db.session.scalars(select(Receipt).order_by(Receipt.id.desc()).limit(1)).one()
    assert (following.week_start, following.opening_minor) == (sunday(1), carried)
    assert clean(metrocab)


@dataclass
class Expected:
    """One driver's weeks as they were entered, and the balance that they lead to."""

    balance: int = 0
    earned: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    charged: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    adjusted: dict[int, int] = field(default_factory=lambda: defaultdict(int))

    def week(self, n: int) -> tuple[int, int, int, int, int, int, int]:
        """Opening, earnings, charges, adjustments, net, paid and closing of a week; goes on to the next one."""
        opening, earned, charged, adjusted = self.balance, self.earned[n], self.charged[n], self.adjusted[n]
        net = opening + earned - charged + adjusted
        paid = max(0, net)
        self.balance = net - paid
        return opening, earned, charged, adjusted, net, paid, self.balance


def _enter(
    organisation_id: int, payees: dict[int, Payee], expected: dict[int, Expected], n: int, dice: random.Random
) -> None:
    """A week's earnings, charges and payments by chance; all drivers' at once, as imports bring them."""
    day = in_week(n)
    earned, charged = [], []
    for payee_id, mine in expected.items():
        for source in ("Card fares", "Vouchers")[: dice.randint(0, 2)]:
            amount = dice.randint(1, 700_00)
            earned.append(EarningDraft(payee_id, source, f"{day}-{payee_id}", amount, day))
            mine.earned[n] += amount
        for category in dice.sample(
            ["taxes", "tolls", "tickets", "agency_fees", "miscellaneous"], dice.randint(0, 3)
        ):
            amount = dice.randint(1, 120_00)
            charged.append(ChargeDraft(payee_id, category, f"{category} {day}", amount, day))
            mine.charged[n] += amount
    common: Any = {"organisation_id": organisation_id, "actor": SCHEDULER, "now": at(day)}
    with transaction():
        charging.record_earnings(drafts=earned, **common)
        charging.add_charges(drafts=charged, **common)
        for payee_id in sorted(dice.sample(sorted(expected), len(expected) // 8)):
            amount = dice.randint(1, 150_00)
            repairs.pay(payees[payee_id], amount, day)
            expected[payee_id].adjusted[n] += amount


def _give_up_some(organisation_id: int, expected: dict[int, Expected], n: int, dice: random.Random) -> None:
    """Payouts that are cancelled come back in the week in which that happens."""
    waiting = db.session.execute(
        select(Payout.reference, Payout.payee_id, Payout.amount_minor)
        .where(Payout.organisation_id == organisation_id, Payout.state == "pending_approval")
        .order_by(Payout.id)
    ).all()
    with transaction():
        for reference, payee_id, amount in dice.sample(list(waiting), len(waiting) // 20):
            payouts.cancel(
                organisation_id=organisation_id,
                reference=reference,
                reason="x",
                actor=FACTORY,
                now=at(in_week(n)),
            )
            expected[payee_id].adjusted[n] += amount


def test_opening_and_what_a_week_brings_is_closing_and_all_of_it_is_the_ledger(database: Flask) -> None:
    dice = random.Random(20251005)
    metrocab = repairs.metrocab()
    organisation_id = metrocab.id
    with transaction():
        mine = db.session.get_one(Organisation, organisation_id)
        payees = {payee.id: payee for payee in (repairs.driver(mine) for _ in range(DRIVERS))}
        for payee in payees.values():
            repaired(payee, LEASE, 900_00)
    expected = {payee_id: Expected() for payee_id in payees}
    assert repairs.run(metrocab, sunday(0)).posted == DRIVERS
    for n in range(WEEKS):
        _enter(organisation_id, payees, expected, n, dice)
        _give_up_some(organisation_id, expected, n, dice)
        run = repairs.run(metrocab, sunday(n + 1))
        assert (run.receipts, run.problems) == (DRIVERS, 0)
        rows = db.session.scalars(select(Receipt).where(Receipt.week_start == sunday(n))).all()
        assert len(rows) == DRIVERS
        for row in rows:
            of = expected[row.payee_id]
            of.charged[n] += LEASE + (INSTALMENTS[n] if n < len(INSTALMENTS) else 0)
            said = (
                row.opening_minor, row.earnings_minor, row.charges_minor, row.adjustments_minor, row.net_minor,
                row.paid_minor, row.closing_minor,
            )  # fmt: skip
            assert said == of.week(n), row.number
    assert clean(metrocab)
    _is_the_ledger(organisation_id, sum(each.balance for each in expected.values()))
    for payee_id in list(payees)[:20]:
        payee = db.session.get_one(Payee, payee_id)
        assert queries.balance_of(organisation_id, payee, "USD").net.amount == expected[payee_id].balance


def _is_the_ledger(organisation_id: int, closing: int) -> None:
    """The sum over all drivers, by what is kept for them and what they owe."""

    def booked(word: str) -> int:
        found = select(func.coalesce(func.sum(Account.balance_minor), 0)).where(
            Account.organisation_id == organisation_id, Account.code.like(f"{word}:%")
        )
        return int(db.session.scalar(found) or 0)

    uncounted = db.session.scalar(select(func.count()).where(Charge.receipt_id.is_(None)))
    assert uncounted == 0
    assert booked("earnings") - booked("receivable") == closing
    waiting = db.session.scalar(
        select(func.coalesce(func.sum(Payout.amount_minor), 0)).where(Payout.state == "pending_approval")
    )
    assert booked("held") == int(waiting or 0)
