"""A driver's pages: what a week came to, every line, disputing one; the office decides; the PDF."""

from __future__ import annotations

import re
from datetime import date

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from jobs import receipts as jobs
from jobs import statements as statement_jobs
from tests.factories import people, repairs
from tests.factories.repairs import sunday
from tests.programs.repairs.views.conftest import Metrocab
from webapp.database import db
from webapp.people.models import Payee, User
from webapp.programs.repairs import receipt_document
from webapp.programs.repairs.books import Charge, Dispute, Receipt, WeeklyRun
from webapp.statements.models import Document


@pytest.fixture
def driver(metrocab: Metrocab) -> Payee:
    """A driver who signs in, after two weeks: the first with money to come, the second without."""
    found = repairs.driver(metrocab.organisation, name="Ann <i>Lee</i>", user=people.user("ann@example.com"))
    repairs.repair(repairs.lease(found))
    people.method(found)
    repairs.charge(found, "tolls", 12_00, date(2025, 10, 8))
    repairs.earn(found, 700_00, date(2025, 10, 8))
    for n in range(3):
        repairs.run(metrocab.organisation, sunday(n))
    return found


@pytest.fixture
def own(metrocab: Metrocab, driver: Payee) -> FlaskClient:
    """The driver's browser."""
    assert driver.user_id is not None
    people.sign_in(metrocab.browser, db.session.get_one(User, driver.user_id), metrocab.organisation)
    return metrocab.browser


def read(client: FlaskClient, path: str, code: int = 200) -> str:
    """The words of a page."""
    answer = client.get(path)
    assert answer.status_code == code, answer.text[:300]
    return answer.get_data(as_text=True)


def receipts_of(driver: Payee) -> list[Receipt]:
    return list(db.session.scalars(select(Receipt).where(Receipt.payee_id == driver.id).order_by(Receipt.id)))


def test_home_says_balance_repairs_and_the_last_week(own: FlaskClient, driver: Payee) -> None:
    page = read(own, "/driver/")
    for words in ("Your balance", "Left of repairs", "Your week", "carried forward"):
        assert words in page, words
    assert f"/driver/receipts/{receipts_of(driver)[-1].number}" in page


def test_repairs_show_their_plan(own: FlaskClient) -> None:
    page = read(own, "/driver/repairs")
    reference = re.search(r"RPR-2025-\d+", page)
    assert reference
    plan = read(own, f"/driver/repairs/{reference[0]}")
    for words in ("$200.00", "$100.50", "Charged", "12–18 Oct 2025"):
        assert words in plan, words


def test_receipts_say_both_signs_and_every_line(own: FlaskClient, driver: Payee) -> None:
    due, carried = receipts_of(driver)[-2:]
    assert (due.paid_minor, carried.closing_minor) == (488_00, -200_00)
    index = read(own, "/driver/receipts")
    assert due.number in index
    assert "$488.00" in index
    first = read(own, f"/driver/receipts/{due.number}")
    assert "Due to you" in first
    assert "−$12.00" in first
    assert first.count(">Dispute<") == 2
    second = read(own, f"/driver/receipts/{carried.number}")
    assert "Carried forward: you owe" in second
    assert "It is taken from what you earn next" in second


def test_the_ledger_has_a_balance_after_each_line(own: FlaskClient) -> None:
    page = read(own, "/driver/ledger")
    for words in ("Your balance", "−$200.00", "Card fares", "What you owe", "Repairs"):
        assert words in page, words


def test_a_line_is_disputed_and_the_office_decides(
    metrocab: Metrocab, own: FlaskClient, driver: Payee
) -> None:
    charge = db.session.scalars(
        select(Charge).where(Charge.payee_id == driver.id, Charge.category == "tolls")
    ).one()
    path = f"/driver/ledger/{charge.id}/dispute"
    assert charge.description in read(own, path)
    for empty in ("", " "):
        answer = own.post(path, data={"reason": empty})
        assert answer.status_code == 422
        assert "I did not use this bridge." in answer.text
    sent = own.post(path, data={"reason": "<b>Not</b> my bridge"}, follow_redirects=True)
    assert "Being looked at" in sent.text
    row = metrocab.newest(Dispute)
    admin = metrocab.as_(metrocab.dana)
    listed = read(admin, "/admin/repairs/disputes")
    assert "&lt;b&gt;Not&lt;/b&gt; my bridge" in listed
    decision = f"/admin/repairs/disputes/{row.reference}"
    assert "Until you decide" in read(admin, decision)
    assert admin.post(decision, data={"choice": "accept", "answer": ""}).status_code == 422
    done = admin.post(decision, data={"choice": "accept", "answer": "It was 7H42."}, follow_redirects=True)
    assert "the driver is credited" in done.text
    late = admin.post(decision, data={"choice": "refuse", "answer": "No."})
    assert late.status_code == 409
    assert "It was 7H42." in read(admin, "/admin/repairs/disputes?state=accepted")
    people.sign_in(metrocab.browser, db.session.get_one(User, driver.user_id), metrocab.organisation)
    assert "It was 7H42." in read(metrocab.browser, "/driver/ledger")
    again = metrocab.browser.post(path, data={"reason": "Still not mine"})
    assert again.status_code == 409
    assert "Still not mine" in again.text


def test_the_pdf_is_there_once_workers_made_it(metrocab: Metrocab, own: FlaskClient, driver: Payee) -> None:
    number = receipts_of(driver)[-1].number
    assert "Not asked for" in read(own, f"/driver/receipts/{number}.pdf")
    run = db.session.scalars(select(WeeklyRun).where(WeeklyRun.week_start == sunday(2))).one()
    jobs.freeze_receipts(run.id)
    assert "Being made" in read(own, f"/driver/receipts/{number}.pdf")
    document = db.session.scalars(select(Document).where(Document.number == number)).one()
    statement_jobs.render(document.id)
    assert number in read(own, "/driver/statements?kind=receipt")
    files = [own.get(f"/driver/receipts/{number}.pdf")]
    files.append(metrocab.as_(metrocab.dana).get(f"/admin/repairs/receipts/{number}.pdf"))
    for file in files:
        assert file.mimetype == "application/pdf"
        assert file.headers["Content-Disposition"] == f'attachment; filename="{number}.pdf"'
        assert file.headers["Cache-Control"] == "no-store"
    assert number in read(metrocab.browser, f"/admin/statements/{number}")
    code = db.session.get_one(Document, document.id).code
    page = read(metrocab.browser, f"/v/{code}")
    assert "Weekly receipt" in page
    assert "−$200.00" in page


def test_an_old_receipt_is_made_when_somebody_asks(own: FlaskClient, driver: Payee) -> None:
    receipt = receipts_of(driver)[0]
    path = f"/driver/receipts/{receipt.number}.pdf"
    asked = own.post(path, follow_redirects=True)
    assert "Being made" in asked.text
    document = receipt_document.find(receipt)
    assert document is not None
    own.post(path)
    assert len(db.session.scalars(select(Document).where(Document.number == receipt.number)).all()) == 1


def test_somebody_who_is_no_driver_yet_sees_that(metrocab: Metrocab) -> None:
    user = people.user("new@example.com")
    people.membership(user, metrocab.organisation, "driver")
    client = metrocab.as_(user)
    for path in ("repairs", "ledger", "receipts"):
        read(client, f"/driver/{path}")


@pytest.mark.parametrize("path", ["repairs", "ledger", "receipts"])
def test_lists_ask_no_question_per_row(
    metrocab: Metrocab, own: FlaskClient, driver: Payee, path: str
) -> None:
    from sqlalchemy import event

    asked: list[str] = []

    def remember(*args: object) -> None:
        asked.append(str(args[2]))

    for n in range(6):
        repairs.charge(driver, "tolls", 5_00, date(2025, 10, 13 + n % 3))
    own.get(f"/driver/{path}")
    event.listen(db.engine, "before_cursor_execute", remember)
    try:
        read(own, f"/driver/{path}")
    finally:
        event.remove(db.engine, "before_cursor_execute", remember)
    assert len(asked) <= 12, asked
