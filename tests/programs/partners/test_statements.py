"""A partner's monthly statement: each commission with base and rate, what was taken back; tied to the ledger, drawn."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime, timedelta

import pypdf
import pytest
from flask import Flask
from sqlalchemy import select, update

from tests.factories import partners, people
from tests.factories.partners import TODAY
from tests.factories.people import FACTORY
from tests.support.books import clean
from webapp.database import db, transaction
from webapp.kernel.errors import Conflict
from webapp.payouts import service as payouts
from webapp.payouts.models import Payout, PayoutLine
from webapp.people.models import Organisation, Payee, User
from webapp.programs.partners import disputing, statement_section
from webapp.programs.partners.models import PartnerProgram
from webapp.providers import storage
from webapp.statements import facts, making, monthly, sections, tie
from webapp.statements.build import DoesNotAddUp
from webapp.statements.models import Document
from webapp.statements.sections import Scope, Section

MARCH, APRIL = date(2026, 3, 1), date(2026, 4, 1)
LATER, LATEST = datetime(2026, 4, 2, 15, tzinfo=UTC), datetime(2026, 5, 2, 15, tzinfo=UTC)


@pytest.fixture
def here(database: Flask) -> Organisation:
    return partners.partnerbase(slug="partnerbase", locale="en_US")


@pytest.fixture
def admin(here: Organisation) -> User:
    return people.user("dana@example.com", organisation=here, role="admin")


@pytest.fixture
def program(here: Organisation) -> PartnerProgram:
    return partners.program(here, name="Referrals")


@pytest.fixture
def ada(here: Organisation) -> Payee:
    payee = partners.partner(here, name="Ada Ray")
    people.method(payee)
    return payee


def approved(here: Organisation, admin: User, now: datetime = TODAY, until: str = "2026-Q1") -> Payout:
    """A payout of all that is due, approved: by the rules where it is small, else by the admin."""
    (payout_id,) = partners.calculate(here, until, now).payout_ids
    made = db.session.get_one(Payout, payout_id)
    return made if made.state == "approved" else act(here, admin, made.reference, "approve", now)


def act(here: Organisation, admin: User, reference: str, name: str, now: datetime, **more: object) -> Payout:
    with transaction():
        row = db.session.scalars(select(Payout).where(Payout.reference == reference)).one()
        return (
            getattr(payouts, name)(  # type: ignore[no-any-return]
                organisation_id=here.id, reference=reference, actor=people.actor_of(admin), now=now, **more
            )
            or row
        )


def statement(payee: Payee, month: date, now: datetime) -> Document:
    with transaction():
        return monthly.create(
            organisation_id=payee.organisation_id, payee_id=payee.id, currency="USD", month=month, actor=FACTORY,
            now=now,
        ).document  # fmt: skip


def section_of(document: Document) -> Section:
    with transaction():
        content = db.session.get_one(Document, document.id, populate_existing=True).facts
        (found,) = facts.from_json(content).sections
        return found


def test_each_commission_has_its_deal_base_rate_and_amount(
    here: Organisation, admin: User, program: PartnerProgram, ada: Payee
) -> None:
    deal = partners.won(program, [ada], 1_234_50, name="Acme: 20 seats")
    payout = approved(here, admin)
    section = section_of(statement(ada, MARCH, LATER))
    (entry,) = section.records
    assert (entry.figures, entry.amount_minor, entry.group) == ((61_72, 0, 0, 0), 61_72, "Referrals")
    assert entry.item == "Acme: 20 seats: 1234.50 × 5 % → 61.72"
    assert entry.source == f"{deal.reference} · {partners.commissions(deal)[0].reference}"
    assert entry.payout == payout.reference
    assert (section.opening_minor, section.closing_minor) == (0, 61_72)
    assert clean(here)


def test_what_is_taken_back_and_the_months_follow_one_another(
    here: Organisation, admin: User, program: PartnerProgram, ada: Payee
) -> None:
    gone = partners.won(program, [ada], 1_000_00, name="Gone")
    payout = approved(here, admin)
    act(here, admin, payout.reference, "mark_paid", TODAY, payment_reference="CHQ-1", paid_on=TODAY.date())
    april = TODAY + timedelta(days=10)
    partners.lost(gone, "The customer left.", april)
    partners.won(program, [ada], 3_000_00, name="New")
    approved(here, admin, april, "2026-Q2")
    first, second = section_of(statement(ada, MARCH, LATER)), section_of(statement(ada, APRIL, LATEST))
    assert first.closing_minor == second.opening_minor == 50_00
    assert second.closing_minor == 50_00 + 150_00 - 50_00
    assert dict(second.movements) == {"Taken back": -50_00, "Commissions approved": 150_00}
    taken = next(entry for entry in second.records if entry.amount_minor < 0)
    assert taken.figures == (0, 0, -50_00, 0)
    assert "The customer left." in taken.item
    scope = Scope(here.id, ada.id, "USD", date(2026, 4, 1), date(2026, 4, 30))
    assert statement_section.balances(scope) == (second.opening_minor, second.closing_minor)


def test_a_cancelled_payout_is_taken_off_again(
    here: Organisation, admin: User, program: PartnerProgram, ada: Payee
) -> None:
    partners.won(program, [ada])
    payout = approved(here, admin)
    act(here, admin, payout.reference, "cancel", TODAY, reason="Wrong month.")
    section = section_of(statement(ada, MARCH, LATER))
    assert section.closing_minor == 0
    assert dict(section.movements) == {
        "Commissions approved": 50_00, "Payouts cancelled after approval": -50_00,
    }  # fmt: skip


def test_what_is_not_in_it_says_why(
    here: Organisation, admin: User, program: PartnerProgram, ada: Payee
) -> None:
    partners.won(program, [ada], 1_000_00)
    disputed = partners.won(program, [ada], 2_000_00, name="Disputed")
    with transaction():
        disputing.raise_dispute(
            organisation_id=here.id, payee_id=ada.id, reference=partners.commissions(disputed)[0].reference,
            reason="It was more.", actor=FACTORY, now=TODAY,
        )  # fmt: skip
    partners.calculate(here)
    scope = Scope(here.id, ada.id, "USD", date(2026, 2, 1), date(2026, 2, 28))
    section = statement_section.make(scope)
    assert section is not None
    why = [left.why for left in section.left_out]
    assert why[0].endswith("was approved after this month.")
    assert why[1] == "You disputed it; it waits for an answer."
    assert [left.amount_minor for left in section.left_out] == [50_00, 100_00]


def test_lines_that_are_not_what_was_booked_are_refused(
    here: Organisation, admin: User, program: PartnerProgram, ada: Payee
) -> None:
    partners.won(program, [ada])
    payout = approved(here, admin)
    with transaction():
        db.session.execute(
            update(PayoutLine).where(PayoutLine.payout_id == payout.id).values(amount_minor=49_00)
        )
    scope = Scope(here.id, ada.id, "USD", MARCH, date(2026, 3, 31))
    with pytest.raises(DoesNotAddUp, match=r"come to 49\.00 USD; the ledger booked 50\.00"):
        statement_section.make(scope)


def test_what_is_approved_late_is_noticed(
    here: Organisation, admin: User, program: PartnerProgram, ada: Payee
) -> None:
    partners.won(program, [ada])
    approved(here, admin)
    document = statement(ada, MARCH, LATER)
    partners.won(program, [ada], 500_00)
    approved(here, admin)
    with transaction():
        assert tie.ledger_of(db.session.get_one(Document, document.id)).apart == ("Your commissions",)


def test_it_is_drawn(here: Organisation, admin: User, program: PartnerProgram, ada: Payee) -> None:
    partners.won(program, [ada], 1_000_00, name="Acme: 20 seats")
    approved(here, admin)
    document = statement(ada, MARCH, LATER)
    assert making.render(document_id=document.id, now=LATER)
    with transaction():
        key = db.session.get_one(Document, document.id, populate_existing=True).storage_key
    text = "\n".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(storage.read(key))).pages)
    for words in (
        "Your commissions",
        "Commissions approved for you, in all",
        "Acme: 20 seats",
        "Referrals, in all",
    ):
        assert words in text, words


def test_who_is_concerned_and_nobody_else(
    here: Organisation, admin: User, program: PartnerProgram, ada: Payee
) -> None:
    quiet = partners.partner(here, name="Bo")
    elsewhere = partners.partnerbase(slug="elsewhere")
    other = partners.partner(elsewhere, name="Ada Ray")
    partners.won(partners.program(elsewhere), [other])
    partners.won(program, [ada])
    approved(here, admin)
    last = date(2026, 3, 31)
    assert statement_section.concerned(here.id, MARCH, last) == {(ada.id, "USD")}
    assert not {pair for pair in sections.concerned(elsewhere.id, MARCH, last) if pair[0] == ada.id}
    for scope in (
        Scope(elsewhere.id, ada.id, "USD", MARCH, last),
        Scope(here.id, quiet.id, "USD", MARCH, last),
    ):
        assert statement_section.make(scope) is None
        assert statement_section.balances(scope) == (0, 0)
    with pytest.raises(Conflict, match="nothing to state"):
        statement(quiet, MARCH, LATER)
