"""Withdrawals over the usual rails, recurring deductions, and the end of the day."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from tests import factories
from tests.factories import clinic
from tests.factories.people import FACTORY
from tests.programs.clinic.test_flow import clean, click
from webapp.database import db, transaction
from webapp.kernel.errors import Conflict, Invalid
from webapp.payouts import policies
from webapp.payouts import service as payouts
from webapp.payouts.models import Payout
from webapp.payouts.policy import default_rules
from webapp.people.models import Organisation, Payee
from webapp.programs.clinic import deductions, queries, wallets, withdrawing, work
from webapp.programs.clinic.drafts import DeductionDraft
from webapp.programs.clinic.models import ClinicTransaction, DeductionCharge
from webapp.runs import service as runs
from webapp.runs.models import Run


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


def ask(ada: Payee, amount_minor: int, now: datetime, **values: Any) -> Payout:
    """Ask for a withdrawal."""
    with transaction():
        return withdrawing.request_withdrawal(
            organisation_id=ada.organisation_id,
            payee_id=ada.id,
            amount_minor=amount_minor,
            actor=FACTORY,
            now=now,
            **values,
        )


def held(ada: Payee) -> int:
    """What is held for withdrawals."""
    return wallets.balance(ada.organisation_id, f"held:{ada.reference}", "CAD")


def _act(function: Any, payout: Payout, organisation: Organisation, now: datetime, **values: Any) -> None:
    admin = factories.actor_of(factories.user(organisation=organisation, role="admin"))
    with transaction():
        function(organisation_id=organisation.id, reference=payout.reference, actor=admin, now=now, **values)


def test_withdrawal_leaves_the_wallet_when_it_is_asked_for(
    care: Organisation, ada: Payee, now: datetime
) -> None:
    click(clinic.paid(care, [ada]), now)
    made = ask(ada, 60_00, now)
    assert (made.state, made.rail, clinic.holds(care, ada), held(ada)) == (
        "pending_approval",
        "",
        30_00,
        60_00,
    )
    assert clean(care)
    with pytest.raises(Invalid, match=r"The wallet holds CA\$30.00"):
        ask(ada, 30_01, now)


def test_withdrawal_is_paid_like_any_payout(care: Organisation, ada: Payee, now: datetime) -> None:
    click(clinic.paid(care, [ada]), now)
    made = ask(ada, 90_00, now)
    _act(payouts.approve, made, care, now)
    assert held(ada) == 0
    later = now + timedelta(days=3)
    _act(payouts.mark_paid, made, care, later, payment_reference="CHQ-1", paid_on=later.date())
    row = db.session.scalars(select(ClinicTransaction).where(ClinicTransaction.payout_id == made.id)).one()
    assert (made.state, row.state, clinic.holds(care, ada), held(ada)) == ("paid", "completed", 0, 0)
    assert clean(care)


@pytest.mark.parametrize("is_approved", [False, True])
def test_what_will_not_be_paid_is_in_the_wallet_again(
    care: Organisation, ada: Payee, now: datetime, is_approved: bool
) -> None:
    click(clinic.paid(care, [ada]), now)
    made = ask(ada, 60_00, now)
    if is_approved:
        _act(payouts.approve, made, care, now)
        _act(payouts.cancel, made, care, now, reason="Wrong account.")
    else:
        _act(payouts.reject, made, care, now, reason="Too early.")
    row = db.session.scalars(select(ClinicTransaction).where(ClinicTransaction.payout_id == made.id)).one()
    assert (row.state, clinic.holds(care, ada), held(ada)) == ("cancelled", 90_00, 0)
    assert clean(care)


def test_returned_withdrawal_stays_in_its_payout_until_it_is_cancelled(
    care: Organisation, ada: Payee, now: datetime
) -> None:
    click(clinic.paid(care, [ada]), now)
    made, later = ask(ada, 90_00, now), now + timedelta(days=3)
    _act(payouts.approve, made, care, now)
    _act(payouts.mark_paid, made, care, later, payment_reference="CHQ-1", paid_on=later.date())
    _act(payouts.reverse, made, care, later, reason="Account closed.", on=later.date())
    assert (made.state, clinic.holds(care, ada)) == ("reversed", 0)
    _act(payouts.cancel, made, care, later, reason="Account closed.")
    assert (clinic.holds(care, ada), held(ada)) == (90_00, 0)
    assert clean(care)


def test_the_same_key_withdraws_once(care: Organisation, ada: Payee, now: datetime) -> None:
    click(clinic.paid(care, [ada]), now)
    first, second = (ask(ada, 90_00, now, idempotency_key="w") for _ in range(2))
    assert first.id == second.id
    with pytest.raises(Conflict):
        ask(ada, 80_00, now, idempotency_key="w")


def test_a_withdrawal_below_the_smallest_is_refused(care: Organisation, ada: Payee, now: datetime) -> None:
    clinic.set_up(care, withdrawal_minimum_minor=50_00)
    click(clinic.paid(care, [ada]), now)
    with pytest.raises(Invalid, match=r"The smallest withdrawal is CA\$50.00"):
        ask(ada, 49_99, now)


def test_who_adjusted_the_wallet_does_not_approve_its_withdrawal(
    care: Organisation, ada: Payee, now: datetime
) -> None:
    clinic.paid(care, None, 100_00)
    admin = factories.actor_of(factories.user(organisation=care, role="admin"))
    with transaction():
        wallets.adjust(
            organisation_id=care.id,
            payee_id=ada.id,
            amount_minor=100_00,
            reason="Bonus",
            actor=admin,
            now=now,
        )
    made = ask(ada, 100_00, now)
    with pytest.raises(Conflict, match="You adjusted this wallet"), transaction():
        payouts.approve(organisation_id=care.id, reference=made.reference, actor=admin, now=now)
    assert clean(care)


def _rent(ada: Payee, now: datetime, **values: Any) -> int:
    defaults: dict[str, Any] = {"amount_minor": 50_00, "starts_on": date(2026, 9, 30)}
    with transaction():
        draft = DeductionDraft(ada.id, "Room rent", **{**defaults, **values})
        row = deductions.add_deduction(
            organisation_id=ada.organisation_id, draft=draft, actor=FACTORY, now=now
        )
        return row.id


def _charge(ada: Payee, deduction_id: int, today: date, now: datetime) -> list[DeductionCharge]:
    with transaction():
        return deductions.charge_due(
            organisation_id=ada.organisation_id,
            deduction_id=deduction_id,
            today=today,
            actor=FACTORY,
            now=now,
        )


def test_deduction_takes_what_there_is_and_carries_the_rest(
    care: Organisation, ada: Payee, now: datetime
) -> None:
    click(clinic.paid(care, [ada]), now)
    rent = _rent(ada, now)
    charged = _charge(ada, rent, date(2026, 11, 30), now)
    assert [(c.period_start.isoformat(), c.taken_minor, c.carried_minor) for c in charged] == [
        ("2026-09-30", 50_00, 0), ("2026-10-30", 40_00, 10_00), ("2026-11-30", 0, 50_00),
    ]  # fmt: skip
    assert _charge(ada, rent, date(2026, 11, 30), now) == []
    assert (clinic.holds(care, ada), queries.wallet_of(ada, "CAD").owed.amount) == (0, 60_00)
    click(clinic.paid(care, [ada]), now)
    assert (clinic.holds(care, ada), queries.wallet_of(ada, "CAD").owed.amount) == (30_00, 0)
    assert wallets.balance(care.id, "income:facility_fee", "CAD") == 150_00
    assert clean(care)


def test_a_monthly_period_on_the_31st_fits_into_short_months(
    care: Organisation, ada: Payee, now: datetime
) -> None:
    rent = _rent(ada, now, starts_on=date(2026, 1, 31))
    found = [c.period_start.isoformat() for c in _charge(ada, rent, date(2026, 4, 30), now)]
    assert found == ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30"]


def test_ended_deduction_is_not_charged_on(care: Organisation, ada: Payee, now: datetime) -> None:
    rent = _rent(ada, now, every="week", starts_on=date(2026, 11, 2))
    with transaction():
        deductions.end_deduction(
            organisation_id=care.id, deduction_id=rent, last_day=date(2026, 11, 15), actor=FACTORY, now=now
        )
    assert [c.period_start.day for c in _charge(ada, rent, date(2026, 11, 30), now)] == [2, 9]


@pytest.mark.parametrize(
    ("every", "day", "is_due"),
    [
        ("never", date(2026, 11, 30), False),
        ("day", date(2026, 11, 18), True),
        # Weeks begin on Monday: they end on Sunday the 22nd.
        ("week", date(2026, 11, 22), True),
        ("week", date(2026, 11, 21), False),
        ("month", date(2026, 11, 30), True),
        ("month", date(2026, 11, 29), False),
    ],
)
def test_when_a_schedule_is_due(every: str, day: date, is_due: bool) -> None:
    assert work.is_due(every, day, 0) is is_due


def test_end_of_the_day_pays_what_is_ready_and_withdraws(
    care: Organisation, ada: Payee, now: datetime
) -> None:
    clinic.set_up(care, payouts_every="day", withdrawals_every="day")
    clinic.paid(care, [ada])
    clinic.paid(care, None)
    clinic.invoice(care, [ada])
    work.run_schedules(care.id, now, now)
    run = db.session.scalars(select(Run)).one()
    assert (run.total, run.state) == (1, "queued")
    assert runs.step(run_id=run.id, clock=lambda: now)
    assert clinic.holds(care, ada) == 90_00
    work.run_schedules(care.id, now, now)
    made = db.session.scalars(select(Payout).where(Payout.rail != "wallet")).one()
    assert (made.amount_minor, made.is_automatic, clinic.holds(care, ada)) == (90_00, True, 0)
    work.run_schedules(care.id, now, now)
    assert db.session.query(Payout).count() == 2
    assert clean(care)


def test_what_stands_in_the_way_of_one_does_not_stop_the_others(
    care: Organisation, ada: Payee, now: datetime
) -> None:
    clinic.set_up(care, withdrawals_every="day")
    ben = clinic.practitioner(care, name="Ben")
    click(clinic.paid(care, [ada], 10_00), now)
    click(clinic.paid(care, [ben], 100_00), now)
    with transaction():
        rules = {**default_rules("CAD"), "minimum_minor": 50_00}
        policies.change_policy(organisation_id=care.id, rules=rules, actor=FACTORY, now=now)
    work.run_schedules(care.id, now, now)
    assert (clinic.holds(care, ada), clinic.holds(care, ben)) == (9_00, 0)
    assert clean(care)
