"""Receipts that are corrected, and drivers who leave."""

from __future__ import annotations

from datetime import date

import pytest
from flask import Flask
from sqlalchemy import select

from tests.factories import repairs
from tests.factories.people import FACTORY
from tests.factories.repairs import at, sunday
from tests.programs.repairs.test_receipts import FRIDAY, example, last_receipt
from tests.support.books import clean
from webapp.database import db, transaction
from webapp.kernel.errors import Conflict, Invalid, NotFound
from webapp.people.models import Organisation, Payee
from webapp.programs.repairs import leaving, queries
from webapp.programs.repairs.books import Charge, Receipt
from webapp.programs.repairs.correcting import CorrectionLine, reissue_receipt

MONDAY = date(2025, 10, 13)


@pytest.fixture
def metrocab(database: Flask) -> Organisation:
    """A taxi fleet."""
    return repairs.metrocab()


@pytest.fixture
def ann(metrocab: Organisation) -> Payee:
    """A driver who got the receipt of the example."""
    found = repairs.driver(metrocab, name="Ann Lee")
    repairs.lease(found)
    example(found, 1_000_00)
    repairs.run(metrocab, sunday(1))
    return found


def reissue(number: str, organisation: Organisation, *amounts: int) -> Receipt:
    """Correct a receipt by so much."""
    lines = [CorrectionLine("tolls", "Was another driver's", amount) for amount in amounts]
    with transaction():
        return reissue_receipt(
            organisation_id=organisation.id, number=number, lines=lines, reason="Wrong toll.", actor=FACTORY,
            now=at(MONDAY),
        )  # fmt: skip


@pytest.mark.parametrize(("amounts", "paid", "closing"), [((40_00,), 40_00, 0), ((-50_00, 10_00), 0, -40_00)])
def test_a_correction_shows_the_difference_and_settles_it_in_the_next_week(
    metrocab: Organisation, ann: Payee, amounts: tuple[int, ...], paid: int, closing: int
) -> None:
    first = last_receipt(ann)
    number, difference = first.number, sum(amounts)
    row = reissue(number, metrocab, *amounts)
    assert (row.number, row.revision, row.replaces_id) == ("DTR-2025-000002", 2, first.id)
    assert (row.net_minor, row.paid_minor, row.difference_minor) == (159_50 + difference, 159_50, difference)
    assert (row.opening_minor, row.closing_minor) == (first.opening_minor, first.closing_minor)
    assert sum(line.amount_minor for line in row.lines) == row.net_minor
    with pytest.raises(Conflict, match=r"by DTR-2025-000002"):
        reissue(number, metrocab, 1_00)
    assert clean(metrocab)
    repairs.run(metrocab, sunday(2))
    following = last_receipt(ann)
    assert (following.week_start, following.opening_minor) == (sunday(1), 0)
    assert (following.paid_minor, following.closing_minor) == (paid, closing)
    assert clean(metrocab)


def test_what_is_no_correction(metrocab: Organisation, ann: Payee) -> None:
    number = last_receipt(ann).number
    with pytest.raises(Invalid, match="corrections"):
        reissue(number, metrocab)
    with pytest.raises(Invalid, match="other than zero"):
        reissue(number, metrocab, 0)
    with pytest.raises(NotFound):
        reissue(number, repairs.metrocab(), 1_00)


def leave(payee: Payee, last_day: date) -> None:
    """The driver leaves."""
    with transaction():
        leaving.driver_leaves(
            organisation_id=payee.organisation_id, payee_id=payee.id, last_day=last_day, reason="Moves away.",
            actor=FACTORY, now=at(FRIDAY),
        )  # fmt: skip


def test_a_driver_who_leaves_gets_a_final_receipt(metrocab: Organisation) -> None:
    ben = repairs.driver(metrocab)
    lease = repairs.lease(ben, 700_00)
    row = repairs.repair(lease, 900_00)
    loan = repairs.loan(ben, 100_00)
    security = repairs.charge(ben, "deposit", 300_00, repairs.DAY)
    repairs.pay(ben, 300_00, repairs.DAY, [(security.id, 300_00)])
    repairs.run(metrocab, sunday(0))
    leave(ben, date(2025, 10, 11))
    db.session.refresh(row)
    db.session.refresh(loan)
    assert {each.state for each in (*row.instalments, *loan.instalments)} == {"posted"}
    repairs.earn(ben, 2_000_00, FRIDAY)
    repairs.run(metrocab, sunday(1))
    receipt = last_receipt(ben)
    interest = loan.instalments[0].interest_minor
    assert receipt.is_final
    assert (receipt.opening_minor, receipt.charges_minor) == (-700_00, 700_00 + 900_00 + 100_00 + interest)
    assert (receipt.adjustments_minor, receipt.closing_minor) == (300_00, -100_00 - interest)
    assert queries.balance_of(metrocab.id, ben, "USD").net.amount == -100_00 - interest
    assert clean(metrocab)
    repairs.run(metrocab, sunday(2))
    assert last_receipt(ben).id == receipt.id
    with pytest.raises(Conflict, match="no lease"), transaction():
        leaving.driver_leaves(
            organisation_id=metrocab.id, payee_id=ben.id, last_day=sunday(2), reason="x", actor=FACTORY,
            now=at(sunday(2)),
        )  # fmt: skip


def test_a_lease_does_not_end_before_what_was_issued(metrocab: Organisation, ann: Payee) -> None:
    with pytest.raises(Conflict, match="issued already"), transaction():
        leaving.driver_leaves(
            organisation_id=metrocab.id, payee_id=ann.id, last_day=date(2025, 10, 8), reason="x", actor=FACTORY,
            now=at(MONDAY),
        )  # fmt: skip
    assert db.session.scalars(select(Charge).where(Charge.category == "lease")).one().amount_minor == 500_00
