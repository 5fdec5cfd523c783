"""A file of unknown origin as rows of text, or a sentence that says why it cannot be one. Pure."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

from webapp.kernel.errors import Invalid
from webapp.web.uploads import MAXIMUM_BYTES

MAXIMUM_ROWS = 100_000
MAXIMUM_COLUMNS = 200
LONGEST_HEADER = 200
DELIMITERS = (",", ";", "\t", "|")
UTF8, UTF16, WINDOWS = "utf-8", "utf-16", "windows-1252"
# Our own column in a file of rows to correct.
PROBLEM = "problem"

_SAVE_AS = "Save the sheet as CSV UTF-8, and choose that file"
_OTHER_FORMATS = (
    (b"PK\x03\x04", f"an Excel workbook or a ZIP archive. {_SAVE_AS}"),
    (b"\xd0\xcf\x11\xe0", f"an old Excel workbook. {_SAVE_AS}"),
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
_HIDDEN_IN_HEADER = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True)
class Table:
    """Header and rows of a file; each row with the line it starts on."""

    header: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]
    notes: tuple[str, ...] = ()


def check_upload(data: bytes) -> Table:
    """What a page refuses before anything is stored. Raises Invalid("file", …) with the reason."""
    table = read(data)
    if not table.rows:
        raise Invalid("file", "The file names its columns and has no rows below.")
    return table


def encoding_of(data: bytes) -> str:
    """UTF8 or UTF16 where the bytes are that for certain, "" where a person must say what they are."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return UTF16
    try:
        data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return ""
    return UTF8


def read(data: bytes, encoding: str = "") -> Table:
    """Decode, find the delimiter, and split into cells. Raises Invalid("file", …) when it is not such a list.

    Without an `encoding`, what is not Unicode is read as Windows-1252, and a note says so.
    """
    if len(data) > MAXIMUM_BYTES:
        raise Invalid("file", "The file is larger than 10 MB. Split it.")
    start = data[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()
    for magic, words in _OTHER_FORMATS:
        if start[: len(magic)].lower() == magic.lower():
            raise Invalid("file", f"This is not a CSV file: it is {words}.")
    text, notes = _decode(data, encoding)
    if not text.strip():
        raise Invalid("file", "The file is empty.")
    lines = _cells(text, _delimiter(text))
    header = tuple(cell.strip() for cell in next(lines)[1])
    _check_header(header)
    rows = []
    for row in lines:
        rows.append(row)
        if len(rows) > MAXIMUM_ROWS:
            raise Invalid("file", f"The file has more than {MAXIMUM_ROWS:,} rows. Split it.")
    return Table(header, tuple(rows), tuple(notes))


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
            line = reader.line_num + 1
    except csv.Error as error:
        raise Invalid("file", f"The file cannot be read from line {line} on: {error}.") from None


def _check_header(header: tuple[str, ...]) -> None:
    names = [name.casefold() for name in header if name]
    if not names or all(name.replace(".", "").isdigit() for name in names):
        raise Invalid("file", "The first line must name the columns.", "external_ref,name,email")
    if any(_HIDDEN_IN_HEADER.search(name) for name in names):
        raise Invalid("file", "This is not a CSV file: its first line holds control characters.")
    if len(header) > MAXIMUM_COLUMNS:
        raise Invalid("file", f"The file has {len(header):,} columns; at most {MAXIMUM_COLUMNS} are read.")
    if any(len(name) > LONGEST_HEADER for name in names):
        raise Invalid("file", f"The name of a column has more than {LONGEST_HEADER} characters.")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise Invalid("file", f"The header names a column twice: {', '.join(repeated)}.")
