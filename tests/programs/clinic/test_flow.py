"""From invoice to wallet: the guards in their order, the numbers, part payments, splits."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import pytest
from flask import Flask
from sqlalchemy import select

from tests.factories import clinic
from tests.factories.people import FACTORY
from webapp.database import db, transaction
from webapp.kernel.errors import Conflict, IllegalTransition, Invalid
from webapp.ledger import check
from webapp.ledger.models import Account, JournalEntry
from webapp.payouts.models import Payout
from webapp.people.models import Organisation, Payee
from webapp.programs.clinic import paying, planning, wallets
from webapp.programs.clinic.models import ClinicPayout, ClinicTransaction, Invoice


def click(row: Invoice, now: datetime) -> paying.Made:
    """One click on *Create payout*."""
    with transaction():
        return paying.create_payout(
            organisation_id=row.organisation_id, number=row.number, actor=FACTORY, now=now
        )


@pytest.fixture
def care(database: Flask) -> Organisation:
    """A clinic."""
    return clinic.carepoint()


@pytest.fixture
def ada(care: Organisation) -> Payee:
    """A practitioner."""
    return clinic.practitioner(care, name="Dr Ada Bell")


def clean(organisation: Organisation) -> bool:
    """Whether the ledger's check finds nothing."""
    report = check.run(organisation.id)
    assert report.findings == []
    return report.is_clean


@pytest.mark.parametrize(
    ("amount", "commission", "payout"), [(100_00, 10_00, 90_00), (99_99, 10_00, 89_99), (5, 1, 4)]
)
def test_payout_moves_the_practitioners_part_and_keeps_the_commission(
    care: Organisation, ada: Payee, now: datetime, amount: int, commission: int, payout: int
) -> None:
    row = clinic.paid(care, [ada], amount)
    assert clinic.holds(care) == amount
    made = click(row, now)
    assert not made.is_repeat
    assert (clinic.holds(care), clinic.holds(care, ada)) == (0, payout)
    income = db.session.scalars(select(Account).where(Account.code == "income:commission")).one()
    assert income.balance_minor == commission
    (stored,) = made.payouts
    assert (stored.state, stored.rail, stored.gross_minor, stored.amount_minor) == (
        "paid",
        "wallet",
        amount,
        payout,
    )
    assert db.session.query(JournalEntry).filter_by(source_type="payout").count() == 1
    assert clean(care)


def test_second_click_gets_the_first_ones_payout(care: Organisation, ada: Payee, now: datetime) -> None:
    row = clinic.paid(care, [ada])
    first, second = click(row, now), click(row, now)
    assert second.is_repeat
    assert [p.id for p in first.payouts] == [p.id for p in second.payouts]
    assert first.payouts[0].reference in second.message
    assert clinic.holds(care, ada) == 90_00


def test_guards_answer_in_their_order(care: Organisation, ada: Payee, now: datetime) -> None:
    unpaid_order = clinic.invoice(care, None)
    with pytest.raises(planning.NotPaid, match="still to be paid"):
        click(unpaid_order, now)
    clinic.pay(unpaid_order)
    with pytest.raises(planning.NotAnAppointment, match="not about an appointment"):
        click(unpaid_order, now)
    nobody = clinic.paid(care, clinic.appointment(care, []))
    with pytest.raises(planning.NoPractitioner, match="no primary practitioner"):
        click(nobody, now)
    row = clinic.paid(care, [ada])
    with transaction():
        wallets.adjust(organisation_id=care.id, amount_minor=-250_00, reason="Rent", actor=FACTORY, now=now)
    with pytest.raises(planning.WalletTooLow, match=r"holds CA\$50.00, less than the CA\$100.00"):
        click(row, now)
    with transaction():
        wallets.adjust(organisation_id=care.id, amount_minor=50_00, reason="Put in", actor=FACTORY, now=now)
    assert not click(row, now).is_repeat
    assert clean(care)


def test_the_wallet_is_made_when_missing(care: Organisation, ada: Payee, now: datetime) -> None:
    row = clinic.paid(care, [ada])
    code = wallets.code_of(ada)
    assert db.session.scalar(select(Account).where(Account.code == code)) is None
    click(row, now)
    account = db.session.scalars(select(Account).where(Account.code == code)).one()
    assert (account.minimum_balance_minor, account.payee_id) == (0, ada.id)


def test_part_payments_move_the_invoice_on(care: Organisation, ada: Payee, now: datetime) -> None:
    row = clinic.invoice(care, [ada])
    clinic.pay(row, 40_00)
    assert (row.state, row.remaining_minor, clinic.holds(care)) == ("partial", 60_00, 40_00)
    with pytest.raises(planning.NotPaid, match=r"CA\$60.00 is still to be paid"):
        click(row, now)
    with pytest.raises(Invalid, match=r"CA\$60.00 of INV-001 is left to pay") as refused:
        clinic.pay(row, 60_01)
    assert refused.value.example == "60.00"
    clinic.pay(row, 60_00, "cash")
    assert (row.state, clinic.holds(care)) == ("paid_manual", 100_00)
    with pytest.raises(IllegalTransition):
        clinic.pay(row, 1)
    click(row, now)
    assert clinic.holds(care, ada) == 90_00
    assert clean(care)


def test_pro_rata_pays_what_has_come_in_and_adds_up_to_the_whole(
    care: Organisation, ada: Payee, now: datetime
) -> None:
    clinic.set_up(care, part_mode="pro_rata")
    row = clinic.invoice(care, [ada], 99_99)
    got = 0
    for amount in (33_33, 33_33, 33_33):
        clinic.pay(row, amount)
        assert not click(row, now).is_repeat
        assert click(row, now).is_repeat
        assert clinic.holds(care, ada) > got
        got = clinic.holds(care, ada)
    assert got == 89_99
    parts = db.session.scalars(select(ClinicPayout.part).order_by(ClinicPayout.id)).all()
    assert list(parts) == [1, 2, 3]
    assert clean(care)


def test_split_pays_each_by_share_and_own_rule(care: Organisation, now: datetime) -> None:
    three = [clinic.practitioner(care, name=name) for name in ("Ada", "Ben", "Cy")]
    clinic.set_up(care, split_mode="share")
    clinic.rule(care, percent=Decimal(20), payee_id=three[1].id, priority=5)
    row = clinic.paid(care, clinic.appointment(care, [(payee, 1) for payee in three]), 100_01)
    made = click(row, now)
    assert len(made.payouts) == 3
    # 33.34, 33.34, 33.33; 10 %, 20 %, 10 %
    assert [clinic.holds(care, payee) for payee in three] == [30_01, 26_67, 30_00]
    assert clinic.holds(care) == 0
    assert click(row, now).is_repeat
    assert clean(care)


def test_tax_stays_with_the_clinic(care: Organisation, ada: Payee, now: datetime) -> None:
    row = clinic.paid(care, [ada], 100_00, tax_percent=Decimal(13))
    click(row, now)
    assert (clinic.holds(care), clinic.holds(care, ada)) == (13_00, 90_00)


def test_what_the_check_step_says_is_what_happens(care: Organisation, ada: Payee, now: datetime) -> None:
    row = clinic.paid(care, [ada])
    plan = paying.plan_payout(organisation_id=care.id, number=row.number)
    assert isinstance(plan, planning.PayoutPlan)
    assert plan.sentence == "Pay 90.00 to Dr Ada Bell and keep 10.00 (10 %)?"
    click(row, now)
    assert isinstance(paying.plan_payout(organisation_id=care.id, number=row.number), paying.Made)


def test_tiers_count_the_practitioners_month(care: Organisation, ada: Payee, now: datetime) -> None:
    tiers = ((150_00, Decimal(20)), (None, Decimal(10)))
    clinic.rule(care, percent=Decimal(10), tiers=tiers)
    rows = [clinic.paid(care, [ada]) for _ in range(3)]
    for row in rows:
        click(row, now)
    kept = db.session.scalars(select(ClinicPayout.commission_minor).order_by(ClinicPayout.id)).all()
    assert list(kept) == [20_00, 20_00, 10_00]


def test_a_payout_that_needs_a_person_waits_and_moves_nothing(
    care: Organisation, ada: Payee, now: datetime
) -> None:
    row = clinic.paid(care, [ada], 20_000_00)
    (made,) = click(row, now).payouts
    assert (made.state, clinic.holds(care), clinic.holds(care, ada)) == ("pending_approval", 20_000_00, 0)
    assert click(row, now).is_repeat
    assert clean(care)


def test_movements_are_kept_as_people_see_them(care: Organisation, ada: Payee, now: datetime) -> None:
    row = clinic.paid(care, [ada])
    click(row, now)
    found = db.session.scalars(select(ClinicTransaction).order_by(ClinicTransaction.id)).all()
    assert [(t.kind, t.state, t.amount_minor, t.from_wallet, t.to_wallet) for t in found] == [
        ("payment", "completed", 100_00, "", "wallet:clinic"),
        ("payout", "completed", 90_00, "wallet:clinic", wallets.code_of(ada)),
    ]


def test_invoice_numbers_have_no_gap_after_a_refused_one(care: Organisation, ada: Payee) -> None:
    first = clinic.invoice(care, [ada], external_ref="A")
    with pytest.raises(Invalid):
        clinic.invoice(care, [ada], external_ref="A")
    assert (first.number, clinic.invoice(care, [ada]).number) == ("INV-001", "INV-002")


def test_a_providers_reference_is_recorded_once(care: Organisation, ada: Payee) -> None:
    row = clinic.invoice(care, [ada])
    clinic.pay(row, 40_00, provider_reference="pi_1")
    with pytest.raises(Conflict, match="pi_1 is recorded already, as TX-000001"):
        clinic.pay(row, 40_00, provider_reference="pi_1")
    assert clinic.holds(care) == 40_00


def test_the_same_key_gets_the_same_payment(care: Organisation, ada: Payee) -> None:
    row = clinic.invoice(care, [ada])
    first, second = (clinic.pay(row, 40_00, idempotency_key="k") for _ in range(2))
    assert (second.is_repeat, second.transaction.id) == (True, first.transaction.id)
    with pytest.raises(Conflict, match="same key"):
        clinic.pay(row, 41_00, idempotency_key="k")
    assert clinic.holds(care) == 40_00


def test_other_organisations_do_not_find_it(care: Organisation, ada: Payee, now: datetime) -> None:
    from webapp.kernel.errors import NotFound

    row, other = clinic.paid(care, [ada]), clinic.carepoint()
    with pytest.raises(NotFound), transaction():
        paying.create_payout(organisation_id=other.id, number=row.number, actor=FACTORY, now=now)
    assert db.session.query(Payout).count() == 0
