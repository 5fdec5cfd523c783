"""An owner's monthly statement: rent by property and unit, what is held, and both ends tied to the ledger."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import date, datetime

import pypdf
import pytest
from sqlalchemy import func, select

from tests.factories import people, rentals, rents
from tests.factories.people import FACTORY
from tests.programs.rentals.owner.conftest import NOW, House
from tests.programs.rentals.owner.test_pages import paid
from webapp.database import db, transaction
from webapp.kernel.errors import Conflict
from webapp.ledger.models import Account
from webapp.people.models import Payee
from webapp.programs.rentals import returns, service
from webapp.programs.rentals.drafts import BillDraft
from webapp.providers import storage
from webapp.statements import facts, making, month_runs, monthly, sections, tables, tie
from webapp.statements.build import DoesNotAddUp
from webapp.statements.facts import MonthlyFacts
from webapp.statements.models import Document

NOVEMBER = date(2026, 11, 1)
LATER = datetime.fromisoformat("2026-12-02T06:00:00+00:00")


def statement(house: House, payee: Payee, month: date = NOVEMBER, now: datetime = LATER) -> Document:
    with transaction():
        return monthly.create(
            organisation_id=house.organisation.id, payee_id=payee.id, currency="INR", month=month,
            actor=FACTORY, now=now,
        ).document  # fmt: skip


def frozen(document: Document) -> MonthlyFacts:
    with transaction():
        return facts.from_json(db.session.get_one(Document, document.id, populate_existing=True).facts)


def held_less_owed(payee: Payee) -> int:
    """Straight from the accounts: what is held for an owner, less what they owe."""
    db.session.rollback()
    query = select(func.sum(-Account.normal_side * Account.balance_minor)).where(
        Account.payee_id == payee.id, ~Account.code.startswith("payable:")
    )
    return int(db.session.scalar(query) or 0)


def test_rent_by_property_and_unit_with_every_deduction(house: House) -> None:
    house.rent()
    other = rentals.property_of(house.organisation, [(house.asha, 1)], reserve_target_minor=500_00)
    with transaction():
        service.add_bill(
            organisation_id=house.organisation.id,
            draft=BillDraft(other.id, "Lift repair", NOVEMBER, 1_250_00), actor=FACTORY, now=NOW,
        )  # fmt: skip
    rents.received(rentals.charge(other, 8_000_00))
    (section,) = frozen(statement(house, house.asha)).sections
    assert section.columns == ("Rent", "Management fee", "Tax on fee", "Tax withheld", "Bills", "Reserve")
    assert [(entry.group, entry.figures, entry.amount_minor) for entry in section.records] == [
        (house.place.name, (6_000_00, -480_00, -86_40, 0, 0, 0), 5_433_60),
        (other.name, (8_000_00, -640_00, -115_20, 0, -1_250_00, -500_00), 5_494_80),
    ]
    assert section.shown == (0, 1, 2, 4, 5)
    assert section.movements == (
        ("Rent received, less deductions", 10_928_40), ("Put into payouts to you", -10_928_40),
    )  # fmt: skip
    assert (section.opening_minor, section.closing_minor) == (0, held_less_owed(house.asha)) == (0, 0)


def test_a_co_owner_s_statement_has_their_own_part_only(house: House) -> None:
    house.rent()
    content = str(frozen(statement(house, house.bilal)))
    assert "3622" in content
    for hidden in ("Asha", "543360", "600000"):
        assert hidden not in content


def test_rent_that_is_only_held_is_stated_too(house: House) -> None:
    house.rent()
    with transaction():
        due = month_runs.due(organisation_id=house.organisation.id, month=NOVEMBER, now=LATER)
    assert {standing.payee_id for standing in due.to_make} == {house.asha.id, house.bilal.id}
    made = frozen(statement(house, house.bilal))
    assert (made.opening_minor, made.closing_minor, made.lines) == (0, 0, ())
    assert made.sections[0].closing_minor == 3_622_40
    with pytest.raises(Conflict, match="nothing to state"):
        statement(house, house.bilal, date(2026, 10, 1))


def test_months_lead_into_one_another_whatever_went_back(house: House) -> None:
    first = house.rent()
    paid(house, "asha")
    december = datetime.fromisoformat("2026-12-10T06:00:00+00:00")
    with transaction():
        returns.order_refund(
            organisation_id=house.organisation.id, reference=first.reference, amount_minor=1_000_00,
            reason="Paid twice", actor=FACTORY, now=december,
        )  # fmt: skip
    rents.received(rentals.charge(house.place, today=date(2026, 12, 1)), now=december)
    november = frozen(statement(house, house.asha)).sections[0]
    january = datetime.fromisoformat("2027-01-02T06:00:00+00:00")
    made = frozen(statement(house, house.asha, date(2026, 12, 1), january)).sections[0]
    assert (november.opening_minor, november.closing_minor) == (0, 0)
    assert made.opening_minor == november.closing_minor
    assert dict(made.movements)["Rent refunded to tenants"] == -543_36
    assert made.closing_minor == held_less_owed(house.asha)


def test_files_say_the_same_and_every_row_leads_to_the_closing_balance(house: House) -> None:
    house.rent()
    paid(house, "asha")
    made = frozen(statement(house, house.asha))
    rows = list(csv.DictReader(io.StringIO(tables.csv_file(made).decode().lstrip("\ufeff"))))
    own = [row for row in rows if row["type"].startswith("Rent by property and unit: ")]
    kinds = [row["type"].partition(": ")[2] for row in own]
    assert kinds == ["Opening", "Rent", "Management fee", "Tax on fee", "Put into payouts to you", "Closing"]
    assert [row["amount"] for row in own] == ["", "6000.00", "-480.00", "-86.40", "-5433.60", ""]
    assert [row["balance"] for row in own] == ["0.00", "6000.00", "5520.00", "5433.60", "0.00", "0.00"]
    assert tables.xlsx_file(made)[:2] == b"PK"


def test_the_printed_statement_shows_it(house: House) -> None:
    house.rent()
    rents.rent_of(house.organisation, [(house.asha, 1)], 8_000_00)
    document = statement(house, house.asha)
    assert making.render(document_id=document.id, now=LATER)
    with transaction():
        key = db.session.get_one(Document, document.id, populate_existing=True).storage_key
    reader = pypdf.PdfReader(io.BytesIO(storage.read(key)))
    words = " ".join(" ".join(page.extract_text() for page in reader.pages).split())
    for said in ("Rent by property and unit", house.place.name, "6,000.00", "−480.00", "Rent held for you",
                 "Rent received, less deductions", "In all"):  # fmt: skip
        assert said in words, said


def test_what_the_ledger_says_otherwise_is_not_drawn(house: House) -> None:
    house.rent()
    document = statement(house, house.bilal)
    rents.received(rentals.charge(house.place))  # dated in November, after the figures were taken
    with transaction():
        row = db.session.get_one(Document, document.id)
        assert tie.ledger_of(row).apart == ("Rent by property and unit",)
        with pytest.raises(DoesNotAddUp, match="other balances of “Rent by property and unit”"):
            tie.checked(row)


def test_a_rent_that_the_ledger_booked_otherwise_is_refused(house: House) -> None:
    payment = house.rent()
    with transaction():
        distribution = db.session.get_one(type(payment), payment.id).distribution
        parts = distribution.details["parts"]
        mine = parts[str(house.bilal.id)]
        distribution.details = {
            **distribution.details,
            "parts": {**parts, str(house.bilal.id): {**mine, "net": mine["net"] + 1}},
        }
    with pytest.raises(DoesNotAddUp, match=f"{payment.reference} was shared out with 3622.41 INR"):
        statement(house, house.bilal)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"closing_minor": 1}, "says it closes with"),
        ({"entries": [{"figures": (1, 0, 0, 0, 0, 0)}]}, "The figures of"),
        ({"entries": [{"balance_minor": 7}]}, "holds"),
        ({"entries": [{"day": date(2026, 12, 1)}]}, "outside its month"),
    ],
)
def test_a_section_that_contradicts_itself_is_refused(
    house: House, change: dict[str, object], match: str
) -> None:
    house.rent()
    (section,) = frozen(statement(house, house.bilal)).sections
    if "entries" in change:
        values = change["entries"][0]  # type: ignore[index]
        change = {"entries": (replace(section.entries[0], **values), *section.entries[1:])}
    with pytest.raises(DoesNotAddUp, match=match):
        sections.check(replace(section, **change), "INR", NOVEMBER, date(2026, 11, 30))


def test_the_admins_page_sums_the_account_up(house: House) -> None:
    house.rent()
    document = statement(house, house.bilal)
    client = house.app.test_client()
    people.sign_in(client, people.user(organisation=house.organisation, role="admin"), house.organisation)
    html = client.get(f"/admin/statements/{document.number}").text
    assert "Rent by property and unit" in html
    assert "₹3,622.40" in html


def test_a_payee_of_another_program_has_no_section(house: House) -> None:
    scope = sections.Scope(house.organisation.id, house.asha.id, "USD", NOVEMBER, date(2026, 11, 30))
    house.rent()
    assert sections.of(scope) == ()
