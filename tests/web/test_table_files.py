"""Long tables as files: the four formats have the same rows and sums, nothing runs, nothing is cut."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import openpyxl
import pypdf

from webapp.web import sheets
from webapp.web.table_files import FORMATS, Column, Kind, Sum, Table, pieces

COLUMNS = (
    Column("name", "Name", width=12),
    Column("day", "Day", Kind.DAY),
    Column("number", "Number", Kind.NUMBER, 6),
    Column("amount", "Amount", Kind.AMOUNT),
)
ROWS = (
    ("Ann Lee", "2025-10-05", "1", "100.00"),
    ("=HYPERLINK(1)", None, "2", "-0.50"),
    ("A\\(b) 100% <&>", "1900-03-01", "3", "12345678901234.56"),
    (None, "2025-12-31", "4", None),
)


def table(rows: Sequence[Sequence[str | None]] = ROWS, batch: int = 3) -> Table:
    """A small table in batches."""

    def batches() -> Iterator[Any]:
        for start in range(0, len(rows), batch):
            yield list(zip(*rows[start : start + batch], strict=True))

    return Table(
        "Things of Acme", [("Filter", "everything")], COLUMNS, batches,
        lambda: [Sum("USD", len(rows), {"amount": "99.50"})], [("amount", "Amount")],
    )  # fmt: skip


def made(of: Table, format: str) -> bytes:
    """A whole file."""
    return b"".join(pieces(of, format))


def book(content: bytes) -> Any:
    """A workbook, read back."""
    return openpyxl.load_workbook(io.BytesIO(content))


def test_csv_has_every_row_and_nothing_that_runs() -> None:
    content = made(table(), "csv")
    assert content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))
    assert rows[0] == ["Name", "Day", "Number", "Amount"]
    assert rows[1] == ["Ann Lee", "2025-10-05", "1", "100.00"]
    assert rows[2] == ["'=HYPERLINK(1)", "", "2", "-0.50"]
    assert rows[4] == ["", "2025-12-31", "4", ""]


def test_json_has_the_values_as_they_are() -> None:
    found = json.loads(made(table(), "json"))
    assert (found["title"], found["filter"]) == ("Things of Acme", "everything")
    assert [tuple(row.values()) for row in found["rows"]] == [
        (name, day, int(number), amount) for name, day, number, amount in ROWS
    ]
    assert found["totals"] == [{"currency": "USD", "count": 4, "amount": "99.50"}]


def test_a_workbook_has_numbers_days_and_a_sheet_of_sums() -> None:
    found = book(made(table(), "xlsx"))
    assert found.sheetnames == ["Rows", "Totals"]
    rows = [[cell.value for cell in row] for row in found["Rows"].iter_rows()]
    assert rows[0] == ["Name", "Day", "Number", "Amount"]
    assert rows[1] == ["Ann Lee", datetime(2025, 10, 5), 1, 100]
    assert rows[2] == ["'=HYPERLINK(1)", None, 2, -0.5]
    # More digits than a spreadsheet keeps stay text.
    assert rows[3] == ["A\\(b) 100% <&>", datetime(1900, 3, 1), 3, "12345678901234.56"]
    assert [[cell.value for cell in row] for row in found["Totals"].iter_rows()] == [
        ["Currency", "Rows", "Amount"], ["USD", 4, 99.5],
    ]  # fmt: skip
    assert found["Rows"].freeze_panes == "A2"
    assert not any(cell.data_type == "f" for row in found["Rows"].iter_rows() for cell in row)
    assert found["Rows"]["D2"].number_format == "#,##0.00"


def test_a_workbook_goes_on_on_another_sheet() -> None:
    rows = [[str(n)] for n in range(1200)]
    content = b"".join(
        sheets.write(["N"], ["number"], [list(zip(*rows, strict=True))],
                     lambda: sheets.Totals(["N"], ["number"], []), most_rows=1_001)
    )  # fmt: skip
    found = book(content)
    assert found.sheetnames == ["Rows", "Rows 2", "Totals"]
    values = [
        row[0] for name in found.sheetnames[:-1] for row in found[name].iter_rows(min_row=2, values_only=True)
    ]
    assert values == list(range(1200))


def test_text_that_xml_cannot_hold_is_left_out() -> None:
    found = book(made(table([("a\x07b\ud800\ufffe]]>", None, "1", None)]), "xlsx"))
    assert found["Rows"]["A2"].value == "ab]]>"


def words_of(content: bytes) -> str:
    """The text of a PDF without its line breaks."""
    reader = pypdf.PdfReader(io.BytesIO(content), strict=True)
    return " ".join(" ".join(page.extract_text().split()) for page in reader.pages)


def heights_of(page: Any) -> list[float]:
    """How high above the foot of the paper each text stands."""
    found: list[float] = []

    def visit(text: str, cm: Any, tm: Any, font: Any, size: Any) -> None:
        if text.strip():
            found.append(tm[5])

    page.extract_text(visitor_text=visit)
    return found


def test_a_pdf_has_every_cell_and_the_sums() -> None:
    text = words_of(made(table(), "pdf"))
    for row in ROWS:
        for cell in row:
            assert (cell or "") in text
    assert "Total USD: 4 rows; Amount 99.50" in text
    assert "Some letters" not in text


def test_a_pdf_repeats_its_head_and_wraps_what_is_long() -> None:
    rows = [(f"Name {n}", "2025-10-05", str(n), "1.00") for n in range(150)]
    rows[7] = (" ".join(f"word{n}" for n in range(900)), "2025-10-05", "7", "1.00")
    content = made(table(rows), "pdf")
    reader = pypdf.PdfReader(io.BytesIO(content), strict=True)
    assert len(reader.pages) > 3
    assert all("Amount" in page.extract_text() for page in reader.pages)
    text = words_of(content)
    assert all(f"Name {n} " in text for n in range(150) if n != 7)
    assert all(f"word{n}" in text for n in range(900))
    # Nothing is drawn below the foot of a page.
    assert all(min(heights_of(page)) >= 20 for page in reader.pages)
    assert reader.metadata is not None
    assert reader.metadata.title == "Things of Acme"


def test_letters_that_the_fonts_lack_are_said_to_be_missing() -> None:
    text = words_of(made(table([("Łukasz Ņe हि", None, "1", None)]), "pdf"))
    assert "?ukasz Ne ??" in text
    assert "CSV, XLSX and JSON have all of them" in text


def test_files_without_rows_are_whole() -> None:
    of = replace(table([]), sums=list)
    assert json.loads(made(of, "json"))["rows"] == []
    assert book(made(of, "xlsx")).sheetnames == ["Rows", "Totals"]
    assert "Things of Acme" in words_of(made(of, "pdf"))
    assert made(of, "csv").decode("utf-8-sig") == "Name,Day,Number,Amount\r\n"


def test_the_same_rows_give_the_same_bytes_in_small_pieces() -> None:
    rows = [(f"Name {n}", "2025-10-05", str(n), "1.00") for n in range(5_000)]
    for format in FORMATS:
        parts = list(pieces(table(rows, 500), format))
        assert b"".join(parts) == made(table(rows, 500), format)
        assert max(map(len, parts)) < 120_000, format
    assert zipfile.ZipFile(io.BytesIO(made(table(rows), "xlsx"))).testzip() is None
