"""Files of lists: defused cells, exact numbers, streaming."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from flask import Flask
from openpyxl import load_workbook

from webapp.kernel.money import Money
from webapp.web import exports


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+44 20", "'+44 20"),
        ("-cmd|' /C calc'!A0", "'-cmd|' /C calc'!A0"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("  =1", "'  =1"),
        ("＝1", "'＝1"),
        ("a=1", "a=1"),
        ("-12.50", "-12.50"),
        ("-12.50+1", "'-12.50+1"),
        (-5, "-5"),
        (Money(-49950, "USD"), "-499.50"),
        (Decimal("9.990"), "9.990"),
        (Decimal("1E+3"), "1000"),
        (None, ""),
        (True, "yes"),
        (date(2026, 10, 31), "2026-10-31"),
        (datetime(2026, 10, 31, 12, tzinfo=UTC), "2026-10-31T12:00:00Z"),
    ],
)
def test_a_cell_never_becomes_a_formula(value: object, cell: str) -> None:
    assert exports.defuse(value) == cell


def test_csv_is_read_back_as_it_was() -> None:
    rows = [['Ana, "the" one', "two\nlines", Money(123, "USD")], ["=x", "தமிழ்", None]]
    text = "".join(exports.csv_rows(["name", "note", "amount"], rows))
    assert list(csv.reader(io.StringIO(text))) == [
        ["name", "note", "amount"],
        ['Ana, "the" one', "two\nlines", "1.23"],
        ["'=x", "தமிழ்", ""],
    ]


def test_csv_streams_and_does_not_wait_for_the_last_row() -> None:
    taken = []

    def rows() -> object:
        for number in range(1000):
            taken.append(number)
            yield [number]

    pieces = exports.csv_rows(["n"], rows())  # type: ignore[arg-type]
    first = next(pieces)
    assert first.startswith("n\r\n0\r\n")
    assert len(taken) < 1000
    assert len((first + "".join(pieces)).splitlines()) == 1001


def test_workbook_keeps_numbers_and_defuses_text() -> None:
    stream = io.BytesIO()
    rows = [
        ['=HYPERLINK("http://x")', Money(49950, "USD"), date(2026, 1, 2), Decimal("9.99"), 10**19 + 1],
        ["a\x0bb", None, None, True, 1],
    ]
    assert exports.write_xlsx(stream, ["name", "amount", "day", "size", "big"], rows) == 2
    sheet = load_workbook(stream).active
    assert sheet is not None
    values = [[cell.value for cell in row] for row in sheet.iter_rows()]
    assert values[0] == ["name", "amount", "day", "size", "big"]
    assert values[1][0] == '\'=HYPERLINK("http://x")'
    assert sheet["A2"].data_type == "s"
    assert values[1][1] == 499.5
    assert values[1][2] == datetime(2026, 1, 2)
    assert values[1][4] == "10000000000000000001"
    assert values[2][0] == "ab"
    assert values[2][3] == "yes"


def test_responses_are_attachments() -> None:
    app = Flask("exports")
    with app.test_request_context():
        answer = exports.csv_response("list.csv", ["a"], [["=1"]])
        assert answer.headers["Content-Disposition"] == "attachment; filename=list.csv"
        assert answer.get_data() == b"\xef\xbb\xbfa\r\n'=1\r\n"
        workbook = exports.xlsx_response("list.xlsx", ["a"], [["x"]])
        body = workbook.get_data()
        assert workbook.content_length == len(body)
        assert body.startswith(b"PK")
        assert workbook.mimetype == exports.XLSX_TYPE
