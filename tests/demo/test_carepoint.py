"""The demo's clinic: its stories are there, it proves itself, and its rules answer quotes as they should."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from sqlalchemy import func, select

from tests.conftest import NOW
from tests.demo.conftest import Seeding
from webapp.database import db
from webapp.demo import carepoint
from webapp.demo.times import RECENT
from webapp.ledger import check
from webapp.outbox.models import OutboxMessage
from webapp.payouts.models import Payout
from webapp.people.models import Organisation, Payee, PayoutMethod
from webapp.programs.clinic import bulk, paying, planning, queries
from webapp.programs.clinic.commands import quote_clinic
from webapp.programs.clinic.models import (
    Appointment,
    AppointmentPractitioner,
    Clawback,
    ClinicPayout,
    ClinicTransaction,
    CommissionRuleVersion,
    DeductionCharge,
    Invoice,
    PractitionerDebt,
)
from webapp.statements.models import Document

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("demo")]


@pytest.fixture(scope="module")
def clinic(put_in: Seeding) -> int:
    """A database with the clinic's data; answers the organisation's id."""
    put_in(carepoint.seed)
    return db.session.scalars(select(Organisation.id).where(Organisation.slug == "carepoint")).one()


def _count(query: object) -> int:
    return int(db.session.scalar(select(func.count()).select_from(query)) or 0)  # type: ignore[call-overload]


def _the_large_one() -> Invoice:
    return db.session.scalars(select(Invoice).order_by(Invoice.total_minor.desc()).limit(1)).one()


def test_there_are_twelve_practitioners_and_six_months_of_payouts(clinic: int) -> None:
    assert _count(select(Payee).where(Payee.kind == "practitioner").subquery()) == 12
    months = {day.replace(day=1) for day in db.session.scalars(select(ClinicPayout.held_on))}
    assert len(months) == 6


@pytest.mark.parametrize("state", ["pending", "partial", "paid", "paid_manual", "refunded", "written_off"])
def test_there_are_invoices_in_state(clinic: int, state: str) -> None:
    assert db.session.scalar(select(Invoice.id).where(Invoice.state == state).limit(1))


def test_some_invoices_are_overdue(clinic: int) -> None:
    late = select(Invoice.id).where(Invoice.state == "pending", Invoice.due_on < NOW.date()).limit(1)
    assert db.session.scalar(late)


@pytest.mark.parametrize(
    ("state", "rail"),
    [
        ("paid", "sandbox"),
        ("failed", "sandbox"),
        ("processing", "sandbox"),
        ("paid", "manual"),
        ("approved", None),
        ("pending_approval", None),
        ("rejected", None),
    ],
)
def test_withdrawals_are_in_state(clinic: int, state: str, rail: str | None) -> None:
    withdrawals = select(ClinicTransaction.payout_id).where(ClinicTransaction.kind == "withdrawal")
    found = select(Payout.rail).where(Payout.id.in_(withdrawals), Payout.state == state)
    assert rail in {each or None for each in db.session.scalars(found)}


def test_one_who_asks_has_no_payment_details_yet(clinic: int) -> None:
    without = select(Payout.state).where(
        Payout.program == "clinic", Payout.rail != "wallet", Payout.payee_id.not_in(select(PayoutMethod.payee_id))
    )  # fmt: skip
    assert db.session.scalars(without).all() == ["pending_approval"]


def test_the_ledger_proves_itself(clinic: int) -> None:
    assert check.run().findings == []


def test_the_wallet_is_too_low_for_the_large_invoice_alone(clinic: int) -> None:
    large = _the_large_one()
    with pytest.raises(planning.WalletTooLow):
        paying.plan_payout(organisation_id=clinic, number=large.number)
    due = db.session.scalars(select(Invoice).where(Invoice.id.in_(bulk.due_invoices(clinic)))).all()
    plans = [
        paying.plan_payout(organisation_id=clinic, number=invoice.number)
        for invoice in due
        if invoice != large
    ]
    assert len(plans) >= 10
    needed = sum(plan.base.amount for plan in plans if isinstance(plan, planning.PayoutPlan))
    assert needed <= queries.clinic_wallet(clinic, "CAD").balance.amount


def test_one_invoice_of_the_shop_is_nobodys(clinic: int) -> None:
    order = db.session.scalars(select(Invoice).where(Invoice.about == "order")).one()
    assert order.order_reference == "SHOP-1042"
    with pytest.raises(planning.NotAnAppointment):
        paying.plan_payout(organisation_id=clinic, number=order.number)


def test_of_two_split_appointments_one_is_paid_out(clinic: int) -> None:
    several = (
        select(AppointmentPractitioner.appointment_id)
        .group_by(AppointmentPractitioner.appointment_id)
        .having(func.count() > 1)
    )
    invoices = db.session.scalars(
        select(Invoice).join(Appointment).where(Appointment.id.in_(several)).order_by(Invoice.id)
    ).all()
    paid = [[each.row.base_minor for each in queries.payouts_of(invoice.id)] for invoice in invoices]
    # 199.99 by 60 and 40.
    assert paid == [[119_99, 80_00], []]


def test_one_refund_is_taken_from_a_wallet_and_one_is_carried(clinic: int) -> None:
    rows = db.session.execute(
        select(Clawback.taken_minor, Clawback.carried_minor).order_by(Clawback.id)
    ).all()
    # 40.00 at 8 %, and 82.50 at 10 %.
    assert [tuple(row) for row in rows] == [(36_80, 0), (0, 74_25)]


def test_a_rent_that_earnings_do_not_cover_is_carried(clinic: int) -> None:
    assert _count(select(DeductionCharge).where(DeductionCharge.carried_minor > 0).subquery()) >= 6
    assert db.session.scalar(
        select(PractitionerDebt.id).where(PractitionerDebt.set_off_minor < PractitionerDebt.amount_minor)
    )


def test_a_commission_rule_waits_for_the_approver(clinic: int) -> None:
    rows = db.session.execute(
        select(CommissionRuleVersion.state, func.count()).group_by(CommissionRuleVersion.state)
    ).all()
    assert dict(tuple(row) for row in rows) == {"in_force": 4, "proposed": 1}


def test_one_payment_has_its_proof(clinic: int) -> None:
    names = db.session.scalars(select(ClinicTransaction.proof_name).where(ClinicTransaction.proof_key != ""))
    assert names.all() == ["bank slip.pdf"]


def test_statements_wait_to_be_drawn(clinic: int) -> None:
    assert _count(select(Document).where(Document.kind == "monthly").subquery()) >= 3


def test_nobody_hears_of_what_happened_long_ago(clinic: int) -> None:
    mails = select(func.min(OutboxMessage.created_at)).where(OutboxMessage.kind.startswith("notice."))
    assert db.session.scalar(mails) >= NOW - RECENT


@pytest.mark.parametrize(
    ("amount", "commission", "payout"),
    [("100.00", "10.00", "90.00"), ("99.99", "10.00", "89.99"), ("0.05", "0.01", "0.04")],
)
def test_a_quote_by_the_default_rule(clinic: int, amount: str, commission: str, payout: str) -> None:
    done = CliRunner().invoke(quote_clinic, ["--organisation", "carepoint", "--amount", amount, "--json"])
    found = json.loads(done.output)
    assert (done.exit_code, found["commission"], found["payout"]) == (0, commission, payout)
