"""`paydesk ledger check` finds a wallet, a debt or a withdrawal that the records and the ledger tell differently."""

from __future__ import annotations

from datetime import datetime

import pytest
from flask import Flask
from sqlalchemy import update

from tests.factories import clinic
from tests.factories.people import FACTORY
from tests.programs.clinic.test_flow import clean, click
from tests.programs.clinic.test_going_back import refund
from webapp.database import db, transaction
from webapp.ledger import check
from webapp.payouts.models import Payout
from webapp.people.models import Organisation
from webapp.programs.clinic import withdrawing
from webapp.programs.clinic.models import PractitionerDebt


@pytest.fixture
def care(database: Flask, now: datetime) -> Organisation:
    """A clinic whose practitioner was paid, withdrew a part, and owes something after a refund."""
    found = clinic.carepoint()
    ada = clinic.practitioner(found)
    row = clinic.paid(found, [ada])
    click(row, now)
    with transaction():
        withdrawing.request_withdrawal(
            organisation_id=found.id, payee_id=ada.id, amount_minor=70_00, actor=FACTORY, now=now
        )
    refund(row, 100_00, now)
    assert clean(found)
    return found


def found_by(care: Organisation) -> set[str]:
    """The rules that find something."""
    return {finding.rule for finding in check.run(care.id).findings}


def test_a_payout_that_is_not_in_its_wallet(care: Organisation) -> None:
    with transaction():
        db.session.execute(update(Payout).where(Payout.rail == "wallet").values(amount_minor=89_99))
    assert found_by(care) == {"wallet position"}


def test_a_payout_that_moved_money_and_does_not_say_so(care: Organisation) -> None:
    with transaction():
        db.session.execute(update(Payout).where(Payout.rail == "wallet").values(state="pending_approval"))
    assert found_by(care) == {"wallet position"}


def test_a_debt_that_the_ledger_does_not_know(care: Organisation) -> None:
    with transaction():
        db.session.execute(update(PractitionerDebt).values(set_off_minor=1))
    assert found_by(care) == {"practitioners' debts"}


def test_a_withdrawal_of_which_nothing_is_held(care: Organisation) -> None:
    with transaction():
        db.session.execute(update(Payout).where(Payout.rail == "").values(amount_minor=70_01))
    assert found_by(care) == {"withdrawals held"}
