"""Payments between the receipts: which debts they are for, what becomes of what is too much; deposits."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.factories import repairs
from tests.factories.people import FACTORY
from tests.factories.repairs import DAY, at
from tests.support.books import clean
from webapp.database import db, transaction
from webapp.kernel.errors import Invalid, NotFound
from webapp.people.models import Organisation, Payee
from webapp.programs.repairs import crediting, queries
from webapp.programs.repairs.models import DriverLease


@pytest.fixture
def fleet_of(database: Flask) -> Organisation:
    """A taxi fleet."""
    return repairs.metrocab()


@pytest.fixture
def ann(fleet_of: Organisation) -> Payee:
    """A driver."""
    return repairs.driver(fleet_of, name="Ann Lee")


@pytest.fixture
def lease(ann: Payee) -> DriverLease:
    """Her lease."""
    return repairs.lease(ann)


def test_payments_are_for_chosen_debts_but_never_for_taxes(
    fleet_of: Organisation, ann: Payee, lease: DriverLease
) -> None:
    tax = repairs.charge(ann, "taxes", 60_00, DAY)
    toll = repairs.charge(ann, "tolls", 40_00, DAY)
    rent = repairs.charge(ann, "lease", 100_00, DAY)
    with pytest.raises(Invalid, match="Taxes"):
        repairs.pay(ann, 10_00, DAY, [(tax.id, 10_00)])
    with pytest.raises(Invalid, match=r"\$40\.00 is open"):
        repairs.pay(ann, 50_00, DAY, [(toll.id, 50_00)])
    with pytest.raises(Invalid, match="more than the payment"):
        repairs.pay(ann, 10_00, DAY, [(toll.id, 20_00)])
    with pytest.raises(NotFound):
        repairs.pay(repairs.driver(fleet_of), 10_00, DAY, [(toll.id, 10_00)])
    made = repairs.pay(ann, 200_00, DAY, [(toll.id, 40_00)], idempotency_key="a")
    assert repairs.pay(ann, 200_00, DAY, [(toll.id, 40_00)], idempotency_key="a").id == made.id
    for row in (tax, toll, rent):
        db.session.refresh(row)
    assert (tax.open_minor, toll.open_minor, rent.open_minor, made.applied_minor) == (60_00, 0, 0, 140_00)
    assert queries.balance_of(fleet_of.id, ann, "USD").net.amount == 0
    assert clean(fleet_of)


def test_what_is_too_much_is_kept_where_the_settings_say_so(
    fleet_of: Organisation, ann: Payee, lease: DriverLease
) -> None:
    repairs.set_up(fleet_of, excess_to="credit")
    repairs.charge(ann, "lease", 100_00, DAY)
    assert repairs.pay(ann, 70_00, DAY).applied_minor == 0
    assert queries.balance_of(fleet_of.id, ann, "USD").kept.amount == 70_00
    assert clean(fleet_of)


def test_a_deposit_is_given_back_at_most_as_it_was_paid(
    fleet_of: Organisation, ann: Payee, lease: DriverLease
) -> None:
    row = repairs.charge(ann, "deposit", 300_00, DAY)
    with pytest.raises(Invalid, match=r"\$0\.00"), transaction():
        crediting.return_deposit(
            organisation_id=fleet_of.id, payee_id=ann.id, amount_minor=1, actor=FACTORY, now=at(DAY)
        )
    repairs.pay(ann, 300_00, DAY, [(row.id, 300_00)])
    with transaction():
        crediting.return_deposit(
            organisation_id=fleet_of.id, payee_id=ann.id, amount_minor=300_00, actor=FACTORY, now=at(DAY)
        )
    assert queries.balance_of(fleet_of.id, ann, "USD").kept.amount == 300_00
    assert clean(fleet_of)
