"""A driver's monthly statement: week by week, tied to the ledger, drawn, and of no other kind of payee."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime

import pypdf
import pytest
from flask import Flask
from sqlalchemy import func, select

from tests.factories import people, repairs
from tests.factories.people import FACTORY
from tests.factories.repairs import sunday
from tests.support.books import clean
from webapp.database import db, transaction
from webapp.kernel.errors import Conflict
from webapp.ledger.models import Account
from webapp.people.models import Organisation, Payee
from webapp.providers import storage
from webapp.statements import facts, making, monthly, sections, tie
from webapp.statements.models import Document
from webapp.statements.sections import Section

OCTOBER, NOVEMBER = date(2025, 10, 1), date(2025, 11, 1)
LATER, LATEST = datetime(2025, 11, 2, 15, tzinfo=UTC), datetime(2025, 12, 2, 15, tzinfo=UTC)


@pytest.fixture
def metrocab(database: Flask) -> Organisation:
    """A taxi fleet."""
    return repairs.metrocab(slug="metrocab")


@pytest.fixture
def ann(metrocab: Organisation) -> Payee:
    """A driver after six weeks, some with money to come and some without."""
    driver = repairs.driver(metrocab, name="Ann Lee")
    people.method(driver)
    repairs.repair(repairs.lease(driver, 300_00))
    for week, earned in enumerate((700_00, 100_00, 900_00, 350_00)):
        repairs.earn(driver, earned, date.fromordinal(sunday(week).toordinal() + 2))
    for week in range(6):
        repairs.run(metrocab, sunday(week))
    return driver


def statement(payee: Payee, month: date, now: datetime) -> Document:
    with transaction():
        return monthly.create(
            organisation_id=payee.organisation_id,
            payee_id=payee.id,
            currency="USD",
            month=month,
            actor=FACTORY,
            now=now,
        ).document


def section_of(document: Document) -> Section:
    with transaction():
        content = db.session.get_one(Document, document.id, populate_existing=True).facts
        (found,) = facts.from_json(content).sections
        return found


def booked(payee: Payee) -> int:
    """Straight from the accounts: kept and held, less owed."""
    found = 0
    for prefix, side in (("earnings:", 1), ("held:", 1), ("receivable:", -1)):
        query = select(func.sum(Account.balance_minor)).where(
            Account.payee_id == payee.id, Account.code.startswith(prefix)
        )
        found += int(db.session.scalar(query) or 0) * side
    return found


def test_the_months_follow_one_another_and_end_with_the_ledger(metrocab: Organisation, ann: Payee) -> None:
    october, november = statement(ann, OCTOBER, LATER), statement(ann, NOVEMBER, LATEST)
    first, second = section_of(october), section_of(november)
    assert first.closing_minor == second.opening_minor
    assert second.closing_minor == booked(ann)
    weeks = {entry.item: entry for entry in first.records}
    assert weeks["Week 5–11 Oct 2025"].figures == (700_00, -500_00, 0)
    assert weeks["Week 5–11 Oct 2025"].source.startswith("DTR-2025-")
    assert sum(entry.figures[0] for entry in first.records) == 700_00 + 100_00 + 900_00 + 350_00
    assert clean(metrocab)


def test_it_is_drawn_and_says_what_is_owed(metrocab: Organisation, ann: Payee) -> None:
    document = statement(ann, NOVEMBER, LATEST)
    assert making.render(document_id=document.id, now=LATEST)
    with transaction():
        key = db.session.get_one(Document, document.id, populate_existing=True).storage_key
    text = "\n".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(storage.read(key))).pages)
    for words in ("Your weeks", "Your balance with the fleet", "You owe it."):
        assert words in text, words


def test_what_is_booked_late_is_noticed(metrocab: Organisation, ann: Payee) -> None:
    document = statement(ann, OCTOBER, LATER)
    repairs.charge(ann, "tolls", 5_00, date(2025, 10, 30), now=LATER)
    with transaction():
        ledger = tie.ledger_of(db.session.get_one(Document, document.id))
    assert ledger.apart == ("Your weeks",)


def test_who_is_concerned(metrocab: Organisation, ann: Payee) -> None:
    quiet = repairs.driver(metrocab, name="Bo")
    owner = people.payee(metrocab, "owner")
    found = sections.concerned(metrocab.id, OCTOBER, date(2025, 10, 31))
    assert (ann.id, "USD") in found
    assert not {quiet.id, owner.id} & {payee_id for payee_id, _ in found}
    with pytest.raises(Conflict, match="nothing to state"):
        statement(quiet, OCTOBER, LATER)
