"""Monthly statements tie to the ledger and to each other, are frozen, and are issued again under new numbers."""

from __future__ import annotations

import io
from datetime import date, datetime, timedelta

import pypdf
import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from tests.factories import ledger, people
from tests.factories import payouts as factory
from tests.factories.statements import OCTOBER, WHEN, owed, statement
from tests.rooms.statements import samples
from webapp.audit.models import AuditEvent
from webapp.database import db, transaction
from webapp.kernel.clock import add_months
from webapp.kernel.errors import Conflict, Invalid, NotFound
from webapp.ledger.models import Account
from webapp.outbox.models import OutboxMessage
from webapp.payouts import service as payouts
from webapp.people.models import Organisation, Payee
from webapp.providers import storage
from webapp.statements import account, facts, making, monthly, tie
from webapp.statements.build import DoesNotAddUp
from webapp.statements.models import Document


@pytest.fixture
def organisation(database: Flask) -> Organisation:
    return people.organisation("solaria", contact_email="payouts@solaria.example")


@pytest.fixture
def payee(organisation: Organisation) -> Payee:
    return people.payee(organisation, name="Maya Okafor")


def reload(document: Document) -> Document:
    with transaction():
        return db.session.get_one(Document, document.id, populate_existing=True)


def notices() -> list[int]:
    query = select(OutboxMessage.reference_id).where(OutboxMessage.kind == "notice.statement")
    return list(db.session.scalars(query))


movements = st.lists(
    st.tuples(st.integers(0, 130), st.integers(-30_000, 90_000).filter(bool)), min_size=1, max_size=25
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(movements=movements)
def test_opening_and_closing_are_the_ledgers_whatever_was_posted(
    organisation: Organisation, movements: list[tuple[int, int]]
) -> None:
    payee = people.payee(organisation)
    start, balance = date(2026, 6, 1), 0
    with transaction():
        for offset, amount in movements:
            # The ledger lets nobody owe a payee less than nothing, in the order of posting.
            if balance + amount >= 0:
                owed(organisation, payee, amount, start + timedelta(days=offset))
                balance += amount
    last_closing = 0
    for month in (add_months(start, n) for n in range(5)):
        try:
            document = statement(organisation, payee, month)
        except Conflict:
            assert last_closing == 0
            continue
        frozen = tie.checked(document)
        entries = dict(_by_day(organisation, payee))
        assert frozen.opening_minor == sum(v for day, v in entries.items() if day < month)
        assert frozen.closing_minor == sum(v for day, v in entries.items() if day < add_months(month, 1))
        assert frozen.opening_minor == last_closing
        assert frozen.opening_minor + sum(frozen.totals.values()) == frozen.closing_minor
        last_closing = frozen.closing_minor
    stored = db.session.scalar(
        select(Account.balance_minor).where(Account.code == f"payable:{payee.reference}")
    )
    assert last_closing == (stored or 0)


def _by_day(organisation: Organisation, payee: Payee) -> list[tuple[date, int]]:
    """What was booked for a payee by day, straight from the tables."""
    rows = db.session.execute(
        text(
            "SELECT e.effective_on, -SUM(p.amount_minor) FROM postings p JOIN journal_entries e ON e.id = p.entry_id "
            "JOIN accounts a ON a.id = p.account_id WHERE a.payee_id = :payee GROUP BY e.effective_on"
        ),
        {"payee": payee.id},
    )
    return [(day if isinstance(day, date) else date.fromisoformat(day), int(sum_)) for day, sum_ in rows]


def paid_in_october(organisation: Organisation, payee: Payee) -> str:
    """A payout with a deduction, approved and paid by hand in October. Returns its reference."""
    now = datetime.fromisoformat("2026-10-12T15:00:00+00:00")
    lines = [
        factory.line(49_950, formula="9.99 kW × 50.00 USD = 499.50 USD", details={"rate": "Solar (version 3)"}),
        factory.line(-5_000, kind="deduction", description="Advance", source_type="", source_id=None, source_label=""),
    ]  # fmt: skip
    made = factory.payout_ready(organisation, payee, lines=lines, now=now)
    with transaction():
        payouts.mark_paid(
            organisation_id=organisation.id,
            reference=made.reference,
            payment_reference="WIRE-77",
            paid_on=date(2026, 10, 14),
            actor=people.actor_of(people.user(organisation=organisation, role="admin")),
            now=now + timedelta(days=2),
        )
    return made.reference


def test_it_says_what_was_earned_taken_off_and_paid(organisation: Organisation, payee: Payee) -> None:
    owed(organisation, payee, 10_000, date(2026, 9, 30), description="Carried over")
    reference = paid_in_october(organisation, payee)
    document = statement(organisation, payee)
    frozen = facts.from_json(document.facts)
    assert (document.number, document.variant, document.state) == ("ST-2026-000001", "1", "queued")
    assert (frozen.opening_minor, frozen.closing_minor) == (10_000, 10_000)
    assert frozen.totals == {"earned": 49_950, "deduction": -5_000, "tax": 0, "adjustment": 0,
                             "paid": -44_950, "returned": 0}  # fmt: skip
    assert [(line.category, line.amount_minor, line.balance_minor) for line in frozen.lines] == [
        ("earned", 49_950, 59_950),
        ("deduction", -5_000, 54_950),
        ("paid", -44_950, 10_000),
    ]
    assert frozen.lines[0].calculation == "9.99 kW × 50.00 USD = 499.50 USD"
    assert frozen.basis == ("Solar (version 3)",)
    (payment,) = frozen.payments
    assert (payment.payout, payment.reference, payment.day) == (reference, "WIRE-77", date(2026, 10, 14))
    assert payment.destination.startswith("bank account ••")
    assert [figure.label for figure in frozen.strip] == [
        "Opening balance", "Earned", "Deductions", "Paid", "Closing balance",
    ]  # fmt: skip


def test_it_is_made_once_and_the_payee_is_told(
    organisation: Organisation, payee: Payee, now: datetime
) -> None:
    paid_in_october(organisation, payee)
    document = statement(organisation, payee)
    with transaction():
        again = monthly.create(organisation_id=organisation.id, payee_id=payee.id, currency="USD", month=OCTOBER,
                               actor=people.FACTORY, now=now)  # fmt: skip
    assert (again.is_new, again.document.id) == (False, document.id)
    assert notices() == []
    assert making.render(document_id=document.id, now=now)
    made = reload(document)
    content = storage.read(made.storage_key)
    words = " ".join(pypdf.PdfReader(io.BytesIO(content)).pages[0].extract_text().split())
    for said in ("Maya Okafor", "ST-2026-000001", "499.50", "−449.50", "WIRE-77", str(made.code)):
        assert said in words, said
    assert notices() == [document.id]
    # A worker that comes twice changes and sends nothing more.
    assert making.render(document_id=document.id, now=now)
    assert notices() == [document.id]


def test_without_a_mail_when_nobody_is_to_be_told(
    organisation: Organisation, payee: Payee, now: datetime
) -> None:
    owed(organisation, payee, 100, date(2026, 10, 5))
    making.render(document_id=statement(organisation, payee, tells=False).id, now=now)
    assert notices() == []


def test_nothing_to_state_and_months_to_come_are_refused(organisation: Organisation, payee: Payee) -> None:
    with pytest.raises(Conflict, match="nothing to state"):
        statement(organisation, payee)
    with pytest.raises(Invalid, match="November 2026 is not over"):
        statement(organisation, payee, date(2026, 11, 1))
    with pytest.raises(NotFound):
        statement(people.organisation("griha"), payee)


def test_the_month_is_the_organisations_own(database: Flask) -> None:
    kolkata = people.organisation("griha", timezone="Asia/Kolkata", currency="INR")
    payee = people.payee(kolkata)
    owed(kolkata, payee, 100, date(2026, 10, 31))
    # Half past seven in the evening of the last day in London is already November in Kolkata.
    when = datetime.fromisoformat("2026-10-31T19:30:00+00:00")
    assert statement(kolkata, payee, now=when).closing_minor == 100
    with pytest.raises(Invalid):
        monthly.check_month(OCTOBER, when, "Europe/London")


def fails_with(document: Document, now: datetime, words: str) -> Document:
    """The document is not drawn, says why, leaves an event, and nobody is told."""
    assert making.render(document_id=document.id, now=now) is False
    failed = reload(document)
    assert failed.state == "failed"
    assert words in failed.error
    assert (failed.storage_key, failed.sha256) == ("", "")
    assert notices() == []
    tags = db.session.scalars(select(AuditEvent.tag).where(AuditEvent.subject_id == document.id)).all()
    assert "statements:document:failed" in tags
    return failed


def test_entries_posted_after_it_was_frozen_stop_it(
    organisation: Organisation, payee: Payee, now: datetime
) -> None:
    owed(organisation, payee, 10_000, date(2026, 10, 5))
    document = statement(organisation, payee)
    owed(organisation, payee, 500, date(2026, 10, 31), description="Late")
    failed = fails_with(
        document, now, "The ledger has 0.00 USD at the start of the month and 105.00 USD at its end"
    )
    with transaction():
        made = monthly.reissue(organisation_id=organisation.id, number=failed.number, reason="Late entry",
                               actor=people.FACTORY, now=now)  # fmt: skip
    # Nobody ever saw the one that failed, so nothing is replaced.
    assert (made.variant, made.replaces_id, made.closing_minor) == ("2", None, 10_500)
    assert making.render(document_id=made.id, now=now)


@pytest.mark.parametrize("tamper", ["closing", "line", "column", "gone"])
def test_frozen_content_that_was_changed_stops_it(
    organisation: Organisation, payee: Payee, now: datetime, tamper: str
) -> None:
    owed(organisation, payee, 10_000, date(2026, 10, 5))
    document = statement(organisation, payee)
    with transaction():
        row = db.session.get_one(Document, document.id)
        content = {**(row.facts or {})}
        if tamper == "closing":
            row.facts = {**content, "closing_minor": 10_001}
        elif tamper == "line":
            row.facts = {**content, "lines": [{**content["lines"][0], "item": "Another"}]}
        elif tamper == "gone":
            row.facts = None
        else:
            row.closing_minor = 10_001
    fails_with(
        document, now, "not what the content says" if tamper == "column" else "was changed after it was made"
    )


def test_a_month_before_that_closed_otherwise_stops_it(
    organisation: Organisation, payee: Payee, now: datetime
) -> None:
    owed(organisation, payee, 10_000, date(2026, 9, 5))
    september = statement(organisation, payee, date(2026, 9, 1), tells=False)
    making.render(document_id=september.id, now=now)
    owed(organisation, payee, 700, date(2026, 9, 30), description="Late")
    october = statement(organisation, payee)
    failed = fails_with(october, now, f"{september.number}, the month before, closes with 100.00 USD")
    with transaction():
        again = monthly.reissue(organisation_id=organisation.id, number=september.number, reason="Late entry",
                                actor=people.FACTORY, now=now)  # fmt: skip
    assert making.render(document_id=again.id, now=now)
    with transaction():
        monthly.try_again(
            organisation_id=organisation.id, number=failed.number, actor=people.FACTORY, now=now
        )
    assert making.render(document_id=october.id, now=now)
    assert reload(october).opening_minor == reload(again).closing_minor == 10_700


def test_a_new_issue_names_the_old_one_whose_bytes_stay(
    organisation: Organisation, payee: Payee, now: datetime
) -> None:
    owed(organisation, payee, 10_000, date(2026, 10, 5))
    first = statement(organisation, payee)
    making.render(document_id=first.id, now=now)
    before = storage.read(reload(first).storage_key)
    with transaction():
        db.session.get_one(Payee, payee.id).name = "Maya O. Fernandez"
        made = monthly.reissue(organisation_id=organisation.id, number=first.number, reason=" Name\ncorrected ",
                               actor=people.FACTORY, now=now)  # fmt: skip
    assert (made.number, made.variant, made.replaces_id) == ("ST-2026-000002", "2", first.id)
    assert made.reissue_reason == "Name corrected"
    assert making.render(document_id=made.id, now=now)
    words = " ".join(
        pypdf.PdfReader(io.BytesIO(storage.read(reload(made).storage_key))).pages[0].extract_text().split()
    )
    for said in ("Replaces ST-2026-000001", "Name corrected", "Maya O. Fernandez"):
        assert said in words
    assert storage.read(reload(first).storage_key) == before
    assert reload(first).facts == first.facts
    for number, words in ((first.number, "was issued since"), ("ST-2026-000009", "")):
        with pytest.raises((Conflict, NotFound), match=words or None), transaction():
            monthly.reissue(
                organisation_id=organisation.id, number=number, reason="x", actor=people.FACTORY, now=now
            )


@pytest.mark.parametrize(
    ("reason", "words"), [("", "Say why"), (" \u202e ", "Say why"), ("x" * 501, "500 signs")]
)
def test_a_reason_is_needed(
    organisation: Organisation, payee: Payee, now: datetime, reason: str, words: str
) -> None:
    owed(organisation, payee, 10_000, date(2026, 10, 5))
    document = statement(organisation, payee)
    making.render(document_id=document.id, now=now)
    with pytest.raises(Invalid, match=words), transaction():
        monthly.reissue(organisation_id=organisation.id, number=document.number, reason=reason,
                        actor=people.FACTORY, now=now)  # fmt: skip


def test_one_that_is_being_made_is_not_issued_again(
    organisation: Organisation, payee: Payee, now: datetime
) -> None:
    owed(organisation, payee, 10_000, date(2026, 10, 5))
    document = statement(organisation, payee)
    with pytest.raises(Conflict, match="is being made"), transaction():
        monthly.reissue(organisation_id=organisation.id, number=document.number, reason="x",
                        actor=people.FACTORY, now=now)  # fmt: skip


def test_a_payout_whose_lines_do_not_come_to_what_was_booked_is_refused(
    organisation: Organisation, payee: Payee
) -> None:
    paid_in_october(organisation, payee)
    with transaction() as session:
        session.execute(
            text("UPDATE payout_lines SET amount_minor = amount_minor + 1 WHERE kind = 'earning'")
        )
    with pytest.raises(DoesNotAddUp, match=r"add up to 449\.51 USD; the ledger booked 449\.50 USD"):
        statement(organisation, payee)


def test_currencies_are_never_mixed(organisation: Organisation, payee: Payee) -> None:
    owed(organisation, payee, 10_000, date(2026, 10, 5))
    with transaction():
        ledger.entry(organisation.id, "yen", ledger.leg("expense:installations", 777, None),
                     ledger.leg(f"payable:{payee.reference}", -777, payee.id), currency="JPY",
                     effective_on=date(2026, 10, 6))  # fmt: skip
    found = account.standings(organisation.id, OCTOBER, date(2026, 10, 31))
    assert [(s.currency, s.closing_minor) for s in found] == [("JPY", 777), ("USD", 10_000)]
    yen = statement(organisation, payee, currency="JPY")
    assert (yen.currency, yen.closing_minor) == ("JPY", 777)


def test_reading_costs_a_handful_of_queries_whatever_the_lines(
    organisation: Organisation, payee: Payee
) -> None:
    from tests.factories.pages import counted_queries

    counts = []
    for month, n in ((date(2026, 8, 1), 2), (date(2026, 9, 1), 30)):
        lines = [factory.line(100) for _ in range(n)]
        factory.payout_ready(organisation, payee, lines=lines,
                             now=datetime.fromisoformat(f"{month:%Y-%m}-10T12:00:00+00:00"))  # fmt: skip
        with transaction(), counted_queries() as queries:
            monthly.create(organisation_id=organisation.id, payee_id=payee.id, currency="USD", month=month,
                           actor=people.FACTORY, now=WHEN)  # fmt: skip
            counts.append(len(queries))
    assert counts[0] == counts[1] <= 20


def test_facts_survive_the_database_word_for_word(organisation: Organisation) -> None:
    made = samples.monthly(12)
    again = facts.from_json(facts.to_json(made))
    assert again == made
    with pytest.raises(DoesNotAddUp):
        facts.from_json({**facts.to_json(made), "surprise": 1})
