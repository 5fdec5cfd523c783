"""A practitioner's monthly statement: the wallet figure by figure, debts, what is left out; tied to the ledger."""

from __future__ import annotations

import csv
import io
from datetime import date, datetime
from decimal import Decimal

import pypdf
import pytest
import time_machine
from flask import Flask
from sqlalchemy import func, select

from tests.factories import clinic, people, rentals
from tests.factories.people import FACTORY
from tests.programs.clinic.test_flow import clean, click
from tests.programs.clinic.test_going_back import refund
from tests.rooms.statements.test_monthly_files import failures
from webapp.database import db, transaction
from webapp.kernel.errors import Conflict
from webapp.ledger.models import Account
from webapp.people.models import Organisation, Payee
from webapp.programs.clinic import customers, deductions, invoicing, wallets, withdrawing
from webapp.programs.clinic.drafts import DeductionDraft
from webapp.programs.clinic.models import ClinicPayout
from webapp.providers import storage
from webapp.statements import facts, making, month_runs, monthly, sections, tables, tie
from webapp.statements.build import DoesNotAddUp
from webapp.statements.facts import MonthlyFacts
from webapp.statements.models import Document
from webapp.statements.sections import Section

NOVEMBER = date(2026, 11, 1)
NOW = datetime.fromisoformat("2026-11-20T15:00:00+00:00")
LATER = datetime.fromisoformat("2026-12-02T15:00:00+00:00")
NEW_YEAR = datetime.fromisoformat("2027-01-02T15:00:00+00:00")


@pytest.fixture
def care(database: Flask) -> Organisation:
    return clinic.carepoint(slug="carepoint", locale="en_CA", contact_email="help@carepoint.example")


@pytest.fixture
def ada(care: Organisation) -> Payee:
    return clinic.practitioner(care, name="Dr Ada Bell")


def statement(
    care: Organisation, payee: Payee, month: date = NOVEMBER, now: datetime = LATER, currency: str = "CAD"
) -> Document:
    with transaction():
        return monthly.create(
            organisation_id=care.id, payee_id=payee.id, currency=currency, month=month, actor=FACTORY, now=now
        ).document


def frozen(document: Document) -> MonthlyFacts:
    with transaction():
        return facts.from_json(db.session.get_one(Document, document.id, populate_existing=True).facts)


def by_title(document: Document) -> dict[str, Section]:
    return {section.title: section for section in frozen(document).sections}


def balances(payee: Payee) -> tuple[int, int, int]:
    """Straight from the accounts, on the practitioner's side: wallet, asked for, owed."""
    db.session.rollback()
    found = []
    for prefix, side in (("wallet:", 1), ("held:", 1), ("receivable:", -1)):
        query = select(func.sum(Account.balance_minor)).where(
            Account.payee_id == payee.id, Account.code.startswith(prefix)
        )
        found.append(int(db.session.scalar(query) or 0) * side)
    return found[0], found[1], found[2]


def withdraw(payee: Payee, amount_minor: int, now: datetime = NOW) -> None:
    with transaction():
        withdrawing.request_withdrawal(
            organisation_id=payee.organisation_id, payee_id=payee.id, amount_minor=amount_minor, actor=FACTORY,
            now=now,
        )  # fmt: skip


def rent(payee: Payee, amount_minor: int, starts_on: date = NOVEMBER) -> None:
    with transaction():
        row = deductions.add_deduction(
            organisation_id=payee.organisation_id,
            draft=DeductionDraft(payee.id, "Room rent", amount_minor, starts_on),
            actor=FACTORY,
            now=NOW,
        )
        ident = row.id
    with transaction():
        deductions.charge_due(
            organisation_id=payee.organisation_id,
            deduction_id=ident,
            today=NOW.date(),
            actor=FACTORY,
            now=NOW,
        )


@pytest.fixture
def busy(care: Organisation, ada: Payee) -> Payee:
    """A month with everything: two payouts, a refund, rent, an adjustment, a withdrawal that waits."""
    first = clinic.paid(care, [ada], 99_99)
    second = clinic.paid(care, [ada], 100_00)
    click(first, NOW)
    click(second, NOW)
    with time_machine.travel(NOW, tick=False):
        refund(second, 50_00, NOW)
    rent(ada, 40_00, date(2026, 11, 20))
    with transaction():
        wallets.adjust(
            organisation_id=care.id,
            amount_minor=-10_00,
            reason="Keys lost.",
            payee_id=ada.id,
            actor=FACTORY,
            now=NOW,
        )
    withdraw(ada, 30_00)
    return ada


def test_every_figure_of_the_month_leads_to_what_the_wallet_holds(care: Organisation, busy: Payee) -> None:
    found = by_title(statement(care, busy))
    wallet = found["Your invoices and your part of them"]
    assert wallet.columns == (
        "Base",
        "Commission",
        "Gateway fee",
        "Rent and fees",
        "Adjusted",
        "Carried over",
    )
    assert sorted((entry.group, entry.figures, entry.amount_minor) for entry in wallet.records) == [
        ("Adjusted by the clinic", (0, 0, 0, 0, -10_00, 0), -10_00),
        ("Paid for invoices", (99_99, -10_00, 0, 0, 0, 0), 89_99),
        ("Paid for invoices", (100_00, -10_00, 0, 0, 0, 0), 90_00),
        ("Rent and fees", (0, 0, 0, -40_00, 0, 0), -40_00),
        ("Taken back by refunds", (-50_00, 5_00, 0, 0, 0, 0), -45_00),
    ]
    assert dict(wallet.movements)["Withdrawals to your bank"] == -30_00
    assert (wallet.opening_minor, wallet.closing_minor) == (0, 54_99)
    waits = found["Withdrawals that wait for approval"]
    assert (waits.opening_minor, waits.closing_minor, waits.movements) == (
        0, 30_00, (("Withdrawals asked for", 30_00),),
    )  # fmt: skip
    assert balances(busy) == (wallet.closing_minor, waits.closing_minor, 0)
    assert set(found) == {wallet.title, waits.title}
    assert clean(care)


def test_what_a_refund_does_not_find_is_carried_into_the_next_month(care: Organisation, ada: Payee) -> None:
    row = clinic.paid(care, [ada])
    click(row, NOW)
    withdraw(ada, 70_00)
    with time_machine.travel(NOW, tick=False):
        refund(row, 100_00, NOW)
    november = by_title(statement(care, ada))
    wallet, owed = november["Your invoices and your part of them"], november["Owed to the clinic"]
    back = next(entry for entry in wallet.records if entry.group == "Taken back by refunds")
    assert (back.figures, back.amount_minor) == ((-100_00, 10_00, 0, 0, 0, 70_00), -20_00)
    assert (wallet.closing_minor, owed.closing_minor) == (0, -70_00)
    assert owed.negative_words == "It is taken from your next payouts."
    december = datetime.fromisoformat("2026-12-10T15:00:00+00:00")
    click(clinic.paid(care, [ada], 50_00), december)
    made = by_title(statement(care, ada, date(2026, 12, 1), NEW_YEAR))
    wallet, owed = made["Your invoices and your part of them"], made["Owed to the clinic"]
    assert [(entry.item.split(" ")[0], entry.figures) for entry in wallet.records] == [
        ("INV-002,", (50_00, -5_00, 0, 0, 0, 0)), ("Refund", (0, 0, 0, 0, 0, -45_00)),
    ]  # fmt: skip
    assert (wallet.opening_minor, wallet.closing_minor) == (0, 0)
    assert (owed.opening_minor, owed.closing_minor) == (-70_00, -25_00) == (-70_00, balances(ada)[2])
    assert clean(care)


def test_a_refund_that_takes_nothing_from_the_wallet_is_stated(care: Organisation, ada: Payee) -> None:
    row = clinic.paid(care, [ada])
    click(row, NOW)
    withdraw(ada, 90_00)
    with time_machine.travel(NOW, tick=False):
        refund(row, 10_00, NOW)
    wallet = by_title(statement(care, ada))["Your invoices and your part of them"]
    back = next(entry for entry in wallet.records if entry.group == "Taken back by refunds")
    assert (back.figures, back.amount_minor) == ((-10_00, 1_00, 0, 0, 0, 9_00), 0)


def test_the_clinics_fee_and_rent_that_are_carried(care: Organisation, ada: Payee) -> None:
    clinic.set_up(care, fee_bearer="practitioner")
    row = clinic.invoice(care, [ada])
    clinic.pay(row, fee_minor=3_00)
    click(row, NOW)
    with time_machine.travel(NOW, tick=False):
        refund(row, 50_00, NOW)
    rent(ada, 60_00, date(2026, 11, 20))
    found = by_title(statement(care, ada))
    records = {entry.group: entry for entry in found["Your invoices and your part of them"].records}
    assert records["Taken back by refunds"].figures == (-50_00, 5_00, -1_50, 0, 0, 0)
    assert records["Rent and fees"].figures == (0, 0, 0, -60_00, 0, 16_50)
    assert found["Owed to the clinic"].closing_minor == -16_50 == balances(ada)[2]


def test_what_is_not_in_it_is_named_with_its_reason(care: Organisation, ada: Payee) -> None:
    bob = clinic.practitioner(care, name="Bob")
    click(clinic.paid(care, [ada]), NOW)
    clinic.invoice(care, [ada], 80_00)
    clinic.pay(clinic.invoice(care, [ada], 80_00), 30_00)
    clinic.paid(care, [ada], 70_00)
    clinic.paid(care, [bob, ada], 60_00)
    gone = clinic.paid(care, [ada], 50_00)
    with time_machine.travel(NOW, tick=False):
        refund(gone, 50_00, NOW)
    off = clinic.invoice(care, [ada], 40_00)
    with transaction():
        invoicing.write_off(
            organisation_id=care.id, number=off.number, reason="Moved.", actor=FACTORY, now=NOW
        )
    late = clinic.paid(care, [ada], 30_00)
    click(late, LATER)
    clinic.appointment(care, [ada])
    cancelled = clinic.appointment(care, [ada])
    with transaction():
        customers.cancel_appointment(
            organisation_id=care.id, reference=cancelled.reference, actor=FACTORY, now=NOW
        )
    wallet = by_title(statement(care, ada))["Your invoices and your part of them"]
    assert [(left.item, left.why, left.amount_minor) for left in wallet.left_out] == [
        ("AP-0009", "The appointment has no invoice yet.", 0),
        ("INV-002", "The customer has not paid.", 80_00),
        ("INV-003", "Part paid: 30.00 of 80.00 has come in.", 80_00),
        ("INV-004", "It is paid; its payout is not made yet.", 70_00),
        ("INV-005", "It is paid to the primary practitioner of the appointment.", 60_00),
        ("INV-006", "All that was paid went back to the customer.", 50_00),
        ("INV-007", "The customer is not asked for it any more.", 40_00),
        ("INV-008", "PO-2026-000002 came into your wallet after this month.", 27_00),
    ]
    # What is open stays named; what is settled is of its month alone, and so is what was in a payout since.
    december = by_title(statement(care, ada, date(2026, 12, 1), NEW_YEAR))[
        "Your invoices and your part of them"
    ]
    assert [left.item for left in december.left_out] == ["INV-002", "INV-003", "INV-004"]
    assert [entry.item for entry in december.records] == ["INV-008, appointment of 10 Nov 2026"]


def test_customers_are_not_named(care: Organisation, ada: Payee) -> None:
    about = clinic.appointment(care, [ada], customer=clinic.customer(care, "Zoe Quartermaine"))
    click(clinic.paid(care, about), NOW)
    clinic.invoice(care, about)
    assert "Quartermaine" not in str(frozen(statement(care, ada)))


def test_months_without_a_movement_lead_on(care: Organisation, ada: Payee) -> None:
    with pytest.raises(Conflict, match="nothing to state"):
        statement(care, ada)
    click(clinic.paid(care, [ada]), NOW)
    with transaction():
        due = month_runs.due(organisation_id=care.id, month=NOVEMBER, now=LATER)
    assert [each.payee_id for each in due.to_make] == [ada.id]
    statement(care, ada)
    later = by_title(statement(care, ada, date(2026, 12, 1), NEW_YEAR))["Your invoices and your part of them"]
    assert (later.opening_minor, later.closing_minor, later.entries) == (90_00, 90_00, ())


def test_another_currency_and_another_program_have_nothing(care: Organisation, ada: Payee) -> None:
    click(clinic.paid(care, [ada]), NOW)
    withdraw(ada, 90_00)
    scope = sections.Scope(care.id, ada.id, "USD", NOVEMBER, date(2026, 11, 30))
    assert sections.of(scope) == ()
    owner = rentals.owner(care, name="Asha Rao")
    for payee in (owner, ada):
        found = sections.of(sections.Scope(care.id, payee.id, "CAD", NOVEMBER, date(2026, 11, 30)))
        assert {section.key.partition(".")[0] for section in found} == ({"clinic"} if payee is ada else set())


def test_the_files_say_the_same(care: Organisation, busy: Payee) -> None:
    clinic.invoice(care, [busy], 80_00)
    made = frozen(statement(care, busy))
    rows = list(csv.DictReader(io.StringIO(tables.csv_file(made).decode().lstrip("\ufeff"))))
    own = [row for row in rows if row["type"].startswith("Your invoices and your part of them: ")]
    left = [row for row in own if row["type"].endswith(": Not included")]
    assert [(row["item"], row["amount"], row["calculation"]) for row in left] == [
        ("INV-003", "", "80.00: The customer has not paid.")
    ]
    booked = [row for row in own if row not in left]
    assert (booked[0]["balance"], booked[-1]["balance"]) == ("0.00", "54.99")
    assert sum(Decimal(row["amount"]) for row in booked if row["amount"]) == Decimal("54.99")
    assert tables.xlsx_file(made)[:2] == b"PK"
    with transaction():
        again = facts.from_json(facts.to_json(made))
    assert again == made


def test_the_printed_statement_shows_it_and_meets_both_standards(care: Organisation, busy: Payee) -> None:
    clinic.invoice(care, [busy], 80_00)
    document = statement(care, busy)
    assert making.render(document_id=document.id, now=LATER)
    with transaction():
        key = db.session.get_one(Document, document.id, populate_existing=True).storage_key
    content = storage.read(key)
    assert failures(content) == {}
    reader = pypdf.PdfReader(io.BytesIO(content))
    words = " ".join(" ".join(each.extract_text() for each in reader.pages).split())
    for said in ("Your invoices and your part of them", "99.99", "−10.00", "In your wallet: 54.99 CAD",
                 "Not included, and why", "The customer has not paid.", "No payout was open"):  # fmt: skip
        assert said in words, said


def test_what_the_ledger_books_afterwards_is_not_drawn(care: Organisation, busy: Payee) -> None:
    document = statement(care, busy)
    click(clinic.paid(care, [busy]), NOW)  # dated in November, after the figures were taken
    with transaction():
        row = db.session.get_one(Document, document.id)
        assert tie.ledger_of(row).apart == ("Your invoices and your part of them",)
        with pytest.raises(DoesNotAddUp, match="other balances of “Your invoices"):
            tie.checked(row)


def test_a_record_that_the_ledger_booked_otherwise_is_refused(care: Organisation, ada: Payee) -> None:
    click(clinic.paid(care, [ada]), NOW)
    with transaction():
        row = db.session.scalars(select(ClinicPayout)).one()
        row.amount_minor, row.base_minor = row.amount_minor + 1, row.base_minor + 1
    with pytest.raises(DoesNotAddUp, match=r"come to 90\.01 CAD; the ledger booked 90\.00"):
        statement(care, ada)


def test_the_admins_page_sums_it_up(care: Organisation, busy: Payee, database: Flask) -> None:
    clinic.invoice(care, [busy], 80_00)
    document = statement(care, busy)
    client = database.test_client()
    people.sign_in(client, people.user(organisation=care, role="admin"), care)
    html = client.get(f"/admin/statements/{document.number}").text
    for said in ("Paid for invoices", "$179.99", "not included", "The customer has not paid."):
        assert said in html, said
