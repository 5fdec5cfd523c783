"""Workbooks of very many rows (Office Open XML), written piece by piece, whole columns of text at a time.

A library that is called for each cell takes ten microseconds a cell: a hundred thousand rows of fourteen columns are a
quarter of a minute. Here a column's cells are put into words once for each different value, and rows are joined.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from typing import Any

from webapp.web.exports import XLSX_MAXIMUM_ROWS, XLSX_TYPE, defuse

CONTENT_TYPE = XLSX_TYPE
Cells = Sequence[str | None]
#: How many different values of a column are remembered in the words of the file.
_KEEPS = 20_000
# What XML cannot hold.
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
# How the format writes a character by its number: text that looks like it says that its underscore is one.
_WRITTEN_OUT = re.compile("_x(?=[0-9A-Fa-f]{4}_)")
_LONGEST = 32_767
_EPOCH = date(1899, 12, 30).toordinal()
# Beyond this many digits a spreadsheet would silently round a number: such values stay text.
_EXACT_DIGITS = 15
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
# Styles: plain, day, two decimals, none, three, bold.
_DAY, _HEAD = 1, 5
_BY_PLACES = {0: 3, 2: 2, 3: 4}
_STYLES = (
    f'{_XML}<styleSheet xmlns="{_MAIN}"><numFmts count="2"><numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd"/>'
    '<numFmt numFmtId="165" formatCode="#,##0.000"/></numFmts><fonts count="2"><font><sz val="11"/>'
    '<name val="Calibri"/></font><font><b/><sz val="11"/><name val="Calibri"/></font></fonts><fills count="2"><fill>'
    '<patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills>'
    '<borders count="1"><border>'
    '<left/><right/><top/><bottom/><diagonal/></border></borders><cellStyleXfs count="1"><xf/></cellStyleXfs>'
    '<cellXfs count="6"><xf numFmtId="0" xfId="0"/><xf numFmtId="164" xfId="0" applyNumberFormat="1"/>'
    '<xf numFmtId="4" xfId="0" applyNumberFormat="1"/><xf numFmtId="3" xfId="0" applyNumberFormat="1"/>'
    '<xf numFmtId="165" xfId="0" applyNumberFormat="1"/><xf numFmtId="0" fontId="1" xfId="0" applyFont="1"/></cellXfs>'
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>'
)


def _text(value: str) -> str:
    if not value:
        return "<c/>"
    words = _CONTROLS.sub("", defuse(value))[:_LONGEST]
    if "_x" in words:
        words = _WRITTEN_OUT.sub("_x005F_x", words)
    words = escape(words, quote=False)
    return f'<c t="inlineStr"><is><t xml:space="preserve">{words}</t></is></c>'


def _day(value: str) -> str:
    return f'<c s="{_DAY}"><v>{date.fromisoformat(value).toordinal() - _EPOCH}</v></c>'


def _number(value: str) -> str:
    return f"<c><v>{value}</v></c>" if len(value.lstrip("-")) <= _EXACT_DIGITS else _text(value)


def _amount(value: str) -> str:
    whole, _, part = value.lstrip("-").partition(".")
    if len(whole) + len(part) > _EXACT_DIGITS:
        return _text(value)
    return f'<c s="{_BY_PLACES.get(len(part), 0)}"><v>{value}</v></c>'


class _Written(dict[str | None, str]):
    """The words of the cells of a column; the same values come again and again."""

    def __init__(self, write: Callable[[str], str]) -> None:
        super().__init__()
        self._write = write

    def __missing__(self, value: str | None) -> str:
        if len(self) >= _KEEPS:
            self.clear()
        found = self[value] = "<c/>" if value is None else self._write(value)
        return found


_WRITE: dict[str, Callable[[str], str]] = {
    "text": _text, "instant": _text, "day": _day, "number": _number, "amount": _amount,
}  # fmt: skip


@dataclass(frozen=True)
class Totals:
    """The last sheet: what stands above its columns, what they are, and its rows."""

    headers: Sequence[str]
    kinds: Sequence[str]
    rows: Sequence[Sequence[str]]


class _Pipe(io.RawIOBase):
    """What the archive writes to: bytes wait here until they are sent."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        """What was written since the last time."""
        taken, self._parts = b"".join(self._parts), []
        return taken


def write(
    headers: Sequence[str],
    kinds: Sequence[str],
    batches: Iterable[Sequence[Cells]],
    totals: Callable[[], Totals] | None = None,
    *,
    most_rows: int = XLSX_MAXIMUM_ROWS,
) -> Iterator[bytes]:
    """The pieces of a workbook: the rows, on as many sheets as they need, and where there are totals a sheet of them.

    `kinds` are text, day, instant, amount or number, by column. `totals` is asked behind the last row. No cell
    is a formula.
    """
    pipe = _Pipe()
    names: list[str] = []
    written = [_Written(_WRITE[kind]) for kind in kinds]
    # Of a file that is written once and read once, speed is worth more than the last tenth of its size.
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED, compresslevel=2) as archive:
        rows = _rows(written, batches)
        part = next(rows, None)
        while part is not None or not names:
            names.append(f"Rows {len(names) + 1}" if names else "Rows")
            with archive.open(_info(len(names)), "w") as sheet:
                sheet.write(_sheet_head(headers))
                count = 1
                while part is not None and count + len(part) <= most_rows:
                    sheet.write("".join(part).encode())
                    yield pipe.take()
                    count += len(part)
                    part = next(rows, None)
                sheet.write(b"</sheetData></worksheet>")
        if totals is not None:
            names.append("Totals")
            with archive.open(_info(len(names)), "w") as sheet:
                sheet.write(_totals_sheet(totals()))
        for name, content in _frame(names):
            archive.writestr(zipfile.ZipInfo(name, _AT), content, zipfile.ZIP_DEFLATED)
    yield pipe.take()


#: Rows of one piece; a sheet ends where the next piece does not fit.
_PART = 500
# A fixed time: the same rows give the same bytes.
_AT = (1980, 1, 1, 0, 0, 0)


def _rows(written: Sequence[_Written], batches: Iterable[Sequence[Cells]]) -> Iterator[list[str]]:
    for batch in batches:
        columns = [list(map(words.__getitem__, cells)) for words, cells in zip(written, batch, strict=True)]
        texts = [f"<row>{''.join(cells)}</row>" for cells in zip(*columns, strict=True)]
        for start in range(0, len(texts), _PART):
            yield texts[start : start + _PART]


def _info(number: int) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo(f"xl/worksheets/sheet{number}.xml", _AT)
    made.compress_type = zipfile.ZIP_DEFLATED
    return made


def _sheet_head(headers: Sequence[str]) -> bytes:
    widths = "".join(
        f'<col min="{n}" max="{n}" width="{min(max(len(header) + 2, 12), 40)}" customWidth="1"/>'
        for n, header in enumerate(headers, start=1)
    )
    return (
        f'{_XML}<worksheet xmlns="{_MAIN}"><sheetViews><sheetView workbookViewId="0"><pane ySplit="1" topLeftCell="A2"'
        f' activePane="bottomLeft" state="frozen"/></sheetView></sheetViews><cols>{widths}</cols><sheetData>'
        f"{_head_row(headers)}"
    ).encode()


def _head_row(headers: Sequence[str]) -> str:
    bold = f'<c s="{_HEAD}" '
    return f"<row>{''.join(_text(header).replace('<c ', bold, 1) for header in headers)}</row>"


def _totals_sheet(totals: Totals) -> bytes:
    body = "".join(
        f"<row>{''.join(_WRITE[kind](cell) for kind, cell in zip(totals.kinds, cells, strict=True))}</row>"
        for cells in totals.rows
    )
    return _sheet_head(totals.headers) + body.encode() + b"</sheetData></worksheet>"


def _frame(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The parts that say what the workbook has."""
    numbers = range(1, len(names) + 1)
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    overrides = "".join(
        f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{kind}.worksheet+xml"/>'
        for n in numbers
    )
    yield (
        "[Content_Types].xml",
        (
            f'{_XML}<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" '
            'ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" '
            'ContentType="application/xml"/><Override PartName="/xl/workbook.xml" '
            f'ContentType="{kind}.sheet.main+xml"/>'
            f'<Override PartName="/xl/styles.xml" ContentType="{kind}.styles+xml"/>{overrides}</Types>'
        ),
    )
    yield "_rels/.rels", _relations([("rId1", "officeDocument", "xl/workbook.xml")])
    sheets = "".join(
        f'<sheet name="{escape(name)}" sheetId="{n}" r:id="rId{n}"/>'
        for n, name in zip(numbers, names, strict=True)
    )
    yield (
        "xl/workbook.xml",
        (f'{_XML}<workbook xmlns="{_MAIN}" xmlns:r="{_RELATIONS}"><sheets>{sheets}</sheets></workbook>'),
    )
    parts = [(f"rId{n}", "worksheet", f"worksheets/sheet{n}.xml") for n in numbers]
    yield "xl/_rels/workbook.xml.rels", _relations([*parts, ("rIdStyles", "styles", "styles.xml")])
    yield "xl/styles.xml", _STYLES


def _relations(rows: Sequence[tuple[str, str, str]]) -> str:
    each = "".join(
        f'<Relationship Id="{key}" Type="{_RELATIONS}/{kind}" Target="{target}"/>'
        for key, kind, target in rows
    )
    return f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">{each}</Relationships>'
