"""Weekly receipts with both signs in words and their corrections; weekly runs, handed to a worker, with progress."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from jobs import registry
from tests.factories import repairs
from tests.programs.repairs.views.conftest import Metrocab
from webapp.database import db, transaction
from webapp.kernel.clock import utc_now
from webapp.outbox.models import OutboxMessage
from webapp.people.models import Organisation
from webapp.programs.repairs import trail, week_runs
from webapp.programs.repairs.books import Adjustment, Charge, Receipt, WeeklyProblem, WeeklyRun

ROOT = "/admin/repairs"


def count(model: Any, *conditions: Any) -> int:
    db.session.rollback()
    return int(db.session.scalar(select(func.count()).select_from(model).where(*conditions)) or 0)


def text_of(page: str) -> str:
    """The words of a page, without its tags."""
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def example(metrocab: Metrocab, earned: int) -> Receipt:
    """The week of 5 October: charges of 840.50 in seven categories, and what was earned."""
    ada = metrocab.ada
    repairs.repair(metrocab.lease, 450_00)
    repairs.run(metrocab.organisation, repairs.sunday(0))
    for category, amount in (
        ("taxes", 60_00), ("tolls", 40_00), ("lease", 500_00), ("tickets", 25_00), ("miscellaneous", 115_50),
    ):  # fmt: skip
        repairs.charge(ada, category, amount, date(2025, 10, 7))
    repairs.earn(ada, earned, date(2025, 10, 7))
    repairs.run(metrocab.organisation, repairs.sunday(1))
    return metrocab.newest(Receipt)


# ---- Receipts ------------------------------------------------------------------------------------------------


def test_a_receipt_says_every_line_and_that_the_net_is_due(metrocab: Metrocab, admin: FlaskClient) -> None:
    row = example(metrocab, 1_000_00)
    page = text_of(admin.get(f"{ROOT}/receipts/{row.number}").text)
    for words in (
        "Earnings $1,000.00", "Charges −$840.50", "Net Due to the driver $159.50", "−$159.50",
        "Nothing is carried to the next week", "Repair RPR-2025-001-01", "Taxes, in all −$60.00",
        "Lease, in all −$500.00", "All charges −$840.50", "Card fares",
    ):  # fmt: skip
        assert words in page, words
    assert "PO-20" in page


def test_a_receipt_below_zero_is_owed_and_carried_in_words(metrocab: Metrocab, admin: FlaskClient) -> None:
    row = example(metrocab, 600_00)
    page = text_of(admin.get(f"{ROOT}/receipts/{row.number}").text)
    assert "Net Owed by the driver −$240.50" in page
    assert "Paid out $0.00" in page
    assert "$240.50 is owed by the driver and carried to the next week −$240.50" in page
    repairs.run(metrocab.organisation, repairs.sunday(2))
    following = text_of(admin.get(f"{ROOT}/receipts/{metrocab.newest(Receipt).number}").text)
    assert "Opening balance Owed by the driver from the week before −$240.50" in following
    assert "debts of earlier weeks, not added again" in following


def test_the_list_is_narrowed_and_summed(metrocab: Metrocab, admin: FlaskClient) -> None:
    row = example(metrocab, 600_00)
    owed = text_of(admin.get(f"{ROOT}/receipts?sign=negative&week_from=2025-10-05").text)
    assert row.number in owed
    assert "Owed by the driver" in owed
    assert row.number not in text_of(admin.get(f"{ROOT}/receipts?sign=positive").text)
    totals = text_of(admin.get(f"{ROOT}/receipts/totals?sign=negative&week_from=2025-10-05").text)
    assert "$600.00" in totals
    assert "$840.50" in totals
    assert "240.50" not in totals, "a net holds what the week before left, so nets are not added up"
    assert admin.get(f"{ROOT}/receipts?week_from=2025-10-12&week_to=2025-10-05").status_code == 422


def correction(*lines: str, **values: str) -> dict[str, str]:
    return {"lines": "\n".join(lines), "reason": "A toll was another driver's.", "act": "look", **values}


def test_the_difference_is_shown_before_anything_is_issued(metrocab: Metrocab, admin: FlaskClient) -> None:
    row = example(metrocab, 600_00)
    form = correction("Tolls; The toll of 7 Oct was another driver's; 40.00", "tickets; Forgotten; -15.00")
    page = text_of(admin.post(f"{ROOT}/receipts/{row.number}/again", data=form).text)
    assert "Difference $25.00" in page
    assert "Net as it was issued −$240.50" in page
    assert "Net as it should have been −$215.50" in page
    assert "The driver gets $25.00 more: a credit of this week." in page
    assert count(Receipt, Receipt.revision > 1) == 0


def test_a_receipt_is_issued_again_and_both_name_one_another(metrocab: Metrocab, admin: FlaskClient) -> None:
    row = example(metrocab, 600_00)
    number = row.number
    form = correction("tolls; The toll was another driver's; 40.00", act="save")
    page = text_of(admin.post(f"{ROOT}/receipts/{number}/again", data=form, follow_redirects=True).text)
    made = metrocab.newest(Receipt)
    assert f"It corrects {number}" in page
    assert "The driver gets $40.00 more" in page
    assert "Difference, settled in the week of the correction −$40.00" in page
    assert metrocab.newest(Adjustment).amount_minor == 40_00
    old = text_of(admin.get(f"{ROOT}/receipts/{number}").text)
    assert f"{made.number} stands in its place" in old
    assert "Issue it again" not in old
    again = admin.post(f"{ROOT}/receipts/{number}/again", data=form)
    assert again.status_code == 409
    assert made.number in again.text
    assert count(Adjustment) == 1


def test_less_for_the_driver_becomes_a_charge(metrocab: Metrocab, admin: FlaskClient) -> None:
    row = example(metrocab, 600_00)
    form = correction("tolls; A toll was forgotten; -12.50", act="save")
    page = admin.post(f"{ROOT}/receipts/{row.number}/again", data=form, follow_redirects=True)
    assert "The driver gets $12.50 less" in text_of(page.text)
    assert metrocab.newest(Charge).amount_minor == 12_50


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("nothing; What; 5", "Line 1 cannot be read. Categories: Taxes"),
        ("tolls; What", "Line 1 cannot be read."),
        ("tolls; What; five", "Line 1: five is not an amount"),
        ("tolls; What; 0", "other than zero"),
        ("tolls; ; 5", "Enter what was wrong"),
    ],
)
def test_a_correction_that_cannot_be_read_is_refused(
    metrocab: Metrocab, admin: FlaskClient, line: str, words: str
) -> None:
    row = example(metrocab, 600_00)
    for act in ("look", "save"):
        answer = admin.post(f"{ROOT}/receipts/{row.number}/again", data=correction(line, act=act))
        assert answer.status_code == 422
        assert words in answer.text
    assert count(Receipt, Receipt.revision > 1) == 0


def test_receipts_of_another_organisation_are_not_found(metrocab: Metrocab, admin: FlaskClient) -> None:
    other = repairs.metrocab(slug="other")
    strangers = [repairs.lease(repairs.driver(other)) for _ in range(3)]
    repairs.run(other, repairs.sunday(1))
    number = db.session.scalars(select(Receipt.number).where(Receipt.lease_id == strangers[-1].id)).one()
    assert admin.get(f"{ROOT}/receipts/{number}").status_code == 404
    assert admin.get(f"{ROOT}/receipts/{number}/again").status_code == 404
    assert admin.get(f"{ROOT}/weekly/2025-10-12").status_code == 404


# ---- Runs ----------------------------------------------------------------------------------------------------


def start(admin: FlaskClient, day: str) -> Any:
    return admin.post(f"{ROOT}/weekly/run", data={"week": day})


def work() -> None:
    """What a worker does with what was asked for."""
    run_id = db.session.scalars(
        select(OutboxMessage.reference_id).where(OutboxMessage.kind == week_runs.KIND)
    ).all()[-1]
    db.session.rollback()
    registry.handler(week_runs.KIND)(run_id)
    with transaction():
        for message in db.session.scalars(select(OutboxMessage).where(OutboxMessage.kind == week_runs.KIND)):
            message.done_at = message.done_at or utc_now()


def test_a_run_is_handed_to_a_worker_and_its_page_shows_how_far_it_is(
    metrocab: Metrocab, admin: FlaskClient
) -> None:
    repairs.repair(metrocab.lease, 450_00)
    check = text_of(admin.get(f"{ROOT}/weekly/run?week=2025-10-05").text)
    assert "Run the week of 5 Oct 2025?" in check
    assert "28 Sep – 4 Oct 2025" in check
    answer = start(admin, "2025-10-05")
    assert answer.location == f"{ROOT}/weekly/2025-10-05"
    page = admin.get(answer.location).text
    assert "A worker is at it" in page
    assert '<noscript><meta http-equiv="refresh"' in page
    assert "Run again" not in page
    assert admin.get(f"{answer.location}/progress").status_code == 200
    assert count(Charge) == 0
    work()
    done = admin.get(f"{answer.location}/progress")
    assert done.status_code == 286
    words = text_of(done.text)
    assert "1 instalment charged" in words
    assert "1 receipt issued" in words
    assert "0 problems" in words
    assert "It is done." in words
    assert "Nothing was refused." in words


def test_pressing_twice_starts_one_run(metrocab: Metrocab, admin: FlaskClient) -> None:
    for _ in range(2):
        assert start(admin, "2025-10-05").status_code == 303
    assert count(OutboxMessage, OutboxMessage.kind == week_runs.KIND) == 1
    work()
    start(admin, "2025-10-05")
    assert count(OutboxMessage, OutboxMessage.kind == week_runs.KIND) == 2
    assert count(WeeklyRun) == 1


def test_what_was_refused_is_listed_with_its_reason_and_done_by_the_next_run(
    metrocab: Metrocab, admin: FlaskClient
) -> None:
    start(admin, "2025-10-05")
    work()
    run = metrocab.newest(WeeklyRun)
    with transaction():
        db.session.add(
            WeeklyProblem(
                run_id=run.id, payee_id=metrocab.ada.id, step="receipt", message="Her <i>account</i> is looked into.",
                happened_at=utc_now(),
            )
        )  # fmt: skip
    page = admin.get(f"{ROOT}/weekly/2025-10-05").text
    assert "Her &lt;i&gt;account&lt;/i&gt; is looked into." in page
    assert "Ada &lt;b&gt;Ray&lt;/b&gt;" in page
    assert "Making the receipt" in page
    assert "but for the drivers below" in page
    assert "Run again" in page


def test_a_run_does_not_overtake_an_earlier_week(metrocab: Metrocab, admin: FlaskClient) -> None:
    repairs.run(metrocab.organisation, repairs.sunday(0))
    assert "Run the week of 12 Oct 2025" in admin.get(f"{ROOT}/weekly").text
    answer = start(admin, "2025-10-19")
    assert answer.status_code == 409
    assert "The run of the week of 2025-10-12 comes first." in answer.text
    assert count(OutboxMessage, OutboxMessage.kind == week_runs.KIND) == 0
    assert start(admin, "2025-10-12").status_code == 303


def test_a_week_that_has_not_begun_is_not_run(metrocab: Metrocab, admin: FlaskClient) -> None:
    organisation = db.session.get_one(Organisation, metrocab.organisation.id)
    # The week after the present one, whatever day it is.
    later = trail.this_week(organisation.id, utc_now()).following().start
    assert start(admin, later.isoformat()).status_code == 422
    assert start(admin, "2025-10-06").status_code == 422
    assert start(admin, "soon").status_code == 404
    assert count(WeeklyRun) == 0


def test_an_accountant_sees_runs_and_starts_none(metrocab: Metrocab) -> None:
    repairs.run(metrocab.organisation, repairs.sunday(0))
    books = metrocab.as_(metrocab.books)
    assert "/weekly/run" not in books.get(f"{ROOT}/weekly").text
    assert "Run again" not in books.get(f"{ROOT}/weekly/2025-10-05").text
    assert start(books, "2025-10-05").status_code == 403
    assert books.get(f"{ROOT}/weekly/not-a-day").status_code == 404
