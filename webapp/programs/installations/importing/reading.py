"""A file of unknown origin as rows of text, or a sentence that says why it cannot be one. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

from webapp.kernel.errors import Invalid

MAXIMUM_BYTES = 10 * 1024 * 1024
MAXIMUM_ROWS = 50_000
DELIMITERS = (",", ";", "\t", "|")
_OTHER_FORMATS = (
    (b"PK\x03\x04", "an Excel workbook or a ZIP archive. Save the sheet as CSV"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook. Save the sheet as CSV"),
    (b"%PDF", "a PDF. Export the list as CSV"),
    (b"\x89PNG", "a picture. Export the list as CSV"),
    (b"\xff\xd8\xff", "a picture. Export the list as CSV"),
    (b"\x1f\x8b", "a compressed file. Unpack it first"),
    (b"SQLite format 3", "a database. Export the list as CSV"),
    (b"<!DOCTYPE", "a web page. Export the list as CSV"),
    (b"<html", "a web page. Export the list as CSV"),
    (b"{", "JSON. Export the list as CSV"),
)


@dataclass(frozen=True)
class Table:
    """Header and rows of a file; each row with the line it starts on."""

    header: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]
    notes: tuple[str, ...] = ()


def read(data: bytes) -> Table:
    """Decode, find the delimiter, and split into cells. Raises Invalid("file", …) when it is not such a list."""
    if len(data) > MAXIMUM_BYTES:
        raise Invalid("file", "The file is larger than 10 MB. Split it.")
    for magic, words in _OTHER_FORMATS:
        if data.lstrip()[: len(magic)].lower() == magic.lower():
            raise Invalid("file", f"This is not a CSV file: it is {words}.")
    text, notes = _decode(data)
    if not text.strip():
        raise Invalid("file", "The file is empty.")
    delimiter = _delimiter(text)
    lines = list(_cells(text, delimiter))
    header = tuple(cell.strip() for cell in lines[0][1])
    _check_header(header)
    if len(lines) - 1 > MAXIMUM_ROWS:
        raise Invalid("file", f"The file has more than {MAXIMUM_ROWS:,} rows. Split it.")
    return Table(header, tuple(lines[1:]), tuple(notes))


def _decode(data: bytes) -> tuple[str, list[str]]:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            return data.decode("utf-16"), []
        except UnicodeDecodeError:
            raise Invalid("file", "The file is damaged: it is not the UTF-16 it says.") from None
    if b"\x00" in data:
        raise Invalid("file", "This is not a CSV file: it holds bytes that no text has.")
    try:
        return data.decode("utf-8-sig"), []
    except UnicodeDecodeError:
        pass
    try:
        return data.decode("cp1252"), ["The file is not UTF-8; it was read as Windows-1252. Check the names."]
    except UnicodeDecodeError:
        raise Invalid("file", "The letters of this file cannot be read. Save it as UTF-8.") from None


def _delimiter(text: str) -> str:
    """The delimiter that cuts the header into the most cells."""
    first = next(line for line in text.splitlines() if line.strip())
    return max(DELIMITERS, key=lambda d: (len(next(csv.reader([first], delimiter=d))), -DELIMITERS.index(d)))


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
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise Invalid("file", f"The header names a column twice: {', '.join(repeated)}.")
    if any(ord(char) < 32 and char not in "\t" for name in names for char in name):
        raise Invalid("file", "This is not a CSV file: its first line holds control characters.")
