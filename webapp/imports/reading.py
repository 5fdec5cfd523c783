"""A file of unknown origin as rows of text, or a sentence that says why it cannot be one. Pure."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator

from webapp.imports import package
from webapp.imports.tables import MAXIMUM_ROWS, Table, check_header, too_many_rows
from webapp.imports.workbook import Workbook
from webapp.kernel.errors import Invalid
from webapp.web.uploads import MAXIMUM_BYTES

DELIMITERS = (",", ";", "\t", "|")
UTF8, UTF16, WINDOWS = "utf-8", "utf-16", "windows-1252"

_BLANK_NAMED = 10
_PASSWORD = b"E\0n\0c\0r\0y\0p\0t\0e\0d\0P\0a\0c\0k\0a\0g\0e\0"
_OTHER_FORMATS = (
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook (.xls). Save it as .xlsx, and choose that file"),
    (b"%PDF", "a PDF. Export the list as CSV"),
    (b"\x89PNG", "a picture. Export the list as CSV"),
    (b"\xff\xd8\xff", "a picture. Export the list as CSV"),
    (b"GIF8", "a picture. Export the list as CSV"),
    (b"\x1f\x8b", "a compressed file. Unpack it first"),
    (b"SQLite format 3", "a database. Export the list as CSV"),
    (b"<!DOCTYPE", "a web page. Export the list as CSV"),
    (b"<html", "a web page. Export the list as CSV"),
    (b"<?xml", "XML. Export the list as CSV"),
    (b"{\\rtf", "a text document. Export the list as CSV"),
    (b"{", "JSON. Export the list as CSV"),
    (b"[{", "JSON. Export the list as CSV"),
)
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f]")


def check_upload(data: bytes) -> Table:
    """What a page refuses before anything is stored. Raises Invalid("file", …) with the reason."""
    table = read(data)
    if not table.rows:
        raise Invalid("file", "The file names its columns and has no rows below.")
    return table


def is_workbook(data: bytes) -> bool:
    """Whether the bytes are to be read as a workbook: they begin as every ZIP archive does."""
    return data.startswith(package.MAGIC) and data[2:4] in (b"\x03\x04", b"\x05\x06", b"\x07\x08")


def encoding_of(data: bytes) -> str:
    """UTF8 or UTF16 where the bytes are that for certain, "" where a person must say what they are."""
    if is_workbook(data):
        return UTF8
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return UTF16
    try:
        data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return ""
    return UTF8


def read(data: bytes, encoding: str = "", sheet: str = "") -> Table:
    """A CSV file or an Excel workbook as a table. Raises Invalid("file", …) when it is no such list.

    Without an `encoding`, what is not Unicode is read as Windows-1252, and a note says so. Without a `sheet`, the first
    one that is a list is read.
    """
    if len(data) > MAXIMUM_BYTES:
        raise Invalid("file", "The file is larger than 10 MB. Split it.")
    if is_workbook(data):
        workbook = Workbook(data)
        return workbook.table(sheet) if sheet else workbook.first_list()
    return _read_csv(data, encoding)


def sheets_of(data: bytes) -> tuple[str, ...]:
    """The names of the sheets with rows; none for a file that is no workbook. Raises Invalid("file", …)."""
    return Workbook(data).sheets if is_workbook(data) else ()


def _read_csv(data: bytes, encoding: str) -> Table:
    """Decode, find the delimiter, and split into cells."""
    start = data[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"\xd0\xcf\x11\xe0") and _PASSWORD in data:
        raise Invalid("file", "The workbook has a password. Save a copy without one, and choose that.")
    for magic, words in _OTHER_FORMATS:
        if start[: len(magic)].lower() == magic.lower():
            raise Invalid("file", f"This is neither a CSV file nor an Excel workbook (.xlsx): it is {words}.")
    text, notes = _decode(data, encoding)
    if not text.strip():
        raise Invalid("file", "The file is empty.")
    lines = _cells(text, _delimiter(text))
    header = tuple(cell.strip() for cell in next((cells for _, cells in lines if cells), ()))
    check_header(header)
    rows: list[tuple[int, tuple[str, ...]]] = []
    blank: list[int] = []
    for line, cells in lines:
        if cells:
            rows.append((line, cells))
        else:
            blank.append(line)
        if len(rows) > MAXIMUM_ROWS:
            raise too_many_rows()
    return Table(header, tuple(rows), (*notes, *_blank_ones(blank, rows[-1][0] if rows else 0)))


def _blank_ones(lines: list[int], last: int) -> Iterator[str]:
    """What is said of blank rows between others; spreadsheets write any number of them below the last."""
    between = [line for line in lines if line < last]
    if between:
        shown = ", ".join(f"{line:,}" for line in between[:_BLANK_NAMED])
        more = f" and {len(between) - _BLANK_NAMED:,} more" if len(between) > _BLANK_NAMED else ""
        yield f"Blank rows are left out: line{'' if len(between) == 1 else 's'} {shown}{more}."


def _decode(data: bytes, encoding: str) -> tuple[str, list[str]]:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            text = data.decode("utf-16")
        except UnicodeDecodeError:
            raise Invalid("file", "The file is damaged: it is not the UTF-16 it says.") from None
        if "\x00" in text:
            raise Invalid("file", "This is not a CSV file: it holds characters that no text has.")
        return text, []
    if b"\x00" in data:
        raise Invalid("file", "This is not a CSV file: it holds bytes that no text has.")
    if encoding != WINDOWS:
        try:
            return data.decode("utf-8-sig"), []
        except UnicodeDecodeError:
            pass
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        raise Invalid("file", "The letters of this file cannot be read. Save it as CSV UTF-8.") from None
    if _CONTROL.search(text):
        raise Invalid("file", "This is not a CSV file: it holds bytes that no text has.")
    notes = [] if encoding else ["The file is not UTF-8; it was read as Windows-1252. Check the names."]
    return text, notes


def _delimiter(text: str) -> str:
    """The delimiter that cuts the header into the most cells."""
    first = next(line for line in text.splitlines() if line.strip())
    return max(DELIMITERS, key=lambda d: (_width(first, d), -DELIMITERS.index(d)))


def _width(line: str, delimiter: str) -> int:
    try:
        return len(next(csv.reader([line], delimiter=delimiter)))
    except csv.Error:
        return 0


def _cells(text: str, delimiter: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield line, tuple(cells)
            elif cells:
                # Only delimiters: a blank row, told from a blank line.
                yield line, ()
            line = reader.line_num + 1
    except csv.Error as error:
        raise Invalid("file", f"The file cannot be read from line {line} on: {error}.") from None
