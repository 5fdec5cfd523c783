"""Long tables as files: the four formats have the same rows and sums, nothing runs, nothing is cut."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import unicodedata
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import openpyxl
import pypdf
import pytest
from openpyxl.utils.escape import unescape

from webapp.web import pdf_fonts, sheets, table_pdf
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


@pytest.mark.parametrize("text", ["_x003D_SUM(A1)", "a_x0041_b", "_x_", "_x003G_", "__x000a_x000A_"])
def test_text_that_looks_like_a_written_out_character_stays_what_it_is(text: str) -> None:
    found = book(made(table([(text, None, "1", None)]), "xlsx"))
    assert unescape(found["Rows"]["A2"].value) == text


def words_of(content: bytes) -> str:
    """The text of a PDF without its line breaks."""
    reader = pypdf.PdfReader(io.BytesIO(content), strict=True)
    return " ".join(" ".join(page.extract_text().split()) for page in reader.pages)


def heights_of(page: Any) -> list[float]:
    """How high above the foot of the paper each text stands."""
    found: list[float] = []

    def visit(text: str, cm: Any, tm: Any, font: Any, size: Any) -> None:
        if text.strip():
            found.append(tm[4] * cm[1] + tm[5] * cm[3] + cm[5])

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


def read_by_others(content: bytes, folder: Path) -> str:
    """What pdftotext, a program of others, reads; without the marks that it puts around what runs from the right."""
    file = folder / "table.pdf"
    file.write_bytes(content)
    done = subprocess.run(
        ["pdftotext", "-layout", str(file), "-"], capture_output=True, text=True, check=True
    )
    assert not done.stderr
    return done.stdout.translate(dict.fromkeys((0x202A, 0x202B, 0x202C)))


#: A name for a group of fonts: Latin with marks, Vietnamese, Cyrillic, Greek, Hindi, Tamil, Bengali, Arabic, Hebrew.
NAMES = (
    "Łukasz Żółć Ņe", "Đỗ Thị Ngọc Ánh", "Иван Петров", "Γιώργος", "अनिता राष्ट्रीय क्षेत्र", "தமிழ்ச்செல்வி",
    "রাজেশ চক্রবর্তী", "محمد علي حسن", "علاء الأمير", "שלום כהן",
)  # fmt: skip


def test_names_in_all_scripts_are_in_a_pdf(tmp_path: Path) -> None:
    found = read_by_others(made(table([(name, None, "1", None) for name in NAMES]), "pdf"), tmp_path)
    for name in NAMES:
        assert name in found
    assert "?" not in found
    assert "Some letters" not in found


def test_more_letters_than_fit_into_one_part_of_a_font(tmp_path: Path) -> None:
    letters = [chr(code) for code in (*range(0xC0, 0x180), *range(0x400, 0x482), *range(0x1EA0, 0x1EFA))]
    rows = ["".join(letters[start : start + 8]) for start in range(0, len(letters), 8)]
    found = read_by_others(made(table([(row, None, "1", None) for row in rows]), "pdf"), tmp_path)
    assert len(letters) > 400
    assert all(row in found for row in rows)


def test_a_name_of_two_scripts_keeps_both(tmp_path: Path) -> None:
    found = read_by_others(
        made(table([("Ann हिन्दी 12", None, "1", None), ("Lee علي", None, "2", None)]), "pdf"), tmp_path
    )
    assert "Ann हिन्दी 12" in found
    assert "Lee" in found
    assert "علي" in found


def test_title_filter_head_and_sums_have_all_letters_too(tmp_path: Path) -> None:
    of = replace(
        table(), title="मरम्मत", facts=[("Filter", "Driver: محمد")], columns=(Column("name", "नाम"), *COLUMNS[1:]),
        summed=[("amount", "राशि")],
    )  # fmt: skip
    content = made(of, "pdf")
    found = read_by_others(content, tmp_path)
    for words in ("मरम्मत", "Filter: Driver:", "محمد", "नाम", "राशि 99.50"):
        assert words in found
    metadata = pypdf.PdfReader(io.BytesIO(content), strict=True).metadata
    assert metadata is not None
    assert metadata.title == "मरम्मत"


def test_long_names_in_any_script_are_wrapped_and_whole(tmp_path: Path) -> None:
    long = "".join(f"राष्ट्रीय{n}" for n in range(200))
    words = " ".join(f"محمد{n}" for n in range(200))
    content = made(table([(long, None, "1", None), (words, None, "2", None)]), "pdf")
    found = "".join(read_by_others(content, tmp_path).split())
    assert all(f"राष्ट्रीय{n}" in found for n in range(0, 200, 7))
    assert found.count("محمد") == 200
    reader = pypdf.PdfReader(io.BytesIO(content), strict=True)
    assert all(min(heights_of(page)) >= 20 for page in reader.pages)


def test_lines_are_no_wider_than_their_column_and_letters_keep_their_marks() -> None:
    letters = pdf_fonts.Letters(is_bold=False)
    for text in ("राष्ट्रीय" * 30, "xW" * 200, "e\u0301" * 90, "محمد" * 40):
        lines = table_pdf.wrap(letters, text, 9_000)
        assert len(lines) > 1
        assert "".join(lines) == text
        assert all(sum(piece.width for piece in letters.lay(line)) <= 9_000 for line in lines)
        assert not any(unicodedata.category(line[0]).startswith("M") for line in lines)


def test_words_from_the_right_are_drawn_from_the_right() -> None:
    letters = pdf_fonts.Letters(is_bold=False)

    def said(text: str) -> str:
        return "".join(piece.said or piece.text for piece in letters.lay(text))

    assert said("שלום") == "םולש"
    assert said("Ann שלום 12 Lee") == "Ann 12 םולש Lee"
    assert said("שלום Ann כהן") == "ןהכ Ann םולש"
    # Marks that turn what follows around are not obeyed.
    assert letters.of("Ann\u202eeeL\u202c") == ("AnneeL", True)


def test_letters_that_no_font_has_are_said_to_be_missing(tmp_path: Path) -> None:
    content = made(table([("Łukasz \U0010fffd", None, "1", None)]), "pdf")
    found = " ".join(read_by_others(content, tmp_path).split())
    assert "Łukasz ?" in found
    assert "Some letters are in no font of the machine" in found
    assert "CSV, XLSX and JSON have all of them" in found


def test_letters_that_only_the_sums_lack_are_said_to_be_missing() -> None:
    of = replace(table(), summed=[("amount", "Amount \U0010fffd")])
    assert "CSV, XLSX and JSON have all of them" in words_of(made(of, "pdf"))


@pytest.fixture
def no_fonts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine without fonts."""
    caches = (pdf_fonts._paths, pdf_fonts._path_with, pdf_fonts._first)
    with monkeypatch.context() as patch:
        patch.setattr(pdf_fonts, "_FOLDERS", ())
        for each in caches:
            each.cache_clear()
        yield
    for each in caches:
        each.cache_clear()


def test_a_machine_without_fonts_draws_with_the_library_s_own(no_fonts: None, tmp_path: Path) -> None:
    found = " ".join(read_by_others(made(table([("Zoë हि", None, "1", None)]), "pdf"), tmp_path).split())
    assert "Zoë ??" in found
    assert "CSV, XLSX and JSON have all of them" in found


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
    names = [(name, None, "1", None) for name in NAMES]
    assert made(table(names), "pdf") == made(table(names), "pdf")
