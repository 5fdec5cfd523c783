"""A long table as a file in one of four formats, written while its rows are read: memory stays the same.

Rows come as columns of text, some thousand rows at a time: days as 2026-10-31, instants as 2026-10-31T12:00:00Z,
amounts as plain decimals (the currency has a column of its own). What the columns are says how each format writes
them: a workbook has numbers and days, CSV and workbook never a cell that runs. After the rows come their sums, which
whoever reads the rows has added up on the way, so that rows and sums cannot differ.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from typing import Any

from flask import Response

from webapp.web import sheets, texts
from webapp.web.exports import csv_columns, streamed

FORMATS = ("csv", "xlsx", "json", "pdf")
TYPES = {
    "csv": "text/csv",
    "xlsx": sheets.CONTENT_TYPE,
    "json": "application/json",
    "pdf": "application/pdf",
}
Cells = Sequence[str | None]


class Kind(StrEnum):
    """What a column has."""

    TEXT = "text"
    DAY = "day"
    INSTANT = "instant"
    AMOUNT = "amount"
    NUMBER = "number"


@dataclass(frozen=True)
class Column:
    """One column. `key` names it in JSON; `width` is its part of a page, beside the others'."""

    key: str
    header: str
    kind: Kind = Kind.TEXT
    width: int = 10


@dataclass(frozen=True)
class Sum:
    """Count and sums of the rows of one currency; sums by their key, as plain decimals."""

    currency: str
    count: int
    sums: Mapping[str, str]


@dataclass(frozen=True)
class Table:
    """What a file is made of. `facts` say what was chosen, `summed` has key and label of each sum.

    `sums` is asked when the last batch has been read.
    """

    title: str
    facts: Sequence[tuple[str, str]]
    columns: Sequence[Column]
    batches: Callable[[], Iterator[Sequence[Cells]]]
    sums: Callable[[], Sequence[Sum]]
    summed: Sequence[tuple[str, str]] = ()
    is_letter: bool = False


def pieces(table: Table, format: str) -> Iterator[bytes]:
    """The file, piece by piece. Raises KeyError for a format that there is not."""
    return _WRITERS[format](table)


def response(table: Table, format: str, filename: str) -> Response:
    """A download that streams."""
    return streamed(filename, TYPES[format], pieces(table, format))


def _csv(table: Table) -> Iterator[bytes]:
    safe = [column.kind is Kind.TEXT for column in table.columns]
    batches = (
        [texts.safe(cells) if is_text else cells for is_text, cells in zip(safe, batch, strict=True)]
        for batch in table.batches()
    )
    written = csv_columns([column.header for column in table.columns], batches)
    # A byte order mark says that it is UTF-8.
    return chain((b"\xef\xbb\xbf",), (piece.encode() for piece in written if piece))


def _json(table: Table) -> Iterator[bytes]:
    head = {
        "title": table.title,
        **{name.lower().replace(" ", "_"): value for name, value in table.facts},
        "columns": [{"key": column.key, "header": column.header} for column in table.columns],
    }
    yield json.dumps(head, ensure_ascii=False)[:-1].encode() + b', "rows": ['
    keys, is_first = [column.key for column in table.columns], True
    for batch in table.batches():
        columns = [
            _numbers(cells) if column.kind is Kind.NUMBER else cells
            for column, cells in zip(table.columns, batch, strict=True)
        ]
        rows = [dict(zip(keys, row, strict=True)) for row in zip(*columns, strict=True)]
        if rows:
            yield (b"\n" if is_first else b",\n") + json.dumps(rows, ensure_ascii=False)[1:-1].encode()
            is_first = False
    sums = [{"currency": each.currency, "count": each.count, **each.sums} for each in table.sums()]
    yield b'\n], "totals": ' + json.dumps(sums).encode() + b"}\n"


def _numbers(cells: Cells) -> list[int | None]:
    return [None if cell is None else int(cell) for cell in cells]


def _xlsx(table: Table) -> Iterator[bytes]:
    kinds: list[Any] = [column.kind.value for column in table.columns]
    headers = [column.header for column in table.columns]
    return sheets.write(headers, kinds, table.batches(), lambda: _totals(table))


def _totals(table: Table) -> sheets.Totals:
    return sheets.Totals(
        ["Currency", "Rows", *(label for _, label in table.summed)],
        ["text", "number", *(["amount"] * len(table.summed))],
        [
            [each.currency, str(each.count), *(each.sums[key] for key, _ in table.summed)]
            for each in table.sums()
        ],
    )


def _pdf(table: Table) -> Iterator[bytes]:
    # What draws it is loaded by the first PDF: no other process needs it.
    from webapp.web import table_pdf

    return table_pdf.write(
        table.title,
        [f"{name}: {value}" for name, value in table.facts],
        [
            table_pdf.Track(column.header, column.width, column.kind in (Kind.AMOUNT, Kind.NUMBER))
            for column in table.columns
        ],
        table.batches(),
        lambda: [_said(table, each) for each in table.sums()],
        is_letter=table.is_letter,
    )


def _said(table: Table, each: Sum) -> str:
    sums = [f"{label} {each.sums[key]}" for key, label in table.summed]
    rows = f"{each.count:,} {'row' if each.count == 1 else 'rows'}"
    return f"Total {each.currency}: {rows}; " + ", ".join(sums)


_WRITERS: dict[str, Callable[[Table], Iterator[bytes]]] = {
    "csv": _csv,
    "xlsx": _xlsx,
    "json": _json,
    "pdf": _pdf,
}
