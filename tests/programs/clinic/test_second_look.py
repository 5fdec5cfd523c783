"""What one person alone must not do, what another setting must not pay again, what is sent twice."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from tests import factories
from tests.factories import actor_of, clinic, people
from tests.factories.people import FACTORY
from tests.programs.clinic.test_flow import clean, click
from webapp.database import db, transaction
from webapp.payouts.models import ApprovalExclusion, Payout
from webapp.people.models import Organisation, Payee
from webapp.programs.clinic import customers, refunding, wallets, withdrawing
from webapp.programs.clinic.drafts import AppointmentDraft, Share
from webapp.programs.clinic.models import ClinicTransaction


@pytest.fixture
def care(database: Flask) -> Organisation:
    """A clinic."""
    return clinic.carepoint()


@pytest.fixture
def ada(care: Organisation) -> Payee:
    """A practitioner who can be paid over a bank."""
    payee = clinic.practitioner(care, name="Dr Ada Bell")
    factories.method(payee)
    return payee


def adjust(care: Organisation, now: datetime, payee: Payee | None = None, **values: Any) -> ClinicTransaction:
    """Money put into a wallet by hand."""
    with transaction():
        return wallets.adjust(
            organisation_id=care.id, payee_id=payee.id if payee else None, reason="Till.",
            **{"actor": FACTORY, "now": now, "amount_minor": 50_00, **values},
        )  # fmt: skip


def test_a_scheduled_withdrawal_waits_for_a_person_after_an_adjustment(
    care: Organisation, ada: Payee, now: datetime
) -> None:
    admin = people.user("a@carepoint.example", organisation=care, role="admin")
    adjust(care, now)
    adjust(care, now, ada, actor=actor_of(admin))
    with transaction():
        made = withdrawing.withdraw_all(
            organisation_id=care.id, payee_id=ada.id, day=now.date(), actor=FACTORY, now=now
        )
    assert [payout.state for payout in made] == ["pending_approval"]
    assert [row.user_id for row in made[0].exclusions] == [admin.id]


def test_who_recorded_the_payment_does_not_approve_the_payout(
    care: Organisation, ada: Payee, now: datetime
) -> None:
    admin = people.user("a@carepoint.example", organisation=care, role="admin")
    row = clinic.invoice(care, [ada])
    clinic.pay(row, method="cash", actor=actor_of(admin))
    click(row, now)
    reasons = db.session.scalars(
        select(ApprovalExclusion.reason).where(ApprovalExclusion.user_id == admin.id)
    ).all()
    assert f"recorded a payment of {row.number}" in reasons


def test_who_corrects_the_hour_does_not_take_the_place_of_who_named_the_practitioner(
    care: Organisation, ada: Payee, now: datetime
) -> None:
    made = clinic.appointment(care, [ada])
    first = people.user("a@carepoint.example", organisation=care, role="admin")
    second = people.user("b@carepoint.example", organisation=care, role="admin")
    other = clinic.practitioner(care, name="A friend")
    for who, minute in ((first, 0), (second, 5)):
        draft = AppointmentDraft(made.customer_id, clinic.WHEN.replace(minute=minute), (Share(other.id),))
        with transaction():
            customers.change_appointment(
                organisation_id=care.id, reference=made.reference, draft=draft, actor=actor_of(who), now=now
            )
    assert made.edited_by_id == first.id


def test_another_base_alone_pays_nothing_again(care: Organisation, ada: Payee, now: datetime) -> None:
    clinic.set_up(care, part_mode="pro_rata")
    row = clinic.paid(care, [ada], tax_percent=Decimal(13))
    click(row, now)
    clinic.set_up(care, part_mode="pro_rata", base_mode="gross")
    assert click(row, now).is_repeat
    assert db.session.scalar(select(func.count()).select_from(Payout)) == 1


def test_the_rest_is_paid_after_payouts_wait_for_the_whole(
    care: Organisation, ada: Payee, now: datetime
) -> None:
    clinic.set_up(care, part_mode="pro_rata")
    row = clinic.invoice(care, [ada])
    clinic.pay(row, 40_00)
    click(row, now)
    clinic.set_up(care, part_mode="full")
    clinic.pay(row)
    assert not click(row, now).is_repeat
    assert clinic.holds(care, ada) == 90_00


def test_nobody_is_paid_out_of_anothers_share(care: Organisation, ada: Payee, now: datetime) -> None:
    clinic.set_up(care, part_mode="pro_rata", split_mode="share")
    clinic.rule(care, percent=Decimal(0), flat_minor=10_00)
    ben = clinic.practitioner(care, name="Ben")
    row = clinic.invoice(care, clinic.appointment(care, [(ada, 90), (ben, 10)]))
    clinic.pay(row, 50_00)
    click(row, now)
    clinic.pay(row)
    click(row, now)
    assert clinic.holds(care, ada) == 80_00
    assert clinic.holds(care, ben) == 0
    assert clean(care)


def test_the_same_adjustment_sent_twice_is_one(care: Organisation, now: datetime) -> None:
    first, second = (adjust(care, now, idempotency_key="page:k") for _ in range(2))
    assert first.id == second.id
    assert clinic.holds(care) == 50_00


def test_the_fee_of_many_refunds_comes_to_the_fee(care: Organisation, ada: Payee, now: datetime) -> None:
    clinic.set_up(care, fee_bearer="customer")
    row = clinic.invoice(care, [ada], 1_00)
    clinic.pay(row, fee_minor=3)
    kept = 0
    for _ in range(2):
        kept += refunding.plan_refund(
            organisation_id=care.id, number=row.number, amount_minor=50
        ).fee_kept_minor
        with transaction():
            refunding.refund(
                organisation_id=care.id, number=row.number, amount_minor=50, reason="Half.",
                happened_on=clinic.DAY, method="gateway", actor=FACTORY, now=now,
            )  # fmt: skip
    assert kept == 3
