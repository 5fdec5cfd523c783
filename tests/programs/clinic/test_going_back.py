"""Refunds: before and after the payout, with an empty wallet, and who bears the gateway's fee; write-offs."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from tests.factories import clinic
from tests.factories.people import FACTORY
from tests.programs.clinic.test_flow import clean, click
from webapp.database import db, transaction
from webapp.kernel.errors import Conflict, IllegalTransition, Invalid
from webapp.ledger.models import Account, JournalEntry
from webapp.payouts import service as payouts
from webapp.people.models import Organisation, Payee
from webapp.programs.clinic import invoicing, planning, refunding, wallets, withdrawing
from webapp.programs.clinic.models import Clawback, ClinicPayout, Invoice, PractitionerDebt


def refund(row: Invoice, amount_minor: int, now: datetime, **values: Any) -> Any:
    """Give a part back."""
    with transaction():
        return refunding.refund(
            organisation_id=row.organisation_id,
            number=row.number,
            amount_minor=amount_minor,
            reason="Cancelled.",
            happened_on=clinic.DAY,
            actor=FACTORY,
            now=now,
            **values,
        )


def balance(organisation: Organisation, code: str) -> int:
    """What an account holds."""
    return wallets.balance(organisation.id, code, organisation.currency)


@pytest.fixture
def care(database: Flask) -> Organisation:
    """A clinic."""
    return clinic.carepoint()


@pytest.fixture
def ada(care: Organisation) -> Payee:
    """A practitioner."""
    return clinic.practitioner(care, name="Dr Ada Bell")


def test_refund_before_the_payout_lowers_the_base(care: Organisation, ada: Payee, now: datetime) -> None:
    row = clinic.paid(care, [ada])
    refund(row, 40_00, now)
    assert (row.state, clinic.holds(care), row.stayed_minor) == ("paid", 60_00, 60_00)
    click(row, now)
    assert (clinic.holds(care), clinic.holds(care, ada), balance(care, "income:commission")) == (
        0,
        54_00,
        6_00,
    )
    assert clean(care)


def test_refund_after_the_payout_takes_each_part_back(care: Organisation, ada: Payee, now: datetime) -> None:
    row = clinic.paid(care, [ada])
    click(row, now)
    before = db.session.query(JournalEntry).count()
    made = refund(row, 100_00, now)
    assert row.state == "refunded"
    assert db.session.query(JournalEntry).count() == before + 1
    assert (clinic.holds(care), clinic.holds(care, ada), balance(care, "income:commission")) == (0, 0, 0)
    assert balance(care, "collections") == 0
    assert "CA$90.00 is taken back from Dr Ada Bell" in made.message
    with pytest.raises(planning.NotPaid, match="refunded"):
        click(row, now)
    assert clean(care)


def test_refund_goes_by_the_lines_own_rate_not_by_the_present_rule(
    care: Organisation, ada: Payee, now: datetime
) -> None:
    row = clinic.paid(care, [ada])
    click(row, now)
    clinic.rule(care, percent=Decimal(50), priority=9)
    refund(row, 50_00, now)
    assert (clinic.holds(care, ada), balance(care, "income:commission")) == (45_00, 5_00)
    taken = db.session.scalars(select(Clawback)).one()
    assert (taken.base_minor, taken.commission_minor, taken.amount_minor) == (50_00, 5_00, 45_00)
    assert clean(care)


def test_what_the_wallet_does_not_hold_is_carried_to_the_next_payout(
    care: Organisation, ada: Payee, now: datetime
) -> None:
    row = clinic.paid(care, [ada])
    click(row, now)
    with transaction():
        withdrawing.request_withdrawal(
            organisation_id=care.id, payee_id=ada.id, amount_minor=70_00, actor=FACTORY, now=now
        )
    refund(row, 100_00, now)
    owed = f"receivable:{ada.reference}"
    assert (clinic.holds(care, ada), balance(care, owed)) == (0, 70_00)
    assert clean(care)
    click(clinic.paid(care, [ada], 50_00), now)
    assert (clinic.holds(care, ada), balance(care, owed)) == (0, 25_00)
    click(clinic.paid(care, [ada], 50_00), now)
    assert (clinic.holds(care, ada), balance(care, owed)) == (20_00, 0)
    debt = db.session.scalars(select(PractitionerDebt)).one()
    assert (debt.amount_minor, debt.set_off_minor) == (70_00, 70_00)
    assert clean(care)


def test_more_than_was_paid_cannot_go_back(care: Organisation, ada: Payee, now: datetime) -> None:
    row = clinic.invoice(care, [ada])
    with pytest.raises(IllegalTransition):
        refund(row, 1, now)
    clinic.pay(row, 60_00)
    with pytest.raises(Invalid, match=r"At most CA\$60.00 of INV-001 can go back") as refused:
        refund(row, 60_01, now)
    assert refused.value.field == "amount"
    refund(row, 60_00, now)
    assert (row.state, row.remaining_minor, clinic.holds(care)) == ("refunded", 0, 0)


def test_refund_cancels_a_payout_that_waits(care: Organisation, ada: Payee, now: datetime) -> None:
    row = clinic.paid(care, [ada], 20_000_00)
    (waiting,) = click(row, now).payouts
    refund(row, 15_000_00, now)
    assert (waiting.state, row.offer) == ("cancelled", "open")
    (made,) = click(row, now).payouts
    assert (made.state, made.amount_minor) == ("paid", 4_500_00)
    assert clean(care)


def test_refund_takes_no_other_customers_money(care: Organisation, ada: Payee, now: datetime) -> None:
    row = clinic.paid(care, [ada])
    clinic.paid(care, None, 500_00)
    with transaction():
        wallets.adjust(organisation_id=care.id, amount_minor=-550_00, reason="Rent", actor=FACTORY, now=now)
    with pytest.raises(Conflict):
        refund(row, 100_00, now)
    assert clinic.holds(care) == 50_00


@pytest.mark.parametrize(
    ("bearer", "in_wallet", "fee_left", "at_gateway"),
    # 100.00 less a fee of 3.00 came in; 50.00 goes back, of which a fee of 1.50 is not given back by the gateway.
    [("clinic", 45_00, 3_00, 47_00), ("practitioner", 43_50, 1_50, 47_00), ("customer", 45_00, 1_50, 48_50)],
)
def test_who_bears_the_gateways_fee(
    care: Organisation, ada: Payee, now: datetime, bearer: str, in_wallet: int, fee_left: int, at_gateway: int
) -> None:
    clinic.set_up(care, fee_bearer=bearer)
    row = clinic.invoice(care, [ada])
    clinic.pay(row, fee_minor=3_00)
    click(row, now)
    refund(row, 50_00, now)
    assert clinic.holds(care, ada) == in_wallet
    assert (balance(care, "expense:gateway_fee"), balance(care, "collections")) == (fee_left, at_gateway)
    assert balance(care, "income:commission") == 5_00
    assert clean(care)


def test_refund_of_a_split_takes_back_from_each(care: Organisation, ada: Payee, now: datetime) -> None:
    ben = clinic.practitioner(care, name="Ben")
    clinic.set_up(care, split_mode="share")
    row = clinic.paid(care, clinic.appointment(care, [(ada, 60), (ben, 40)]))
    click(row, now)
    assert (clinic.holds(care, ada), clinic.holds(care, ben)) == (54_00, 36_00)
    refund(row, 50_00, now)
    assert (clinic.holds(care, ada), clinic.holds(care, ben), clinic.holds(care)) == (27_00, 18_00, 0)
    assert clean(care)


def test_refund_of_pro_rata_lowers_what_was_not_paid_out_first(
    care: Organisation, ada: Payee, now: datetime
) -> None:
    clinic.set_up(care, part_mode="pro_rata")
    row = clinic.invoice(care, [ada])
    clinic.pay(row, 40_00)
    click(row, now)
    clinic.pay(row, 60_00)
    refund(row, 70_00, now)
    # 40.00 had been paid out, 30.00 stayed: 10.00 goes back of what was paid out.
    assert (clinic.holds(care, ada), clinic.holds(care)) == (27_00, 0)
    assert click(row, now).is_repeat
    assert clean(care)


def test_the_plan_says_what_the_refund_does(care: Organisation, ada: Payee, now: datetime) -> None:
    row = clinic.paid(care, [ada])
    click(row, now)
    plan = refunding.plan_refund(organisation_id=care.id, number=row.number, amount_minor=10_00)
    assert (plan.commission_minor, plan.from_practitioners_minor, plan.from_clinic_minor) == (1_00, 9_00, 0)
    assert plan.parts[0].carried_minor == 0
    assert db.session.query(Clawback).count() == 0


def test_the_same_key_refunds_once(care: Organisation, ada: Payee, now: datetime) -> None:
    row = clinic.paid(care, [ada])
    first, second = (refund(row, 40_00, now, idempotency_key="r") for _ in range(2))
    assert (second.is_repeat, second.transaction.id) == (True, first.transaction.id)
    assert clinic.holds(care) == 60_00


def test_write_off_lets_the_rest_go_and_pays_out_what_came(
    care: Organisation, ada: Payee, now: datetime
) -> None:
    row = clinic.invoice(care, [ada])
    clinic.pay(row, 60_00)
    with transaction():
        invoicing.write_off(
            organisation_id=care.id, number=row.number, reason="Moved away.", actor=FACTORY, now=now
        )
    assert (row.state, row.written_off_minor, row.remaining_minor) == ("paid", 40_00, 0)
    click(row, now)
    assert clinic.holds(care, ada) == 54_00
    with pytest.raises(IllegalTransition), transaction():
        invoicing.write_off(organisation_id=care.id, number=row.number, reason="x", actor=FACTORY, now=now)
    assert clean(care)


def test_gross_counts_the_tax_too(care: Organisation, ada: Payee, now: datetime) -> None:
    clinic.set_up(care, base_mode="gross")
    row = clinic.paid(care, [ada], tax_percent=Decimal(13))
    click(row, now)
    assert (clinic.holds(care, ada), balance(care, "income:commission")) == (101_70, 11_30)


def test_a_refund_after_the_base_was_changed_takes_no_more_than_goes_back(
    care: Organisation, ada: Payee, now: datetime
) -> None:
    clinic.set_up(care, base_mode="gross")
    row = clinic.paid(care, [ada], tax_percent=Decimal(13))
    click(row, now)
    clinic.set_up(care, base_mode="received")
    refund(row, 1_00, now)
    taken = db.session.scalars(select(Clawback)).one()
    assert taken.base_minor == 1_00
    assert clean(care)


def test_rejected_payout_is_offered_again_by_a_person_only(
    care: Organisation, ada: Payee, now: datetime
) -> None:
    from tests import factories
    from webapp.programs.clinic import bulk

    row = clinic.paid(care, [ada], 20_000_00)
    (waiting,) = click(row, now).payouts
    admin = factories.actor_of(factories.user(organisation=care, role="admin"))
    with transaction():
        payouts.reject(
            organisation_id=care.id, reference=waiting.reference, reason="Wrong rate.", actor=admin, now=now
        )
    db.session.refresh(row)
    assert (row.offer, bulk.due_invoices(care.id)) == ("blocked", [])
    assert db.session.scalars(select(ClinicPayout)).one().released_at is not None
    (again,) = click(row, now).payouts
    assert again.id != waiting.id
    assert clean(care)


def test_no_account_of_a_wallet_can_fall_below_zero(care: Organisation, ada: Payee, now: datetime) -> None:
    click(clinic.paid(care, [ada]), now)
    limits = db.session.execute(select(Account.code, Account.minimum_balance_minor)).all()
    assert {code: minimum for code, minimum in limits if code.startswith("wallet")} == {
        "wallet:clinic": 0,
        wallets.code_of(ada): 0,
    }
