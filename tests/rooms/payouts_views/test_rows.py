"""Rows and files made of plain values say what the records say."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import openpyxl
import pytest
from flask import g

from tests.factories.pages import Place
from webapp.database import db, transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.money import Money
from webapp.payouts import export, lists, page_rows
from webapp.payouts.lists import PayoutFilter
from webapp.payouts.models import Payout
from webapp.payouts.states import PayoutState
from webapp.payouts.views import listing, words
from webapp.web import exports, sheets


def _all(place: Place, **filters: str) -> object:
    return lists.payouts(
        organisation_id=place.organisation.id, currency=place.organisation.currency, now=utc_now(),
        filters=PayoutFilter(**filters),  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.fixture
def mixed(place: Place) -> list[Payout]:
    """Payouts of many kinds: held, rejected with a reason, without payment details, of several periods."""
    made = [place.payout(), place.payout(place.other, 1), place.payout(amount=123_456_789)]
    made.append(place.payout(period_start=date(2025, 12, 28), period_end=date(2026, 1, 3)))
    with transaction():
        held, rejected, paid = (db.session.get_one(Payout, p.id) for p in made[:3])
        held.is_held, held.hold_reason = True, "=cmd()"
        rejected.state, rejected.reason = "rejected", "Twice."
        paid.state, paid.paid_on, paid.paid_at = "paid", date(2026, 11, 19), utc_now() - timedelta(days=1)
        paid.payment_reference = "=HYPERLINK(1)"
        paid.approved_at = utc_now() - timedelta(days=2)
        made[3].payee.name = '@Ana, "the" one'
    return made


@pytest.mark.usefixtures("mixed")
def test_words_are_those_of_the_records(place: Place) -> None:
    query = _all(place)
    rows = page_rows.listed(db.session.execute(page_rows.columns(query).order_by(Payout.id)))  # type: ignore[arg-type]
    records = db.session.scalars(lists.with_list_columns(query).order_by(Payout.id)).unique().all()  # type: ignore[arg-type]
    assert [row.id for row in rows] == [record.id for record in records]
    assert len(rows) == 4
    g.organisation = place.organisation
    for row, record in zip(rows, records, strict=True):
        assert words.admin_status(row) == words.admin_status(record)
        assert words.payee_status(row, "Solaria") == words.payee_status(record, "Solaria")
        assert words.period(row) == words.period(record)
        assert (row.payee.name, row.payment_reference) == (record.payee.name, record.payment_reference)
        current = record.payee.current_method
        assert (row.payee.current_method is None) == (current is None)
        assert current is None or row.payee.current_method is not None
        assert current is None or row.payee.current_method.masked == current.masked  # type: ignore[union-attr]


@pytest.mark.usefixtures("mixed")
def test_facts_of_a_row_are_those_of_its_line(place: Place) -> None:
    rows = db.session.execute(page_rows.columns(_all(place)).order_by(Payout.id)).all()  # type: ignore[arg-type]
    lines = [page_rows.line(row) for row in rows]
    assert len(lines) == 4
    for row, line in zip(rows, lines, strict=True):
        method = line.method or line.payee.current_method
        assert page_rows.pay_to(row) == ((method.masked or "By hand") if method else None)
        current, change = line.payee.current_method, line.payee.pending_change
        state, held, payee = page_rows.status_facts(row)
        assert (state, *held) == (line.state, line.is_held, line.hold_reason, line.reason)
        assert payee[0] == line.payee.name
        assert payee[2:4] == ((current.masked, current.cool_off_until) if current else (None, None))
        assert payee[4:] == (tuple(change) if change else (None, None))


def _row_by_row(query: Any) -> Iterator[tuple[Any, ...]]:
    """The cells of the file as one would make them, a payout at a time."""
    for (
        _, reference, payee, payee_reference, program, start, end, state, is_held, currency, gross, net, payment,
        approved_at, paid_on, created_at,
    ) in lists.export_rows(query):  # fmt: skip
        yield (
            reference, payee, payee_reference, program, start, end, PayoutState(state).label, is_held, currency,
            Money(gross, currency), Money(net - gross, currency), Money(net, currency), payment, approved_at, paid_on,
            created_at,
        )  # fmt: skip


@pytest.mark.usefixtures("mixed")
def test_files_of_columns_and_of_rows_hold_the_same(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    query = _all(place)
    by_rows = "".join(exports.csv_rows(listing.EXPORT_HEADERS, _row_by_row(query)))
    for batch in (5_000, 3, 2, 1):
        monkeypatch.setattr(export, "BATCH", batch)
        assert "".join(exports.csv_columns(listing.EXPORT_HEADERS, export.columns(query))) == by_rows  # type: ignore[arg-type]
    cells = {row[0]: row for row in csv.reader(io.StringIO(by_rows))}
    assert len(cells) == 5
    assert any(row[12] == "'=HYPERLINK(1)" and row[11] == "1234567.89" for row in cells.values())
    assert any(row[1] == '\'@Ana, "the" one' for row in cells.values())


@pytest.mark.usefixtures("mixed")
def test_a_workbook_holds_numbers_and_days_where_the_csv_has_their_words(place: Place) -> None:
    pieces = sheets.write(listing.EXPORT_HEADERS, listing.EXPORT_KINDS, export.columns(_all(place)))  # type: ignore[arg-type]
    book = openpyxl.load_workbook(io.BytesIO(b"".join(pieces)))
    assert book.sheetnames == ["Rows"]
    _, *rows = book["Rows"].iter_rows(values_only=True)
    by_text = list(csv.reader("".join(exports.csv_rows([], _row_by_row(_all(place)))).splitlines()[1:]))
    assert [[_said(cell) for cell in row] for row in rows] == by_text
    assert {type(row[4]) for row in rows} == {datetime}
    assert {type(row[11]) for row in rows} <= {int, float}


def _said(cell: Any) -> str:
    """A cell of a workbook as the CSV says it."""
    match cell:
        case None:
            return ""
        case datetime():
            return cell.date().isoformat()
        case int() | float():
            return f"{cell:.2f}"
        case _:
            return str(cell)


def test_a_file_of_nothing_has_its_headers(place: Place) -> None:
    text = "".join(exports.csv_columns(listing.EXPORT_HEADERS, export.columns(_all(place, text="zzz"))))  # type: ignore[arg-type]
    assert text == ",".join(listing.EXPORT_HEADERS) + "\r\n"
