"""The paper of a weekly receipt: both standards, the same figures as the data, frozen, drawn by workers, checked."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from hashlib import sha256

import page
import pypdf
import pytest
from flask import Flask
from sqlalchemy import event, func, select

from jobs import receipts as jobs
from jobs import statements as statement_jobs
from tests.factories import people
from tests.factories import repairs as world
from tests.factories.people import FACTORY
from tests.programs.repairs import papers
from webapp.database import db, transaction
from webapp.outbox.models import OutboxMessage
from webapp.people.models import Organisation, Payee
from webapp.programs.repairs import correcting, receipt_document, receipt_facts, receipt_paper
from webapp.programs.repairs.books import Receipt
from webapp.programs.repairs.receipt_facts import ReceiptFacts
from webapp.providers import storage
from webapp.statements import queries
from webapp.statements.build import DoesNotAddUp
from webapp.statements.models import Document

URL = "https://pay.example"
SAMPLES = {
    "due": papers.paper(),
    "owed": papers.paper(600_00),
    "final": papers.final(),
    "corrected": papers.corrected(),
    "devanagari": papers.paper(driver_name="श्रीमती लक्ष्मीप्रिया वेंकटरामन सुब्रमण्यम अय्यर चट्टोपाध्याय", country="IN"),
    "arabic": papers.paper(driver_name="عبد الرحمن بن محمد بن عبد العزيز آل سعود القحطاني"),
}


def draw(facts: ReceiptFacts) -> bytes:
    return receipt_paper.render(facts, URL)


def text_of(content: bytes, number: int | None = None) -> str:
    pages = [each.extract_text() for each in pypdf.PdfReader(io.BytesIO(content)).pages]
    return "\n".join(pages) if number is None else pages[number]


@pytest.mark.parametrize("name", SAMPLES)
def test_it_passes_both_standards(name: str) -> None:
    content = draw(SAMPLES[name])
    for profile in ("3a", "ua1"):
        report = page.validate_pdf_bytes(content, profile=profile)
        assert report.is_compliant, [f"{each.rule_id}: {each.message}" for each in report.failures]


def test_page_one_is_the_answer_and_the_annex_has_every_line() -> None:
    content = draw(papers.paper())
    first, annex = text_of(content, 0), text_of(content, 1)
    for words in (
        "Weekly receipt", "DTR-2025-000042", "Amadou Diallo", "Licence 5098712", "5–11 Oct 2025", "Medallion 7H42",
        "Vehicle T100007C", "Due to you", "$159.50", "bank account ••4821", "PO-2025-000107", "1,212.50", "−500.00",
        "Taxes and fees", "1 of 6", "15 Nov 2025", "One hundred and fifty-nine US dollars and 50/100",
    ):  # fmt: skip
        assert words in first, words
    assert "Key that was lost" not in first
    assert "Key that was lost" in annex
    assert "12.50" in annex
    for each in pypdf.PdfReader(io.BytesIO(content)).pages[1:]:
        rows = each.extract_text().count("12.50")
        assert ("Paid by" in each.extract_text()) == bool(rows), (
            "the head of the trips is on each of their pages"
        )


def test_what_is_owed_is_carried_and_never_a_negative_payment() -> None:
    first = text_of(draw(papers.paper(600_00)), 0)
    assert "Carried forward: you owe" in first
    assert "−$240.50" in first
    assert "Due to you" not in first
    assert "Paid out" not in first


def test_a_correction_names_what_it_corrects_and_the_difference() -> None:
    first = text_of(draw(papers.corrected()), 0)
    for words in (
        "Corrects DTR-2025-000042",
        "40.00 USD",
        "another driver's",
        "Settled in a later week",
        "199.50",
    ):
        assert words in first, words


def test_a_final_receipt_says_what_to_do_and_what_was_owed_before() -> None:
    content = draw(papers.final())
    assert "Final receipt" in text_of(content, 0)
    assert "Your lease has ended" in text_of(content, 0)
    assert "Parking ticket 8650" in text_of(content, 1)
    assert "Rosa Jiménez" in text_of(content, 1)


def test_the_table_inside_has_every_line_and_runs_nothing() -> None:
    facts = papers.paper()
    facts = replace(facts, lines=(*facts.lines[:-1], replace(facts.lines[-1], description="=1+1")))
    reader = pypdf.PdfReader(io.BytesIO(draw(facts)))
    ((name, files),) = reader.attachments.items()
    assert name == "DTR-2025-000042-lines.csv"
    rows = list(csv.DictReader(io.StringIO(files[0].decode())))
    assert sum(round(float(row["amount"]) * 100) for row in rows) == facts.net_minor
    assert rows[-1]["description"] == "'=1+1"


def test_the_same_content_gives_the_same_bytes() -> None:
    assert draw(papers.paper()) == draw(receipt_facts.from_json(_frozen(papers.paper())))
    assert draw(papers.paper()) != draw(papers.paper(number="DTR-2025-000043"))


def _frozen(facts: ReceiptFacts) -> dict[str, object]:
    return receipt_facts.to_json(receipt_facts.sealed(facts))


def test_what_was_changed_is_not_read_and_what_contradicts_itself_is_refused() -> None:
    frozen = _frozen(papers.paper())
    with pytest.raises(DoesNotAddUp, match="changed after"):
        receipt_facts.from_json({**frozen, "net_minor": 1})
    with pytest.raises(DoesNotAddUp, match="charge lines"):
        receipt_facts.check(papers.paper(charges_minor=1))
    with pytest.raises(DoesNotAddUp, match="comes to"):
        receipt_facts.check(papers.paper(net_minor=1))
    with pytest.raises(DoesNotAddUp, match="leaves"):
        receipt_facts.check(papers.paper(owed_minor=1))


@pytest.fixture
def fleet(database: Flask) -> Organisation:
    """A taxi fleet."""
    return world.metrocab()


@pytest.fixture
def ann(fleet: Organisation) -> Payee:
    """A driver with bank details and a lease at 500.00 a week, whose repair is paid back from 5 October on."""
    driver = world.driver(fleet, name="Ann Lee", external_ref="5098712")
    people.method(driver)
    world.repair(world.lease(driver, 500_00))
    return driver


def week(fleet: Organisation, driver: Payee, earned: int) -> Receipt:
    """The week of 5 October, run on the Sunday after it."""
    world.earn(driver, earned, date(2025, 10, 8))
    world.run(fleet, world.sunday(0))
    world.run(fleet, world.sunday(1))
    return newest(driver)


def newest(driver: Payee) -> Receipt:
    """The newest receipt of a driver."""
    return db.session.scalars(
        select(Receipt).where(Receipt.payee_id == driver.id).order_by(Receipt.id.desc()).limit(1)
    ).one()


def work_off() -> list[Document]:
    """What workers do with the messages about papers; every paper there is then."""
    asked = db.session.scalars(
        select(OutboxMessage).where(OutboxMessage.kind.startswith("receipt.")).order_by(OutboxMessage.id)
    ).all()
    for kind, reference_id in [(each.kind, each.reference_id) for each in asked]:
        work = jobs.freeze_receipts if kind == receipt_document.OF_A_RUN else jobs.freeze_receipt
        work(reference_id)
    for document_id in db.session.scalars(select(Document.id).order_by(Document.id)).all():
        statement_jobs.render(document_id)
    db.session.expire_all()
    return list(db.session.scalars(select(Document).order_by(Document.id)))


def test_workers_make_the_papers_of_a_run_once_with_frozen_bytes(fleet: Organisation, ann: Payee) -> None:
    receipt = week(fleet, ann, 1_500_00)
    assert db.session.scalar(select(func.count()).select_from(Document)) == 0, "the run draws nothing"
    made = work_off()
    paper = next(each for each in made if each.number == receipt.number)
    assert (paper.state, paper.kind, paper.closing_minor) == ("ready", "receipt", receipt.net_minor)
    content = storage.read(paper.storage_key)
    assert sha256(content).hexdigest() == paper.sha256
    assert page.validate_pdf_bytes(content, profile="3a").is_compliant
    first = text_of(content, 0)
    for words in (receipt.number, "Ann Lee", "5098712", "1 of 3", "RPR-2025-001", "$300.00", "300.50", "••"):
        assert words in first, words
    assert paper.code is not None
    assert len(work_off()) == len(made)
    assert db.session.get_one(Document, paper.id).sha256 == paper.sha256


def test_every_driver_with_an_address_is_told_once(fleet: Organisation, ann: Payee) -> None:
    week(fleet, ann, 1_000_00)
    work_off()
    work_off()
    asked = select(func.count()).where(OutboxMessage.kind == "notice.receipt")
    receipts = select(func.count()).select_from(Receipt)
    assert db.session.scalar(asked) == db.session.scalar(receipts)


def test_a_correction_gets_its_own_paper_that_replaces_the_first(fleet: Organisation, ann: Payee) -> None:
    receipt = week(fleet, ann, 1_000_00)
    work_off()
    with transaction():
        again = correcting.reissue_receipt(
            organisation_id=fleet.id,
            number=receipt.number,
            lines=[correcting.CorrectionLine("tolls", "Another driver's toll", 12_00)],
            reason="Another driver's toll",
            actor=FACTORY,
            now=world.at(world.sunday(1)),
        )
    papers_ = {each.number: each for each in work_off()}
    assert papers_[again.number].replaces_id == papers_[receipt.number].id
    assert f"Corrects {receipt.number}" in text_of(storage.read(papers_[again.number].storage_key), 0)
    issues = queries.issues_of(papers_[again.number])
    assert [each.document.number for each in issues] == [again.number, receipt.number]
    assert issues[1].replaced_by == again.number


def test_a_receipt_that_says_otherwise_than_its_paper_is_not_drawn(fleet: Organisation, ann: Payee) -> None:
    receipt = week(fleet, ann, 1_000_00)
    with transaction():
        (document,) = receipt_document.freeze(
            organisation_id=fleet.id, receipt_ids=[receipt.id], actor=FACTORY, now=world.at(world.sunday(1))
        )
        other = receipt_facts.from_json(document.facts)
        document.facts = receipt_facts.to_json(
            receipt_facts.sealed(replace(other, net_minor=other.net_minor - 1, paid_minor=other.paid_minor - 1,
                                         charges_minor=other.charges_minor + 1,
                                         lines=(*other.lines, papers.line("charge", "tolls", "Toll", -1))))
        )  # fmt: skip
    statement_jobs.render(document.id)
    with transaction():
        made = db.session.get_one(Document, document.id, populate_existing=True)
        assert made.state == "failed"
        assert receipt.number in made.error


def test_a_paper_that_somebody_asks_for_is_made_and_mails_nobody(fleet: Organisation, ann: Payee) -> None:
    receipt = week(fleet, ann, 1_000_00)
    with transaction():
        made = receipt_document.order(
            organisation_id=fleet.id, receipt=receipt, actor=FACTORY, now=world.at(world.sunday(1))
        )
        assert made is not None
    with transaction():
        again = receipt_document.order(
            organisation_id=fleet.id, receipt=receipt, actor=FACTORY, now=world.at(world.sunday(1))
        )
        assert again is None
    statement_jobs.render(made.id)
    assert db.session.scalar(select(func.count()).where(OutboxMessage.kind == "notice.receipt")) == 0


@contextmanager
def count_queries() -> Iterator[list[str]]:
    """The questions that are asked inside."""
    asked: list[str] = []

    def remember(*args: object) -> None:
        asked.append(str(args[2]))

    event.listen(db.engine, "before_cursor_execute", remember)
    try:
        yield asked
    finally:
        event.remove(db.engine, "before_cursor_execute", remember)


def test_many_receipts_take_as_many_questions_as_one(fleet: Organisation, ann: Payee) -> None:
    for n in range(4):
        other = world.driver(fleet, name=f"Driver {n}")
        world.repair(world.lease(other, 500_00))
        world.earn(other, 700_00, date(2025, 10, 8))
    week(fleet, ann, 1_000_00)
    ids = db.session.scalars(select(Receipt.id).where(Receipt.week_start == world.sunday(0))).all()
    assert len(ids) == 5
    counted = []
    for some in (ids[:1], ids[1:]):
        with transaction(), count_queries() as found:
            receipt_document.freeze(
                organisation_id=fleet.id, receipt_ids=some, actor=FACTORY, now=world.at(world.sunday(1))
            )
        counted.append(len(found))
    assert counted[1] <= counted[0] + 3, counted
