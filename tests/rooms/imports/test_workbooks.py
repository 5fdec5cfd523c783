"""Workbooks come in as a person would have typed them; traps and guesses are refused."""

from __future__ import annotations

import csv
import io
import zipfile
from datetime import date, datetime, time, timedelta
from pathlib import Path

import openpyxl
import pytest

from tests.rooms.imports.conftest import Desk, chosen
from tests.support.workbooks import MAIN, made, parts, row, saved, zipped
from webapp.database import db
from webapp.imports import package, sheets, workbook
from webapp.imports.columns import Reading, guess_reading
from webapp.imports.models import ImportFile
from webapp.imports.reading import read, sheets_of
from webapp.imports.tables import Exact, Table, Unusable
from webapp.kernel.errors import Invalid
from webapp.people.models import Payee
from webapp.programs.installations.models import Installation

REAL = (Path(__file__).parents[2] / "data" / "solar" / "installations.csv").read_text()
LIST = [["external_ref", "name", "email"], ["T-1", "Ana", "a@x.example"], ["T-2", "Ben", ""]]


def as_workbook(text: str) -> bytes:
    """A CSV file as somebody would have it in Excel: numbers are numbers and days are days."""

    def value(cell: str) -> object:
        for read_as in (int, float, date.fromisoformat):
            try:
                return read_as(cell)
            except ValueError:
                continue
        return cell

    return made({"Jobs": [[value(cell) for cell in line] for line in csv.reader(io.StringIO(text))]})


def cell(value: object, number_format: str = "General") -> str:
    """What is read of one cell."""
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.append(["name", "other"])
    sheet.append([value, "x"])
    sheet["A2"].number_format = number_format
    return read(saved(book)).rows[0][1][0]


def raw(xml: str, **values: str) -> str:
    """What is read of one cell as XML."""
    data = row(1, "name", "other") + row(2, xml, "x")
    return read(zipped(parts(data, **values))).rows[0][1][0]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "number_format", "text"),
    [
        (9.99, "General", "9.99"),
        (10, "General", "10"),
        (10.0, "0.00", "10"),
        (0.1 + 0.2, "General", "0.3"),
        (6.44, '"$"#,##0.00', "6.44"),
        (59312.58, "#,##0.00\\ [$€-407]", "59312.58"),
        (-5.5, "0.0;[Red]-0.0", "-5.5"),
        (0, "General", "0"),
        (-0.0, "General", "0"),
        (123456789012345, "General", "123456789012345"),
        (1.5e-7, "General", "0.00000015"),
        (250000000000.0, "0.00E+00", "250000000000"),
        (0.6, "0%", "60%"),
        (0.025, "0.00%", "2.5%"),
        (0.07, '"%"0.00', "0.07"),
        (1430, "00000", "01430"),
        (date(2026, 10, 31), "yyyy-mm-dd", "2026-10-31"),
        (datetime(2026, 10, 31), "dd/mm/yyyy", "2026-10-31"),
        (datetime(2026, 10, 31, 14, 30), "d.m.yy h:mm", "2026-10-31 14:30:00"),
        (time(14, 30), "h:mm", "14:30:00"),
        (timedelta(hours=30), "[h]:mm", "1 day, 6:00:00"),
        (45000, "mmm-yy", "2023-03-15"),
        (True, "General", "yes"),
        (False, "General", "no"),
    ],
)
def test_numbers_and_days_are_what_a_person_would_have_typed(
    value: object, number_format: str, text: str
) -> None:
    found = cell(value, number_format)
    assert (str(found), isinstance(found, Unusable)) == (text, False)
    assert isinstance(found, Exact) or isinstance(value, bool)


@pytest.mark.parametrize(
    "text", ["00123", "1234567890123456789", "1E5", "9,99", "=1+1", "31/12/2026", " Ana "]
)
def test_text_stays_text(text: str) -> None:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.append(["name", "other"])
    sheet.append(["", "x"])
    sheet["A2"].value = text
    sheet["A2"].data_type = "s"
    found = read(saved(book)).rows[0][1][0]
    assert (found, type(found)) == (text, str)


@pytest.mark.parametrize(
    ("xml", "words", "shown"),
    [
        ('<c t="e"><v>#REF!</v></c>', "an error of the spreadsheet", "#REF!"),
        ("<c><f>A1*2</f></c>", "without its result", "=A1*2"),
        ("<c><f>A1*2</f><v></v></c>", "without its result", "=A1*2"),
        ("<c><f>A1*2</f><v/></c>", "without its result", "=A1*2"),
        ("<c><v>1234567890123456</v></c>", "more than 15 digits", "1234567890123456"),
        ("<c><v>1.2345678901234567E+19</v></c>", "more than 15 digits", "12345678901234567000"),
        ("<c><v>1e400</v></c>", "more than 15 digits", "1e400"),
        ("<c><v>1E+308</v></c>", "more than 15 digits", "1E+308"),
        ("<c><v>nan</v></c>", "no number that can be read", "nan"),
        ("<c><v>1_000</v></c>", "no number that can be read", "1_000"),
        ('<c s="1"><v>-1</v></c>', "there is no such day", "-1"),
        ('<c s="1"><v>99999999</v></c>', "there is no such day", "99999999"),
    ],
)
def test_a_cell_that_holds_no_value_says_why(xml: str, words: str, shown: str) -> None:
    found = raw(xml, styles='<cellXfs><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs>')
    assert isinstance(found, Unusable)
    assert words in found.reason
    assert str(found) == shown


@pytest.mark.parametrize(
    ("xml", "text"),
    [
        ("<c><f>A1*2</f><v>9.9900000000000002</v></c>", "9.99"),
        ('<c t="str"><f>A1&amp;"x"</f><v>Ana x</v></c>', "Ana x"),
        ('<c t="str"><f>IF(1,"")</f><v></v></c>', ""),
        ('<c t="s"><v>0</v></c>', "Ana Souza"),
        ('<c t="inlineStr"><is><r><t>A</t></r><r><t>na</t></r><rPh><t>x</t></rPh></is></c>', "Ana"),
        ('<c t="d"><v>2026-10-31T00:00:00Z</v></c>', "2026-10-31"),
        ('<c t="str"><v>12 Hill_x000D_ Road</v></c>', "12 Hill\r Road"),
        ("<c/>", ""),
    ],
)
def test_what_was_saved_with_the_file_is_read(xml: str, text: str) -> None:
    strings = "<si><r><t>Ana </t></r><r><t>Souza</t></r><rPh><t>x</t></rPh></si>"
    assert raw(xml, strings=strings) == text


def test_days_of_a_workbook_that_counts_from_1904() -> None:
    book = openpyxl.Workbook()
    book.epoch = openpyxl.utils.datetime.CALENDAR_MAC_1904
    book.worksheets[0].append(["name", "on"])
    book.worksheets[0].append(["Ana", datetime(2026, 10, 31)])
    assert read(saved(book)).rows[0][1] == ("Ana", "2026-10-31")


def test_prefixed_names_are_the_same_elements() -> None:
    contents = parts("")
    rows = row(1, "name", "email") + row(2, "Ana", "a@x.example")
    prefixed = rows.replace("<", "<x:").replace("<x:/", "</x:")
    contents["xl/worksheets/sheet1.xml"] = (
        f'<x:worksheet xmlns:x="{MAIN}"><x:sheetData>{prefixed}</x:sheetData></x:worksheet>'
    )
    assert read(zipped(contents)).rows == ((2, ("Ana", "a@x.example")),)


def test_lines_are_those_of_the_sheet_and_empty_rows_are_skipped() -> None:
    table = read(made({"S": [[], ["name", "email"], [], ["Ana"], [None, None], ["Ben", "b@x.example", " "]]}))
    assert table.header == ("name", "email")
    assert table.rows == ((4, ("Ana", "")), (6, ("Ben", "b@x.example")))
    assert table.notes == ()


def test_titles_across_columns_are_left_out_and_merged_values_are_refused() -> None:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    for values in (
        ["Technicians 2026"],
        ["external_ref", "name", "email", None, "x"],
        ["North"],
        ["T-1", "Ana", "a@x.example"],
        ["T-2", None, "b@x.example", "extra"],
    ):
        sheet.append(values)
    for merged in ("A1:C1", "A3:C3", "B4:B5"):
        sheet.merge_cells(merged)
    table = read(saved(book))
    assert table.header == ("external_ref", "name", "email", "", "x")
    assert [line for line, _ in table.rows] == [4, 5]
    hidden = table.rows[1][1][1]
    assert isinstance(hidden, Unusable)
    assert hidden.reason == "It is merged with B4. Unmerge the cells and write the value into each row."
    assert table.notes == (
        "Left out, as one cell goes across the columns: line 1, 3.",
        "Not used, as the first line has no name for it: column D.",
    )


def test_a_list_of_one_column_needs_no_second() -> None:
    assert read(made({"S": [["name"], ["Ana"], ["Ben"]]})).rows == ((2, ("Ana",)), (3, ("Ben",)))


def test_the_way_a_list_writes_numbers_does_not_touch_numbers() -> None:
    table = read(made({"S": [["a", "b"], [1.234, "9,99"], [1234.5, "1.000,5"]]}))
    assert guess_reading(table, Reading("mdy", ".")) == Reading("mdy", ",")
    assert guess_reading(read(made({"S": [["a"], [1.25]]})), Reading("dmy", ",")) == Reading("dmy", ",")


def test_a_real_list_as_a_workbook_is_the_list(desk: Desk) -> None:
    data = as_workbook(REAL)
    technicians = desk.whole("technicians", data)
    assert (desk.row(technicians).created, desk.row(technicians).refused) == (40, 0)
    jobs = desk.whole("installations", data)
    done = desk.row(jobs)
    assert (done.created, done.refused, done.rows) == (60, 0, 60)
    again = desk.row(desk.check("installations", REAL))
    assert (again.created, again.updated, again.unchanged) == (0, 0, 60), (
        "the CSV file says the same to the last digit"
    )
    assert done.storage_key.endswith(".xlsx")


def test_the_file_to_correct_means_the_same_when_it_comes_back(desk: Desk) -> None:
    head = [
        "external_ref",
        "installation_type",
        "size",
        "capacity_unit",
        "order_value",
        "commissioned_on",
        "site",
    ]
    rows = [head, ["J-1", "boat", 1.234, "kW", "1.000,50", date(2026, 1, 2), "1.5"],
            ["J-2", "solar", 5, "kW", 7, date(2026, 1, 2), None]]  # fmt: skip
    book = openpyxl.load_workbook(io.BytesIO(made({"S": rows})))
    book.worksheets[0]["G3"] = "=A1&A2"
    reference = desk.check("installations", saved(book), decimal=",")
    assert desk.row(reference).refused == 2
    answer = desk.client.get(f"/admin/imports/{reference}/to-fix.csv").data.decode("utf-8-sig")
    first, second = csv.DictReader(io.StringIO(answer))
    assert (first["size"], first["site"], first["order_value"]) == ("1,234", "1.5", "1.000,50")
    assert "It is a formula without its result" in second["problem"]
    again = desk.check("installations", answer.replace("boat", "solar"))
    assert (desk.row(again).created, desk.row(again).refused) == (1, 1), "the formula is still refused"
    assert desk.bring(again).status_code == 303
    assert desk.work(again)
    stored = db.session.query(Installation).one()
    assert (str(stored.size), stored.order_value_minor) == ("1.234", 100_050)


def test_per_cent_in_a_workbook_is_per_cent(desk: Desk) -> None:
    desk.whole("technicians", "external_ref,name\nT-1,Ana\nT-2,Ben\n")
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.append(["name", "rate_type", "rate"])
    sheet.append(["Share", "percentage", 0.025])
    sheet["C2"].number_format = "0.0%"
    reference = desk.check("rates", saved(book))
    page = desk.client.get(f"/admin/imports/{reference}/columns").text
    assert ">2.5<" in page
    assert desk.row(reference).created == 1


def test_errors_in_cells_are_shown_where_they_are(desk: Desk) -> None:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    for values in (LIST[0], ["T-1", "#REF!", "=B2"], [12345678901234567890, "Ben", "nowhere"]):
        sheet.append(values)
    reference = desk.check("technicians", saved(book))
    page = desk.page(reference)
    for words in ("It shows an error of the spreadsheet", "It is a formula without its result", "more than 15 digits",
                  "This is not an e-mail address"):  # fmt: skip
        assert words in page
    assert (desk.row(reference).created, desk.row(reference).refused) == (0, 2)
    assert "#REF!" in page
    csv_twin = desk.check("technicians", "name\n#REF!\n#N/A\nAna\n")
    assert (desk.row(csv_twin).created, desk.row(csv_twin).refused) == (1, 2), "in CSV files, too"


def test_the_person_chooses_among_sheets_with_rows(desk: Desk) -> None:
    data = made(
        {
            "Read me": [["How to fill this in"]],
            "North": LIST,
            "South & <East>": [["Who", "Post"], ["Cem", "c@x.example"], ["Dee", ""], ["Eva", ""]],
            "Secret": LIST,
            "Empty": [],
        },
        Secret="hidden",
    )
    assert sheets_of(data) == ("North", "South & <East>")
    reference = desk.kept("technicians", data)
    address = f"/admin/imports/{reference}/columns"
    page = desk.client.get(address).text
    assert "This is the sheet <strong><bdi>North</bdi>" in page
    assert f'<a href="{address}?sheet=South+%26+%3CEast%3E"><bdi>South &amp; &lt;East&gt;</bdi></a>' in page
    assert "Secret" not in page
    other = {"sheet": "South & <East>"}
    page = desk.client.get(address, query_string=other).text
    assert "3 rows" in page
    assert "such as Cem" in page
    sent = {**chosen(page), "column_name": "Who", "column_email": "Post", "action": "check"}
    assert desk.client.post(address, query_string=other, data=sent).status_code == 303
    assert desk.row(reference).rows == 3
    assert "such as Cem" in desk.client.get(address).text, "the choice is kept"
    assert desk.work(reference)
    assert desk.bring(reference).status_code == 303
    assert desk.work(reference)
    names = {name for (name,) in db.session.query(Payee.name)}
    assert {"Cem", "Dee", "Eva"} <= names
    assert "Ana" not in names
    for name in ("Secret", "Empty", "Read me", "Gone"):
        assert desk.client.get(address, query_string={"sheet": name}).status_code == 404
    single = desk.client.get(f"/admin/imports/{desk.kept('technicians', made({'S': LIST}))}/columns").text
    assert "This is the sheet" not in single


def test_a_first_sheet_that_is_no_list_is_passed_over() -> None:
    data = made({"Notes": [[1, 2], [3, 4]], "Twice": [["a", "a"], [1, 2]], "List": LIST})
    assert read(data).sheet == "List"
    assert read(data, sheet="List").rows[0] == (2, ("T-1", "Ana", "a@x.example"))
    with pytest.raises(Invalid, match="must name the columns"):
        read(made({"Notes": [[1, 2], [3, 4]]}))
    with pytest.raises(Invalid, match="no rows below"):
        read(made({"Empty": [], "Header": [["name"]]}))
    with pytest.raises(Invalid, match="no sheet with rows"):
        read(made({"Empty": []}))


MERGES = "<mergeCells>" + '<mergeCell ref="A1:B2"/>' * 20_001 + "</mergeCells>"
BOMB = "A" * (30 * 1024 * 1024)
GOOD = row(1, "name", "email") + row(2, "Ana", "a@x.example")
XXE = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
LAUGHS = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>'


def spoilt(**replaced: str | bytes) -> bytes:
    """A good workbook with parts replaced; "__" stands for the slash, "_dot_" for the dot."""
    names = {name.replace("__", "/").replace("_dot_", "."): content for name, content in replaced.items()}
    return zipped(parts(GOOD, more=names))


def encrypted() -> bytes:
    """A good workbook whose entries say that they are encrypted."""
    data = bytearray(zipped(parts(GOOD)))
    for magic, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = 0
        while (start := data.find(magic, start)) >= 0:
            data[start + at] |= 1
            start += 4
    return bytes(data)


def lying() -> bytes:
    """A sheet that unpacks to far more than the archive declares."""
    data = bytearray(zipped(parts(GOOD + f"<!--{BOMB}-->")))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        size = archive.getinfo("xl/worksheets/sheet1.xml").file_size.to_bytes(4, "little")
    return bytes(data).replace(size, (1000).to_bytes(4, "little"))


REFUSED = [
    ("bomb", lambda: spoilt(xl__media__a_dot_bin=BOMB), "too large once it is unpacked"),
    ("many parts", lambda: zipped({**parts(GOOD), **{f"x{n}": "" for n in range(2_001)}}), "too large once"),
    ("lying sizes", lying, "damaged"),
    ("password", encrypted, "has a password"),
    ("old password", lambda: b"\xd0\xcf\x11\xe0" + b"\0" * 99 + "EncryptedPackage".encode("utf-16-le"),
     "has a password"),
    ("xls", lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 99, "old Excel workbook (.xls)"),
    ("macros", lambda: spoilt(xl__vbaProject_dot_bin=b"x"), "holds macros"),
    ("xlsm", lambda: zipped({**parts(GOOD), "[Content_Types].xml":
        '<Types><Override PartName="/x" ContentType="application/vnd.ms-excel.sheet.macroEnabled.main+xml"/></Types>'}),
     "holds macros"),
    ("xlsb", lambda: spoilt(xl__workbook_dot_bin=b"x"), "binary workbook (.xlsb)"),
    ("ods", lambda: zipped({"mimetype": "application/vnd.oasis", "content.xml": "<x/>"}), "OpenDocument"),
    ("docx", lambda: zipped({"[Content_Types].xml": "<x/>", "word/document.xml": "<x/>"}), "Word document"),
    ("zip", lambda: zipped({"list.csv": "name\nAna\n"}), "ZIP archive and no workbook"),
    ("empty zip", lambda: zipped({}), "ZIP archive and no workbook"),
    ("cut off", lambda: zipped(parts(GOOD))[:-30], "damaged"),
    ("twice", lambda: zipped({**parts(GOOD), "XL/workbook.xml": "<x/>"}), "damaged"),
    ("xxe", lambda: zipped(parts(GOOD.replace("Ana", "&e;"), before=XXE)), "damaged"),
    ("laughs", lambda: zipped(parts(GOOD.replace("Ana", "&b;"), before=LAUGHS)), "damaged"),
    ("xxe in strings", lambda: spoilt(xl__sharedStrings_dot_xml=f"{XXE}<sst><si><t>&e;</t></si></sst>"), "damaged"),
    ("xxe in utf-16", lambda: spoilt(xl__styles_dot_xml=f'<?xml version="1.0" encoding="UTF-16"?>{XXE}<a/>'
     .encode("utf-16")), "damaged"),
    ("no xml", lambda: spoilt(xl__worksheets__sheet1_dot_xml="name,email"), "damaged"),
    ("no workbook", lambda: spoilt(_rels___dot_rels="<Relationships/>"), "damaged"),
    ("no sheets", lambda: zipped(parts(GOOD, sheets="")), "damaged"),
    ("sheet gone", lambda: zipped({k: v for k, v in parts(GOOD).items() if "sheet1" not in k}), "damaged"),
    ("string gone", lambda: zipped(parts(row(1, "name") + row(2, '<c t="s"><v>7</v></c>'))), "damaged"),
    ("unknown type", lambda: zipped(parts(row(1, "name") + row(2, '<c t="x"><v>7</v></c>'))), "damaged"),
    ("row 0", lambda: zipped(parts(row(0, "name"))), "damaged"),
    ("row back", lambda: zipped(parts(row(2, "name") + row(1, "Ana"))), "damaged"),
    ("row beyond", lambda: zipped(parts(row(1, "name") + row(10**9, "Ana"))), "damaged"),
    ("far column", lambda: zipped(parts(row(1, "name") + '<row r="2"><c r="XFD2"><v>1</v></c></row>')),
     "16,384 columns"),
    ("no column", lambda: zipped(parts(row(1, "name") + '<row r="2"><c r="2A"><v>1</v></c></row>')), "damaged"),
    ("merges", lambda: zipped(parts(GOOD, after=MERGES)),
     "too many merged cells"),
    ("outside", lambda: spoilt(xl___rels__workbook_dot_xml_dot_rels='<Relationships>'
     '<Relationship Id="rId1" Type="x/worksheet" Target="../../../../etc/passwd"/></Relationships>'), "damaged"),
    ("header only", lambda: made({"S": [["name", "email"]]}), "no rows below"),
    ("formula header", lambda: made({"S": [["name", "=A1"], ["Ana", "x"]]}), "shows no value"),
]  # fmt: skip


@pytest.mark.parametrize(("build", "words"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_a_bad_workbook_is_refused_and_nothing_is_stored(desk: Desk, build: object, words: str) -> None:
    folder = desk.place.app.config["SETTINGS"].files_folder
    before = sorted(folder.rglob("*"))
    answer = desk.upload("technicians", build(), "list.xlsx")  # type: ignore[operator]
    assert answer.status_code == 422
    assert words in answer.text
    assert "root:" not in answer.text
    assert sorted(folder.rglob("*")) == before
    assert db.session.query(ImportFile).count() == 0


def test_the_smallest_workbook_of_these_is_good() -> None:
    assert read(zipped(parts(GOOD))) == Table(("name", "email"), ((2, ("Ana", "a@x.example")),), (), "List")


def test_a_merge_over_the_whole_sheet_costs_no_more_than_its_rows() -> None:
    merged = '<mergeCells><mergeCell ref="A1:XFD1048576"/></mergeCells>'
    (only,) = read(zipped(parts(GOOD, after=merged))).rows
    assert only == (2, ("Ana", "a@x.example"))


def test_limits_are_those_of_csv_files(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (sheets, workbook):
        monkeypatch.setattr(module, "MAXIMUM_ROWS", 3)
    lines = "".join(row(n, f"T-{n}") for n in range(2, 6))
    with pytest.raises(Invalid, match=r"rows\. Split it"):
        read(zipped(parts(row(1, "name") + lines)))
    monkeypatch.setattr(package, "MAXIMUM_SMALL_PART", 10)
    with pytest.raises(Invalid, match="damaged"):
        read(zipped(parts(GOOD)))


def test_a_sheet_of_formatted_emptiness_is_quickly_passed() -> None:
    empty = "".join(f'<row r="{n}"><c r="A{n}" s="0"/></row>' for n in range(3, 50_000))
    assert read(zipped(parts(GOOD + empty))).rows == ((2, ("Ana", "a@x.example")),)
