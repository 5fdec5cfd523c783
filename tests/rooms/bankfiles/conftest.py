"""An organisation that pays with bank files: two admins, settings for ACH."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.factories import bankfiles
from tests.factories.pages import Place
from tests.factories.pages import place as make_place
from webapp.bankfiles.models import BankFile, BankFileItem
from webapp.database import db
from webapp.outbox.models import OutboxMessage
from webapp.payouts import execution
from webapp.payouts.models import Payout, Transfer


@pytest.fixture
def place(database: Flask) -> Place:
    """An organisation and its people."""
    made = make_place(database)
    bankfiles.switch_on(made.organisation)
    bankfiles.setup(made.organisation)
    return made


def answer_all() -> None:
    """What a worker does with the questions that a return file asked."""
    db.session.rollback()
    for kind, reference_id in db.session.query(OutboxMessage.kind, OutboxMessage.reference_id).all():
        if kind == "transfer.ask":
            execution.check(transfer_row_id=reference_id, source="operator")
    db.session.rollback()


def transfers() -> list[Transfer]:
    """All transfers as they are now."""
    db.session.rollback()
    return db.session.query(Transfer).order_by(Transfer.id).populate_existing().all()


def payout(reference: str) -> Payout:
    """A payout as it is now."""
    db.session.rollback()
    return db.session.query(Payout).filter_by(reference=reference).populate_existing().one()


def items(file: BankFile) -> list[BankFileItem]:
    """The items of a file as they are now."""
    db.session.rollback()
    query = db.session.query(BankFileItem).filter_by(file_id=file.id).order_by(BankFileItem.position)
    return query.populate_existing().all()
