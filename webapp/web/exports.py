"""Lists as files: CSV that streams, XLSX in constant memory. No cell can become a formula.

Rows are sequences of plain values. In files a day is ISO (2026-10-31), an instant is ISO in UTC, an
amount is a plain decimal (`Money` writes itself as "1234.50"; put the currency in a column of its own).
"""

from __future__ import annotations

import csv
import io
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import chain, islice
from typing import IO, Any

import xlsxwriter
from flask import Response, stream_with_context

from webapp.kernel.money import Money

# A spreadsheet runs a cell that starts with one of these; tab and carriage return hide such a start.
_DANGEROUS_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_PLAIN_NUMBER = re.compile(r"-?\d+(\.\d+)?\Z")
# Characters that a workbook cannot hold.
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_BUFFER_ROWS = 200
XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
# Rows that one sheet of a workbook holds, its header included.
XLSX_MAXIMUM_ROWS = 1_048_576
# Beyond this many digits a spreadsheet would silently round a number: such values stay text.
_EXACT_DIGITS = 15


def defuse(value: Any) -> str:
    """The text of a cell that no spreadsheet takes for a formula.

    Text that begins with = + - @ (also after blanks), tab or a line break gets an apostrophe in front;
    a plain negative number stays as it is. None is an empty cell.
    """
    if type(value) is str:
        # Nearly every cell: what begins with a letter or a digit runs nowhere.
        if value[:1].isalnum() and "\x00" not in value:
            return value
    elif (write := _PLAIN.get(type(value))) is not None:
        return write(value)
    text = _text(value)
    if isinstance(value, (int, Decimal, Money, date, datetime)) or _PLAIN_NUMBER.match(text):
        return text
    if text.startswith(_DANGEROUS_STARTS) or text.lstrip().startswith(_DANGEROUS_STARTS):
        return "'" + text
    return text


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case Money():
            return value.plain
        case Decimal():
            return f"{value:f}"
        case datetime():
            return value.astimezone(UTC).isoformat()[:19] + "Z"
        case date():
            return value.isoformat()
        case _:
            return str(value).replace("\x00", "")


_PLAIN: dict[type, Callable[[Any], str]] = {
    type(None): lambda value: "",
    int: str,
    bool: _text,
    Money: _text,
    Decimal: "{:f}".format,
    date: date.isoformat,
    datetime: _text,
}


def csv_rows(headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """The file as pieces of text (RFC 4180, UTF-8), a couple of hundred rows at a time."""
    waiting = iter(rows)
    return _written(headers, iter(lambda: [_defused(row) for row in islice(waiting, _BUFFER_ROWS)], []))


def csv_columns(headers: Sequence[str], batches: Iterable[Sequence[Sequence[str | None]]]) -> Iterator[str]:
    """The same of whole columns of text, a batch of rows at a time; whoever made them has defused them."""
    return _written(headers, (zip(*columns, strict=True) for columns in batches))


def _defused(row: Sequence[Any]) -> list[str]:
    # What `defuse` would say of nearly every cell, without calling it.
    return [
        value if type(value) is str and value[:1].isalnum() and "\x00" not in value else defuse(value)
        for value in row
    ]


def _written(headers: Sequence[str], batches: Iterable[Iterable[Sequence[str | None]]]) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow([defuse(header) for header in headers])
    for rows in batches:
        writer.writerows(rows)
        yield _drain(buffer)
    yield _drain(buffer)


def _drain(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text


def csv_response(filename: str, headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> Response:
    """A download that streams; `filename` ends in .csv. A byte order mark says that it is UTF-8."""
    return text_response(filename, csv_rows(headers, rows))


def text_response(filename: str, pieces: Iterable[str]) -> Response:
    """A download of the pieces of a CSV file, as they come."""
    return streamed(
        filename, "text/csv", chain((b"\xef\xbb\xbf",), (piece.encode() for piece in pieces if piece))
    )


def streamed(filename: str, mimetype: str, pieces: Iterable[bytes]) -> Response:
    """A download of the pieces of a file, sent as they are made."""
    return _attachment(Response(stream_with_context(iter(pieces)), mimetype=mimetype), filename)


def write_xlsx(
    stream: IO[bytes],
    headers: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    created: datetime | None = None,
) -> int:
    """Write one sheet with a bold, frozen header row; returns the number of rows below it.

    `created` is the instant in the file's properties; with it the same rows always give the same bytes.
    Memory stays constant: rows go to a temporary file as they come. Raises ValueError when there are
    more rows than a sheet can hold.
    """
    workbook = xlsxwriter.Workbook(
        stream,
        {
            "constant_memory": True,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
            "default_date_format": "yyyy-mm-dd",
        },
    )
    if created is not None:
        workbook.set_properties({"created": created.astimezone(UTC).replace(tzinfo=None)})
    sheet = workbook.add_worksheet()
    bold = workbook.add_format({"bold": True})
    sheet.freeze_panes(1, 0)
    for column, header in enumerate(headers):
        sheet.write_string(0, column, defuse(header), bold)
        sheet.set_column(column, column, min(max(len(header) + 2, 12), 40))
    count = 0
    for count, row in enumerate(rows, start=1):
        if count >= XLSX_MAXIMUM_ROWS:
            raise ValueError("A sheet holds 1,048,575 rows. Narrow the filter, or take the CSV file.")
        for column, value in enumerate(row):
            _write_cell(sheet, count, column, value)
    workbook.close()
    return count


def _write_cell(sheet: Any, row: int, column: int, value: Any) -> None:
    """Numbers as numbers while a spreadsheet keeps them exact, days as days, everything else as text."""
    if type(value) is str:
        sheet.write_string(row, column, _CONTROLS.sub("", defuse(value))[:32_767])
        return
    number = value.decimal if isinstance(value, Money) else value
    if isinstance(number, (int, Decimal)) and not isinstance(number, bool):
        if len(Decimal(number).as_tuple().digits) <= _EXACT_DIGITS:
            sheet.write_number(row, column, number)
            return
        sheet.write_string(row, column, _text(value))
        return
    if isinstance(value, date) and not isinstance(value, datetime):
        sheet.write_datetime(row, column, value)
        return
    sheet.write_string(row, column, _CONTROLS.sub("", defuse(value))[:32_767])


def xlsx_response(filename: str, headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> Response:
    """A workbook as a download; `filename` ends in .xlsx."""
    # Closed by the response, when it has been sent.
    file = tempfile.TemporaryFile()  # noqa: SIM115
    write_xlsx(file, headers, rows)
    length = file.tell()
    file.seek(0)
    response = Response(iter(lambda: file.read(65_536), b""), mimetype=XLSX_TYPE)
    response.call_on_close(file.close)
    response.content_length = length
    return _attachment(response, filename)


def _attachment(response: Response, filename: str) -> Response:
    response.headers.set("Content-Disposition", "attachment", filename=filename)
    response.headers["Cache-Control"] = "no-store"
    return response
