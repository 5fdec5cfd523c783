"""PDF, CSV and XLSX of a month say the same; archives hold them all; both standards are met."""

from __future__ import annotations

import csv
import io
import subprocess
import zipfile
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from pathlib import Path

import openpyxl
import page
import pypdf
import pytest
from flask import Flask

from tests.rooms.statements.samples import monthly
from webapp.kernel.money import Money
from webapp.providers import storage
from webapp.statements import archive, facts, render_monthly, tables
from webapp.statements.archive import Item
from webapp.statements.facts import MonthlyFacts

URL = "https://pay.solaria.example"


def draw(made: MonthlyFacts) -> bytes:
    facts.check(made)
    return render_monthly.render(made, URL)


def failures(content: bytes) -> dict[str, list[str]]:
    reports = {name: page.validate_pdf_bytes(content, profile=name) for name in ("3a", "ua1")}
    return {
        name: [f"{failure.rule_id}: {failure.message}" for failure in report.failures]
        for name, report in reports.items()
        if not report.is_compliant
    }


def as_text(content: bytes, tmp_path: Path) -> str:
    """What pdftotext, a program of others, reads."""
    file = tmp_path / "statement.pdf"
    file.write_bytes(content)
    done = subprocess.run(
        ["pdftotext", "-layout", str(file), "-"], capture_output=True, text=True, check=True
    )
    return done.stdout


def cells(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))


def test_the_three_files_say_the_same(tmp_path: Path) -> None:
    made = monthly(25)
    rows = cells(tables.csv_file(made))
    assert len(rows) == 27
    assert [rows[0]["type"], rows[-1]["type"]] == ["Opening", "Closing"]
    assert rows[0]["balance"] == made.opening.plain
    # The balance at the end of the day before: the same day on the page, in the PDF and in the files.
    assert rows[0]["date"] == (made.period_start - timedelta(days=1)).isoformat()
    assert rows[-1]["date"] == made.period_end.isoformat()
    assert rows[-1]["balance"] == made.closing.plain
    sheet = openpyxl.load_workbook(io.BytesIO(tables.xlsx_file(made))).active
    assert sheet is not None
    for row, line in zip(rows, sheet.iter_rows(min_row=2, values_only=True), strict=True):
        amount, balance = line[8], line[9]
        assert (Decimal(str(amount)) if amount not in (None, "") else "") == (
            Decimal(row["amount"]) if row["amount"] else ""
        )
        assert Decimal(str(balance)) == Decimal(row["balance"])
        assert [str(v or "") for v in (line[0], line[2], line[3], line[4], line[10])] == [
            row["statement"], row["type"], row["item"], row["payout"], row["currency"],
        ]  # fmt: skip
        assert isinstance(line[1], datetime)
        assert f"{line[1]:%Y-%m-%d}" == row["date"]
    text = as_text(draw(made), tmp_path)
    for row in rows[1:-1]:
        amount = f"{Decimal(row['amount']):,.2f}".replace("-", "\N{MINUS SIGN}")
        shown = next(line for line in text.splitlines() if row["item"] in line and amount in line)
        assert shown.rstrip().endswith(f"{Decimal(row['balance']):,.2f}")
    for figure in made.strip:
        assert f"{figure.amount.decimal:,.2f}" in text
    assert f"Closing balance, 31 Oct 2026 {made.closing.decimal:,.2f}" in " ".join(text.split())


def test_the_same_content_gives_the_same_bytes() -> None:
    for make in (draw, tables.csv_file, tables.xlsx_file):
        assert make(monthly(5)) == make(monthly(5))
        assert make(monthly(5)) != make(monthly(6))


def test_the_attached_table_is_the_downloaded_one() -> None:
    reader = pypdf.PdfReader(io.BytesIO(draw(monthly(5))))
    ((name, files),) = reader.attachments.items()
    assert name == "ST-2026-000042.csv"
    assert files[0] == tables.csv_file(monthly(5))


@pytest.mark.parametrize("n_lines", [0, 1, 12])
def test_it_passes_both_standards(n_lines: int) -> None:
    content = draw(monthly(n_lines))
    assert failures(content) == {}
    first = " ".join(pypdf.PdfReader(io.BytesIO(content)).pages[0].extract_text().split())
    assert "7KQ2-M9XA-BCDE-FGHJ-2345" in first
    assert len(pypdf.PdfReader(io.BytesIO(content)).pages[0].images) == 0  # the code is drawn, not a picture


@pytest.mark.parametrize(
    ("payee", "payer", "locale"),
    [
        ("மாயா சுப்பிரமணியம்", "सोलारिया प्राइवेट लिमिटेड", "en_IN"),
        ("माया शर्मा", "மாயா நிறுவனம்", "hi_IN"),
        ("مايا الخطيب", "شركة سولاريا", "ar_AE"),
    ],
)
def test_scripts_that_draw_clusters_pass_too(payee: str, payer: str, locale: str) -> None:
    made = monthly(3, payee_name=payee, payer_name=payer, locale=locale, currency="INR", country="IN")
    assert failures(draw(made)) == {}


def test_two_hundred_lines_carry_their_balance_from_page_to_page() -> None:
    made = monthly(200)
    content = draw(made)
    assert failures(content) == {}
    assert len(content) < 150_000
    pages = [" ".join(each.extract_text().split()) for each in pypdf.PdfReader(io.BytesIO(content)).pages]
    assert len(pages) > 5
    balances = {f"{Money(line.balance_minor, 'USD').decimal:,.2f}" for line in made.lines}
    carried = 0
    for number, text in enumerate(pages, start=1):
        assert f"Page {number} of {len(pages)}" in text
        assert "ST-2026-000042 · 7KQ2-M9XA-BCDE-FGHJ-2345" in text
        if "Carried forward" in text:
            carried += 1
            amount = text.partition("Carried forward ")[2].split()[0]
            assert amount in balances
            assert f"Brought forward {amount}" in pages[number]
    assert carried >= 5


def test_hostile_text_stays_text() -> None:
    bad = '=HYPERLINK("http://x")<img src="http://x">\u202e{{ 7 * 7 }}'
    line = facts.Line(date(2026, 10, 2), "earned", bad, 100, 12_400, calculation="+1", source="@x")
    made = monthly(
        1,
        payee_name=bad,
        payer_name=bad,
        payer_email=bad,
        reason=bad,
        replaces_number="ST-2026-000001",
        basis=(bad,),
        lines=(line,),
        totals=facts.totals_of((line,)),
        closing_minor=12_400,
    )
    content = draw(made)
    assert failures(content) == {}
    assert all("/Annots" not in each for each in pypdf.PdfReader(io.BytesIO(content)).pages)
    row = cells(tables.csv_file(made))[1]
    assert [row["item"][:2], row["calculation"], row["source"]] == ["'=", "'+1", "'@x"]
    sheet = openpyxl.load_workbook(io.BytesIO(tables.xlsx_file(made))).active
    assert sheet is not None
    assert {cell.data_type for row in sheet.iter_rows() for cell in row} <= {"s", "n", "d"}


def item(number: str, pdf: bytes, **values: object) -> Item:
    storage.save(f"documents/{number}.pdf", pdf)
    defaults: dict[str, object] = {
        "number": number, "kind": "Monthly statement", "payee_reference": "TE-0007", "payee_name": "=Maya",
        "period_start": date(2026, 10, 1), "period_end": date(2026, 10, 31), "opening": Money(0, "USD"),
        "amount": Money(49_950, "USD"), "ready_at": datetime(2026, 11, 2, 5, 0, 4, tzinfo=UTC), "replaced_by": "",
        "storage_key": f"documents/{number}.pdf", "sha256": sha256(pdf).hexdigest(),
        "content": facts.to_json(monthly(4)),
    }  # fmt: skip
    return Item(**{**defaults, **values})  # type: ignore[arg-type]


def test_an_archive_holds_every_file_and_their_hashes(database: Flask) -> None:
    items = [item("ST-1", b"%PDF one"), item("RA-2", b"%PDF two", content=None, opening=None, kind="Payout statement"),
             item("ST-3", b"%PDF three", sha256="0" * 64), item("ST-4", b"%PDF four", storage_key="documents/gone.pdf"),
             item("ST-5", b"%PDF five", content={**facts.to_json(monthly(4)), "closing_minor": 1})]  # fmt: skip
    content = b"".join(archive.stream(items))
    assert content == b"".join(archive.stream(items))
    with zipfile.ZipFile(io.BytesIO(content)) as opened:
        assert opened.testzip() is None
        names = opened.namelist()
        assert names == ["ST-1.pdf", "ST-1.csv", "RA-2.pdf", "ST-3.csv", "ST-4.csv", "ST-5.pdf", "index.csv"]
        index = {row["file"]: row for row in cells(opened.read("index.csv"))}
        for name in names[:-1]:
            assert index[name]["sha256"] == sha256(opened.read(name)).hexdigest()
        assert opened.read("ST-1.pdf") == b"%PDF one"
        assert opened.read("ST-1.csv") == tables.csv_file(monthly(4))
    assert index["ST-3.pdf"]["problem"] == "The stored file is not the one that was made."
    assert index["ST-4.pdf"]["problem"] == "The stored file cannot be read right now."
    assert "was changed after it was made" in index["ST-5.csv"]["problem"]
    assert index["ST-1.pdf"]["payee name"] == "'=Maya"
    assert index["RA-2.pdf"]["opening"] == ""
