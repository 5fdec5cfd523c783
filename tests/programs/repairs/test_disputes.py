"""A disputed charge alone is not covered; accepted, it is given back once, refused, it is taken again."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from tests.factories import people, repairs
from tests.factories.repairs import at, sunday
from tests.support.books import clean
from webapp.database import db, transaction
from webapp.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from webapp.outbox.models import OutboxMessage
from webapp.people.models import Organisation, Payee, User
from webapp.programs.repairs import changing, disputing, queries
from webapp.programs.repairs.books import Charge, Dispute, Receipt
from webapp.programs.repairs.states import DisputeState, Posted

FRIDAY, LATER = date(2025, 10, 10), at(sunday(1), 18)


@pytest.fixture
def metrocab(database: Flask) -> Organisation:
    """A taxi fleet."""
    return repairs.metrocab()


@pytest.fixture
def ann(metrocab: Organisation) -> Payee:
    """A driver who signs in, with a lease."""
    driver = repairs.driver(metrocab, name="Ann Lee", user=people.user("ann@example.com"))
    repairs.lease(driver)
    return driver


@pytest.fixture
def admin(metrocab: Organisation) -> User:
    """Somebody of the office."""
    return people.user("dana@example.com", organisation=metrocab, role="admin")


def dispute(payee: Payee, charge: Charge, **values: Any) -> Dispute:
    """The driver's word."""
    given: dict[str, Any] = {"reason": "I did not use this bridge.", "now": at(FRIDAY)}
    with transaction():
        return disputing.dispute_charge(
            organisation_id=payee.organisation_id,
            payee_id=payee.id,
            charge_id=charge.id,
            actor=people.actor_of(db.session.get_one(User, payee.user_id)),
            **{**given, **values},
        )


def decide(row: Dispute, user: User, accepts: bool, **values: Any) -> Dispute:
    """The office's word."""
    with transaction():
        return disputing.decide_dispute(
            organisation_id=row.organisation_id,
            reference=row.reference,
            accepts=accepts,
            **{"answer": "We looked at it.", "actor": people.actor_of(user), "now": LATER, **values},
        )


def newest(payee: Payee) -> Receipt:
    """The newest receipt of a driver."""
    return db.session.scalars(
        select(Receipt).where(Receipt.payee_id == payee.id).order_by(Receipt.id.desc()).limit(1)
    ).one()


def test_it_alone_is_not_covered_until_it_is_decided(metrocab: Organisation, ann: Payee, admin: User) -> None:
    toll = repairs.charge(ann, "tolls", 40_00, FRIDAY)
    repairs.charge(ann, "tickets", 25_00, FRIDAY)
    repairs.earn(ann, 100_00, FRIDAY)
    row = dispute(ann, toll)
    repairs.run(metrocab, sunday(1))
    receipt = newest(ann)
    # The ticket is covered, the toll is not; what is left is paid out and the toll stays owed.
    assert (receipt.net_minor, receipt.paid_minor, receipt.closing_minor) == (35_00, 75_00, -40_00)
    assert db.session.get_one(Charge, toll.id, populate_existing=True).open_minor == 40_00
    decide(row, admin, accepts=False)
    repairs.earn(ann, 100_00, date(2025, 10, 15))
    repairs.run(metrocab, sunday(2))
    assert newest(ann).paid_minor == 60_00
    assert db.session.get_one(Charge, toll.id, populate_existing=True).open_minor == 0
    assert clean(metrocab)


def test_what_is_accepted_is_taken_back(metrocab: Organisation, ann: Payee, admin: User) -> None:
    toll = repairs.charge(ann, "tolls", 40_00, FRIDAY)
    row = dispute(ann, toll)
    decide(row, admin, accepts=True)
    charge = db.session.get_one(Charge, toll.id, populate_existing=True)
    assert (charge.open_minor, charge.is_disputed, charge.credited_minor) == (0, False, 40_00)
    assert queries.balance_of(metrocab.id, ann, "USD").net.amount == 0
    assert clean(metrocab)


@pytest.mark.parametrize("category", ["tolls", "taxes", "lease", "advances", "deposit"])
def test_what_was_paid_of_it_comes_back_once(
    metrocab: Organisation, ann: Payee, admin: User, category: str
) -> None:
    charge = repairs.charge(ann, category, 40_00, FRIDAY)
    repairs.earn(ann, 30_00, FRIDAY)
    repairs.run(metrocab, sunday(1))
    row = dispute(ann, charge, now=LATER)
    decide(row, admin, accepts=True)
    balance = queries.balance_of(metrocab.id, ann, "USD")
    assert (balance.kept.amount, balance.owed.amount) == (30_00, 0)
    assert db.session.get_one(Charge, charge.id, populate_existing=True).credited_minor == 40_00
    assert clean(metrocab)


def test_an_instalment_is_given_back_once_though_its_repair_is_taken_back_too(
    metrocab: Organisation, ann: Payee, admin: User
) -> None:
    repair = repairs.repair(
        repairs.lease(repairs.driver(metrocab, name="Bo", user=people.user("bo@example.com")))
    )
    driver = repair.payee
    repairs.earn(driver, 200_00, FRIDAY)
    repairs.run(metrocab, sunday(0))
    repairs.run(metrocab, sunday(1))
    paid = db.session.scalars(
        select(Charge).where(Charge.payee_id == driver.id).order_by(Charge.id).limit(1)
    ).one()
    assert paid.paid_minor == 200_00
    decide(dispute(driver, paid, now=LATER), admin, accepts=True)
    again = queries.get_repair(metrocab.id, repair.reference)
    db.session.refresh(again)
    assert (again.paid_minor, again.credited_minor) == (0, 200_00)
    with transaction():
        changing.cancel_repair(
            organisation_id=metrocab.id, reference=repair.reference, reason="Wrong invoice", posted=Posted.REVERSE,
            actor=people.actor_of(admin), now=LATER,
        )  # fmt: skip
    balance = queries.balance_of(metrocab.id, driver, "USD")
    assert (balance.kept.amount, balance.owed.amount) == (200_00, 0)
    assert clean(metrocab)


def test_a_loan_that_was_lent_stays_lent(metrocab: Organisation, ann: Payee, admin: User) -> None:
    repairs.loan(ann)
    repairs.run(metrocab, sunday(1))
    charge = db.session.scalars(select(Charge).where(Charge.category == "loans")).one()
    decide(dispute(ann, charge, now=LATER), admin, accepts=True)
    assert db.session.get_one(Charge, charge.id, populate_existing=True).open_minor == 0
    assert clean(metrocab)


def test_who_may_and_what_is_refused(metrocab: Organisation, ann: Payee, admin: User) -> None:
    toll = repairs.charge(ann, "tolls", 40_00, FRIDAY)
    other = repairs.driver(metrocab, name="Bo", user=people.user("bo@example.com"))
    with pytest.raises(NotFound):
        dispute(other, toll)
    with pytest.raises(Invalid):
        dispute(ann, toll, reason="  ")
    row = dispute(ann, toll)
    assert dispute(ann, toll).id == row.id, "the same person says it again"
    with pytest.raises(Forbidden):
        decide(row, db.session.get_one(User, ann.user_id), accepts=True)
    with pytest.raises(Invalid):
        decide(row, admin, accepts=True, answer="")
    decide(row, admin, accepts=False)
    assert decide(row, admin, accepts=False).state == DisputeState.REFUSED
    with pytest.raises(Conflict, match="has decided"):
        decide(row, people.user("eve@example.com", organisation=metrocab, role="admin"), accepts=True)
    with pytest.raises(Conflict, match="disputed already"):
        dispute(ann, toll)
    elsewhere = people.organisation("other")
    with pytest.raises(NotFound):
        disputing.get_dispute(elsewhere.id, row.reference)


def test_admins_and_driver_are_told_once(metrocab: Organisation, ann: Payee, admin: User) -> None:
    row = dispute(ann, repairs.charge(ann, "tolls", 40_00, FRIDAY))
    dispute(ann, db.session.get_one(Charge, row.charge_id))
    decide(row, admin, accepts=True)
    decide(row, admin, accepts=True)
    for kind in (disputing.OPENED, disputing.DECIDED):
        assert db.session.scalar(select(func.count()).where(OutboxMessage.kind == kind)) == 1
