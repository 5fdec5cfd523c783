"""Files that are no such list are refused with the reason, before anything is stored."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask import Flask

from tests.rooms.imports.conftest import Desk
from webapp.database import db
from webapp.imports import reading
from webapp.imports.models import ImportFile
from webapp.imports.views.upload import safe_name
from webapp.kernel.errors import Invalid
from webapp.programs.installations import importing
from webapp.web.uploads import MAXIMUM_BYTES

BAD_FILES = [
    (b"", "The file is empty."),
    (b"  \r\n \n", "The file is empty."),
    (b"\xef\xbb\xbf", "The file is empty."),
    (b"PK\x03\x04\x14\x00rest", "workbook is damaged"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old Excel workbook"),
    (b"%PDF-1.7\n", "a PDF"),
    (b"\x89PNG\r\n\x1a\n", "a picture"),
    (b"\xff\xd8\xff\xe0JFIF", "a picture"),
    (b"GIF89a", "a picture"),
    (b"\x1f\x8b\x08", "a compressed file"),
    (b"SQLite format 3\x00", "a database"),
    (b"\xef\xbb\xbf<!doctype html><p>", "a web page"),
    (b"<?xml version='1.0'?><a/>", "XML"),
    (b"{\\rtf1 name}", "a text document"),
    (b'[{"name": "Ana"}]', "JSON"),
    (b"name,email\nA\x00na,a@x.example\n", "no text has"),
    ("name\nA\x00na\n".encode("utf-16"), "no text has"),
    (b"\xff\xfen\x00a\x00m", "damaged"),
    (b"name\n\x81\x8d\x8f\xe9\n", "cannot be read"),
    (b"name\n\xe9\x01\x02\x03\n", "no text has"),
    (b"1,2,3\n4,5,6\n", "must name the columns"),
    (b"name,email,Name\nAna,a@x.example,Ana\n", "names a column twice: name"),
    ("na\u202eme,email\nAna,a@x.example\n".encode(), "control characters"),
    (b"name,email\n", "no rows below"),
    (b'name,email\n"Ana,a@x.example\n', "cannot be read from line 2"),
    (b"name," + b"x" * 201 + b"\nAna,1\n", "more than 200 characters"),
    (",".join(f"c{n}" for n in range(201)).encode() + b"\nAna\n", "201 columns"),
    (b"name\n" + b"x\n" * 100_001, "more than 100,000 rows"),
    (b"name\n" + b"x" * 200_000 + b"\n", "field larger than field limit"),
    (b"name\n" + b"Ana\n" * (MAXIMUM_BYTES // 4), "larger than 10 MB"),
]


def stored(app: Flask) -> list[Path]:
    """Files of imports in the storage."""
    return list((app.config["SETTINGS"].files_folder / "imports").rglob("*.csv"))


@pytest.mark.parametrize(("data", "words"), BAD_FILES, ids=range(len(BAD_FILES)))
def test_a_bad_file_is_refused_and_nothing_is_stored(desk: Desk, data: bytes, words: str) -> None:
    before = stored(desk.place.app)
    answer = desk.upload("technicians", data)
    assert answer.status_code == 422
    assert words in answer.text
    assert "Error:" in answer.text, "the title says so"
    assert stored(desk.place.app) == before
    assert db.session.query(ImportFile).count() == 0


def test_no_file_and_a_file_beyond_every_limit(desk: Desk) -> None:
    answer = desk.client.post("/admin/imports/new/technicians", data={})
    assert (answer.status_code, "Choose a file." in answer.text) == (422, True)
    answer = desk.upload("technicians", b"x" * (13 * 1024 * 1024))
    assert (answer.status_code, "10 MB" in answer.text) == (413, True)


def test_a_file_that_cannot_be_recorded_does_not_stay_in_the_storage(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = stored(desk.place.app)

    def broken(*_: object) -> str:
        raise RuntimeError("a bug")

    monkeypatch.setattr("webapp.imports.service.next_number", broken)
    assert desk.upload("technicians", "name\nAna\n").status_code == 500
    assert stored(desk.place.app) == before


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\lists\\Müller (2).csv", "Müller (2).csv"),
        ("<script>alert(1)</script>.csv", "script_.csv"),
        ("a\u202egpj.csv", "a_gpj.csv"),
        ("n" * 500 + ".csv", "n" * 120),
        ("...", "list.csv"),
    ],
)
def test_names_of_files_are_inert(name: str, shown: str) -> None:
    assert safe_name(name) == shown


def test_a_file_lies_under_a_random_key(desk: Desk) -> None:
    row = desk.row(desk.kept("technicians", "name\nAna\n", "../../<b>x</b>.csv"))
    assert row.file_name == "b_.csv"
    assert re.fullmatch(rf"imports/{desk.place.organisation.id}/[0-9a-f]{{32}}\.csv", row.storage_key)


def test_the_bytes_that_were_sent_are_kept_with_their_digest(desk: Desk) -> None:
    data = "\ufeffname;email\r\nÁna;a@x.example\r\n".encode()
    row = desk.row(desk.kept("technicians", data))
    assert (row.size_bytes, row.rows, row.reference) == (len(data), 1, "IM-0001")
    (path,) = [p for p in stored(desk.place.app) if p.name == row.storage_key.rsplit("/", 1)[1]]
    assert path.read_bytes() == data


@pytest.mark.parametrize("kind", ["payees", *importing.KINDS])
def test_every_template_is_taken_as_it_is(desk: Desk, kind: str) -> None:
    answer = desk.client.get(f"/admin/imports/templates/{kind}.csv")
    assert answer.headers["Content-Disposition"] == f"attachment; filename={kind}.csv"
    desk.whole("technicians", "external_ref,name\nT-100,Ana\nT-101,Ben\n")
    row = desk.row(desk.check(kind, answer.data))
    assert (row.state, row.refused, row.created + row.updated) == ("checked", 0, 1), kind


def test_the_cards_and_their_columns(desk: Desk) -> None:
    page = desk.client.get("/admin/imports/new").text
    for words in ("Payees", "Technicians", "Rates", "Installations", "commissioned_on", "Template"):
        assert words in page
    assert page.index("Import payees") < page.index("Import technicians") < page.index("Import installations")
    for address in ("/admin/imports/new/boats", "/admin/imports/templates/boats.csv"):
        assert desk.client.get(address).status_code == 404


def test_the_limits_hold_for_the_command_too() -> None:
    with pytest.raises(Invalid, match="more than 100,000 rows"):
        reading.read(b"name\n" + b"x\n" * 100_001)


def test_blank_rows_between_others_are_named_and_those_below_are_not() -> None:
    table = reading.read(b"\n,\nname,email\nAna,a@x.example\n,\n , \n\nBo,b@x.example\n,\n,\n")
    assert table.header == ("name", "email")
    assert [line for line, _ in table.rows] == [4, 8]
    assert table.notes == ("Blank rows are left out: lines 5, 6.",)
    assert reading.read(b"name\nAna\n\nBo\n").notes == ()


def test_a_file_of_blank_rows_names_no_columns() -> None:
    with pytest.raises(Invalid, match="first line must name the columns"):
        reading.read(b",,\n,,\n")
